/**
 * What every engine of the lab is: somewhere a command can run with ipvlan.
 *
 * @module
 */
import type { Attempt } from "./errors.ts";
import type { KernelChoice } from "./kernels.ts";

/** The names `--engine` takes, in the order in which the lab tries them. */
export const ENGINE_NAMES = ["native", "uml", "qemu", "vagrant"] as const;

/** The name of an engine. */
export type EngineName = typeof ENGINE_NAMES[number];

/** What can become of a virtual machine after a run. */
export const AFTERWARDS = ["halt", "destroy"] as const;

/** What becomes of a virtual machine after a run. */
export type Afterwards = typeof AFTERWARDS[number];

/** What a job asks of the place that it runs in. */
export interface Wish {
  /** The kernel modules that it needs, besides those that every scenario needs. */
  modules: readonly string[];
  /**
   * The kernel that is asked for.
   *
   * @default {undefined} The fastest that has the modules.
   */
  kernel?: KernelChoice;
  /** Ends the search for such a place, and the job with all of its engine, when aborted. */
  signal: AbortSignal;
}

/** What is to be run. */
export interface Job extends Wish {
  /** The command and its arguments; no shell is between. Empty: an interactive shell. */
  command: string[];
  /** The folder to run it in, absolute. */
  cwd: string;
  /**
   * A folder of the machine, absolute, in which the command can write: at the same path inside, or
   * where {@linkcode Engine.inside} says.
   */
  share?: string;
  /**
   * How many such jobs run at once, this one too: they divide the machine's memory.
   *
   * @default {1}
   */
  beside?: number;
}

/**
 * What {@linkcode Engine.probe} found: what the engine runs (`Linux 6.1.176, User-Mode Linux`), or
 * why it cannot run here.
 */
export type Probe = { ok: true; what: string } | { ok: false; attempts: Attempt[] };

/** Somewhere a command can run with ipvlan. */
export interface Engine {
  /** Its name on the command line. */
  readonly name: EngineName;
  /** Finds out, by trying, whether it can run such a job here. */
  probe(wish: Wish): Promise<Probe>;
  /** How many jobs can run here at once: as many as wanted, or fewer. */
  atMost(wanted: number): Promise<number>;
  /**
   * Runs a job and returns its exit status, 128 + N when signal N ended it. Leaves nothing behind:
   * no process, link, namespace, mount or file.
   *
   * @throws {StartError} if it does not start after all; nothing of the job has run then.
   */
  run(job: Job): Promise<number>;
  /**
   * The path inside of what has this path on the machine.
   *
   * @default {undefined} The same.
   */
  inside?(path: string): string;
}
