// What can happen to a packet at one place: the rules of the kernel, each with a code. The codes stay
// as they are between versions; the sentences may get better.

/** A rule of the kernel. */
export interface Rule {
  /** What happens. `{}` stands for what it is about: a route, an address, a name. */
  says: string;
  /** Where the rule is written: a file of the kernel, a manual page, an RFC. */
  source: string;
}

const CORE = "drivers/net/ipvlan/ipvlan_core.c";
const SYSCTL = "Documentation/networking/ip-sysctl.rst";

/** The rules, by their codes, in the order in which a packet meets them. */
export const RULES = {
  "route": { says: "takes the route {}", source: "ip-route(8)" },
  "no-route": { says: "has no route to {}", source: "ip-route(8)" },
  "dead-end": { says: "has a route that leads nowhere: {}", source: "ip-route(8)" },
  "no-source": { says: "has no address from which to send to {}", source: "RFC 6724" },
  "own-address": { says: "has the address {} itself", source: "ip-address(8)" },
  "link-down": { says: "the link is down", source: "ip-link(8)" },
  "no-carrier": { says: "the link has no carrier", source: "ip-link(8)" },
  "dummy": { says: "a dummy link drops what leaves by it", source: "drivers/net/dummy.c" },
  "too-big": {
    says: "the packet is larger than the MTU, {}, and may not be cut into parts",
    source: "ip-link(8), RFC 1191, RFC 8200",
  },
  "neighbour": { says: "learns that {}", source: "arp(7), RFC 4861" },
  "no-answer": { says: "nobody there answers for {}", source: "arp(7), RFC 4861" },
  "duplicate": { says: "several answer for {}", source: "arp(7), RFC 5227" },
  "host-apart": {
    says: "a host and the sandboxes on its parent never hear each other's questions, here for {}",
    source: `${CORE}: ipvlan_process_multicast`,
  },
  "answer-lost": {
    says: "ipvlan gives the answer for {} to another link; it passes only while that is known",
    source: `${CORE}: ipvlan_addr_lookup`,
  },
  "wire": {
    says: "the frame for {} leaves by a wire whose other end is not in view",
    source: "packet(7)",
  },
  "sibling": {
    says: "ipvlan hands the packet to {}, a link on the same parent",
    source: `${CORE}: ipvlan_queue_xmit`,
  },
  "private": {
    says: "the flag private keeps the links of a parent apart",
    source: `${CORE}: ipvlan_queue_xmit`,
  },
  "no-broadcast": {
    says: "the L3 modes drop broadcasts and multicasts",
    source: `${CORE}: ipvlan_xmit_mode_l3`,
  },
  "host-output": {
    says: "in mode {} the packet leaves by the routes of the parent's namespace",
    source: `${CORE}: ipvlan_process_outbound`,
  },
  "to-sandbox": {
    says: "ipvlan takes the packet from the parent, for {}",
    source: `${CORE}: ipvlan_handle_frame`,
  },
  "martian": {
    says: "drops the packet, as its source {} is an address of its own",
    source: "net/ipv4/fib_frontend.c: fib_validate_source",
  },
  "rp-filter": {
    says: "drops the packet, as the route to its source {} is by another link (rp_filter)",
    source: SYSCTL,
  },
  "firewall": { says: "the firewall drops the packet: {}", source: "iptables(8), nft(8)" },
  "accepted": { says: "has the address {}", source: "ip-address(8)" },
  "not-forwarding": { says: "has no address {}, and forwards no packets", source: SYSCTL },
  "forwarded": { says: "forwards the packet to {}", source: SYSCTL },
  "ttl": { says: "the packet has gone round in a loop", source: "RFC 1812" },
  "echo-ignored": { says: "answers no echo request (icmp_echo_ignore_all)", source: SYSCTL },
  "unknown": { says: "what happens here is not known: {}", source: "-" },
} as const satisfies Readonly<Record<string, Rule>>;

/** The code of a rule. */
export type Code = keyof typeof RULES;
