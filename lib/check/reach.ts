import { attempt, IpvlanError } from "../base/errors.ts";
import { addressIn } from "../ipam/address.ts";
import { spawn } from "../iproute2/shell.ts";
import { lookAround } from "../iproute2/view.ts";
import { netnsName } from "../iproute2/words.ts";
import { explain, nodeOf, toText, WANTED } from "../why/mod.ts";

/** A command that a check ran, and its output. */
export interface Evidence {
  /** The command line, as a user would type it: `ip -n c1 -4 route show`. */
  command: string;
  /** The text on standard output and standard error, without the last newline. */
  output: string;
}

/** The result of a check. */
export interface Finding {
  /** The claim that was checked: `c1 reaches 192.168.1.1`. */
  sentence: string;
  /** Whether the claim is true. */
  held: boolean;
  /** The commands that show it, with their output. */
  evidence: Evidence[];
}

/** Makes a finding from the commands that show it. */
export function finding(sentence: string, held: boolean, ...shown: Evidence[]): Finding {
  return { sentence, held, evidence: shown.map(({ command, output }) => ({ command, output })) };
}

/** Names a namespace in a sentence; `undefined` is the caller's own. */
export function describeNetns(netns: string | undefined): string {
  return netns ?? "this namespace";
}

/** How long to wait for an answer that should come, in seconds. Emulated machines are slow. */
export const REPLY_TIMEOUT = 5;

/** How long to wait for an answer that should not come, in seconds. */
export const SILENCE_TIME = 1;

/** If a control answers later than this, in milliseconds, {@linkcode SILENCE_TIME} is too short. */
const SLOW = 300;

/** The answers that must arrive while a target does not answer. */
export interface Control extends PingOptions {
  /**
   * The namespace that the target has to answer at the same time, which proves that the target is
   * alive; `undefined` for the caller's own.
   */
  control: string | undefined;
  /**
   * An address or a name that has to answer the asker at the same time, on the link of its route.
   * This proves that the asker is not cut off.
   */
  reaches: string;
}

/**
 * Checks that a target answers a ping within 5 seconds. Resolves at the first answer. Without one, the
 * evidence has what `ipvlan why` says, too.
 *
 * @param target An address of either family, or a name. The names of a namespace are those in
 * `/etc/netns/NAME/hosts`, which `ip netns exec` mounts over `/etc/hosts` (ip-netns(8)).
 */
export async function reaches(
  from: string | undefined,
  target: string,
  { dev, signal }: PingOptions = {},
): Promise<Finding> {
  const result = await ping(from, target, { seconds: REPLY_TIMEOUT, dev, signal });
  const held = result.reply !== undefined;
  const why = held || dev !== undefined ? [] : await reasons(from, target, result.output, signal);
  return finding(`${describeNetns(from)} reaches ${target}`, held, result, ...why);
}

/** What the model of `lib/why/` says of a ping; nothing where it may not look. */
async function reasons(
  from: string | undefined,
  target: string,
  output: string,
  signal: AbortSignal | undefined,
): Promise<Evidence[]> {
  // iputils: PING c2 (10.0.0.2) 56(84) bytes of data. PING c2(c2 (fd00::2)) 56 data bytes
  // busybox: PING c2 (10.0.0.2): 56 data bytes
  const [, pinged = target] = /^PING [^\n]*?\(([\da-f.:]+)\)/.exec(output) ?? [];
  const dst = attempt(() => addressIn(pinged));
  if (!dst.ok) return [];
  try {
    const view = await lookAround(WANTED, { signal });
    const node = nodeOf(view, from);
    if (!node) return [];
    const { fix, ...answer } = await explain(view, node, { dst: dst.value });
    const names = { from: from ?? "host", to: target, fix };
    const command = ["ipvlan", "why", names.from, target].join(" ");
    return [{ command, output: toText(answer, names) }];
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof IpvlanError || error instanceof Deno.errors.NotCapable) return [];
    throw error;
  }
}

/**
 * Checks that a target does not answer a ping for a second, while it answers the control, and while
 * another target answers the asker. If one of these answers is slow, the target gets a second, longer
 * chance.
 */
export async function doesNotReach(
  from: string | undefined,
  target: string,
  { control, reaches, dev, signal }: Control,
): Promise<Finding> {
  const [first, ...controls] = await Promise.all([
    ping(from, target, { seconds: SILENCE_TIME, dev, signal }),
    ping(control, target, { seconds: REPLY_TIMEOUT, signal }),
    ping(from, reaches, { seconds: REPLY_TIMEOUT, signal }),
  ]);
  const isSlow = first.reply === undefined &&
    controls.some(({ reply }) => (reply?.milliseconds ?? 0) > SLOW);
  const result = isSlow ? await ping(from, target, { seconds: REPLY_TIMEOUT, dev, signal }) : first;
  const [asker, alive] = [from, control].map(describeNetns);
  return finding(
    `${asker} reaches ${reaches}, and does not reach ${target}, which answers ${alive}`,
    result.reply === undefined && wasTried(result.output) &&
      controls.every(({ reply }) => reply !== undefined),
    ...[result, ...controls],
  );
}

/** An answer to a ping, and the time to it. */
type PingReply = { from: string; milliseconds: number };

/** Parses the answer in a line of ping's output; `undefined` if the line has none. */
export function parseReply(line: string): PingReply | undefined {
  // iputils: 64 bytes from 10.0.0.2: icmp_seq=1 ttl=64 time=0.074 ms
  // busybox: 64 bytes from 10.0.0.2: seq=0 ttl=64 time=0.613 ms
  const match = /^\d+ bytes from (\S+): (?:icmp_)?seq=\d+ ttl=\d+ time=([\d.]+) ms/.exec(line);
  return match ? { from: match[1]!, milliseconds: Number(match[2]) } : undefined;
}

/**
 * Whether ping really tried to send: it printed its statistics, or the kernel had no route to the
 * target. An unknown name or a missing program is not a try.
 *
 * iputils' ping counts 0 packets as transmitted if the link drops them (`ENOBUFS`), as an ipvlan link
 * in L3 mode does with a broadcast. That is a try.
 */
export function wasTried(output: string): boolean {
  return /^\d+ packets transmitted|(Network is unreachable|No route to host)$/m.test(output);
}

/** Options of a check that pings. */
export interface PingOptions {
  /** The link to send on; left out, the link of the route. */
  dev?: string;
  /** Ends the check: its pings are killed, and it fails with the signal's reason. */
  signal?: AbortSignal;
}

/** The pings that {@linkcode ping} sends, and the answers that it waits for. */
export interface PingRequest extends PingOptions {
  /** The time to ping, in whole seconds. It sends five packets a second. */
  seconds: number;
  /** The address whose answer counts; left out, any. */
  replyFrom?: string;
  /** Whether the target is a broadcast address. iputils' ping then needs an option. */
  broadcast?: boolean;
}

export interface PingResult extends Evidence {
  /** The first answer that counts. */
  reply?: PingReply;
}

/**
 * Pings until the first answer that counts, or until the time is over. Works with the ping of
 * iputils and of busybox. Fails with the signal's reason.
 */
export async function ping(
  from: string | undefined,
  target: string,
  request: PingRequest,
): Promise<PingResult> {
  const { seconds, replyFrom, dev, broadcast, signal } = request;
  signal?.throwIfAborted();
  const [program = "", ...args] = [
    ...(from === undefined ? [] : ["ip", "netns", "exec", netnsName(from)]),
    ...["ping", "-n", "-i", "0.2", "-w", String(seconds)],
    ...(broadcast ? ["-b"] : []),
    ...(dev === undefined ? [] : ["-I", dev]),
    ...["--", target],
  ];
  const child = spawn(program, args, { stdin: "null", signal });
  const errorOutput = new Response(child.stderr).text();
  let output = "";
  let reply: PingReply | undefined;
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    output += text;
    if (reply !== undefined) continue;
    reply = output.split("\n").map(parseReply)
      .find((each) => each && (replyFrom ?? each.from) === each.from);
    // On SIGINT, both programs print their statistics and end.
    if (reply !== undefined) interrupt(child);
  }
  await child.status;
  signal?.throwIfAborted();
  output = (output + await errorOutput).trimEnd();
  if (/^exec of "ping" failed: No such file/m.test(output)) {
    throw new IpvlanError("program-not-found", { program: "ping" });
  }
  // busybox's ping needs no option for a broadcast address, and does not know it.
  if (broadcast && /invalid option -- '?b/.test(output)) {
    return await ping(from, target, { ...request, broadcast: false });
  }
  return { command: [program, ...args].join(" "), output, reply };
}

function interrupt(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGINT");
  } catch {
    // The process has already ended.
  }
}
