/**
 * The engine `vagrant`: a virtual machine from `lab/Vagrantfile`, for machines that are no Linux,
 * and for a kernel of one's own.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import type { Afterwards, Engine, Job, Probe, Wish } from "./engine.ts";
import { attemptOf, LabError, StartError } from "./errors.ts";
import { exists } from "./machine.ts";
import { carriedFolder, carry } from "./vagrant_carry.ts";
import { findProvider, guestCommand, guestPath, machineState } from "./vagrant_guest.ts";
import { readVagrant, vagrant } from "./vagrant_program.ts";
import { runOverSsh } from "./vagrant_ssh.ts";

/** The machine of `lab/Vagrantfile` that commands run in. */
const MACHINE = "host1";

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
  async probe({ kernel, modules }: Wish): Promise<Probe> {
    const cannot = (why: string, advice: string): Probe => ({
      ok: false,
      attempts: [{ name: this.name, why, advice }],
    });
    if (kernel) return cannot("it has the kernel of its box", "choose a box with LAB_BOX");
    if (modules.length > 0) {
      return cannot("it does not know the modules of its box", "leave out --needs");
    }
    if (!import.meta.url.startsWith("file:")) {
      return cannot("a virtual machine needs the project's files", "run the lab in a clone of it");
    }
    const version = /^Vagrant ([\d.]+)/m.exec(await firstWords("vagrant", "--version") ?? "")?.[1];
    if (version === undefined) {
      return cannot("this machine has no Vagrant", "install it, and VirtualBox");
    }
    const provider = await findProvider(
      Deno.env.toObject(),
      async (program) => await firstWords(program, "--version") !== undefined,
    );
    if (provider === undefined) {
      return cannot(
        `Vagrant ${version} finds nothing to make virtual machines with`,
        "install VirtualBox, or libvirt with vagrant-libvirt, or name your provider in " +
          "VAGRANT_DEFAULT_PROVIDER",
      );
    }
    const fate = this.#afterwards ? `to ${this.#afterwards} afterwards` : "kept until destroyed";
    return { ok: true, what: `Vagrant ${version}, ${provider}: a virtual machine, ${fate}` };
  }

  /** One: there is one machine. */
  atMost(): Promise<number> {
    return Promise.resolve(1);
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
      await this.#start(job.signal).catch((error) => {
        if (!(error instanceof LabError)) throw error;
        throw new StartError([attemptOf(this.name, error)]);
      });
      const config = await Deno.makeTempFile({ prefix: "ipvlan-lab-" });
      try {
        await Deno.writeTextFile(config, await readVagrant(["ssh-config", MACHINE]));
        job.signal.throwIfAborted();
        const share = job.share === undefined ? undefined : this.inside(job.share);
        return await runOverSsh(job, { config, machine: MACHINE, command, id, share });
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
    const state = machineState(await readVagrant(["status", "--machine-readable", MACHINE]));
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
    if (this.#afterwards === "destroy" && exists(carriedFolder())) {
      await Deno.remove(carriedFolder(), { recursive: true });
    }
  }
}

/** The project's folder. */
function project(): string {
  return fileURLToPath(new URL("..", import.meta.url));
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
