/**
 * The engine `uml`: User-Mode Linux, a whole kernel as one ordinary process, on the machine's own
 * files. It needs no root, no KVM and no image.
 *
 * @module
 */
import type { Engine, Job, Probe, Wish } from "./engine.ts";
import { type Attempt, attemptOf, LabError, MissingError, StartError } from "./errors.ts";
import { assertPrograms, readMachine } from "./machine.ts";
import { withRunFolder } from "./run_folder.ts";
import { findKernels, type Guest, prepareGuest } from "./uml_files.ts";
import {
  type Candidate,
  candidates,
  describe,
  type Machine,
  type UmlKernel,
} from "./uml_kernels.ts";
import { chooseGuestMemory, countGuests, runUml } from "./uml_run.ts";

/** What to take in place of this machine's facts. */
export interface UmlFacts {
  /** The processor and the C library. */
  machine?: Machine;
  /** The kernels that there are, in the order to try them. */
  kernels?: UmlKernel[];
}

/** User-Mode Linux: the first kernel that starts here. */
export class UmlEngine implements Engine {
  /** Its name on the command line. */
  readonly name = "uml";
  readonly #say: (line: string) => void;
  readonly #facts: UmlFacts;
  /** The kernels that have not been tried. */
  #candidates: Candidate[] = [];
  /** What has been tried in vain. */
  readonly #attempts: Attempt[] = [];
  /** The kernel modules that the job needs. */
  #modules: readonly string[] = [];
  /** The kernel that jobs start; `undefined` when there is none left. */
  #guest: Promise<Guest | undefined> = Promise.resolve(undefined);

  /**
   * Makes the engine.
   *
   * @param say Gets a line now and then when something takes long.
   * @param facts What to take in place of this machine's own; a test imitates another machine.
   */
  constructor(say: (line: string) => void, facts: UmlFacts = {}) {
    this.#say = say;
    this.#facts = facts;
  }

  /** Finds out whether it can run here; fetches what is missing. */
  async probe({ modules, signal }: Wish): Promise<Probe> {
    try {
      if (Deno.build.os !== "linux" || Deno.build.arch !== "x86_64") {
        throw new MissingError(
          `User-Mode Linux is for Linux on x86-64, and this is ${Deno.build.target}`,
          "choose another engine with --engine",
        );
      }
      assertPrograms(
        ["setpriv", "setsid", "taskset", "flock", "mkfifo"],
        "install util-linux and coreutils",
      );
      const { machine = await readMachine(), kernels = findKernels() } = this.#facts;
      this.#modules = modules;
      this.#candidates = candidates(machine, kernels, modules);
      this.#guest = this.#prepareNext(signal);
      const guest = await this.#guest;
      if (!guest) return { ok: false, attempts: this.#attempts };
      await chooseGuestMemory();
      return { ok: true, what: guest.name };
    } catch (error) {
      if (!(error instanceof LabError)) throw error;
      return { ok: false, attempts: [...this.#attempts, attemptOf(this.name, error)] };
    }
  }

  /** As many as there is memory for. */
  atMost(wanted: number): Promise<number> {
    return countGuests(wanted);
  }

  /**
   * Boots the kernel, runs the job in it, and waits until it is gone. A guest that dies before the
   * first line of the job leads to the next kernel.
   */
  async run(job: Job): Promise<number> {
    while (true) {
      const prepared = this.#guest;
      const guest = await prepared;
      if (!guest) throw new StartError(this.#attempts);
      try {
        return await withRunFolder((run) => runUml(job, guest, run));
      } catch (error) {
        if (!(error instanceof StartError)) throw error;
        // Of several jobs, the first one goes on to the next kernel for all.
        if (this.#guest !== prepared) continue;
        this.#passOver(error.attempts);
        this.#guest = this.#prepareNext(job.signal);
      }
    }
  }

  /** Prepares the next kernel; one that cannot be fetched is passed over. */
  async #prepareNext(signal: AbortSignal): Promise<Guest | undefined> {
    while (true) {
      const candidate = this.#candidates.shift();
      if (!candidate) return undefined;
      try {
        return await prepareGuest(candidate, this.#modules, { say: this.#say, signal });
      } catch (error) {
        if (!(error instanceof LabError)) throw error;
        this.#passOver([attemptOf(describe(candidate), error)]);
      }
    }
  }

  /** Notes what was tried in vain, and says what is tried next. */
  #passOver(attempts: readonly Attempt[]): void {
    this.#attempts.push(...attempts);
    const next = this.#candidates[0];
    if (!next) return;
    const failed = attempts.map(({ name, why }) => `${name}: ${why}`).join("; ");
    this.#say(`${failed}; trying ${describe(next)}`);
  }
}
