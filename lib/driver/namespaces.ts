import { commandOf } from "../iproute2/batch.ts";
import { NamespaceNotFoundError } from "../iproute2/errors.ts";
import { Ip } from "../iproute2/ip.ts";
import { ProcessPerBurst } from "../iproute2/process_per_burst.ts";
import { type Runner, Session } from "../iproute2/session.ts";
import { type ProgramRunner, type RunProgram, Shell } from "../iproute2/shell.ts";
import { CALLER, type Place, runPlan, type Step } from "./plan.ts";

/** Wraps what runs the lines in a namespace (`undefined` is the caller's own) in something else. */
export type WrapRunner = (runner: Runner, netns: string | undefined) => Runner;

/** Says each line that changes something, before it is run. */
export function watched(say: (command: string) => void): WrapRunner {
  return (runner, netns) => ({
    change: (line) => {
      say(commandOf({ program: "ip", netns }, line));
      return runner.change(line);
    },
    query: (line) => runner.query(line),
  });
}

/**
 * Says each line that changes something, and does not run it. Queries are run. In a namespace that
 * the lines before would have made, they find nothing.
 */
export function rehearsed(say: (command: string) => void): WrapRunner {
  return (runner, netns) => ({
    change: (line) => Promise.resolve(say(commandOf({ program: "ip", netns }, line))),
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
  /** The namespace that is the host; the caller's own where there is none. */
  host?: string;
  /** The lock file, which each `ip` has open. It is made where there is none, but not its folder. */
  lock?: string;
  /** Starts what runs programs, in place of a {@linkcode Shell}. */
  start?: () => ProgramRunner;
  /** Wraps what runs the lines. */
  wrap?: WrapRunner;
}

/**
 * Runs lines in a driver's namespaces: the host's, the caller's, and those of its sandboxes. The
 * lines that calls ask for at the same time go together, where they are for the same namespace.
 *
 * Each `ip` has the lock file open from before its first line until it ends. When a driver is
 * killed, the `ip` that it has started goes on with its lines, while the kernel lets go of all locks
 * of the driver. So the next driver looks whether a process still has the lock file open
 * (`Processes.idle`) before it undoes what was left half done. Deno gives no open file to a program
 * that it starts (it opens all with O_CLOEXEC), so a shell opens this one: `9<>FILE`.
 */
export class Namespaces implements AsyncDisposable {
  #hostName: string | undefined;
  #lock: string | undefined;
  #startShell: () => ProgramRunner;
  #wrap: WrapRunner;
  #shell: ProgramRunner | undefined;
  /** What all calls use together: the host's and the caller's. */
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

  /** `ip` in the caller's namespace, which is the host's where no host was named. */
  caller(): Ip {
    return this.#share(undefined);
  }

  /** `ip` in a sandbox's namespace. @param force Whether it goes on after a line that failed. */
  inside(sandbox: string, force = false): Ip {
    return this.#make(sandbox, force);
  }

  /** Runs a plan, and what belongs to it besides its lines, all or nothing: {@linkcode runPlan}. */
  async apply(steps: readonly Step[], finish?: () => void | Promise<void>): Promise<void> {
    const runnerOf = (place: Place, undoing: boolean) => {
      if (place === CALLER) return this.caller().session;
      return (place === undefined ? this.host() : this.inside(place, undoing)).session;
    };
    await runPlan(steps, runnerOf, finish);
  }

  /** Runs a program without the lock file, in a rehearsal too: see {@linkcode RunProgram}. */
  readonly run: RunProgram = (command, input) => {
    if (this.#shell?.ended ?? true) this.#shell = this.#startShell();
    return this.#shell!.run(command, input);
  };

  /**
   * Runs `ip` with the lock file open. The shell opens the file before it looks whether this driver
   * still runs (`kill -0`). So where no process has the file open, no `ip` of a killed driver will
   * start any more.
   */
  readonly #runLocked: RunProgram = (command, input) => {
    if (this.#lock === undefined) return this.run(command, input);
    return this.run(`{ kill -0 $PPID || exit; ${command}; } ${LOCK_FD}<>"$1"`, input);
  };

  /** Ends the shell, once it has run what it was asked for. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#shell?.[Symbol.asyncDispose]();
  }

  #share(netns: string | undefined): Ip {
    // The callers do not know of each other: where a line of one fails, those of the others go on.
    const shared = this.#shared.get(netns) ?? this.#make(netns, true);
    this.#shared.set(netns, shared);
    return shared;
  }

  #make(netns: string | undefined, force: boolean): Ip {
    const transport = new ProcessPerBurst({ program: "ip", netns, force }, this.#runLocked);
    return new Ip(this.#wrap(new Session(transport), netns));
  }
}
