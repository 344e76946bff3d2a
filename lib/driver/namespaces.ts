import { commandOf } from "../iproute2/batch.ts";
import { NamespaceNotFoundError } from "../iproute2/errors.ts";
import { Ip } from "../iproute2/ip.ts";
import { ProcessPerBurst } from "../iproute2/process_per_burst.ts";
import { type Runner, Session } from "../iproute2/session.ts";
import { type ProgramRunner, type RunProgram, Shell } from "../iproute2/shell.ts";
import { CALLER, type Place, runPlan, type Step } from "./plan.ts";

/** Wraps the runner of a namespace. The namespace of this process is `undefined`. */
export type WrapRunner = (runner: Runner, netns: string | undefined) => Runner;

/** Reports each line that changes something, before it runs. */
export function watched(report: (command: string) => void): WrapRunner {
  return (runner, netns) => ({
    change: (line) => {
      report(commandOf({ program: "ip", netns }, line));
      return runner.change(line);
    },
    query: (line) => runner.query(line),
  });
}

/**
 * Reports each line that changes something, and does not run it. Queries run. In a namespace that
 * does not exist, as the line that makes it did not run, they find nothing.
 */
export function rehearsed(report: (command: string) => void): WrapRunner {
  return (runner, netns) => ({
    change: (line) => Promise.resolve(report(commandOf({ program: "ip", netns }, line))),
    query: async (line) => {
      try {
        return await runner.query(line);
      } catch (error) {
        if (!(error instanceof NamespaceNotFoundError)) throw error;
        return [];
      }
    },
  });
}

/** The file descriptor of the lock file in each `ip` of a driver: see {@linkcode Namespaces}. */
export const LOCK_FD = 9;

/** How a {@linkcode Namespaces} is made. */
export interface NamespacesOptions {
  /** The namespace that is the host; by default that of this process. */
  host?: string;
  /**
   * The lock file, which each `ip` has open. It is made if it does not exist; its folder is not.
   */
  lock?: string;
  /** Starts what runs programs, instead of a {@linkcode Shell}. */
  start?: () => ProgramRunner;
  /** Wraps the runner of each namespace. */
  wrap?: WrapRunner;
}

/**
 * Runs lines in a driver's namespaces: the host's, the caller's (this process), and those of its
 * sandboxes. Lines for one namespace that calls ask for at the same time are one burst.
 *
 * Each `ip` has the lock file open from before its first line until it ends. When a driver is
 * killed, the kernel frees the driver's locks, but the `ip` that it started runs its remaining
 * lines. So the next driver waits until no process has the lock file open (`Processes.idle`) before
 * it removes what was left half done. Deno passes no open file to a program that it starts (it
 * opens all with O_CLOEXEC), so a shell opens this one: `9<>FILE`.
 */
export class Namespaces implements AsyncDisposable {
  #hostName: string | undefined;
  #lock: string | undefined;
  #startShell: () => ProgramRunner;
  #wrap: WrapRunner;
  #shell: ProgramRunner | undefined;
  /** The host's and the caller's `ip`, which all calls share. */
  #shared = new Map<string | undefined, Ip>();

  /** Starts nothing yet. */
  constructor({ host, lock, start, wrap }: NamespacesOptions = {}) {
    this.#hostName = host;
    this.#lock = lock;
    this.#startShell = start ?? (() => new Shell({ args: lock === undefined ? [] : [lock] }));
    this.#wrap = wrap ?? ((runner) => runner);
  }

  /** `ip` in the host's namespace. */
  host(): Ip {
    return this.#share(this.#hostName);
  }

  /** `ip` in the namespace of this process. It is the host's if no host was named. */
  caller(): Ip {
    return this.#share(undefined);
  }

  /** `ip` in a sandbox's namespace. @param force Whether it continues after a line that failed. */
  inside(sandbox: string, force = false): Ip {
    return this.#make(sandbox, force);
  }

  /** Runs a plan and then a function, all or nothing: {@linkcode runPlan}. */
  async apply(steps: readonly Step[], finish?: () => void | Promise<void>): Promise<void> {
    const runnerOf = (place: Place, undoing: boolean) => {
      if (place === CALLER) return this.caller().session;
      return (place === undefined ? this.host() : this.inside(place, undoing)).session;
    };
    await runPlan(steps, runnerOf, finish);
  }

  /** Runs a program without the lock file, in a dry run too: see {@linkcode RunProgram}. */
  readonly run: RunProgram = (command, input) => {
    if (this.#shell?.ended ?? true) this.#shell = this.#startShell();
    return this.#shell!.run(command, input);
  };

  /**
   * Runs `ip` with the lock file open. The shell first opens the file, and then checks that this
   * driver still runs (`kill -0`). So if no process has the file open, no `ip` of a killed driver
   * will start.
   */
  readonly #runLocked: RunProgram = (command, input) => {
    if (this.#lock === undefined) return this.run(command, input);
    return this.run(`{ kill -0 $PPID || exit; ${command}; } ${LOCK_FD}<>"$1"`, input);
  };

  /** Ends the shell when it has run everything. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#shell?.[Symbol.asyncDispose]();
  }

  #share(netns: string | undefined): Ip {
    // The lines of several calls run together. If a line of one call fails, the others must still
    // run.
    const shared = this.#shared.get(netns) ?? this.#make(netns, true);
    this.#shared.set(netns, shared);
    return shared;
  }

  #make(netns: string | undefined, force: boolean): Ip {
    const transport = new ProcessPerBurst({ program: "ip", netns, force }, this.#runLocked);
    return new Ip(this.#wrap(new Session(transport), netns));
  }
}
