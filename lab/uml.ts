/**
 * The engine `uml`: User-Mode Linux, a whole kernel as one ordinary process, on the machine's own
 * files. It needs no root, no KVM and no image.
 *
 * @module
 */
import type { Engine, Job, Probe, Wish } from "./engine.ts";
import { type Attempt, attemptOf, LabError, MissingError, StartError } from "./errors.ts";
import { cacheFolder } from "./cache.ts";
import { missingModules, moduleFiles } from "./guest_boot.ts";
import { type Guest, runGuest } from "./guest_run.ts";
import { kindOfFile } from "./kernels.ts";
import {
  allowedCpus,
  assertPrograms,
  availableMemory,
  claimCpu,
  divideMemory,
  exists,
  guestsThatFit,
  memoryPlaces,
  type Place,
  readMachine,
} from "./machine.ts";
import { withRunFolder } from "./run_folder.ts";
import { kernelCommandLine, UML_DEVICES } from "./uml_boot.ts";
import { findKernels, prepareGuest, type UmlFiles } from "./uml_files.ts";
import {
  type Candidate,
  candidates,
  describe,
  type Machine,
  type UmlKernel,
} from "./uml_kernels.ts";

/** The folders that can hold the memory of guests, and MiB of memory that are free. */
async function freeMemory(): Promise<{ places: Place[]; available: number }> {
  const places = await memoryPlaces(cacheFolder(Deno.env.toObject()));
  return { places, available: await availableMemory() };
}

/** Runs a job in a guest of its own. */
async function runUml(job: Job, files: UmlFiles): Promise<number> {
  const { places, available } = await freeMemory();
  const memory = divideMemory(places, available, job.beside ?? 1);
  // A guest process is a process of the machine that the kernel steers: on one CPU the two take
  // turns in microseconds, on two CPUs each turn waits for the other to wake up.
  using claim = await claimCpu(cacheFolder(Deno.env.toObject()), await allowedCpus());
  const list = `${files.modules}/modules.dep`;
  const dep = exists(list) ? await Deno.readTextFile(list) : "";
  const overlay = missingModules(dep, ["overlay"]).length === 0 ? moduleFiles(dep, "overlay") : [];
  const guest: Guest = {
    ...files,
    engine: "uml",
    overlayModules: overlay.map((path) => `${files.modules}/${path}`),
    devices: UML_DEVICES,
    command: ({ run, shell }) => [
      ...["taskset", "-c", `${claim.cpu}`, ...preload(files), files.kernel],
      ...kernelCommandLine({ memory: memory.size, run, shell, ...files }),
    ],
  };
  return await withRunFolder((run) => runGuest(job, guest, run, { TMPDIR: memory.path }));
}

/** The words before the kernel that have a library preloaded into it, and into nothing else. */
function preload({ preload }: UmlFiles): string[] {
  if (preload === undefined) return [];
  const libraries = [preload, Deno.env.get("LD_PRELOAD") ?? ""].filter((path) => path !== "");
  return ["env", `LD_PRELOAD=${libraries.join(":")}`];
}

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
  #guest: Promise<UmlFiles | undefined> = Promise.resolve(undefined);

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
  async probe({ modules, kernel, signal }: Wish): Promise<Probe> {
    try {
      if (Deno.build.os !== "linux" || Deno.build.arch !== "x86_64") {
        throw new MissingError(
          `User-Mode Linux is for Linux on x86-64, and this is ${Deno.build.target}`,
          "choose another engine with --engine",
        );
      }
      if (kernel?.kind === "file" && kindOfFile(kernel.path) !== "uml") {
        throw new LabError(`${kernel.path} is no kernel of User-Mode Linux`);
      }
      if (kernel?.kind === "debian" && kernel.kernel.megabytes.uml === undefined) {
        throw new LabError(
          `User-Mode Linux ${kernel.kernel.version} runs no program of this machine`,
        );
      }
      assertPrograms(
        ["setpriv", "setsid", "taskset", "flock", "mkfifo"],
        "install util-linux and coreutils",
      );
      const { machine = await readMachine(), kernels = findKernels(kernel) } = this.#facts;
      this.#modules = modules;
      this.#candidates = candidates(machine, kernels, modules);
      this.#guest = this.#prepareNext(signal);
      const guest = await this.#guest;
      if (!guest) return { ok: false, attempts: this.#attempts };
      // It says so when there is none.
      const { places, available } = await freeMemory();
      divideMemory(places, available, 1);
      return { ok: true, what: guest.name };
    } catch (error) {
      if (!(error instanceof LabError)) throw error;
      return { ok: false, attempts: [...this.#attempts, attemptOf(this.name, error)] };
    }
  }

  /** As many as there is memory for. */
  async atMost(wanted: number): Promise<number> {
    const { places, available } = await freeMemory();
    return guestsThatFit(wanted, places, available);
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
        return await runUml(job, guest);
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
  async #prepareNext(signal: AbortSignal): Promise<UmlFiles | undefined> {
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
