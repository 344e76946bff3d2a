/**
 * systemd as the first process of a machine, in a guest of the lab that has it (`--with systemd`).
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { Daemon } from "../../scenarios/kit/engines/daemon.ts";
import { ipvlanCommand } from "../../scenarios/kit/engines/machine.ts";
import { type Ran, run } from "../kit/processes.ts";
import { freshNetns, temporaryFolder } from "../kit/worlds.ts";

/** Prints what arrives at a socket (sd_notify(3)), and ends when the program that it starts has ended. */
const NOTIFIED = `
use Socket;
my ($path, @command) = @ARGV;
socket(S, AF_UNIX, SOCK_DGRAM, 0) && bind(S, pack_sockaddr_un($path)) or die $!;
$SIG{CHLD} = sub { exit 1 };
fork or exec @command or die $!;
my $message;
print STDERR "$message\\n" while defined recv(S, $message, 4096, 0);
`;

/** Gives systemd an empty /run, as after a start of a machine. */
const START = "mount -t tmpfs -o mode=755 run /run && " +
  "exec /lib/systemd/systemd --system --unit=multi-user.target";

/** The folder of the administrator's units. */
export const UNITS = "/etc/systemd/system";

/** Removes all of the administrator's units at the end of the scope. */
export function withUnits(): AsyncDisposable {
  return {
    [Symbol.asyncDispose]: async () => {
      for (const { name } of Deno.readDirSync(UNITS)) {
        await Deno.remove(`${UNITS}/${name}`, { recursive: true });
      }
    },
  };
}

/** A machine with the link `eth0`, which systemd has started. */
export class Systemd implements AsyncDisposable {
  /** Its first process. */
  readonly #pid: string;
  readonly #undo: AsyncDisposableStack;

  private constructor(pid: string, undo: AsyncDisposableStack) {
    this.#pid = pid;
    this.#undo = undo;
  }

  /** Starts it, and waits until all units that it starts with have started. */
  static async boot(): Promise<Systemd> {
    await using undo = new AsyncDisposableStack();
    const { name, ip } = undo.use(await freshNetns());
    await ip.link.add({ type: "dummy", name: "eth0", up: true });
    const folder = undo.use(await temporaryFolder());
    const socket = `${folder.path}/notify`;
    const machine = undo.use(
      await Daemon.start([
        ...["perl", "-we", NOTIFIED, socket, "setpriv", "--pdeathsig", "KILL"],
        ...["nsenter", `--net=/run/netns/${name}`, "unshare", "--mount", "--mount-proc"],
        ...["--pid", "--fork", "--kill-child", "sh", "-c", START],
      ], {
        ready: /^READY=1$/m,
        env: { container: "lab", NOTIFY_SOCKET: socket },
        signal: "SIGKILL",
      }),
    );
    return new Systemd(childOf(childOf(`${machine.pid}`)), undo.move());
  }

  /** Runs a program in it. */
  run(...command: readonly string[]): Promise<Ran> {
    return run("nsenter", "--mount", "--net", "--pid", "--target", this.#pid, ...command);
  }

  /** Runs a program in it, asserts that it succeeds, and returns its output. */
  async succeed(...command: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(...command);
    assertEquals(code, 0, `${command.join(" ")}: ${stderr}`);
    return stdout.trimEnd();
  }

  /** Runs `ipvlan` in it, asserts that it succeeds, and returns its output. */
  ipvlan(...words: readonly string[]): Promise<string> {
    return this.succeed(...ipvlanCommand(), ...words);
  }

  /** Reads a property of a unit. */
  property(unit: string, name: string): Promise<string> {
    return this.succeed("systemctl", "show", "--value", "--property", name, unit);
  }

  /** The path of a file of it. */
  path(path: string): string {
    return `/proc/${this.#pid}/root${path}`;
  }

  /** Cuts its power: all its processes, links and namespaces are gone. What is on its disk stays. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#undo.disposeAsync();
  }
}

/** The first child of a process. */
function childOf(pid: string): string {
  return Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`).split(" ")[0]!;
}
