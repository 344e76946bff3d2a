// Follows a packet through a world, step by step, as the kernels in it would carry it.
import { familyOf } from "../ipam/address.ts";
import type { Link } from "../iproute2/link_types.ts";
import type { Route } from "../iproute2/route_types.ts";
import { askerOf, findRoute, type Flow, routeText, sourceFor } from "./route.ts";
import { judge, type Passing } from "./firewall.ts";
import type { Code } from "./rules.ts";
import type { Hook } from "./ruleset.ts";
import { addressesOf, linkSysctl, type Node, type Port, sysctl, type World } from "./world.ts";

/** One thing that happens to a packet. */
export interface Step {
  /** The rule: see {@linkcode RULES}. */
  code: Code;
  /** The namespace; left out, the host's. */
  netns?: string;
  /** The link, if it happens on one. */
  link?: string;
  /** What the rule is about: a route, an address, a name. */
  about?: string;
}

/** An outcome: whether a packet arrives, or leaves by a wire whose other end is not in view. */
export type Verdict = "yes" | "no" | "leaves" | "unknown";

/** Ends a path. Its last step says why. */
export class End {
  constructor(readonly verdict: Exclude<Verdict, "yes">) {}
}

interface Packet {
  src: string;
  dst: string;
  ttl: number;
  /** The bytes of it, or of its largest part after it was cut into parts. */
  size: number;
}

/** The namespace that keeps a packet, as the address is its own, and the link that it came in by. */
export interface Delivery {
  node: Node;
  link: string;
  packet: Packet;
}

interface Frame {
  /** The receiver's MAC address. */
  to: string;
  /** The address that ipvlan looks at: a packet's destination, or the target of a question. */
  key: string;
  /** Its tags, the outer one first. */
  tags: readonly { id: number; protocol?: string }[];
  /** The bytes of the packet in it. */
  size: number;
}

const ALL = "ff:ff:ff:ff:ff:ff";

/** The most links that a frame passes, so that a loop of bridges ends. */
const MOST_LINKS = 32;

const TTL = 64;

/** One way of a packet through a world. */
export class Walk {
  readonly steps: Step[] = [];
  /** Whether the packet passes only while a neighbour is known from other traffic. */
  isDoubtful = false;
  readonly #world: World;
  /** The packet that this one replies to; left out, it is a request. */
  readonly #request?: Walk;
  /** The MAC addresses that links know from questions that they heard. */
  readonly #heard: Map<Link, Map<string, string>>;
  /** The namespaces whose connection tracking has seen the packet. */
  readonly #tracked = new Set<Node>();
  #lost: { verdict: End["verdict"]; step: Step }[] = [];

  constructor(world: World, request?: Walk) {
    this.#world = world;
    this.#request = request;
    this.#heard = request ? request.#heard : new Map();
  }

  /** Sends a packet from a namespace, and follows it. @throws {End} It does not arrive. */
  send(node: Node, flow: Flow & { size: number }): Delivery {
    const route = this.#requireRoute({ netns: node.netns }, node, flow);
    const src = flow.src ?? sourceFor(node, route, flow.dst);
    const { dst, size } = flow;
    if (src === undefined) return this.#end("no", "no-source", { netns: node.netns }, dst);
    const packet = { src, dst, ttl: TTL, size };
    if (route.type !== "local") {
      const out = this.#wayOut(node, route);
      this.#filter(node, ["OUTPUT", "POSTROUTING"], packet, { oif: out.link.name });
      return this.#out(out, route.via ?? dst, packet, route.mtu);
    }
    this.#filterLoop(node, packet);
    this.#step("own-address", { netns: node.netns }, dst);
    return { node, link: "lo", packet };
  }

  #step(code: Code, at: Pick<Step, "netns" | "link">, about?: string): void {
    this.steps.push({ code, ...at, about });
  }

  #end(
    verdict: End["verdict"],
    code: Code,
    at: Pick<Step, "netns" | "link">,
    about?: string,
  ): never {
    this.#step(code, at, about);
    throw new End(verdict);
  }

  #unknown(at: Pick<Step, "netns" | "link">, about: string): never {
    return this.#end("unknown", "unknown", at, about);
  }

  /** Lets the packet pass hooks of a namespace's firewall, in their order. */
  #filter(
    node: Node,
    hooks: readonly Hook[],
    { src, dst }: Partial<Packet>,
    links: { iif?: string; oif?: string },
    type: Passing["type"] = this.#echoType(dst!),
  ): void {
    if (!node.firewall) return;
    // Questions for neighbours are not tracked (`nf_conntrack_proto_icmpv6.c`).
    const isEcho = type !== 135 && type !== 136;
    if (isEcho && (hooks[0] === "OUTPUT" || hooks[0] === "PREROUTING")) this.#tracked.add(node);
    const state = isEcho ? this.#stateIn(node) : "untracked";
    const family = type < 10 ? 4 : 6;
    for (const hook of hooks) {
      const passing = { hook, family, from: src, to: dst, ...links, type, state } as const;
      const { drop, unknown } = judge(node.firewall, passing);
      if (drop !== undefined) this.#end("no", "firewall", { netns: node.netns }, drop);
      if (unknown !== undefined) {
        this.#unknown({ netns: node.netns }, `the firewall's rule ${unknown}`);
      }
    }
  }

  /** What connection tracking in a namespace takes the packet for. */
  #stateIn(node: Node): Passing["state"] {
    if (!this.#request) return "new";
    return this.#request.#tracked.has(node) ? "established" : "invalid";
  }

  #echoType(dst: string): Passing["type"] {
    const [request, reply] = familyOf(dst) === 4 ? [8, 0] as const : [128, 129] as const;
    return this.#request ? reply : request;
  }

  /** The same of a packet to an address of its own namespace, which passes lo. */
  #filterLoop(node: Node, packet: Packet): void {
    const lo = node.links.find(({ name }) => name === "lo");
    if (lo?.up === false) this.#end("no", "link-down", { netns: node.netns, link: "lo" });
    this.#filter(node, ["OUTPUT", "POSTROUTING"], packet, { oif: "lo" });
    this.#filter(node, ["PREROUTING", "INPUT"], packet, { iif: "lo" });
  }

  /** Finds the route of a packet that leaves a namespace or comes into it. */
  #requireRoute(at: Pick<Step, "netns" | "link">, node: Node, flow: Flow): Route {
    const { route, unknown } = findRoute(node, flow);
    if (unknown !== undefined) return this.#unknown(at, unknown);
    return route ?? this.#end("no", "no-route", at, flow.dst);
  }

  /** Takes a route, and returns the link that it leads out by. */
  #wayOut(node: Node, route: Route): Port {
    const at = { netns: node.netns, link: route.dev };
    const link = node.links.find(({ name }) => name === route.dev);
    // The host takes what leaves by lo for its own (`__mkroute_output`).
    if (route.type !== "unicast" || !link || link.name === "lo") {
      const isKnown = route.type !== "broadcast" && route.type !== "multicast" &&
        route.type !== "anycast";
      if (!isKnown) this.#unknown(at, `a packet to ${route.dst}, which is for several machines`);
      return this.#end("no", "dead-end", at, routeText(route));
    }
    this.#step("route", at, routeText(route));
    return { node, link };
  }

  /** Lets a packet leave by a link to its next hop, in parts if it is larger than an MTU. */
  #out(port: Port, hop: string, whole: Packet, mtu = mtuOf(port, hop)): Delivery {
    const { link } = port;
    const at = placeOf(port);
    if (!link.up) this.#end("no", "link-down", at);
    if (!link.flags.includes("LOWER_UP")) this.#end("no", "no-carrier", at);
    // A reply may be cut into parts. Where IPv6 lets only its sender do so, the sender learns of it.
    if (whole.size > mtu && !this.#request) this.#end("no", "too-big", at, `${mtu}`);
    const packet = { ...whole, size: Math.min(whole.size, mtu) };
    if (link.info.type === "ipvlan" && link.info.mode !== "l2") return this.#outL3(port, packet);
    if (link.info.type === "dummy") this.#end("no", "dummy", at);
    const to = this.#resolve(port, hop, packet.src);
    this.#lost = [];
    const [arrival] = this.#frames(port, { to, key: packet.dst, tags: [], size: packet.size });
    return arrival ? this.#input(arrival, packet) : this.#giveUp(port, hop);
  }

  /** Lets a packet leave by an ipvlan link in an L3 mode: to a sibling, or as the parent's namespace. */
  #outL3(port: Port, packet: Packet): Delivery {
    const { info } = port.link;
    const parent = this.#world.below(port.link);
    if (!parent || info.type !== "ipvlan") {
      return this.#unknown(placeOf(port), "the link's parent is not in view");
    }
    const sibling = this.#world.lookUp(parent.link, packet.dst);
    if (sibling && info.flag !== "vepa") {
      if (info.flag === "private") this.#end("no", "private", placeOf(port));
      const { mtu } = sibling.link;
      if (!takes(sibling, packet)) this.#end("no", "too-big", placeOf(sibling), `${mtu}`);
      this.#step("sibling", placeOf(port), nameOf(sibling));
      return this.#input(sibling, packet);
    }
    this.#step("host-output", placeOf(port), info.mode);
    const at = placeOf(parent);
    const isIPv4 = familyOf(packet.dst) === 4;
    const flow = { dst: packet.dst, src: packet.src, oif: isIPv4 ? parent.link.name : undefined };
    // IPv4 takes what has no route by the parent to be on its wire (`ip_route_output_key_hash_rcu`).
    const { route: found, unknown } = findRoute(parent.node, flow);
    const isOnWire = isIPv4 && !found && unknown === undefined;
    const route = isOnWire ? undefined : found ?? this.#requireRoute(at, parent.node, flow);
    if (route?.type === "local") {
      this.#filterLoop(parent.node, packet);
      return this.#keep(parent, packet);
    }
    const out = route ? this.#wayOut(parent.node, route) : parent;
    const mtu = route?.mtu ?? mtuOf(out, packet.dst);
    if (!isIPv4 && this.#request && packet.size > mtu) {
      this.#unknown(placeOf(out), `whether ${nameOf(port)} learns of the MTU, ${mtu}`);
    }
    this.#filter(out.node, ["OUTPUT", "POSTROUTING"], packet, { oif: out.link.name });
    return this.#out(out, route?.via ?? packet.dst, packet, mtu);
  }

  #keep(port: Port, packet: Packet): Delivery {
    this.#step("accepted", placeOf(port), packet.dst);
    return { node: port.node, link: port.link.name, packet };
  }

  /** Asks on a link who has an address, and returns the MAC address to send to. */
  #resolve(port: Port, hop: string, src: string): string {
    const { node, link } = port;
    if (link.flags.includes("NOARP")) return link.address ?? ALL;
    const fixed = node.neighs.find(({ dst, dev, state }) =>
      dst === hop && dev === link.name && (state === "PERMANENT" || state === "NOARP")
    );
    const known = fixed?.address ?? this.#heard.get(link)?.get(hop);
    if (known !== undefined) return known;
    const asker = askerOf(node, link, hop, src);
    this.#lost = [];
    const answering = this.#frames(port, { to: ALL, key: hop, tags: [], size: 0 })
      .filter((each) => answers(each, hop, asker));
    if (answering.length === 0) return this.#giveUp(port, hop);
    if (new Set(answering.map((each) => each.link.address)).size > 1) {
      for (const each of answering) {
        this.#step(
          "neighbour",
          placeOf(port),
          `${hop} is at ${each.link.address}, ${nameOf(each)}`,
        );
      }
      this.#end("unknown", "duplicate", placeOf(port), hop);
    }
    if (familyOf(hop) === 6) this.#filterQuestion(port, answering, hop, asker);
    for (const each of asker === undefined ? [] : answering) {
      const heard = this.#heard.get(each.link) ?? new Map<string, string>();
      this.#heard.set(each.link, heard.set(asker!, link.address!));
    }
    const first = answering.find((each) =>
      this.#frames(each, { to: link.address!, key: asker ?? "0.0.0.0", tags: [], size: 0 })
        .some((arrival) => arrival.link === link)
    );
    const { address } = (first ?? answering[0]!).link;
    this.#step(
      first ? "neighbour" : "answer-lost",
      placeOf(port),
      first ? `${hop} is at ${address}` : hop,
    );
    if (!first) this.isDoubtful = true;
    return address!;
  }

  /** Lets a neighbour solicitation and its answer pass firewalls: they are IPv6 packets, too. */
  #filterQuestion(asking: Port, answering: readonly Port[], hop: string, asker?: string): void {
    const [question, answer] = [{ src: asker }, { src: hop, dst: asker }];
    const send = ({ node, link }: Port, packet: Partial<Packet>, type: 135 | 136) =>
      this.#filter(node, ["OUTPUT", "POSTROUTING"], packet, { oif: link.name }, type);
    const receive = ({ node, link }: Port, packet: Partial<Packet>, type: 135 | 136) =>
      this.#filter(node, ["PREROUTING", "INPUT"], packet, { iif: link.name }, type);
    send(asking, question, 135);
    for (const each of answering) {
      receive(each, question, 135);
      send(each, answer, 136);
    }
    receive(asking, answer, 136);
  }

  /** Ends a path whose frame got nowhere: by what is not known, else by the first known reason. */
  #giveUp(port: Port, hop: string): never {
    const parent = port.link.info.type === "ipvlan" ? this.#world.below(port.link) : undefined;
    const isHosts = parent &&
      addressesOf(parent.node, parent.link).some((each) => each.address === hop);
    if (isHosts || this.#world.lookUp(port.link, hop)) {
      return this.#end("no", "host-apart", placeOf(port), hop);
    }
    const asleep = this.#world.holderOf(hop);
    if (asleep && !asleep.link.up) return this.#end("no", "link-down", placeOf(asleep));
    for (const verdict of ["unknown", "leaves", "no"] as const) {
      const lost = this.#lost.find((each) => each.verdict === verdict);
      if (!lost) continue;
      this.steps.push(lost.step);
      throw new End(verdict);
    }
    return this.#end("no", "no-answer", placeOf(port), hop);
  }

  /** The link that another one hands a frame to; none if it is too large. */
  #take(port: Port, frame: Frame): Port[] {
    return takes(port, frame) ? [port] : this.#lose("no", "too-big", port, `${port.link.mtu}`);
  }

  #lose(verdict: End["verdict"], code: Code, port: Port, about?: string): [] {
    this.#lost.push({ verdict, step: { code, ...placeOf(port), about } });
    return [];
  }

  /** Sends a frame by a link, and returns the links whose stacks get it. */
  #frames(port: Port, frame: Frame, left = MOST_LINKS): Port[] {
    const { link } = port;
    if (left === 0) return [];
    if (!link.up) return this.#lose("no", "link-down", port);
    if (!link.flags.includes("LOWER_UP")) return this.#lose("no", "no-carrier", port);
    const below = this.#world.below(link);
    switch (link.info.type) {
      case "veth":
        return below
          ? this.#receive(below, frame, left - 1)
          : this.#lose("leaves", "wire", port, frame.key);
      case "bridge":
        return this.#flood(port, frame, left - 1);
      case "dummy":
        return this.#lose("no", "dummy", port);
      case "other":
        if (link.info.kind === "device") return this.#lose("leaves", "wire", port, frame.key);
    }
    if (!below) return this.#lose("unknown", "unknown", port, "the link below is not in view");
    switch (link.info.type) {
      case "ipvlan":
        return this.#fromIpvlan(port, below, frame, left - 1);
      case "vlan": {
        const tags = [{ id: link.info.id, protocol: link.info.protocol }, ...frame.tags];
        return this.#frames(below, { ...frame, tags }, left - 1);
      }
      case "macvlan": {
        const siblings = this.#world.above(below.link, "macvlan").filter((each) =>
          each.link !== link && each.link.up && isFor(frame, each.link)
        ).flatMap((each) => this.#take(each, frame));
        return [...siblings, ...this.#frames(below, frame, left - 1)];
      }
    }
    return this.#lose("unknown", "unknown", port, `a link of the kind ${link.info.type}`);
  }

  /** The links that get a frame of an ipvlan link in mode L2. */
  #fromIpvlan(port: Port, below: Port, frame: Frame, left: number): Port[] {
    const { info, address } = port.link;
    if (info.type !== "ipvlan" || info.mode !== "l2") return this.#lose("no", "no-broadcast", port);
    if (frame.to === ALL) {
      const siblings = this.#world.above(below.link, "ipvlan")
        .filter(({ link }) => link !== port.link && link.up);
      return [...siblings, ...this.#frames(below, frame, left)];
    }
    // All links of a parent have one MAC address, which is the host's, too.
    if (frame.to !== address || info.flag === "vepa") return this.#frames(below, frame, left);
    const sibling = this.#world.lookUp(below.link, frame.key);
    if (!sibling) return [below];
    if (info.flag === "private") return this.#lose("no", "private", port);
    return this.#take(sibling, frame);
  }

  /** Sends a frame by all ports of a bridge but the one that it came in by. */
  #flood({ node, link: bridge }: Port, frame: Frame, left: number, from?: Link): Port[] {
    const { info } = bridge;
    if (info.type === "bridge" && info.vlanFiltering) {
      return this.#lose("unknown", "unknown", { node, link: bridge }, "the VLANs of its ports");
    }
    return node.links.filter((each) => each.master === bridge.name && each !== from)
      .flatMap((link) => this.#take({ node, link }, frame))
      .flatMap((each) => this.#frames(each, frame, left));
  }

  /** A link gets a frame from outside: a port of a bridge passes it on. */
  #receive(port: Port, frame: Frame, left: number): Port[] {
    const { node, link } = port;
    if (!link.up) return this.#lose("no", "link-down", port);
    if (this.#take(port, frame).length === 0) return [];
    const { masterKind = "bridge" } = link;
    if (masterKind !== "bridge") {
      return this.#lose("unknown", "unknown", port, `it is a part of a ${masterKind}`);
    }
    const bridge = node.links.find(({ name }) => name === link.master);
    if (!bridge) return this.#stack(port, frame);
    const up = { node, link: bridge };
    if (!bridge.up) return this.#lose("no", "link-down", up);
    return [...this.#stack(up, frame), ...this.#flood(up, frame, left, link)];
  }

  /** The links that get a frame which came in by one: sub-interfaces, ipvlan links on it, or itself. */
  #stack(port: Port, frame: Frame): Port[] {
    const { link } = port;
    const [tag, ...tags] = frame.tags;
    if (tag) {
      const vlan = this.#world.above(link, "vlan").find(({ link: { info } }) =>
        info.type === "vlan" && info.id === tag.id && info.protocol === tag.protocol
      );
      return vlan?.link.up ? this.#stack(vlan, { ...frame, tags }) : [];
    }
    const macvlans = this.#world.above(link, "macvlan").filter((each) =>
      each.link.up && isFor(frame, each.link)
    );
    if (!isFor(frame, link)) return macvlans;
    const mode = this.#world.modeOn(link);
    if (frame.to === ALL) {
      // In L3, ipvlan gives an ARP request for a sandbox to its link, which answers none.
      const isTaken = mode === "l3" && familyOf(frame.key) === 4 &&
        this.#world.lookUp(link, frame.key);
      if (isTaken) return macvlans;
      const hearing = mode === "l2" ? this.#world.above(link, "ipvlan") : [];
      return [...macvlans, ...hearing.filter((each) => each.link.up), port];
    }
    const sandbox = mode === "l3s" ? undefined : this.#world.lookUp(link, frame.key);
    return [sandbox ?? port];
  }

  /** A link's stack gets a packet: it keeps it, forwards it or drops it. */
  #input(port: Port, packet: Packet, isFiltered = true): Delivery {
    const { node, link } = port;
    const at = placeOf(port);
    const { dst } = packet;
    const isL3S = this.#world.modeOn(link) === "l3s";
    const sandbox = isL3S ? this.#world.lookUp(link, dst) : undefined;
    const iif = link.name;
    if (sandbox) {
      // It passes no hook of the sandbox: `ipvlan_nf_input` is the last one on INPUT.
      this.#filter(node, ["PREROUTING", "INPUT"], packet, { iif });
      this.#step("to-sandbox", at, nameOf(sandbox));
      return this.#input(sandbox, packet, false);
    }
    if (isFiltered) this.#filter(node, ["PREROUTING"], packet, { iif });
    if (familyOf(dst) === 4) this.#checkSource(port, packet);
    const route = this.#requireInput(port, packet);
    if (route.type === "local") {
      if (isFiltered) this.#filter(node, ["INPUT"], packet, { iif });
      return this.#keep(port, packet);
    }
    if (packet.ttl <= 1) this.#end("no", "ttl", at);
    this.#step("forwarded", at, dst);
    const out = this.#wayOut(node, route);
    this.#filter(node, ["FORWARD"], packet, { iif, oif: out.link.name });
    this.#filter(node, ["POSTROUTING"], packet, { oif: out.link.name });
    return this.#out(out, route.via ?? dst, { ...packet, ttl: packet.ttl - 1 }, route.mtu);
  }

  #requireInput(port: Port, { dst, src }: Packet): Route {
    const { node, link } = port;
    const flow = { dst, src, iif: link.name };
    const { route } = findRoute(node, flow);
    const forwards = familyOf(dst) === 4
      ? sysctl(node, `ipv4/conf/${link.name}/forwarding`)
      : sysctl(node, "ipv6/conf/all/forwarding");
    if (route?.type !== "local" && !forwards) this.#end("no", "not-forwarding", placeOf(port), dst);
    return route ?? this.#requireRoute(placeOf(port), node, flow);
  }

  /** Checks the source of an IPv4 packet as the kernel does (`fib_validate_source`). */
  #checkSource(port: Port, { dst, src }: Packet): void {
    const { node, link } = port;
    const isOwn = node.addrs.some(({ address }) => address === src);
    if (isOwn && !linkSysctl(node, link, "accept_local")) {
      this.#end("no", "martian", placeOf(port), src);
    }
    const strictness = linkSysctl(node, link, "rp_filter");
    if (strictness === 0) return;
    const { route: back } = findRoute(node, { dst: src, src: dst });
    if (!back || strictness === 1 && back.dev !== link.name) {
      this.#end("no", "rp-filter", placeOf(port), src);
    }
  }
}

function placeOf({ node, link }: Port): Pick<Step, "netns" | "link"> {
  return { netns: node.netns, link: link.name };
}

function nameOf({ node, link }: Port): string {
  return `${link.name} of ${node.netns ?? "the host"}`;
}

/** The MTU of a link. That for IPv6 does not follow a parent's (`ipvlan_adjust_mtu`). */
function mtuOf({ node, link }: Port, address: string): number {
  const own = familyOf(address) === 6 && sysctl(node, `ipv6/conf/${link.name}/mtu`);
  return own || link.mtu;
}

/** Whether a link takes what another one hands to it (`__is_skb_forwardable`, with room for a tag). */
function takes({ link }: Port, { size }: { size: number }): boolean {
  return size <= link.mtu + 4;
}

function isFor({ to }: Frame, { address }: Link): boolean {
  return to === ALL || to === address;
}

/** Whether a link that hears a question answers it (`arp_process`, `ndisc_recv_ns`). */
function answers({ node, link }: Port, target: string, asker: string | undefined): boolean {
  const { neighs } = node;
  const { name } = link;
  const isProxy = neighs.some(({ dst, dev, proxy }) => proxy && dst === target && dev === name);
  if (familyOf(target) === 6) {
    const isSet = (key: string, on = name) => sysctl(node, `ipv6/conf/${on}/${key}`) > 0;
    return isProxy && isSet("forwarding") && (isSet("proxy_ndp") || isSet("proxy_ndp", "all")) ||
      addressesOf(node, link).some(({ address, flags }) =>
        address === target && !flags.includes("tentative") && !flags.includes("dadfailed")
      );
  }
  if (link.flags.includes("NOARP")) return false;
  // A namespace takes no question that seems to come from itself.
  if (node.addrs.some(({ address }) => address === asker)) return false;
  const own = node.addrs.filter(({ address, scope }) => address === target && scope !== "host");
  if (own.length > 0) {
    return linkSysctl(node, link, "arp_ignore") === 0 || own.some(({ dev }) => dev === name);
  }
  // For another one, only if the way to it is by another link.
  const { route } = findRoute(node, { dst: target, src: asker, iif: name });
  return sysctl(node, `ipv4/conf/${name}/forwarding`) > 0 && route?.type === "unicast" &&
    route.dev !== name && (isProxy || linkSysctl(node, link, "proxy_arp") > 0);
}
