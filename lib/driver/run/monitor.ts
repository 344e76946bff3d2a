import { spawn } from "../../iproute2/shell.ts";
import { pause } from "../../base/waiting.ts";

/** How often to poll for changes when `ip monitor` has ended, in milliseconds. */
const INTERVAL = 1000;

/** How often to poll while it is silent, in milliseconds: it may have missed a change at its start. */
const SILENCE = 5000;

/** Watches a namespace for links that appear, change or go: `ip monitor link`. */
export class LinkMonitor implements AsyncDisposable {
  #child: Deno.ChildProcess;
  #reader: ReadableStreamDefaultReader<Uint8Array>;
  /** The read that is pending. It stays pending after the deadline of a wait. */
  #next: Promise<unknown> | undefined;

  /** Starts watching a namespace. `undefined` is the namespace of this process. */
  constructor(netns: string | undefined) {
    const args = [...(netns === undefined ? [] : ["-netns", netns]), "monitor", "link"];
    this.#child = spawn("ip", args, { stdin: "null", stderr: "null" });
    this.#reader = this.#child.stdout.getReader();
  }

  /** Waits until there may have been a change, or until the deadline. */
  async changed(deadline: AbortSignal): Promise<void> {
    this.#next ??= this.#reader.read().then(async ({ done }) => {
      if (done) await pause(INTERVAL);
      this.#next = undefined;
    });
    const told = new AbortController();
    await Promise.race([
      this.#next,
      pause(SILENCE, AbortSignal.any([deadline, told.signal])),
    ]);
    told.abort();
  }

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
