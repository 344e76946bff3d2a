/**
 * The engine `uml`: User-Mode Linux, a whole kernel as one ordinary process, on the machine's own
 * files. It needs no root, no KVM and no disk image.
 *
 * @module
 */
import type { Engine, Job, Probe, Requirements } from "../engine.ts";
import { type Attempt, LabError, makeAttempt, MissingError, StartError } from "../errors.ts";
import { cacheFolder } from "../fetch/cache.ts";
import { missingModules, moduleFiles } from "../guest/boot.ts";
import { type Guest, runGuest } from "../guest/run.ts";
import { kindOfFile } from "../kernels.ts";
import {
  allowedCpus,
  assertPrograms,
  availableMemory,
  claimCpu,
  divideMemory,
  exists,
  guestsThatFit,
  type Machine,
  memoryPlaces,
  type Place,
  readMachine,
} from "../machine.ts";
import { withRunFolder } from "../run_folder.ts";
import { kernelCommandLine, UML_DEVICES } from "./boot.ts";
import { findKernels, prepareGuest, type UmlFiles } from "./files.ts";
import { type Candidate, chooseCandidates, describe, type UmlKernel } from "./kernels.ts";

/** Finds the folders that may hold the memory of guests, and how many MiB of memory are free. */
async function findMemory(): Promise<{ places: Place[]; available: number }> {
  const places = await memoryPlaces(cacheFolder(Deno.env.toObject()));
  return { places, available: await availableMemory() };
}

/** Asserts that a guest has enough memory. @throws {MissingError} if not. */
async function assertMemory(least?: number): Promise<void> {
  const { places, available } = await findMemory();
  divideMemory(places, available, 1, least);
}

/** Runs a job in a fresh guest. */
async function runUml(job: Job, files: UmlFiles): Promise<number> {
  const { places, available } = await findMemory();
  const memory = divideMemory(places, available, job.jobsAtOnce ?? 1, job.programs?.memory);
  // Each process of the guest is a process of the machine, which the kernel controls. On one CPU the
  // two switch in microseconds. On two CPUs, each switch has to wake up the other CPU.
  using claim = await claimCpu(cacheFolder(Deno.env.toObject()), await allowedCpus());
  const list = `${files.modules}/modules.dep`;
  const dep = exists(list) ? await Deno.readTextFile(list) : "";
  const overlay = missingModules(dep, ["overlay"]).length === 0 ? moduleFiles(dep, "overlay") : [];
  const guest: Guest = {
    ...files,
    engine: "uml",
    overlayModules: overlay.map((path) => `${files.modules}/${path}`),
    wireModules: [],
    devices: UML_DEVICES,
    command: ({ run, wires, shell }) => [
      ...["taskset", "-c", `${claim.cpu}`, ...preloadWords(files), files.kernel],
      ...kernelCommandLine({ memory: memory.size, run, wires, shell, ...files }),
    ],
  };
  return await withRunFolder((run) => runGuest(job, guest, run, { TMPDIR: memory.path }));
}

/** The words before the kernel that preload a library into the kernel alone. */
function preloadWords({ preload }: UmlFiles): string[] {
  if (preload === undefined) return [];
  const libraries = [preload, Deno.env.get("LD_PRELOAD") ?? ""].filter((path) => path !== "");
  return ["env", `LD_PRELOAD=${libraries.join(":")}`];
}

/** Facts that replace this machine's own. */
export interface UmlFacts {
  /** The processor and the C library. */
  machine?: Machine;
  /** The kernels that exist, in the order to try them. */
  kernels?: UmlKernel[];
}

/** User-Mode Linux with the first kernel that starts here. */
export class UmlEngine implements Engine {
  /** Its name on the command line. */
  readonly name = "uml";
  readonly #say: (line: string) => void;
  readonly #facts: UmlFacts;
  /** The kernels that have not been tried. */
  #candidates: Candidate[] = [];
  /** The kernels that have failed. */
  readonly #attempts: Attempt[] = [];
  /** The kernel modules that the job needs. */
  #modules: readonly string[] = [];
  /** The kernel that jobs start; `undefined` when all have failed. */
  #guest: Promise<UmlFiles | undefined> = Promise.resolve(undefined);

  /**
   * Makes the engine.
   *
   * @param say Prints a line about the progress of something slow.
   * @param facts Facts that replace this machine's own, so that a test can imitate another machine.
   */
  constructor(say: (line: string) => void, facts: UmlFacts = {}) {
    this.#say = say;
    this.#facts = facts;
  }

  /** Tests whether it can run here. Fetches missing programs and kernels. */
  async probe({ modules, kernel, programs, signal }: Requirements): Promise<Probe> {
    try {
      if (Deno.build.os !== "linux" || Deno.build.arch !== "x86_64") {
        throw new MissingError(
          `User-Mode Linux is for Linux on x86-64, and this is ${Deno.build.target}`,
          "choose another engine with --engine",
        );
      }
      if (kernel?.kind === "file" && kindOfFile(kernel.path) !== "uml") {
        throw new LabError(`${kernel.path} is not a kernel of User-Mode Linux`);
      }
      if (kernel?.kind === "debian" && kernel.kernel.megabytes.uml === undefined) {
        throw new LabError(
          `User-Mode Linux ${kernel.kernel.version} does not run this machine's programs`,
        );
      }
      assertPrograms(
        ["setpriv", "setsid", "taskset", "flock", "mkfifo"],
        "install util-linux and coreutils",
      );
      const { machine = await readMachine(), kernels = findKernels(kernel) } = this.#facts;
      this.#modules = modules;
      this.#candidates = chooseCandidates(machine, kernels, modules);
      this.#guest = this.#prepareNext(signal);
      const guest = await this.#guest;
      if (!guest) return { ok: false, attempts: this.#attempts };
      await assertMemory(programs?.memory);
      return { ok: true, what: guest.name };
    } catch (error) {
      if (!(error instanceof LabError)) throw error;
      return { ok: false, attempts: [...this.#attempts, makeAttempt(this.name, error)] };
    }
  }

  /** As many as fit into memory. */
  async maxJobs(wanted: number): Promise<number> {
    const { places, available } = await findMemory();
    return guestsThatFit(wanted, places, available);
  }

  /**
   * Boots the kernel, runs the job in it, and waits until the guest is gone. If a guest dies before
   * the job begins, the next kernel is tried.
   */
  async run(job: Job): Promise<number> {
    while (true) {
      const prepared = this.#guest;
      const guest = await prepared;
      if (!guest) throw new StartError(this.#attempts);
      try {
        return await runUml(job, guest);
      } catch (error) {
        if (!(error instanceof StartError)) throw error;
        // Another job has already chosen the next kernel for all.
        if (this.#guest !== prepared) continue;
        this.#addFailure(error.attempts);
        this.#guest = this.#prepareNext(job.signal);
      }
    }
  }

  /** Prepares the next kernel. Skips those that cannot be fetched. */
  async #prepareNext(signal: AbortSignal): Promise<UmlFiles | undefined> {
    while (true) {
      const candidate = this.#candidates.shift();
      if (!candidate) return undefined;
      try {
        return await prepareGuest(candidate, this.#modules, { say: this.#say, signal });
      } catch (error) {
        if (!(error instanceof LabError)) throw error;
        this.#addFailure([makeAttempt(describe(candidate), error)]);
      }
    }
  }

  /** Keeps the failed attempts, and prints which kernel is next. */
  #addFailure(attempts: readonly Attempt[]): void {
    this.#attempts.push(...attempts);
    const next = this.#candidates[0];
    if (!next) return;
    const failed = attempts.map(({ name, why }) => `${name}: ${why}`).join("; ");
    this.#say(`${failed}; trying ${describe(next)}`);
  }
}
