/**
 * The engine `vagrant`: a virtual machine from `lab/Vagrantfile`, for machines that are no Linux,
 * and for a kernel of one's own.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import type { Afterwards, Engine, Job, Probe } from "./engine.ts";
import { LabError } from "./errors.ts";
import { quoteAll } from "./shell.ts";
import { CARRIED, carry } from "./vagrant_carry.ts";
import {
  findProvider,
  guestCommand,
  guestPath,
  machineState,
  sshArguments,
  withoutProgress,
} from "./vagrant_guest.ts";
import { exists } from "./machine.ts";

/** The machine of `lab/Vagrantfile` that commands run in. */
const MACHINE = "host1";
/** ssh's exit status when the connection fails or breaks. */
const SSH_FAILED = 255;
/** Ctrl-C is for the lab alone, which tells those that it started. Windows would open a window. */
const detached = Deno.build.os !== "windows";

/** A Vagrant virtual machine. It is there until somebody destroys it. */
export class VagrantEngine implements Engine {
  /** Its name on the command line. */
  readonly name = "vagrant";
  readonly #say: (line: string) => void;
  readonly #afterwards: Afterwards | undefined;

  /**
   * Makes the engine.
   *
   * @param say Gets a line now and then when something takes long.
   * @param afterwards What becomes of the machine; without it, it goes on running.
   */
  constructor(say: (line: string) => void, afterwards?: Afterwards) {
    this.#say = say;
    this.#afterwards = afterwards;
  }

  /** Finds out whether Vagrant is here, and something that it can make machines with. */
  async probe(): Promise<Probe> {
    if (!import.meta.url.startsWith("file:")) {
      return { ok: false, why: "a virtual machine needs a clone of the project on this machine" };
    }
    const version = /^Vagrant ([\d.]+)/m.exec(await firstWords("vagrant", "--version") ?? "")?.[1];
    if (version === undefined) {
      return { ok: false, why: "this machine has no Vagrant; install it, and VirtualBox" };
    }
    const provider = await findProvider(
      Deno.env.toObject(),
      async (program) => await firstWords(program, "--version") !== undefined,
    );
    if (provider === undefined) {
      return {
        ok: false,
        why:
          `Vagrant ${version} finds nothing to make virtual machines with; install VirtualBox, ` +
          "or libvirt with vagrant-libvirt, or name your provider in VAGRANT_DEFAULT_PROVIDER",
      };
    }
    const fate = this.#afterwards ? `to ${this.#afterwards} afterwards` : "kept until destroyed";
    return { ok: true, why: `Vagrant ${version}, ${provider}: a virtual machine, ${fate}` };
  }

  /**
   * Brings the machine up if it does not run, sends the project, and runs the job there. Unlike with
   * the other engines the machine stays, unless it is to be halted or destroyed.
   */
  async run(job: Job): Promise<number> {
    const id = crypto.randomUUID();
    const command = guestCommand(job, { project: project(), id, env: Deno.env.toObject() });
    await carry();
    try {
      await this.#start(job.signal);
      const config = await Deno.makeTempFile({ prefix: "ipvlan-lab-" });
      try {
        await Deno.writeTextFile(config, await read(["ssh-config", MACHINE]));
        job.signal.throwIfAborted();
        return await runOverSsh(job, { config, command, id });
      } finally {
        await Deno.remove(config);
      }
    } finally {
      await this.#end();
    }
  }

  /** Where a file of this machine is in the virtual one. */
  inside(path: string): string {
    return guestPath(path, project());
  }

  async #start(signal: AbortSignal): Promise<void> {
    const state = machineState(await read(["status", "--machine-readable", MACHINE]));
    const started = performance.now();
    const seconds = () => `${Math.round((performance.now() - started) / 1000)} s`;
    if (state === "running") {
      this.#say("sending the project to the virtual machine");
      await vagrant(["rsync", MACHINE], signal);
      this.#say(`sent it in ${seconds()}`);
    } else {
      this.#say("starting the virtual machine, which takes minutes");
      await vagrant(["up", MACHINE], signal);
      this.#say(`the virtual machine is up after ${seconds()}`);
    }
  }

  async #end(): Promise<void> {
    if (this.#afterwards === undefined) return;
    this.#say(`${this.#afterwards === "halt" ? "halting" : "destroying"} the virtual machine`);
    await vagrant(this.#afterwards === "halt" ? ["halt"] : ["destroy", "--force"]);
    if (this.#afterwards === "destroy" && exists(CARRIED)) {
      await Deno.remove(CARRIED, { recursive: true });
    }
  }
}

/** The project's folder. */
function project(): string {
  return fileURLToPath(new URL("..", import.meta.url));
}

/** How `vagrant` is started. */
function options(): Deno.CommandOptions {
  return {
    env: { VAGRANT_CWD: fileURLToPath(new URL(".", import.meta.url)) },
    stdin: "null",
    stdout: "piped",
  };
}

/** What a program says of itself; `undefined` if there is none. */
async function firstWords(program: string, ...args: string[]): Promise<string | undefined> {
  try {
    const { success, stdout } = await new Deno.Command(program, { args, stdin: "null" }).output();
    return success ? new TextDecoder().decode(stdout) : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** What `vagrant` prints. */
async function read(args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("vagrant", {
    ...options(),
    args,
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  if (success) return text(stdout);
  throw new LabError(`vagrant ${args[0]} failed: ${(text(stderr) || text(stdout)).trim()}`);
}

/** Runs `vagrant`; what it tells goes to standard error, where the command's own output is not. */
async function vagrant(args: string[], signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  const child = new Deno.Command("vagrant", {
    ...options(),
    args,
    stderr: "inherit",
    detached,
  }).spawn();
  // It undoes what is half done.
  const interrupt = () => child.kill("SIGINT");
  signal?.addEventListener("abort", interrupt);
  let rest = "";
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) {
      const said = withoutProgress(line);
      if (said !== undefined) console.error(said);
    }
  }
  const { success } = await child.status;
  signal?.removeEventListener("abort", interrupt);
  signal?.throwIfAborted();
  if (!success) throw new LabError(`vagrant ${args[0]} failed; see above`);
}

async function runOverSsh(
  job: Job,
  { config, command, id }: { config: string; command: string; id: string },
): Promise<number> {
  const terminal = job.command.length === 0;
  const connect = (command: string, terminal = false) =>
    sshArguments({ config, machine: MACHINE, terminal }, command);
  const child = new Deno.Command("ssh", {
    args: connect(command, terminal),
    stdin: terminal ? "inherit" : "piped",
    detached: detached && !terminal,
  }).spawn();
  // The command in the machine is killed when the input of ssh ends there.
  const end = () => void (terminal ? child.kill("SIGTERM") : child.stdin.close());
  job.signal.addEventListener("abort", end);
  const { code } = await child.status;
  job.signal.removeEventListener("abort", end);
  job.signal.throwIfAborted();
  if (!terminal) await child.stdin.close();

  if (code === SSH_FAILED) {
    const mark = `/run/ipvlan-lab-${id}.255`;
    const args = connect(quoteAll(["sudo", "-n", "rm", mark]));
    const { success } = await new Deno.Command("ssh", { args, stdin: "null" }).output();
    if (!success) throw new LabError("The connection to the virtual machine broke");
  }
  if (job.share !== undefined) {
    await bringBack(connect, guestPath(job.share, project()), job.share);
  }
  return code;
}

/** Copies the files of a folder in the machine to one here, and removes that in the machine. */
async function bringBack(
  connect: (command: string) => string[],
  from: string,
  to: string,
): Promise<void> {
  const script = 'tar -C "$0" -cf - . && rm -r "$0"';
  const args = connect(quoteAll(["sudo", "-n", "sh", "-c", script, from]));
  const sender = new Deno.Command("ssh", { args, stdin: "null", stdout: "piped" }).spawn();
  const receiver = new Deno.Command("tar", { args: ["-xf", "-", "-C", to], stdin: "piped" })
    .spawn();
  await sender.stdout.pipeTo(receiver.stdin);
  const [sent, received] = await Promise.all([sender.status, receiver.status]);
  if (!sent.success || !received.success) {
    throw new LabError("Cannot bring the report out of the virtual machine; see above");
  }
}
