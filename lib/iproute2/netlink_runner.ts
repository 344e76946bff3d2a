import { IpvlanError } from "../base/errors.ts";
import type { IpErrno } from "../base/error_codes.ts";
import {
  ERRNO,
  type Libc,
  OPEN,
  type OpenFile,
  SystemError,
  unlessErrno,
} from "../netlink/libc.ts";
import { inNamespace } from "../netlink/namespace.ts";
import { NetlinkSocket } from "../netlink/socket.ts";
import { commandOf } from "./batch.ts";
import { ipCommandError } from "./errors.ts";
import {
  ask,
  type DirectRunner,
  NeedsProgram,
  type Query,
  type Runner,
  type Send,
} from "./runner.ts";
import { Session } from "./session.ts";
import type { RunProgram } from "./shell.ts";
import { ProcessPerBurst } from "./transport.ts";
import { pathToEnter } from "./words.ts";

interface NetlinkOptions {
  /** The namespace that it acts in: a name, or a path as `ip -n` takes it; left out, the caller's. */
  netns?: string;
  /** Whether it continues after a change that failed. */
  force: boolean;
  /** Settings of links in the namespace, made first: `linkSetting`. */
  settings: readonly string[];
  /** Keeps later bursts from starting: their calls fail with its reason. */
  signal?: AbortSignal;
  /** Runs the bursts with a line that only `ip` can run. */
  program: Runner;
}

/** A change or a question that waits for its turn. */
interface Pending extends PromiseWithResolvers<unknown> {
  line: string;
  /** Does it by netlink; left out, only `ip` can. */
  run?: (socket: NetlinkSocket) => unknown;
  runProgram: () => Promise<unknown>;
}

/** How long to keep the thread before other code gets a turn, in milliseconds, and how often to look. */
const [STRETCH, PER_LOOK] = [10, 4];

/**
 * Runs all calls of a turn by netlink, as a `Session` does with one `ip`: in their order, each seeing
 * what those before it have done. If one of them has no messages, the whole burst goes to a session.
 *
 * The thread enters the namespace only to open files and a socket there, and leaves it at once. So it
 * starts no program, and leaves nothing running when this process is killed.
 */
export class NetlinkRunner implements DirectRunner {
  #queue: Pending[] = [];
  /** The queued questions with no change after them, by line and part. */
  #shared = new Map<string, Promise<unknown>>();
  #running: Promise<void> | undefined;

  constructor(private readonly libc: Libc, private readonly options: NetlinkOptions) {}

  async change(line: string, send?: Send): Promise<void> {
    const { program } = this.options;
    this.#shared.clear();
    await this.#add(line, send, () => program.change(line));
  }

  query(line: string): Promise<Record<string, unknown>[]> {
    const { program } = this.options;
    return this.#add(line, undefined, () => program.query(line));
  }

  ask<T>(query: Query<T>): Promise<T> {
    const { line, part = "", read } = query;
    const key = `${line}\n${part}`;
    const shared = this.#shared.get(key);
    if (shared) return shared as Promise<T>;
    const answer = this.#add(line, read, () => ask(this.options.program, query));
    this.#shared.set(key, answer);
    return answer;
  }

  #add<T>(
    line: string,
    run: ((socket: NetlinkSocket) => T) | undefined,
    runProgram: () => Promise<T>,
  ): Promise<T> {
    const pending = Promise.withResolvers<T>();
    this.#queue.push({ line, run, runProgram, ...pending } as Pending);
    this.#running ??= this.#run();
    return pending.promise;
  }

  async #run(): Promise<void> {
    // When this resolves, the other calls of the same turn are in the queue.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      const burst = this.#queue.splice(0);
      this.#shared.clear();
      await (burst.every(({ run }) => run) ? this.#runBurst(burst) : runPrograms(burst));
    }
    this.#running = undefined;
  }

  async #runBurst(burst: readonly Pending[]): Promise<void> {
    const { force, signal } = this.options;
    const rest = [...burst];
    try {
      signal?.throwIfAborted();
      using socket = this.#open();
      let start = performance.now();
      for (let count = 1; rest.length > 0; count++) {
        const pending = rest.shift()!;
        try {
          pending.resolve(pending.run!(socket));
        } catch (error) {
          if (error instanceof NeedsProgram) {
            await pending.runProgram().then(pending.resolve, pending.reject);
            continue;
          }
          const refused = this.#errorOf(error, pending.line);
          pending.reject(refused);
          if (!force) throw refused;
        }
        // To ask for the time is slow in some virtual machines.
        if (count % PER_LOOK > 0 || performance.now() - start < STRETCH) continue;
        await new Promise((resolve) => setTimeout(resolve));
        start = performance.now();
      }
    } catch (error) {
      const failure = this.#errorOf(error);
      for (const { reject } of [...rest, ...force ? [] : this.#queue.splice(0)]) reject(failure);
    }
  }

  /** Opens a socket in the namespace, and makes the settings. */
  #open(): NetlinkSocket {
    const { netns, settings } = this.options;
    using files = new DisposableStack();
    using opened = new DisposableStack();
    const open = () => {
      // A link may have been renamed or deleted, and a kernel without IPv6 has no settings of it.
      const writes = settings.flatMap((setting) => {
        const at = setting.lastIndexOf("=");
        const path = `/proc/sys/${setting.slice(0, at)}`;
        const open = () => files.use(this.libc.open(path, OPEN.WRONLY));
        const file = unlessErrno([ERRNO.ENOENT], open);
        return file ? [{ file, value: setting.slice(at + 1) }] : [];
      });
      return { writes, socket: opened.use(new NetlinkSocket(this.libc)) };
    };
    const { writes, socket } = netns === undefined
      ? open()
      : inNamespace(this.libc, pathToEnter(netns), netns, open);
    for (const { file, value } of writes) {
      unlessErrno([ERRNO.ENOENT], () => this.#set(file, value));
    }
    opened.move();
    return socket;
  }

  #set({ fd }: OpenFile, value: string): void {
    if (Number(this.libc.calls.write(fd, new TextEncoder().encode(value), 1n)) === 1) return;
    throw this.libc.error((text) => `Cannot set a link's sysctl to ${value}: ${text}`);
  }

  #errorOf(error: unknown, line?: string): unknown {
    if (!(error instanceof SystemError)) return error;
    const { netns } = this.options;
    if (line === undefined && netns !== undefined && error.errno === ERRNO.ENOENT) {
      return new IpvlanError("namespace-not-found", { netns });
    }
    const said = ipCommandError(commandOf({ program: "ip", netns }, line), error.message);
    // A sentence of the kernel may tell more than its number, which stands for several failures.
    if (said.errno !== "unknown") return said;
    const { command, reason } = said;
    return new IpvlanError("ip-command", { command, reason, errno: nameOfErrno(error.errno) });
  }
}

function nameOfErrno(number: number): IpErrno {
  const names = Object.keys(ERRNO) as (keyof typeof ERRNO)[];
  return names.find((name) => ERRNO[name] === number) ?? "unknown";
}

async function runPrograms(burst: readonly Pending[]): Promise<void> {
  await Promise.allSettled(
    burst.map(({ runProgram, resolve, reject }) => runProgram().then(resolve, reject)),
  );
}

/** What the runner of a namespace needs. */
interface RunnerOptions extends Pick<NetlinkOptions, "netns" | "force" | "signal"> {
  /** The C library, if netlink may be used. */
  netlink?: Libc;
  settings?: readonly string[];
  run: RunProgram;
}

/** Makes the runner of a namespace: by netlink if it may be used, and with `ip` for the rest. */
export function runnerIn(
  { netlink, netns, force, settings = [], signal, run }: RunnerOptions,
): Runner {
  const program = new Session(new ProcessPerBurst({ program: "ip", netns, force }, run, settings));
  return netlink
    ? new NetlinkRunner(netlink, { netns, force, settings, signal, program })
    : program;
}
