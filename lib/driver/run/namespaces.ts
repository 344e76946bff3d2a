import { batchArgs, commandOf } from "../../iproute2/batch.ts";
import { isNoNamespace } from "../../iproute2/errors.ts";
import { Ip } from "../../iproute2/ip.ts";
import { runnerIn } from "../../iproute2/netlink_runner.ts";
import { ask, type DirectRunner, make, type Row, type Runner } from "../../iproute2/runner.ts";
import type { Libc } from "../../netlink/libc.ts";
import { type Ending, type RunProgram, Shell } from "../../iproute2/shell.ts";
import { look } from "../../iproute2/view.ts";
import { fromNetnsFolder } from "../../iproute2/words.ts";
import { shellWord } from "../../base/printable.ts";
import type { SeenNamespace } from "../model/facts.ts";
import { isOwned } from "../model/names.ts";
import { CALLER, type RunnerOf, runPlan, type Step, type WhenHeld } from "./plan.ts";
import { Programs } from "./programs.ts";
import type { WaitOptions } from "../../base/waiting.ts";
import { isIpvlanError, unlessError } from "../../base/errors.ts";

/** Wraps the runner of a namespace, by its name, which first gives links these settings. */
export type WrapRunner = (
  runner: Runner,
  netns: string | undefined,
  settings: readonly string[],
) => Runner;

/**
 * Reports each line that changes something, before it runs. In a rehearsal, it does not run, and
 * queries may find no namespace.
 */
export function reported(report: (command: string) => void, isRehearsal: boolean): WrapRunner {
  return (runner, netns, settings): DirectRunner => {
    const enter = netns === undefined ? "" : `ip netns exec ${netns} `;
    for (const each of settings) report(`${enter}sysctl -w ${shellWord(each)}`);
    const looked = async (look: () => Promise<Row[]>) =>
      isRehearsal ? await unlessError(["namespace-not-found"], look) ?? [] : await look();
    return {
      change: async (line, send) => {
        report(commandOf({ program: "ip", netns }, line));
        if (!isRehearsal) await make(runner, { line, send });
      },
      query: (line, read) => looked(() => ask(runner, line, read)),
    };
  };
}

/** The file descriptor of the lock file in each `ip` of a driver: see {@linkcode Namespaces}. */
export const LOCK_FD = 9;

export interface NamespacesOptions extends WaitOptions {
  /** The namespace that is the host; by default that of this process. */
  host?: string;
  /** The lock file, which each `ip` has open. It is made if missing, in an existing folder. */
  lock?: string;
  programs: Programs;
  wrap?: WrapRunner;
  /** Does what it can by netlink; left out, `ip` does everything. */
  netlink?: Libc;
  /** The file of an engine's namespace; `undefined` while the links are still in the host's. */
  pathOf?: (sandbox: string) => string | undefined;
  /** Whether no line takes effect, so that there is nothing to wait for. */
  isRehearsal?: boolean;
  /** Whether lines run even after the signal is aborted: see {@linkcode Namespaces.unstoppable}. */
  unstoppable?: boolean;
}

export function programsWith(lock: string | undefined): Programs {
  return new Programs(() => new Shell({ args: lock === undefined ? [] : [lock] }));
}

/**
 * Runs lines in a driver's namespaces: the host's, the caller's (this process), and those of its
 * sandboxes. Lines for one namespace that arrive at the same time run as one burst.
 *
 * A burst goes by netlink if it can, and is over when this process is killed. Else `ip` runs it. Each
 * `ip` has the lock file open from before its first line until it ends. When a driver is killed, the
 * kernel frees the driver's locks, but its `ip` runs the remaining lines. So the next driver waits until
 * no process has the lock file open (`Processes.idle`) before it removes half-made records. Deno passes
 * no open file to a program that it starts (O_CLOEXEC), so a shell opens this one: `9<>FILE`.
 */
export class Namespaces {
  #unstoppable: Namespaces | undefined;
  /** The host's and the caller's `ip`, which all calls share. */
  #shared = new Map<string | undefined, Ip>();

  constructor(private readonly options: NamespacesOptions) {}

  /** The same for work that must not stop half way: the signal only kills an `ip` that hangs. */
  get unstoppable(): Namespaces {
    if (this.options.unstoppable) return this;
    return this.#unstoppable ??= new Namespaces({ ...this.options, unstoppable: true });
  }

  host(): Ip {
    return this.#share(this.options.host);
  }

  /** `ip` in the namespace of this process. It is the host's if no host was named. */
  caller(): Ip {
    return this.#share(undefined);
  }

  /**
   * `ip` in a namespace, such as a sandbox's, for this call only. In the host's namespace, calls may
   * share it.
   *
   * @param netns Its name, a path as `ip -n` takes it, or the name of an engine's sandbox; `undefined`
   * for that of this process.
   * @param force Whether it continues after a line that failed.
   * @param settings Settings of links, made before the first line: {@linkcode linkSetting}.
   */
  inside(netns: string | undefined, force = false, settings: readonly string[] = []): Ip {
    if (netns === undefined || !isOwned(netns)) return this.#make(netns, force, settings);
    const path = this.options.pathOf?.(netns);
    if (path !== undefined) return this.#make(fromNetnsFolder(path), force, settings);
    // Lines that continue after a failure may run together with the lines of other calls.
    const canShare = force && settings.length === 0;
    return canShare ? this.host() : this.#make(this.options.host, force, settings);
  }

  /** The name of the host's namespace; `undefined` if it is that of this process. */
  get hostName(): string | undefined {
    return this.options.host;
  }

  async apply(
    steps: readonly Step[],
    finish?: () => void | Promise<void>,
    whenHeld?: WhenHeld,
  ): Promise<void> {
    const { signal, waiting, unstoppable, isRehearsal } = this.options;
    const wait = isRehearsal ? undefined : { signal: unstoppable ? undefined : signal, waiting };
    const runnerOf: RunnerOf = (place, undoing, settings) => {
      const namespaces = undoing ? this.unstoppable : this;
      if (place === CALLER) return namespaces.caller().session;
      if (place === undefined && settings.length === 0) return namespaces.host().session;
      return namespaces.inside(place ?? this.options.host, undoing, settings).session;
    };
    const unlessStopped = async () => {
      if (!unstoppable) signal?.throwIfAborted();
      await finish?.();
    };
    await runPlan(steps, runnerOf, unlessStopped, whenHeld, wait);
  }

  /** Runs a program without the lock file. Its last line is the command as users know it. */
  readonly run: RunProgram = (command, input) =>
    this.#run(command, input, command.slice(command.lastIndexOf("\n") + 1));

  #run(command: string, input: readonly string[], shown: string): Promise<Ending> {
    const { programs, signal, waiting, unstoppable = false } = this.options;
    return programs.run(command, input, { shown, signal, waiting, unstoppable });
  }

  #share(netns: string | undefined): Ip {
    // The lines of several calls run together. If a line of one call fails, the others must still run.
    const shared = this.#shared.get(netns) ?? this.#make(netns, true);
    this.#shared.set(netns, shared);
    return shared;
  }

  #make(netns: string | undefined, force: boolean, settings: readonly string[] = []): Ip {
    const { lock, wrap = (runner) => runner } = this.options;
    const program = { program: "ip", netns, force } as const;
    const shown = ["ip", ...batchArgs(program)].join(" ");
    // The shell first opens the lock file, and then checks that this driver still runs (`kill -0`). So if
    // no process has the file open, no `ip` of a killed driver will start.
    const locked = (command: string) => `{ kill -0 $PPID || exit; ${command}; } ${LOCK_FD}<>"$1"`;
    const run: RunProgram = (command, input) =>
      this.#run(lock === undefined ? command : locked(command), input, shown);
    const { netlink, unstoppable } = this.options;
    const signal = unstoppable ? undefined : this.options.signal;
    const runner = runnerIn({ netlink, netns, force, settings, signal, run });
    return new Ip(wrap(runner, netns, settings));
  }
}

/** Looks into a sandbox's namespace, if it exists. @param all Whether at all tables and the rules. */
export async function lookInside(
  namespaces: Namespaces,
  sandbox: string,
  all = false,
): Promise<SeenNamespace | undefined> {
  const place = { netns: sandbox, ip: namespaces.inside(sandbox), run: namespaces.run };
  try {
    const more = all ? { routes: "all", rules: true } as const : { routes: "main" } as const;
    return await look(place, { links: true, addrs: true, ...more });
  } catch (error) {
    if (isIpvlanError(error, "namespace-not-found") || isNoNamespace(error)) return undefined;
    throw error;
  }
}
