import { familyOf } from "../../../lib/ipam/address.ts";
import { Ip } from "../../../lib/iproute2/ip.ts";
import { allSettled } from "../all.ts";
import type { Switch } from "./switch.ts";
import { writeSysctls } from "./in_netns.ts";

/**
 * The links of a machine, each with its addresses and their prefix lengths. `eth0.20` is a
 * sub-interface of `eth0` with VLAN id 20. Its parent `eth0` need not be listed.
 */
export type Links = Record<string, string[]>;

/** A machine to start. */
export interface MachineSpec {
  /** Its name; its network namespace is `lab-NAME`. */
  name: string;
  /** Its links. */
  links: Links;
  /** Its default gateways, at most one of each family. */
  gateways?: string[];
  /**
   * The VLAN of its ports, which are then access ports.
   *
   * @default {undefined} Its ports are trunk ports.
   */
  access?: number;
  /**
   * Whether it is a router. A router forwards packets, and has a link-local address as IPv6 requires.
   *
   * @default {false}
   */
  router?: boolean;
}

/** The network namespace of a machine. */
export function netnsOf(name: string): string {
  return `lab-${name}`;
}

/** The name of the switch's port for a machine's link. */
export function portOf(name: string, link: string): string {
  return `${name}-${link}`;
}

/** The links of a machine that are connected to the switch. */
export function pluggedLinks(links: Links): string[] {
  return [...new Set(Object.keys(links).map((link) => link.split(".")[0]!))];
}

/** The VLAN ids of a machine's sub-interfaces. */
export function vlansOf(links: Links): number[] {
  return Object.keys(links).filter((link) => link.includes(".")).map((link) =>
    Number(link.split(".")[1])
  );
}

/**
 * Starts a machine. Adds to `undo` how to remove everything that was made, also when it throws.
 * Resolves to a session of `ip` in the machine's namespace.
 */
export async function startMachine(
  spec: MachineSpec,
  { root, fabric, undo }: { root: Ip; fabric: Switch; undo: AsyncDisposableStack },
): Promise<Ip> {
  const { name, links } = spec;
  const netns = netnsOf(name);
  await root.netns.add(netns);
  undo.defer(() => root.netns.del(netns));
  const session = Ip.open({ netns }).then((ip) => undo.use(ip));
  await allSettled<unknown>([
    session,
    fabric.carry(vlansOf(links)),
    ...pluggedLinks(links).map((link) =>
      fabric.plug(portOf(name, link), { netns, link }, spec.access)
    ),
    ...(spec.router ? [forward(netns)] : []),
  ]);
  const ip = await session;
  await allSettled([...linkLines(ip, links), ...addressLines(ip, spec)]);
  return ip;
}

function linkLines(ip: Ip, links: Links): Promise<void>[] {
  const up = (link: string) => [
    // The kernel must not make a link-local address, and so sends no packets for one.
    ip.link.set(link, { addrgenmode: "none" }),
    ip.link.set(link, { up: true }),
  ];
  return [
    ip.link.set("lo", { up: true }),
    ...pluggedLinks(links).flatMap(up),
    ...Object.keys(links).filter((link) => link.includes(".")).flatMap((name) => {
      const [link = "", id] = name.split(".");
      return [ip.link.add({ type: "vlan", link, name, id: Number(id) }), ...up(name)];
    }),
  ];
}

function addressLines(ip: Ip, { links, gateways = [], router }: MachineSpec): Promise<void>[] {
  const addresses = Object.entries(links).flatMap(([dev, addresses]) => {
    const local = router && addresses.some((address) => familyOf(address) === 6)
      ? ["fe80::1/64"]
      : [];
    return [...addresses, ...local].map((address) => ({ dev, address }));
  });
  return [
    ...addresses.map(({ dev, address }) =>
      ip.addr.add({ dev, address, nodad: familyOf(address) === 6 })
    ),
    ...gateways.map((via) => ip.route.add({ dst: familyOf(via) === 6 ? "::/0" : "default", via })),
  ];
}

function forward(netns: string): Promise<void> {
  return writeSysctls(netns, ["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"], "1");
}
