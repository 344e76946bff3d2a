import { spawn } from "../iproute2/spawn.ts";
import { netnsName } from "../iproute2/words.ts";
import type { Evidence } from "./finding.ts";
import { IpvlanError } from "../base/errors.ts";

/** An answer to a ping. */
export interface PingReply {
  from: string;
  /** The time to the answer, in milliseconds. */
  milliseconds: number;
}

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

/** The result of a ping. */
export interface PingResult extends Evidence {
  /** The first answer that counts. */
  reply?: PingReply;
}

/**
 * Pings until the first answer that counts, or until the time is over. Works with the ping of
 * iputils and of busybox. Fails with the signal's reason.
 *
 * @throws {"program-not-found"} The machine has no `ip` or no `ping`.
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
