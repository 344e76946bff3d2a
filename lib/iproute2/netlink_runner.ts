import { IpvlanError } from "../base/errors.ts";
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
import { commandOf, type Outcome } from "./batch.ts";
import { ipCommandError } from "./errors.ts";
import { NeedsProgram } from "./runner.ts";
import { type DirectLine, Session } from "./session.ts";
import type { RunProgram } from "./shell.ts";
import { pathToEnter } from "./words.ts";

interface NetlinkOptions {
  libc: Libc;
  /** The namespace that it acts in: a name, or a path as `ip -n` takes it; left out, the caller's. */
  netns?: string;
  /** Whether it continues after a change that failed. */
  force: boolean;
  /** Settings of links in the namespace, made first: `linkSetting`. */
  settings?: readonly string[];
  /** Keeps later bursts from starting: their calls fail with its reason. */
  signal?: AbortSignal;
}

/** How long to keep the thread before other code gets a turn, in milliseconds, and how often to look. */
const [STRETCH, PER_LOOK] = [10, 4];

/**
 * Runs a burst of a session by netlink, up to the first line that only `ip` can run. Each line sees
 * what those before it have done.
 *
 * The thread enters the namespace only to open files and a socket there, and leaves it at once. So it
 * starts no program, and leaves nothing running when this process is killed.
 */
async function runDirectly(
  options: NetlinkOptions,
  lines: readonly DirectLine[],
): Promise<Outcome[]> {
  const { force, netns, signal } = options;
  const outcomes: Outcome[] = [];
  const filled = (rest: Outcome) => Array.from(lines, (_line, index) => outcomes[index] ?? rest);
  try {
    signal?.throwIfAborted();
    using socket = openSocket(options);
    let start = performance.now();
    for (const { line, direct } of lines) {
      try {
        outcomes.push({ rows: direct!(socket) ?? [] });
      } catch (error) {
        if (error instanceof NeedsProgram) return filled("not run");
        outcomes.push({ error: errorOf(error, netns, line) });
        if (!force) return filled(outcomes.at(-1)!);
      }
      // To ask for the time is slow in some virtual machines.
      if (outcomes.length % PER_LOOK > 0 || performance.now() - start < STRETCH) continue;
      await new Promise((resolve) => setTimeout(resolve));
      start = performance.now();
    }
    return outcomes;
  } catch (error) {
    return filled({ error: errorOf(error, netns) });
  }
}

function openSocket({ libc, netns, settings = [] }: NetlinkOptions): NetlinkSocket {
  using files = new DisposableStack();
  using opened = new DisposableStack();
  const open = () => {
    // A link may have been renamed or deleted, and a kernel without IPv6 has no settings of it.
    const writes = settings.flatMap((setting) => {
      const at = setting.lastIndexOf("=");
      const path = `/proc/sys/${setting.slice(0, at)}`;
      const open = () => files.use(libc.open(path, OPEN.WRONLY));
      const file = unlessErrno([ERRNO.ENOENT], open);
      return file ? [{ file, value: setting.slice(at + 1) }] : [];
    });
    return { writes, socket: opened.use(new NetlinkSocket(libc)) };
  };
  const { writes, socket } = netns === undefined
    ? open()
    : inNamespace(libc, pathToEnter(netns), netns, open);
  for (const { file, value } of writes) {
    unlessErrno([ERRNO.ENOENT], () => writeSetting(libc, file, value));
  }
  opened.move();
  return socket;
}

function writeSetting(libc: Libc, { fd }: OpenFile, value: string): void {
  if (Number(libc.calls.write(fd, new TextEncoder().encode(value), 1n)) === 1) return;
  throw libc.error(`Cannot set a link's sysctl to ${value}`);
}

function errorOf(error: unknown, netns: string | undefined, line?: string): unknown {
  if (!(error instanceof SystemError)) return error;
  if (line === undefined && netns !== undefined && error.errno === ERRNO.ENOENT) {
    return new IpvlanError("namespace-not-found", { netns });
  }
  const said = ipCommandError(commandOf({ program: "ip", netns }, line), error.message);
  // A sentence of the kernel may tell more than its number, which stands for several failures.
  if (said.errno !== "unknown") return said;
  const { command, reason } = said;
  const names = Object.keys(ERRNO) as (keyof typeof ERRNO)[];
  const errno = names.find((name) => ERRNO[name] === error.errno) ?? "unknown";
  return new IpvlanError("ip-command", { command, reason, errno });
}

/** Makes the session of a namespace: by netlink if it may be used, and with `ip` for the rest. */
export function runnerIn(
  { netlink: libc, ...options }: Omit<NetlinkOptions, "libc"> & { netlink?: Libc; run: RunProgram },
): Session {
  const netlink = libc && runDirectly.bind(undefined, { libc, ...options });
  return new Session({ program: "ip", ...options, netlink });
}
