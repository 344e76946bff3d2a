/**
 * FRR in a guest of the lab: `zebra`, which reads and writes the kernel's routes, and `bgpd`.
 *
 * @module
 */
import { succeed } from "../program.ts";

/** The daemons, in the order in which they start. */
const DAEMONS = ["zebra", "bgpd"] as const;

/** FRR in a network namespace. At the end of the scope its daemons end, and its files go. */
export class Frr implements AsyncDisposable {
  readonly #netns: string | undefined;
  readonly #undo: AsyncDisposableStack;

  private constructor(netns: string | undefined, undo: AsyncDisposableStack) {
    this.#netns = netns;
    this.#undo = undo;
  }

  /**
   * Starts FRR, and waits until it is ready.
   *
   * @param netns The namespace, whose name is also FRR's name for this instance; `undefined` for
   * the caller's own, with the instance that has no name.
   * @param config The configuration of bgpd.
   */
  static async start(netns: string | undefined, config: string): Promise<Frr> {
    await using undo = new AsyncDisposableStack();
    const folders = [folderIn("/etc/frr", netns), folderIn("/run/frr", netns)];
    for (const folder of netns === undefined ? [] : folders) {
      await Deno.mkdir(folder);
      undo.defer(() => Deno.remove(folder, { recursive: true }));
    }
    const files = { "zebra.conf": "", "bgpd.conf": config, "vtysh.conf": "" };
    for (const [name, text] of Object.entries(files)) {
      await Deno.writeTextFile(`${folders[0]}/${name}`, text);
    }
    await succeed("chown", "-R", "frr:frr", ...folders);
    for (const daemon of DAEMONS) {
      // Without -f it reads no configuration. It goes to the background when it is ready.
      const [program = "", ...args] = [
        ...netns === undefined ? [] : ["ip", "netns", "exec", netns],
        ...[`/usr/lib/frr/${daemon}`, "-d", "-f", `${folders[0]}/${daemon}.conf`],
        ...instanceOptions(netns),
      ];
      await succeed(program, ...args);
      undo.defer(() => end(netns, daemon, "SIGTERM"));
    }
    return new Frr(netns, undo.move());
  }

  /** Kills both daemons, and waits until they are gone. */
  async kill(): Promise<void> {
    for (const daemon of DAEMONS.toReversed()) await end(this.#netns, daemon, "SIGKILL");
  }

  /** Runs a command of vtysh(1), and returns its output. */
  show(command: string): Promise<string> {
    return succeed("vtysh", ...instanceOptions(this.#netns), "-c", command);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#undo.disposeAsync();
  }
}

/** The subfolder of an instance in a folder of FRR. */
function folderIn(folder: string, netns: string | undefined): string {
  return netns === undefined ? folder : `${folder}/${netns}`;
}

/** The options that name an instance. */
function instanceOptions(netns: string | undefined): string[] {
  return netns === undefined ? [] : ["-N", netns];
}

/** Ends a daemon, and waits until it is gone. It may be gone already. */
async function end(netns: string | undefined, daemon: string, signal: Deno.Signal): Promise<void> {
  const pid = Number(await Deno.readTextFile(`${folderIn("/run/frr", netns)}/${daemon}.pid`));
  try {
    Deno.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  // We get no notice of its end, as it is not our child, so we poll.
  while (exists(`/proc/${pid}`)) await new Promise((resolve) => setTimeout(resolve, 10));
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}
