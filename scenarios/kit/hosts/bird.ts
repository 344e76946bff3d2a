import { Daemon } from "../engines/daemon.ts";
import { succeed } from "../program.ts";

/** BIRD in a network namespace of a guest. At the end of the scope it ends, and its files go. */
export class Bird implements AsyncDisposable {
  readonly #daemon: Daemon;
  readonly #socket: string;
  readonly #undo: AsyncDisposableStack;

  private constructor(daemon: Daemon, socket: string, undo: AsyncDisposableStack) {
    this.#daemon = daemon;
    this.#socket = socket;
    this.#undo = undo;
  }

  /** Starts BIRD, and waits until it has started. */
  static async start(netns: string, config: string): Promise<Bird> {
    await using undo = new AsyncDisposableStack();
    const folder = await Deno.makeTempDir();
    undo.defer(() => Deno.remove(folder, { recursive: true }));
    const file = `${folder}/bird.conf`;
    await Deno.writeTextFile(file, `log stderr all;\n${config}\n`);
    const socket = `${folder}/bird.ctl`;
    const command = ["bird", "-f", "-c", file, "-s", socket];
    const daemon = undo.use(
      await Daemon.start(["ip", "netns", "exec", netns, ...command], { ready: /Started/ }),
    );
    return new Bird(daemon, socket, undo.move());
  }

  /** Kills it, and waits until it is gone. */
  kill(): Promise<void> {
    return this.#daemon.end("SIGKILL");
  }

  /** Runs a command of birdc(8), and returns its output. */
  show(...command: string[]): Promise<string> {
    return succeed("birdc", "-s", this.#socket, ...command);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#undo.disposeAsync();
  }
}
