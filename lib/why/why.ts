import { familyOf } from "../ipam/address.ts";
import { End, type Step, type Verdict, Walk } from "./walk.ts";
import { type Node, sysctl, type WhyView, type World } from "./world.ts";

/** An echo request. */
export interface Question {
  dst: string;
  /** The address to ask from; left out, the kernel's choice. */
  src?: string;
  /** The bytes of the packet, which may not be cut into parts, but its reply may; left out, a few. */
  size?: number;
}

/** Whether an echo request is answered, and how it travels. */
export interface Answer {
  /** `yes`, `no`, or what keeps the answer from being known. */
  verdict: Verdict;
  /** The steps of the request. If the verdict is not `yes`, the last step of all says why. */
  there: Step[];
  /** The steps of the reply. */
  back: Step[];
}

/**
 * Follows an echo request and its reply through a world.
 *
 * @param node The namespace that asks.
 * @param question The address that is asked, and how.
 */
export function why(world: World, node: Node, question: Question): Answer {
  const { dst, src, size = 0 } = question;
  const there = new Walk(world);
  const back = new Walk(world, there);
  const answer = (verdict: Verdict) => ({ verdict, there: there.steps, back: back.steps });
  try {
    const { node: receiver, link, packet } = there.send(node, { dst, src, size });
    const isIPv4 = familyOf(dst) === 4;
    if (sysctl(receiver, isIPv4 ? "ipv4/icmp_echo_ignore_all" : "ipv6/icmp/echo_ignore_all")) {
      there.steps.push({ code: "echo-ignored", netns: receiver.netns });
      return answer("no");
    }
    // Of the best routes, an answer of IPv6 takes the one by its link (`icmpv6_echo_reply`).
    const preferred = isIPv4 ? undefined : link;
    const reply = { dst: packet.src, src: packet.dst, preferred, size };
    const { node: last } = back.send(receiver, reply);
    if (there.isDoubtful || back.isDoubtful) return answer("unknown");
    return answer(last === node ? "yes" : "no");
  } catch (error) {
    if (error instanceof End) return answer(error.verdict);
    throw error;
  }
}

/**
 * Finds the namespaces whose firewalls may decide on an answer and are not in the view yet: those on
 * the path, and those that a better path could lead through.
 */
export function firewallsFor({ host, others }: WhyView, dst: string, answer: Answer): Node[] {
  const onPath = new Set([...answer.there, ...answer.back].map(({ netns }) => netns));
  const forwards = `ipv${familyOf(dst)}/conf/all/forwarding`;
  return [host, ...others].filter((node) =>
    !node.firewall && (onPath.has(node.netns) || sysctl(node, forwards) ||
      node.addrs.some(({ address }) => address === dst))
  );
}
