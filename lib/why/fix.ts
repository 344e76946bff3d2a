// What to change so that a packet arrives. Each change is made in a copy of the view, and offered only
// if the packet arrives there.
import { familyOf } from "../ipam/address.ts";
import type { Addr } from "../iproute2/addr.ts";
import type { Link } from "../iproute2/link_types.ts";
import type { Step } from "./walk.ts";
import { readFirewall } from "./ruleset.ts";
import { type Answer, firewallsFor, type Question, why } from "./why.ts";
import { addressesOf, isIn, type Node, type Port, sysctl, type WhyView, World } from "./world.ts";

interface Change {
  line: string;
  make(view: WhyView, node: Node): void;
}

/** Answers with what helps. Reads the firewalls that may decide into the view. */
export async function explain(
  view: WhyView,
  node: Node,
  question: Question,
): Promise<Answer & { fix?: string }> {
  const ask = () => why(new World(view), node, question);
  let answer = ask();
  for (let unread; (unread = firewallsFor(view, question.dst, answer)).length > 0; answer = ask()) {
    await Promise.all(unread.map(async (each) => each.firewall = await readFirewall(each.netns)));
  }
  return { ...answer, fix: findFix(view, node.netns, question, answer) };
}

/**
 * Finds the one command after which an echo request is answered.
 *
 * @param netns The namespace that asks; `undefined` for the host's.
 * @param answer The answer of {@linkcode why}.
 * @returns The command; `undefined` if none is known.
 */
export function findFix(
  view: WhyView,
  netns: string | undefined,
  question: Question,
  answer: Answer,
): string | undefined {
  const last = [...answer.there, ...answer.back].at(-1);
  const node = last && nodeOf(view, last.netns);
  // If no namespace has the address, no command helps.
  const isKnown = new World(view).holderOf(question.dst) !== undefined;
  if (!node || !isKnown) return undefined;
  return changesFor(view, node, last, question).find(({ make }) => {
    const copy = structuredClone(view);
    make(copy, nodeOf(copy, last.netns)!);
    return why(new World(copy), nodeOf(copy, netns)!, question).verdict === "yes";
  })?.line;
}

/** Finds a namespace of a view; `undefined` is the host's. */
export function nodeOf({ host, others }: WhyView, netns: string | undefined): Node | undefined {
  return netns === undefined ? host : others.find((each) => each.netns === netns);
}

/** The changes to try after a path to an address has ended with a step. */
function changesFor(
  view: WhyView,
  node: Node,
  { code, link: dev = "", about = "" }: Step,
  { dst: target, size = 0 }: Question,
): Change[] {
  const ip = (line: string) => ipIn(node.netns) + line;
  const set = (path: string, value: number): Change => ({
    line: `${node.netns === undefined ? "" : `ip netns exec ${node.netns} `}sysctl -w ` +
      `net.${path.replaceAll("/", ".")}=${value}`,
    make: (_, { sysctls }) => {
      sysctls[`net/${path}`] = value;
      // This one is written to all links.
      if (path === "ipv4/ip_forward") {
        for (const key of Object.keys(sysctls)) {
          if (/ipv4\/conf\/.*\/forwarding$/.test(key)) sysctls[key] = value;
        }
      }
    },
  });
  const family = familyOf(about);
  switch (code) {
    case "not-forwarding":
      return [set(family === 4 ? "ipv4/ip_forward" : "ipv6/conf/all/forwarding", 1)];
    case "rp-filter":
      return [set(`ipv4/conf/${dev}/rp_filter`, 2)];
    case "echo-ignored":
      return ["ipv4/icmp_echo_ignore_all", "ipv6/icmp/echo_ignore_all"]
        .map((path) => set(path, 0));
    case "link-down":
    case "no-carrier":
      return setUp(view, node, dev);
    case "too-big":
      return [{
        line: ip(`link set ${dev} mtu ${size}`),
        make: (copy, node) => {
          const link = node.links.find(({ name }) => name === dev)!;
          // What stands on a parent has its MTU (`ipvlan_adjust_mtu`).
          const above = new World(copy).above(link, "ipvlan");
          for (const each of [link, ...above.map(({ link }) => link)]) each.mtu = size;
          node.sysctls[`net/ipv6/conf/${dev}/mtu`] = size;
        },
      }];
    case "duplicate":
      // The first in view keeps the address, if that helps.
      return new World(view).nodes.toReversed().flatMap(({ netns, addrs }) =>
        addrs.filter((each) => each.address === about).map(({ prefixLength, dev }): Change => ({
          line: `${ipIn(netns)}addr del ${about}/${prefixLength} dev ${dev}`,
          make: (copy) => {
            const node = nodeOf(copy, netns)!;
            node.addrs = node.addrs.filter((each) => each.address !== about || each.dev !== dev);
            node.routes = node.routes.filter(({ dst }) => dst !== about);
          },
        }))
      );
    case "private": {
      const info = node.links.find(({ name }) => name === dev)?.info;
      if (info?.type !== "ipvlan") return [];
      return [{
        line: ip(`link set ${dev} type ipvlan mode ${info.mode} bridge`),
        make: (copy, { netns }) => {
          const world = new World(copy);
          const link = nodeOf(copy, netns)!.links.find(({ name }) => name === dev)!;
          for (const each of world.above(world.below(link)!.link, "ipvlan")) {
            each.link.info = { ...each.link.info, flag: "bridge" } as Link["info"];
          }
        },
      }];
    }
    case "no-route":
    case "dead-end":
    case "no-answer":
      return [
        // The kernel has deleted the routes of links that are down.
        ...code !== "no-route" ? [] : node.links.filter(({ up }) => !up)
          .flatMap(({ name }) => setUp(view, node, name)),
        ...nextHops(view, node, about).flatMap(([via, by]) =>
          // In place of a next hop that is not there, or by one where there was none.
          (code === "no-answer" ? ["default", target] : [about]).map((dst): Change => ({
            line: ip(`${family === 6 ? "-6 " : ""}route replace ${dst} via ${via} dev ${by}`),
            make: (_, { routes }) => {
              routes.unshift({ dst, via, dev: by, metric: 0, ...plainRoute(family) });
            },
          }))
        ),
      ];
  }
  return [];
}

/** The change that sets the lowest link up that keeps another one down. */
function setUp(view: WhyView, node: Node, dev: string): Change[] {
  const world = new World(view);
  let port = portOf(node, dev);
  while (port?.link.up) port = world.below(port.link);
  if (!port) return [];
  const parent = port.link.info.type === "vlan" ? world.below(port.link) : undefined;
  if (parent?.link.up === false) return setUp(view, parent.node, parent.link.name);
  const { netns } = port.node;
  const { name } = port.link;
  return [{
    line: `${ipIn(netns)}link set ${name} up`,
    make: (copy) => {
      const world = new World(copy);
      const raise = ({ node, link }: Port) => {
        // Each end of a veth is below the other one.
        if (link.flags.includes("LOWER_UP")) return;
        link.flags.push("LOWER_UP");
        link.up = true;
        for (const { address, prefixLength, family } of addressesOf(node, link)) {
          node.routes.push({
            ...{ dst: `${address}/${prefixLength}`, dev: link.name, ...plainRoute(family) },
          });
        }
        // The kernel sets the VLANs of a link up with it (`vlan_device_event`).
        world.above(link).filter(({ link: { up, info } }) => up || info.type === "vlan")
          .forEach(raise);
      };
      raise(portOf(nodeOf(copy, netns)!, name)!);
    },
  }];
}

function plainRoute(family: 4 | 6) {
  return { family, table: "main", type: "unicast" as const, nexthops: [], flags: [] };
}

function portOf(node: Node, dev: string): Port | undefined {
  const link = node.links.find(({ name }) => name === dev);
  return link && { node, link };
}

/** How a command of `ip` in a namespace begins. */
function ipIn(netns: string | undefined): string {
  return netns === undefined ? "ip " : `ip -n ${netns} `;
}

/**
 * The addresses on the links of a namespace by which others pass packets on, each with the link: those
 * of namespaces that forward, and of parents, as ipvlan takes from these what is for a sandbox.
 */
function nextHops(view: WhyView, node: Node, address: string): [via: string, dev: string][] {
  const family = familyOf(address);
  const world = new World(view);
  const isOf = (addr: Addr) => addr.family === family && addr.scope === "global";
  const passes = (other: Node, { dev }: Addr) => {
    const link = other.links.find(({ name }) => name === dev);
    return sysctl(
      other,
      family === 4 ? `ipv4/conf/${dev}/forwarding` : "ipv6/conf/all/forwarding",
    ) ||
      link && world.above(link, "ipvlan").length > 0;
  };
  const away = world.nodes.filter(({ netns }) => netns !== node.netns).flatMap((other) =>
    other.addrs.filter((addr) => isOf(addr) && addr.address !== address && passes(other, addr))
  );
  return node.addrs.filter(isOf).flatMap(({ address: own, prefixLength, dev }) =>
    away.filter((each) => isIn(`${own}/${prefixLength}`, each.address))
      .map((each): [string, string] => [each.address, dev])
  );
}
