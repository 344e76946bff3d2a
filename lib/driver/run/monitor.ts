import { spawn } from "../../iproute2/spawn.ts";

/** How often to poll for changes when `ip monitor` has ended, in milliseconds. */
const INTERVAL = 1000;

/** Watches a namespace for links that appear, change or go: `ip monitor link`. */
export class LinkMonitor implements AsyncDisposable {
  #child: Deno.ChildProcess;
  #reader: ReadableStreamDefaultReader<Uint8Array>;
  /** The read that is pending. It stays pending after the deadline of a wait. */
  #next: Promise<unknown> | undefined;

  /**
   * Starts watching a namespace. `undefined` is the namespace of this process.
   *
   * @throws {ProgramNotFoundError} iproute2 is not installed.
   */
  constructor(netns: string | undefined) {
    const args = [...(netns === undefined ? [] : ["-netns", netns]), "monitor", "link"];
    this.#child = spawn("ip", args, { stdin: "null", stderr: "null" });
    this.#reader = this.#child.stdout.getReader();
  }

  /** Waits for a change. Resolves to `false` if the deadline comes first. */
  async changed(deadline: AbortSignal): Promise<boolean> {
    if (deadline.aborted) return false;
    this.#next ??= this.#reader.read().then(({ done }) =>
      // When `ip monitor` has ended, there may have been a change each time that we poll.
      done ? new Promise((resolve) => setTimeout(resolve, INTERVAL)) : undefined
    );
    const changed = await new Promise<boolean>((resolve) => {
      const giveUp = () => resolve(false);
      deadline.addEventListener("abort", giveUp, { once: true });
      this.#next!.then(() => {
        deadline.removeEventListener("abort", giveUp);
        resolve(true);
      });
    });
    if (changed) this.#next = undefined;
    return changed;
  }

  /** Stops watching. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill();
    } catch {
      // `ip monitor` has ended by itself.
    }
    await this.#child.status;
    await this.#reader.cancel();
  }
}
