/**
 * The engine `vagrant`: a virtual machine from `lab/Vagrantfile`, for machines that do not run Linux,
 * and for users who want a separate kernel.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import type { Afterwards, Engine, Job, Probe, Requirements } from "../engine.ts";
import { LabError, makeAttempt, StartError } from "../errors.ts";
import { exists } from "../machine.ts";
import { carriedFolder, fillCarriedFolder } from "./carry.ts";
import { findProvider, guestCommand, guestPath, machineState } from "./guest.ts";
import { readVagrant, vagrant } from "./program.ts";
import { runOverSsh } from "./ssh.ts";

/** The machine of `lab/Vagrantfile` that commands run in. */
const MACHINE = "host1";

/** A Vagrant virtual machine. It exists until the user destroys it. */
export class VagrantEngine implements Engine {
  /** Its name on the command line. */
  readonly name = "vagrant";
  readonly #say: (line: string) => void;
  readonly #afterwards: Afterwards | undefined;

  /**
   * Makes the engine.
   *
   * @param say Prints a line about the progress of something slow.
   * @param afterwards The action on the machine after a run. Default: leave it running.
   */
  constructor(say: (line: string) => void, afterwards?: Afterwards) {
    this.#say = say;
    this.#afterwards = afterwards;
  }

  /** Tests whether this machine has Vagrant and a provider for its virtual machines. */
  async probe({ kernel, modules, programs }: Requirements): Promise<Probe> {
    const cannot = (why: string, advice: string): Probe => ({
      ok: false,
      attempts: [{ name: this.name, why, advice }],
    });
    if (programs) return cannot("vagrant cannot bring programs along", "leave out --with");
    if (kernel) return cannot("it runs the kernel of its box", "choose a box with LAB_BOX");
    if (modules.length > 0) {
      return cannot("it cannot know the modules of its box", "leave out --needs");
    }
    if (!import.meta.url.startsWith("file:")) {
      return cannot("a virtual machine needs the project's files", "run the lab in a clone");
    }
    const version = /^Vagrant ([\d.]+)/m.exec(await readVersion("vagrant") ?? "")?.[1];
    if (version === undefined) {
      return cannot("this machine has no Vagrant", "install it, and VirtualBox");
    }
    const provider = await findProvider(
      Deno.env.toObject(),
      async (program) => await readVersion(program) !== undefined,
    );
    if (provider === undefined) {
      return cannot(
        `Vagrant ${version} has no provider, such as VirtualBox`,
        "install VirtualBox, or libvirt with vagrant-libvirt, or name your provider in " +
          "VAGRANT_DEFAULT_PROVIDER",
      );
    }
    const ending = this.#afterwards ? `to ${this.#afterwards} afterwards` : "kept until destroyed";
    return { ok: true, what: `Vagrant ${version}, ${provider}: a virtual machine, ${ending}` };
  }

  /** Always one job, since there is one machine. */
  maxJobs(): Promise<number> {
    return Promise.resolve(1);
  }

  /**
   * Starts the machine if it does not run, sends the project, and runs the job there. Unlike the
   * guests of other engines, the machine stays, unless the user wants it halted or destroyed.
   */
  async run(job: Job): Promise<number> {
    const id = crypto.randomUUID();
    const command = guestCommand(job, { project: project(), id, env: Deno.env.toObject() });
    await fillCarriedFolder();
    try {
      await this.#start(job.signal).catch((error) => {
        if (!(error instanceof LabError)) throw error;
        throw new StartError([makeAttempt(this.name, error)]);
      });
      const config = await Deno.makeTempFile({ prefix: "ipvlan-lab-" });
      try {
        await Deno.writeTextFile(config, await readVagrant(["ssh-config", MACHINE]));
        job.signal.throwIfAborted();
        const share = job.share === undefined ? undefined : this.pathInside(job.share);
        return await runOverSsh(job, { config, machine: MACHINE, command, id, share });
      } finally {
        await Deno.remove(config);
      }
    } finally {
      await this.#end();
    }
  }

  /** Translates a path on this machine to the path in the virtual machine. */
  pathInside(path: string): string {
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
  return fileURLToPath(new URL("../..", import.meta.url));
}

/** The output of a program for `--version`; `undefined` if there is no such program. */
async function readVersion(program: string): Promise<string | undefined> {
  try {
    const options: Deno.CommandOptions = { args: ["--version"], stdin: "null" };
    const { success, stdout } = await new Deno.Command(program, options).output();
    return success ? new TextDecoder().decode(stdout) : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
