// Views of namespaces made by hand.
import { familyOf } from "../../../lib/ipam/address.ts";
import type { Node, WhyView } from "../../../lib/why/mod.ts";

export type Link = Node["links"][number];

/** A link that is up, with an index that no other one of the test has. */
export function link(index: number, name: string, more: Partial<Link> = {}): Link {
  return {
    index,
    name,
    flags: ["UP", "LOWER_UP"],
    up: true,
    state: "UP",
    mtu: 1500,
    address: "02:00:00:00:00:01",
    group: "default",
    linkType: "ether",
    info: { type: "other", kind: "device" },
    ...more,
  } as Link;
}

export const RULE = { not: false, action: "lookup", others: {} } as const;

/**
 * A namespace with links that have addresses, and routes besides the connected ones.
 *
 * @param links Each with its addresses; without a length, they have 24 bits.
 */
export function node(
  netns: string | undefined,
  links: [Link, ...addresses: string[]][],
  routes: Partial<Node["routes"][number]>[] = [],
  sysctls: Node["sysctls"] = {},
): Node {
  const plain = () => ({ table: "main", type: "unicast" as const, nexthops: [], flags: [] });
  const addrs = links.flatMap(([{ name: dev }, ...addresses]) =>
    addresses.map((text) => {
      const [address = "", length = "24"] = text.split("/");
      const family = familyOf(address);
      const prefixLength = Number(length);
      return { dev, address, prefixLength, family, flags: [], scope: "global" as const };
    })
  );
  return {
    ...(netns !== undefined && { netns }),
    links: links.map(([each]) => each),
    addrs,
    routes: [
      ...addrs.map(({ address: dst, dev, family }) => ({
        ...plain(),
        table: "local",
        type: "local" as const,
        dst,
        dev,
        family,
      })),
      ...addrs.map(({ address, prefixLength, dev, family }) => ({
        ...plain(),
        dst: `${address}/${prefixLength}`,
        dev,
        family,
      })),
      ...routes.map((route) => ({
        ...plain(),
        dst: "default",
        family: familyOf(route.via ?? route.dst ?? ""),
        ...route,
      })),
    ],
    rules: ([4, 6] as const).flatMap((family) => [
      { ...RULE, family, priority: 0, table: "local" },
      { ...RULE, family, priority: 32766, table: "main" },
    ]),
    neighs: [],
    sysctls,
  };
}

/** Two sandboxes on the link eth0 of the host, which has an address, too. */
export function twoSandboxes(
  mode: "l2" | "l3" | "l3s",
  flag: "bridge" | "private" | "vepa",
): WhyView {
  const on = { linkIndex: 2, linkNetnsid: 0, info: { type: "ipvlan", mode, flag } } as const;
  return {
    host: node(undefined, [[link(2, "eth0"), "192.168.1.250"]]),
    others: [
      node("c1", [[link(7, "eth0", on), "192.168.1.2"]]),
      node("c2", [[link(8, "eth0", on), "192.168.1.3"]]),
    ],
    closed: [],
  };
}
