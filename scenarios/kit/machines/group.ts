import { addressWord } from "../../../lib/iproute2/words.ts";
import {
  describeNetns,
  type Finding,
  finding,
  ping,
  type PingOptions,
  type PingRequest,
  type PingResult,
  REPLY_TIMEOUT,
  SILENCE_TIME,
  wasTried,
} from "../../../lib/check/reach.ts";
import { runIp, writeSysctls } from "./in_netns.ts";

/** The limited broadcast address (RFC 919): all hosts on the link, whatever their subnet. */
const BROADCAST = "255.255.255.255";

/** The group of all hosts on the link (RFC 1112). */
const ALL_HOSTS = "224.0.0.1";

/** The host that should, or should not, receive a broadcast or multicast. */
export interface Receiver {
  /** The network namespace. */
  netns: string;
  /** Its IPv4 address, which its answers come from. */
  address: string;
}

/**
 * Checks that the receiver answers a broadcast or a multicast. First sets its kernel to answer these.
 * The packet leaves by the link of the route to the receiver, if the options name no link.
 *
 * @throws {Error} if the receiver's kernel cannot be set.
 */
export async function groupPasses(
  kind: "broadcast" | "multicast",
  from: string | undefined,
  to: Receiver,
  options: PingOptions = {},
): Promise<Finding> {
  const result = await pingGroup(kind, from, to, { ...options, seconds: REPLY_TIMEOUT });
  const sentence = `A ${kind} passes from ${describeNetns(from)} to ${to.netns}`;
  return finding(sentence, result.reply !== undefined, result);
}

/**
 * Checks that the receiver does not answer a broadcast or a multicast, though it answers a packet to
 * its own address. Sends and sets the same as {@linkcode groupPasses}.
 */
export async function groupDoesNotPass(
  kind: "broadcast" | "multicast",
  from: string | undefined,
  to: Receiver,
  options: PingOptions = {},
): Promise<Finding> {
  const [group, unicast] = await Promise.all([
    pingGroup(kind, from, to, { ...options, seconds: SILENCE_TIME }),
    ping(from, to.address, { ...options, seconds: REPLY_TIMEOUT }),
  ]);
  return finding(
    `A ${kind} does not pass from ${describeNetns(from)} to ${to.netns}, a unicast does`,
    group.reply === undefined && wasTried(group.output) && unicast.reply !== undefined,
    ...[group, unicast],
  );
}

/**
 * Pings a broadcast or multicast address. It determines no link, so the route to the receiver does.
 * First it sets the receiver's kernel to answer. Linux ignores such pings by default
 * (`icmp_echo_ignore_broadcasts` in `Documentation/networking/ip-sysctl.rst`).
 */
async function pingGroup(
  kind: "broadcast" | "multicast",
  from: string | undefined,
  to: Receiver,
  request: PingRequest,
): Promise<PingResult> {
  await writeSysctls(to.netns, ["net/ipv4/icmp_echo_ignore_broadcasts"], "0");
  const broadcast = kind === "broadcast";
  return await ping(from, broadcast ? BROADCAST : ALL_HOSTS, {
    ...request,
    dev: request.dev ?? await linkTowards(from, to.address),
    replyFrom: to.address,
    broadcast,
  });
}

/** The link of the route to an IPv4 address; `undefined` if there is no route. */
async function linkTowards(from: string | undefined, address: string): Promise<string | undefined> {
  const target = addressWord(address, "address", 4);
  // 10.0.1.9 via 10.0.0.1 dev eth0 src 10.0.0.2 uid 0
  const { output } = await runIp(from, "route", "get", target);
  return / dev (\S+)/.exec(output)?.[1];
}
