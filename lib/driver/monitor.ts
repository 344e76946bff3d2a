/** Tells when a link has appeared, gone or changed in a namespace: `ip monitor link`. */
export class LinkMonitor implements AsyncDisposable {
  #child: Deno.ChildProcess;
  #reader: ReadableStreamDefaultReader<Uint8Array>;
  /** The answer that is being waited for; it is kept when a wait for it was given up. */
  #next: Promise<unknown> | undefined;

  /** Starts to listen in a namespace: `undefined` is the caller's own. */
  constructor(netns: string | undefined) {
    const args = [...(netns === undefined ? [] : ["-netns", netns]), "monitor", "link"];
    this.#child = new Deno.Command("ip", {
      ...{ args, stdout: "piped", stderr: "null" },
      // A Ctrl-C is for the caller, who ends this.
      detached: true,
    }).spawn();
    this.#reader = this.#child.stdout.getReader();
  }

  /** Waits for a change. Resolves to whether there was one before the signal. */
  async changed(deadline: AbortSignal): Promise<boolean> {
    if (deadline.aborted) return false;
    this.#next ??= this.#reader.read();
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
    this.#child.kill();
    await this.#child.status;
    await this.#reader.cancel();
  }
}
