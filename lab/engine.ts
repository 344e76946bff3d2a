/**
 * The interface of the lab's engines. An engine runs commands on a kernel that has ipvlan.
 *
 * @module
 */
import type { Attempt } from "./errors.ts";
import type { KernelChoice } from "./kernels.ts";
import type { Programs } from "./fetch/packages.ts";
import type { WireEnd } from "./guest/wire.ts";

/** The names that `--engine` takes, in the order in which the lab tries them. */
export const ENGINE_NAMES = ["native", "uml", "qemu", "vagrant"] as const;

/** The name of an engine. */
export type EngineName = typeof ENGINE_NAMES[number];

/** The actions on a virtual machine after a run; by default, it stays running. */
export const AFTERWARDS = ["halt", "destroy"] as const;

/** An action on a virtual machine after a run. */
export type Afterwards = typeof AFTERWARDS[number];

/** The requirements of a job for its engine. */
export interface Requirements {
  /** The kernel modules that the job needs, besides those that every scenario needs. */
  modules: readonly string[];
  /**
   * The kernel to run.
   *
   * @default {undefined} The fastest that has the modules.
   */
  kernel?: KernelChoice;
  /**
   * The programs that the lab brings along. Only a guest with a root of its own can have them.
   *
   * @default {undefined} None.
   */
  programs?: Programs;
  /** Aborts the search for an engine, and the running job with its guest. */
  signal: AbortSignal;
}

/** A command to run, and its requirements. */
export interface Job extends Requirements {
  /** The command and its arguments, started without a shell. Empty: a shell. */
  command: string[];
  /**
   * Whether the command has the user's terminal, as a shell does. Otherwise it has no input.
   *
   * @default {false}
   */
  interactive?: boolean;
  /** The folder to run it in, absolute. */
  cwd: string;
  /**
   * A folder of the machine, absolute, in which the command can write. {@linkcode Engine.pathInside}
   * returns its path inside.
   */
  share?: string;
  /**
   * The wires of the guest, each a link in it. Only engines with guests on this machine support them.
   *
   * @default {[]}
   */
  wires?: readonly WireEnd[];
  /**
   * How many such jobs run at once, including this one. They divide the machine's memory.
   *
   * @default {1}
   */
  jobsAtOnce?: number;
}

/**
 * The result of {@linkcode Engine.probe}: what the engine runs (`Linux 6.1.176, User-Mode Linux`),
 * or why it cannot run here.
 */
export type Probe = { ok: true; what: string } | { ok: false; attempts: Attempt[] };

/** An engine: it runs commands on a kernel that has ipvlan. */
export interface Engine {
  /** Its name on the command line. */
  readonly name: EngineName;
  /** Tests whether the engine can run such a job here. */
  probe(requirements: Requirements): Promise<Probe>;
  /** The number of jobs that can run here at once: the wanted number, or fewer. */
  maxJobs(wanted: number): Promise<number>;
  /**
   * Runs a job and returns its exit status, 128 + N when signal N ended it. Leaves nothing behind:
   * no process, link, namespace, mount or file.
   *
   * @throws {StartError} if the engine does not start after all. Then nothing of the job has run.
   */
  run(job: Job): Promise<number>;
  /**
   * Translates a path on the machine to the path inside.
   *
   * @default {undefined} Both paths are the same.
   */
  pathInside?(path: string): string;
}
