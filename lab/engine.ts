/**
 * What every engine of the lab is: somewhere a command can run with ipvlan.
 *
 * @module
 */
import type { Attempt } from "./errors.ts";

/** The names `--engine` takes, in the order in which the lab tries them. */
export const ENGINE_NAMES = ["native", "uml", "vagrant"] as const;

/** The name of an engine. */
export type EngineName = typeof ENGINE_NAMES[number];

/** What can become of a virtual machine after a run. */
export const AFTERWARDS = ["halt", "destroy"] as const;

/** What becomes of a virtual machine after a run. */
export type Afterwards = typeof AFTERWARDS[number];

/** What is to be run. */
export interface Job {
  /** The command and its arguments; no shell is between. Empty: an interactive shell. */
  command: string[];
  /** The folder to run it in, absolute. */
  cwd: string;
  /**
   * A folder of the machine, absolute, in which the command can write: at the same path inside, or
   * where {@linkcode Engine.inside} says.
   */
  share?: string;
  /** Ends the job, and all of the engine with it, when aborted. */
  signal: AbortSignal;
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
  /** Finds out, by trying, whether it can run here. */
  probe(signal: AbortSignal): Promise<Probe>;
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
