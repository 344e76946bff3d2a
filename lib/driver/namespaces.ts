import { BurstRunner } from "../iproute2/burst.ts";
import { NamespaceNotFoundError } from "../iproute2/errors.ts";
import { Ip } from "../iproute2/ip.ts";
import type { Runner } from "../iproute2/session.ts";
import { Starter, type Starts } from "../iproute2/starter.ts";
import { CALLER, type Place, runPlan, type Step } from "./plan.ts";

/** Puts something in the place of what runs lines in a namespace: `undefined` is the caller's own. */
export type WrapRunner = (runner: Runner, netns: string | undefined) => Runner;

/** What says each line that changes something before it is run. */
export function watched(say: (command: string) => void): WrapRunner {
  return (runner, netns) => ({
    change: (line) => {
      say(command(netns, line));
      return runner.change(line);
    },
    query: (line) => runner.query(line),
  });
}

/**
 * What says each line that changes something instead of running it. Questions are answered truly,
 * and those about a namespace that would have been made before with nothing.
 */
export function rehearsed(say: (command: string) => void): WrapRunner {
  return (runner, netns) => ({
    change: (line) => Promise.resolve(say(command(netns, line))),
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

function command(netns: string | undefined, line: string): string {
  return netns === undefined ? `ip ${line}` : `ip -n ${netns} ${line}`;
}

/** As which file descriptor what runs lines has the lock open: see `Processes.idle`. */
export const LOCK_FD = 9;

/** How a {@linkcode Namespaces} is made. */
export interface NamespacesOptions {
  /** The namespace that is the host; the caller's own where there is none. */
  host?: string;
  /**
   * A file that is open as long as lines are run, and is made where there is none; its folder has to
   * exist.
   */
  lock?: string;
  /** What starts programs, in place of a {@linkcode Starter}. */
  start?: () => Starts;
  /** What stands in the place of what runs the lines. */
  wrap?: WrapRunner;
}

/**
 * What runs lines in a driver's namespaces: the host's, the caller's, and those of its sandboxes. The
 * lines of calls that go on at the same time go out together, where they belong together.
 */
export class Namespaces implements AsyncDisposable {
  #hostName: string | undefined;
  #lock: string | undefined;
  #makeStarter: () => Starts;
  #wrap: WrapRunner;
  #starter: Starts | undefined;
  /** What all calls share: the host's and the caller's. */
  #shared = new Map<string | undefined, Ip>();

  /** Makes what runs a driver's lines. */
  constructor({ host, lock, start, wrap }: NamespacesOptions = {}) {
    this.#hostName = host;
    this.#lock = lock;
    this.#makeStarter = start ?? (() => new Starter(lock === undefined ? [] : [lock]));
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

  /** `ip` in a sandbox's namespace: `force` as in {@linkcode BurstOptions}. */
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

  /** Starts a program, in a rehearsal too: see {@linkcode Starter.run}. */
  readonly start: Starts["run"] = (command, input) => {
    if (this.#starter?.ended ?? true) this.#starter = this.#makeStarter();
    return this.#starter!.run(command, input);
  };

  /**
   * Starts what runs lines. Where this program was killed meanwhile, the shell goes no further: it
   * has the lock open from before it looks until they are done, so that whoever finds nobody with
   * the lock open knows that none will be run any more.
   */
  readonly #startLines: Starts["run"] = (command, input) => {
    if (this.#lock === undefined) return this.start(command, input);
    return this.start(`{ kill -0 $PPID || exit; ${command}; } ${LOCK_FD}<>"$1"`, input);
  };

  /** Ends what was started, once all that was asked for is done. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#starter?.[Symbol.asyncDispose]();
  }

  #share(netns: string | undefined): Ip {
    // Callers are independent of each other: the line of one does not stand in another's way.
    const shared = this.#shared.get(netns) ?? this.#make(netns, true);
    this.#shared.set(netns, shared);
    return shared;
  }

  #make(netns: string | undefined, force: boolean): Ip {
    const runner = new BurstRunner({ start: this.#startLines, netns, force });
    return new Ip(this.#wrap(runner, netns));
  }
}
