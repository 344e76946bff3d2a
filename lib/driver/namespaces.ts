import { NamespaceNotFoundError } from "../iproute2/errors.ts";
import { Ip } from "../iproute2/ip.ts";
import type { Runner } from "../iproute2/session.ts";
import { CALLER, type Place, runPlan, type Step } from "./plan.ts";
import { Starter, type Starts } from "./starter.ts";
import { Within } from "./within.ts";

/** Opens a session on a namespace: `undefined` is the caller's own. */
export type OpenIp = (netns: string | undefined) => Promise<Ip>;

/** Puts something in the place of what runs lines in a namespace: `undefined` is the caller's own. */
export type WrapRunner = (runner: Runner, netns: string | undefined) => Runner;

/** What says each line that changes something before it is run. */
export function watched(say: (command: string) => void): WrapRunner {
  return (runner, netns) => ({
    get ended() {
      return runner.ended;
    },
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
    get ended() {
      return runner.ended;
    },
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

function isName(place: Place): place is string {
  return typeof place === "string";
}

function command(netns: string | undefined, line: string): string {
  return netns === undefined ? `ip ${line}` : `ip -n ${netns} ${line}`;
}

/**
 * In how many other namespaces a session makes links before another takes its place: for each link
 * `ip` keeps a file open as long as it runs (`iplink_parse` in `ip/iplink.c`), and 1024 is a usual
 * limit.
 */
const KEPT = 400;

/** How a {@linkcode Namespaces} is made. */
export interface NamespacesOptions {
  /** The namespace that is the host; the caller's own where there is none. */
  host?: string;
  /** What opens the sessions, in place of {@linkcode Ip.open}. */
  open?: OpenIp;
  /** What starts programs, in place of a {@linkcode Starter}. */
  start?: () => Starts;
  /** What stands in the place of what runs the lines. */
  wrap?: WrapRunner;
}

/** A session that lasts. */
interface Lasting {
  /** The session itself. */
  own: Ip;
  /** What stands in its place. */
  wrapped: Ip;
  /** In how many other namespaces it has made links. */
  kept: number;
}

/**
 * What runs lines in a driver's namespaces: a session on the host's while any call is under way, one
 * on the caller's, where it is not the host's, for as long as the driver lives, and in each sandbox
 * short-lived processes ({@linkcode Within}).
 *
 * The host's does not outlive the calls that use it, as `ip` remembers links by name for as long as
 * it runs (see `Session`), and between two calls somebody else may rename or remake them.
 */
export class Namespaces implements AsyncDisposable {
  #open: OpenIp;
  #start: () => Starts;
  #wrap: WrapRunner;
  #hostName: string | undefined;
  /** The lasting sessions, by the namespace's name. */
  #lasting = new Map<string | undefined, Promise<Lasting>>();
  /** Those that others have taken the place of. */
  #retired: Lasting[] = [];
  /** The namespaces that the sessions on the host's keep. */
  #kept = new Set<string>();
  #starter: Starts | undefined;
  /** How many calls are under way. */
  #calls = 0;

  /** Makes what runs a driver's lines. */
  constructor({ host, open, start, wrap }: NamespacesOptions = {}) {
    this.#hostName = host;
    this.#open = open ?? ((netns) => Ip.open({ netns }));
    this.#start = start ?? (() => new Starter());
    this.#wrap = wrap ?? ((runner) => runner);
  }

  /** Runs a call. The session on the host's namespace ends with the last one that is under way. */
  async during<T>(run: () => Promise<T>): Promise<T> {
    this.#calls++;
    try {
      return await run();
    } finally {
      this.#calls--;
      if (this.#calls === 0) await this.#end([this.#hostName]);
    }
  }

  /** The session on the host's namespace; a new one where the last has ended. */
  async host(): Promise<Ip> {
    return (await this.#last(this.#hostName)).wrapped;
  }

  /** The session on the caller's namespace, which is the host's where no host was named. */
  async caller(): Promise<Ip> {
    return (await this.#last(undefined)).wrapped;
  }

  /** What runs lines in a sandbox's namespace: `force` as in {@linkcode Within}. */
  inside(sandbox: string, force = false): Ip {
    if (this.#starter?.ended ?? true) this.#starter = this.#start();
    const within = new Within({ starter: this.#starter!, netns: sandbox, force });
    return new Ip(this.#wrap(within, sandbox));
  }

  /** Runs a plan, and what belongs to it besides its lines, all or nothing: {@linkcode runPlan}. */
  async apply(steps: readonly Step[], finish?: () => void | Promise<void>): Promise<void> {
    const runnerOf = async (place: Place, undoing: boolean) => {
      if (place === CALLER) return (await this.caller()).session;
      if (place !== undefined) return this.inside(place, undoing).session;
      const others = new Set(steps.map(({ netns }) => netns).filter((netns) => isName(netns)));
      for (const netns of others) this.#kept.add(netns);
      return (await this.#last(this.#hostName, others.size)).wrapped.session;
    };
    await runPlan(steps, runnerOf, finish);
  }

  /** Whether a session keeps a sandbox's namespace even when its name is deleted. */
  keeps(sandbox: string): boolean {
    return this.#kept.has(sandbox);
  }

  /** Ends the lasting sessions. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end([...this.#lasting.keys()]);
    await this.#starter?.[Symbol.asyncDispose]();
  }

  async #end(names: (string | undefined)[]): Promise<void> {
    this.#kept.clear();
    const opened = names.map((netns) => this.#lasting.get(netns));
    for (const netns of names) this.#lasting.delete(netns);
    const sessions = [...await Promise.allSettled(opened)].flatMap((one) =>
      one.status === "fulfilled" && one.value ? [one.value] : []
    );
    await Promise.all(
      [...sessions, ...this.#retired.splice(0)].map(({ own }) => own[Symbol.asyncDispose]()),
    );
  }

  /** The session that lasts, in which as many more namespaces are about to be kept. */
  async #last(netns: string | undefined, keeping = 0): Promise<Lasting> {
    for (;;) {
      const opened = this.#lasting.get(netns);
      const current = await opened?.catch(() => undefined);
      if (current && !current.own.session.ended && current.kept < KEPT) {
        current.kept += keeping;
        return current;
      }
      // Several may have waited for the one that has ended; the first opens for all.
      if (this.#lasting.get(netns) === opened) {
        this.#lasting.set(netns, this.#opened(netns));
        // Somebody may be about to send it a line.
        if (current) this.#retired.push(current);
      }
      await this.#lasting.get(netns);
    }
  }

  async #opened(netns: string | undefined): Promise<Lasting> {
    const own = await this.#open(netns);
    return { own, wrapped: new Ip(this.#wrap(own.session, netns)), kept: 0 };
  }
}
