import { ProgramNotFoundError } from "../iproute2/errors.ts";
import { spawn } from "../iproute2/spawn.ts";
import { netnsName } from "../iproute2/words.ts";
import type { Evidence } from "./finding.ts";

/** An answer to a ping. */
export interface PingReply {
  /** The address that answered. */
  from: string;
  /** The time to the answer, in milliseconds. */
  milliseconds: number;
}

/** What a line of ping's output says of an answer; `undefined` where it says nothing of one. */
export function parseReply(line: string): PingReply | undefined {
  // iputils: 64 bytes from 10.0.0.2: icmp_seq=1 ttl=64 time=0.074 ms
  // busybox: 64 bytes from 10.0.0.2: seq=0 ttl=64 time=0.613 ms
  const match = /^\d+ bytes from (\S+): (?:icmp_)?seq=\d+ ttl=\d+ time=([\d.]+) ms/.exec(line);
  return match ? { from: match[1]!, milliseconds: Number(match[2]) } : undefined;
}

/**
 * Whether ping got as far as asking: it came to its statistics, or the kernel had no way to the
 * target. A name that means nothing, or a program that is missing, is neither.
 *
 * iputils' ping counts nothing as transmitted where the link itself drops it (`ENOBUFS`), as an
 * ipvlan link in L3 mode does with a broadcast.
 */
export function wasTried(output: string): boolean {
  return /^\d+ packets transmitted|(Network is unreachable|No route to host)$/m.test(output);
}

/** How {@linkcode ping} asks. */
export interface PingOptions {
  /** For how long to ask, in whole seconds, five times a second. */
  seconds: number;
  /**
   * The address whose answer counts.
   *
   * @default {undefined} Any.
   */
  replyFrom?: string;
  /**
   * The link to ask on.
   *
   * @default {undefined} The one that the route leads to.
   */
  dev?: string;
  /**
   * Whether the target is a broadcast address, which iputils' ping wants to be told.
   *
   * @default {false}
   */
  broadcast?: boolean;
}

/** What a ping saw. */
export interface Pinged extends Evidence {
  /** The first answer that counts. */
  reply?: PingReply;
}

/**
 * Pings until the first answer that counts, or until the time is over. Both iputils' ping and
 * busybox's will do.
 *
 * @param from The network namespace to ask from; `undefined` for the caller's own.
 * @throws {InvalidWordError} The namespace's name is none.
 * @throws {ProgramNotFoundError} There is no `ip`, or no `ping`.
 */
export async function ping(
  from: string | undefined,
  target: string,
  options: PingOptions,
): Promise<Pinged> {
  const [program = "", ...args] = [
    ...(from === undefined ? [] : ["ip", "netns", "exec", netnsName(from)]),
    ...["ping", "-n", "-i", "0.2", "-w", String(options.seconds)],
    ...(options.broadcast ? ["-b"] : []),
    ...(options.dev === undefined ? [] : ["-I", options.dev]),
    ...["--", target],
  ];
  const child = spawn(program, args, { stdin: "null" });
  const complaints = new Response(child.stderr).text();
  let output = "";
  let reply: PingReply | undefined;
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    output += text;
    if (reply !== undefined) continue;
    reply = output.split("\n").map(parseReply)
      .find((each) => each && (options.replyFrom ?? each.from) === each.from);
    // Interrupted, both programs print their statistics and end.
    if (reply !== undefined) interrupt(child);
  }
  await child.status;
  output = (output + await complaints).trimEnd();
  if (/^exec of "ping" failed: No such file/m.test(output)) {
    throw new ProgramNotFoundError("ping");
  }
  // busybox's takes a broadcast address as it is, and does not know the option.
  if (options.broadcast && /invalid option -- '?b/.test(output)) {
    return await ping(from, target, { ...options, broadcast: false });
  }
  return { command: [program, ...args].join(" "), output, reply };
}

function interrupt(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGINT");
  } catch {
    // It has ended by itself.
  }
}
