import { PATIENCE, WINDOW } from "./reach.ts";
import { setSysctls } from "./sysctl.ts";
import { evidenceOf, type Finding } from "./finding.ts";
import { ping, type Pinged, wasTried } from "./ping.ts";

/** The limited broadcast address (RFC 919): everybody on the link, whatever the subnet. */
const BROADCAST = "255.255.255.255";

/** The group of all hosts on the link (RFC 1112). */
const ALL_HOSTS = "224.0.0.1";

/** Who should, or should not, be reached by a packet to everybody. */
export interface Receiver {
  /** The network namespace. */
  netns: string;
  /** Its IPv4 address, from which it answers. */
  address: string;
}

/** Checks that a broadcast on `eth0` is answered by the receiver. It is made to answer them. */
export function broadcastPasses(from: string, to: Receiver): Promise<Finding> {
  return passes("broadcast", from, to);
}

/**
 * Checks that a broadcast on `eth0` is not answered by the receiver, which is made to answer
 * broadcasts, and which does answer a packet to its own address.
 */
export function broadcastDoesNotPass(from: string, to: Receiver): Promise<Finding> {
  return doesNotPass("broadcast", from, to);
}

/** Checks that a multicast on `eth0` is answered by the receiver. It is made to answer them. */
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
  const asked = await pingAll(kind, from, to, PATIENCE);
  return {
    sentence: `A ${kind} passes from ${from} to ${to.netns}`,
    held: asked.reply !== undefined,
    evidence: [evidenceOf(asked)],
  };
}

async function doesNotPass(kind: Kind, from: string, to: Receiver): Promise<Finding> {
  await answerGroups(to.netns);
  const [asked, unicast] = await Promise.all([
    pingAll(kind, from, to, WINDOW),
    ping(from, to.address, { seconds: PATIENCE }),
  ]);
  return {
    sentence: `A ${kind} does not pass from ${from} to ${to.netns}, a unicast does`,
    held: asked.reply === undefined && wasTried(asked.output) && unicast.reply !== undefined,
    evidence: [evidenceOf(asked), evidenceOf(unicast)],
  };
}

function pingAll(kind: Kind, from: string, to: Receiver, seconds: number): Promise<Pinged> {
  const broadcast = kind === "broadcast";
  return ping(from, broadcast ? BROADCAST : ALL_HOSTS, {
    seconds,
    replyFrom: to.address,
    dev: "eth0",
    broadcast,
  });
}

/**
 * Makes a namespace answer pings to everybody, which Linux leaves unanswered by default
 * (`icmp_echo_ignore_broadcasts` in `Documentation/networking/ip-sysctl.rst`).
 */
async function answerGroups(netns: string): Promise<void> {
  await setSysctls(netns, ["net/ipv4/icmp_echo_ignore_broadcasts"], "0");
}
