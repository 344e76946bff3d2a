import { NamespaceNotFoundError } from "../iproute2/errors.ts";
import { Ip } from "../iproute2/ip.ts";
import type { Runner } from "../iproute2/session.ts";
import { CALLER, type Place, runPlan, type Step } from "./plan.ts";

/** Opens a session on a namespace: `undefined` is the caller's own. */
export type OpenIp = (netns: string | undefined) => Promise<Ip>;

/** A session that says each line that changes something before it runs it. */
export function watched(open: OpenIp, say: (command: string) => void): OpenIp {
  return async (netns) => {
    const { session } = await open(netns);
    return new Ip(over(session, (line) => {
      say(command(netns, line));
      return session.change(line);
    }));
  };
}

/**
 * A session that says each line that changes something instead of running it. It answers questions
 * truly, and those about a namespace that would have been made before with nothing.
 */
export function rehearsed(open: OpenIp, say: (command: string) => void): OpenIp {
  return async (netns) => {
    const change = (line: string) => Promise.resolve(say(command(netns, line)));
    try {
      const { session } = await open(netns);
      return new Ip(over(session, change));
    } catch (error) {
      if (!(error instanceof NamespaceNotFoundError)) throw error;
      return new Ip({
        ended: false,
        change,
        query: () => Promise.resolve([]),
        [Symbol.asyncDispose]: () => Promise.resolve(),
      });
    }
  };
}

/** A session whose changes are made in another way. */
function over(
  session: Runner & AsyncDisposable,
  change: Runner["change"],
): Runner & AsyncDisposable {
  return {
    get ended() {
      return session.ended;
    },
    change,
    query: (line) => session.query(line),
    [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
  };
}

function command(netns: string | undefined, line: string): string {
  return netns === undefined ? `ip ${line}` : `ip -n ${netns} ${line}`;
}

/** How many sandboxes are worked on at once: each has an `ip` process of its own meanwhile. */
const AT_ONCE = 16;

/**
 * The sessions of a driver: one on the host's namespace while any call is under way, one on a
 * sandbox's while it is being worked on, and one on the caller's, where it is not the host's, for as
 * long as the driver lives.
 *
 * The host's does not outlive the calls that use it, as `ip` remembers links by name for as long as
 * it runs (see `Session`), and between two calls somebody else may rename or remake them.
 */
export class Namespaces implements AsyncDisposable {
  #open: OpenIp;
  #hostName: string | undefined;
  /** The lasting sessions, by the namespace's name. */
  #lasting = new Map<string | undefined, Promise<Ip>>();
  /** How many calls are under way. */
  #calls = 0;
  #free = AT_ONCE;
  #waiting: (() => void)[] = [];

  /** Makes the sessions of a driver whose host is the given namespace. */
  constructor(host: string | undefined, open: OpenIp) {
    this.#hostName = host;
    this.#open = open;
  }

  /** Runs a call. The session on the host's namespace ends with the last one that is under way. */
  async during<T>(run: () => Promise<T>): Promise<T> {
    this.#calls++;
    try {
      return await run();
    } finally {
      this.#calls--;
      if (this.#calls === 0) await this.#end(this.#hostName);
    }
  }

  /** The session on the host's namespace; a new one where the last has ended. */
  host(): Promise<Ip> {
    return this.#last(this.#hostName);
  }

  /** The session on the caller's namespace, which is the host's where no host was named. */
  caller(): Promise<Ip> {
    return this.#last(undefined);
  }

  /**
   * Runs a function with a session on a sandbox's namespace.
   *
   * @throws {NamespaceNotFoundError} The namespace is gone.
   */
  async inside<T>(sandbox: string, run: (ip: Ip) => Promise<T>): Promise<T> {
    return await this.#limited(async () => {
      await using ip = await this.#open(sandbox);
      return await run(ip);
    });
  }

  /** Runs a plan, and what belongs to it besides its lines, all or nothing: {@linkcode runPlan}. */
  async apply(steps: readonly Step[], finish?: () => void | Promise<void>): Promise<void> {
    const sessions = new Map<string, Ip>();
    const runnerOf = async (netns: Place) => {
      if (netns === undefined) return (await this.host()).session;
      if (netns === CALLER) return (await this.caller()).session;
      const current = sessions.get(netns);
      if (current && !current.session.ended) return current.session;
      const ip = await this.#open(netns);
      sessions.set(netns, ip);
      return ip.session;
    };
    const run = async () => {
      try {
        await runPlan(steps, runnerOf, finish);
      } finally {
        await Promise.all([...sessions.values()].map((ip) => ip[Symbol.asyncDispose]()));
      }
    };
    await (steps.some(({ netns }) => typeof netns === "string") ? this.#limited(run) : run());
  }

  /** Ends the lasting sessions. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#lasting.keys()].map((netns) => this.#end(netns)));
  }

  async #end(netns: string | undefined): Promise<void> {
    const opened = this.#lasting.get(netns);
    this.#lasting.delete(netns);
    await (await opened?.catch(() => undefined))?.[Symbol.asyncDispose]();
  }

  async #last(netns: string | undefined): Promise<Ip> {
    const opened = this.#lasting.get(netns);
    const current = await opened?.catch(() => undefined);
    if (current && !current.session.ended) return current;
    // Several may have waited for the one that has ended; the first opens for all.
    if (this.#lasting.get(netns) === opened) this.#lasting.set(netns, this.#open(netns));
    return await this.#lasting.get(netns)!;
  }

  async #limited<T>(run: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await run();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free++;
    }
  }
}
