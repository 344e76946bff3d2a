import { spawn } from "../iproute2/spawn.ts";

/** How often what is not told is looked at instead, in milliseconds. */
const INTERVAL = 1000;

/** Tells when a link has appeared, gone or changed in a namespace: `ip monitor link`. */
export class LinkMonitor implements AsyncDisposable {
  #child: Deno.ChildProcess;
  #reader: ReadableStreamDefaultReader<Uint8Array>;
  /** The answer that is being waited for; it is kept when a wait for it was given up. */
  #next: Promise<unknown> | undefined;

  /**
   * Starts to listen in a namespace: `undefined` is the caller's own.
   *
   * @throws {ProgramNotFoundError} iproute2 is not installed.
   */
  constructor(netns: string | undefined) {
    const args = [...(netns === undefined ? [] : ["-netns", netns]), "monitor", "link"];
    this.#child = spawn("ip", args, { stdin: "null", stderr: "null" });
    this.#reader = this.#child.stdout.getReader();
  }

  /** Waits until there may have been a change. Resolves to whether that was before the signal. */
  async changed(deadline: AbortSignal): Promise<boolean> {
    if (deadline.aborted) return false;
    this.#next ??= this.#reader.read().then(({ done }) =>
      // An `ip` that has ended tells nothing any more.
      done ? new Promise((resolve) => setTimeout(resolve, INTERVAL)) : undefined
    );
    const changed = await new Promise<boolean>((resolve) => {
      const late = () => resolve(false);
      deadline.addEventListener("abort", late, { once: true });
      this.#next!.then(() => (deadline.removeEventListener("abort", late), resolve(true)));
    });
    if (changed) this.#next = undefined;
    return changed;
  }

  /** Stops listening. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill();
    } catch {
      // It has ended by itself.
    }
    await this.#child.status;
    await this.#reader.cancel();
  }
}
