import { Daemon } from "./engines.ts";

/** BIRD in a network namespace of a guest. At the end of the scope it ends, and its files go. */
export class Bird implements AsyncDisposable {
  readonly #daemon: Daemon;
  readonly #undo: AsyncDisposableStack;

  private constructor(daemon: Daemon, undo: AsyncDisposableStack) {
    this.#daemon = daemon;
    this.#undo = undo;
  }

  /** Starts BIRD, and waits until it has started. */
  static async start(netns: string, config: string): Promise<Bird> {
    await using undo = new AsyncDisposableStack();
    const folder = await Deno.makeTempDir();
    undo.defer(() => Deno.remove(folder, { recursive: true }));
    const file = `${folder}/bird.conf`;
    await Deno.writeTextFile(file, `log stderr all;\n${config}\n`);
    const command = ["bird", "-f", "-c", file, "-s", `${folder}/bird.ctl`];
    const daemon = undo.use(
      await Daemon.start(["ip", "netns", "exec", netns, ...command], { ready: /Started/ }),
    );
    return new Bird(daemon, undo.move());
  }

  /** Kills it, and waits until it is gone. */
  kill(): Promise<void> {
    return this.#daemon.end("SIGKILL");
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#undo.disposeAsync();
  }
}
