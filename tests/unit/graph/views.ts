import { familyOf } from "../../../lib/ipam/address.ts";
import type { Network } from "../../../lib/driver/types.ts";
import { aliasOf, LINK_GROUP } from "../../../lib/driver/parent.ts";
import type { GraphView } from "../../../lib/graph/mod.ts";
import type { Addr } from "../../../lib/iproute2/addr.ts";
import type { LinkInfo } from "../../../lib/iproute2/link.ts";
import type { Route } from "../../../lib/iproute2/route.ts";
import type { SeenLink } from "../../../lib/iproute2/view.ts";
import { link as ethernetCard, vlanInfo } from "../driver/fixtures.ts";

/** What one namespace shows. */
type Namespace = GraphView["host"];

const indexByName = new Map<string, number>();

/** The index of the links of a name: another one for each name. */
function indexOf(name: string): number {
  const index = indexByName.get(name) ?? indexByName.size + 1;
  indexByName.set(name, index);
  return index;
}

/** What a link on a link of the host has. */
export function on(parent: string): Pick<SeenLink, "below"> {
  return { below: { index: indexOf(parent) } };
}

/** A link that is up, with a carrier, but for what is given. */
export function link(name: string, info: LinkInfo, more: Partial<SeenLink> = {}): SeenLink {
  const flags = ["BROADCAST", "MULTICAST", "UP", "LOWER_UP"];
  return { ...ethernetCard(name), index: indexOf(name), flags, info, ...more };
}

/** An Ethernet card. */
export function card(name: string, more: Partial<SeenLink> = {}): SeenLink {
  return link(name, { type: "other", kind: "device" }, more);
}

/** An ipvlan link of the driver's on a network. */
export function endpoint(parent: string, network: string, more: Partial<SeenLink> = {}): SeenLink {
  const group = String(LINK_GROUP);
  const info: LinkInfo = { type: "ipvlan", mode: "l2", flag: "bridge" };
  return link("eth0", info, { ...on(parent), group, alias: aliasOf([network]), ...more });
}

/** An address, from `192.168.1.2/24`. */
export function addr(dev: string, text: string, scope = "global"): Addr {
  const [address = "", length] = text.split("/");
  const family = familyOf(text);
  return { dev, family, address, prefixLength: Number(length), scope, flags: [] };
}

/** A route that was made by hand. */
export function route(dev: string, dst: string, via?: string): Route {
  const family = familyOf(via ?? dst);
  return {
    family,
    dst,
    table: "main",
    via,
    dev,
    nexthops: [],
    protocol: "boot",
    type: "unicast",
    flags: [],
  };
}

/** A sandbox with one link. */
export function sandbox(
  netns: string,
  parent: string,
  network: string,
  addresses: string[],
  routes: Route[] = [],
): Namespace {
  return {
    netns,
    links: [endpoint(parent, network)],
    addrs: addresses.map((address) => addr("eth0", address)),
    routes,
  };
}

/** What a host with these links, and these sandboxes, shows. */
export function view(
  links: SeenLink[],
  others: Namespace[] = [],
  host: Partial<Namespace> = {},
): GraphView {
  return { host: { links, addrs: [], routes: [], ...host }, others, closed: [] };
}

/** A network on record. */
export function network(name: string, parent: string, more: Partial<Network> = {}): Network {
  return {
    ...{ id: "0".repeat(64), name, created: "2026-01-01T00:00:00.000Z", parent, isolated: false },
    ...{ internal: false, mode: "l2", flag: "bridge", subnets: [], labels: {}, ...more },
  };
}

/** Five VLANs of 20 sandboxes each, with addresses of both families, and one network on `eth0`. */
export function fiveVlans(): { view: GraphView; networks: Network[] } {
  const vlans = [10, 20, 30, 40, 50];
  const links = vlans.map((id) => link(`eth0.${id}`, vlanInfo(id), { link: "eth0" }));
  const others = vlans.flatMap((id) =>
    Array.from({ length: 20 }, (_, index) =>
      sandbox(
        `web${id}-${index + 1}`,
        `eth0.${id}`,
        `vlan${id}`,
        [`10.1.${id}.${index + 2}/24`, `2001:db8:${id}::${(index + 2).toString(16)}/64`],
        [route("eth0", "default", `10.1.${id}.1`), route("eth0", "default", `2001:db8:${id}::1`)],
      ))
  );
  const networks = vlans.map((id) =>
    network(`vlan${id}`, `eth0.${id}`, {
      subnets: [
        { subnet: `10.1.${id}.0/24`, auxAddresses: {} },
        { subnet: `2001:db8:${id}::/64`, auxAddresses: {} },
      ],
    })
  );
  const host = {
    addrs: [addr("eth0", "192.168.1.250/24"), addr("eth0", "fe80::1/64", "link")],
    routes: [route("eth0", "default", "192.168.1.1")],
  };
  return { view: view([card("lo"), card("eth0"), ...links], others, host), networks };
}
