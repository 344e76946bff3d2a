import { REPLY_TIMEOUT, SILENCE_TIME } from "./reach.ts";
import { setSysctls } from "./sysctl.ts";
import { type Finding, toEvidence } from "./finding.ts";
import { ping, type PingResult, wasTried } from "./ping.ts";

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

/** Checks that the receiver answers a broadcast on `eth0`. First sets its kernel to answer them. */
export function broadcastPasses(from: string, to: Receiver): Promise<Finding> {
  return passes("broadcast", from, to);
}

/**
 * Checks that the receiver does not answer a broadcast on `eth0`, though it answers a packet to its
 * own address. First sets its kernel to answer broadcasts.
 */
export function broadcastDoesNotPass(from: string, to: Receiver): Promise<Finding> {
  return doesNotPass("broadcast", from, to);
}

/** Checks that the receiver answers a multicast on `eth0`. First sets its kernel to answer them. */
export function multicastPasses(from: string, to: Receiver): Promise<Finding> {
  return passes("multicast", from, to);
}

/** Like {@linkcode broadcastDoesNotPass}, with a multicast. */
export function multicastDoesNotPass(from: string, to: Receiver): Promise<Finding> {
  return doesNotPass("multicast", from, to);
}

type Kind = "broadcast" | "multicast";

async function passes(kind: Kind, from: string, to: Receiver): Promise<Finding> {
  await answerGroups(to.netns);
  const result = await pingGroup(kind, from, to, REPLY_TIMEOUT);
  return {
    sentence: `A ${kind} passes from ${from} to ${to.netns}`,
    held: result.reply !== undefined,
    evidence: [toEvidence(result)],
  };
}

async function doesNotPass(kind: Kind, from: string, to: Receiver): Promise<Finding> {
  await answerGroups(to.netns);
  const [group, unicast] = await Promise.all([
    pingGroup(kind, from, to, SILENCE_TIME),
    ping(from, to.address, { seconds: REPLY_TIMEOUT }),
  ]);
  return {
    sentence: `A ${kind} does not pass from ${from} to ${to.netns}, a unicast does`,
    held: group.reply === undefined && wasTried(group.output) && unicast.reply !== undefined,
    evidence: [toEvidence(group), toEvidence(unicast)],
  };
}

function pingGroup(kind: Kind, from: string, to: Receiver, seconds: number): Promise<PingResult> {
  const broadcast = kind === "broadcast";
  return ping(from, broadcast ? BROADCAST : ALL_HOSTS, {
    seconds,
    replyFrom: to.address,
    dev: "eth0",
    broadcast,
  });
}

/**
 * Sets a namespace to answer pings to broadcast and multicast addresses. Linux ignores them by default
 * (`icmp_echo_ignore_broadcasts` in `Documentation/networking/ip-sysctl.rst`).
 */
async function answerGroups(netns: string): Promise<void> {
  await setSysctls(netns, ["net/ipv4/icmp_echo_ignore_broadcasts"], "0");
}
