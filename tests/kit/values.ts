/**
 * Values as the code under test gets them: links, addresses and routes as the kernel shows them, and
 * networks as they are on record. A test names only what matters to it.
 *
 * @module
 */
import type { HostFacts } from "../../lib/driver/model/facts.ts";
import { toEndpoint } from "../../lib/driver/endpoint/routes.ts";
import { aliasOf, LINK_GROUP } from "../../lib/driver/network/parent.ts";
import type { Line, Step } from "../../lib/driver/run/plan.ts";
import type { EndpointRecord } from "../../lib/driver/store/records.ts";
import type { Endpoint, Network, Sandbox } from "../../lib/driver/model/types.ts";
import type { GraphView } from "../../lib/graph/mod.ts";
import type { WhyView } from "../../lib/why/mod.ts";
import { familyOf } from "../../lib/ipam/address.ts";
import type { Addr } from "../../lib/iproute2/addr.ts";
import type { VlanProtocol } from "../../lib/iproute2/kinds/vlan.ts";
import type { Link, LinkInfo } from "../../lib/iproute2/link_types.ts";
import type { Route } from "../../lib/iproute2/route_types.ts";

/** The id and the date of a new network. The first 12 digits of the id name its links. */
export const IDENTITY = { id: "0123456789ab".padEnd(64, "0"), created: "2026-01-01T00:00:00.000Z" };

/** One namespace of a view. */
type Namespace = GraphView["host"];

const indexByName = new Map<string, number>();

/** The index of a link: a number for each name. */
function indexOf(name: string): number {
  const index = indexByName.get(name) ?? indexByName.size + 1;
  indexByName.set(name, index);
  return index;
}

/** The part of a link of the host that puts it on another one. */
export function on(parent: string): Pick<Link, "linkIndex"> {
  return { linkIndex: indexOf(parent) };
}

/** An Ethernet card that is up and has a carrier, with the given changes. */
export function link(name: string, changes: Partial<Link> = {}): Link {
  return {
    index: indexOf(name),
    name,
    flags: ["BROADCAST", "MULTICAST", "UP", "LOWER_UP"],
    up: true,
    state: "UP",
    mtu: 1500,
    group: "default",
    linkType: "ether",
    info: { type: "other", kind: "device" },
    txqlen: 1000,
    ...changes,
  };
}

/** The info of a VLAN sub-interface that was made without flags. */
export function vlanInfo(
  id: number,
  protocol: VlanProtocol = "802.1Q",
): Extract<LinkInfo, { type: "vlan" }> {
  const flags = { gvrp: false, mvrp: false, looseBinding: false, bridgeBinding: false };
  return { type: "vlan", id, protocol, reorderHdr: true, ...flags };
}

/** The loopback. */
export const LO: Link = link("lo", { linkType: "loopback", mtu: 65536 });

/** A host with a loopback and `eth0`, with the given changes. */
export function host(changes: Partial<HostFacts> = {}): HostFacts {
  return { release: "6.1.0", links: [LO, link("eth0")], addrs: [], routes: [], ...changes };
}

/** An ipvlan link of the driver on a network. */
export function endpoint(parent: string, network: string, more: Partial<Link> = {}): Link {
  const group = String(LINK_GROUP);
  const info: LinkInfo = { type: "ipvlan", mode: "l2", flag: "bridge" };
  const below = { ...on(parent), linkNetnsid: 0 };
  return link("eth0", { ...below, info, group, alias: aliasOf(network), ...more });
}

/** An address, from `192.168.1.2/24`. */
export function addr(dev: string, text: string, scope: Addr["scope"] = "global"): Addr {
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
    neighs: [],
  };
}

/** The view of a host with these links and sandboxes. */
export function view(
  links: Link[],
  others: Namespace[] = [],
  host: Partial<Namespace> = {},
): WhyView {
  const seen = { rules: [], neighs: [], sysctls: {} };
  return {
    host: { links, addrs: [], routes: [], ...seen, ...host },
    others: others.map((each) => ({ ...seen, ...each })),
    closed: [],
  };
}

/** A network on `eth0` with one subnet, with the given changes. */
export function network(name: string, changes: Partial<Network> = {}): Network {
  return {
    id: name.padEnd(64, "0"),
    created: IDENTITY.created,
    name,
    parent: "eth0",
    isolated: false,
    internal: false,
    ipv4: true,
    mode: "l2",
    flag: "bridge",
    subnets: [{ subnet: "192.168.1.0/24", gateway: "192.168.1.1", auxAddresses: {} }],
    labels: {},
    ...changes,
  };
}

/** A sandbox on record, whose namespace the driver made, with the given changes. */
export function sandboxRecord(name: string, changes: Partial<Sandbox> = {}): Sandbox {
  const { created } = IDENTITY;
  return { id: `id-of-${name}`, name, created, labels: {}, namespace: "made", ...changes };
}

/** The first endpoint of a sandbox on record, with 192.168.1.2, with the given changes. */
export function endpointRecord(
  sandbox: string,
  { id }: Network,
  changes: Partial<EndpointRecord> = {},
): EndpointRecord {
  return {
    id: "0123456789ab",
    network: id,
    sandbox,
    ifname: "eth0",
    ordinal: 0,
    ip: "192.168.1.2",
    aliases: [],
    ...changes,
  };
}

/** The endpoint of a sandbox on a network as the driver shows it, with 192.168.1.2. */
export function endpointOn(
  network: Network,
  sandbox: string,
  changes: Partial<EndpointRecord> = {},
): Endpoint {
  const only = { network, endpoint: endpointRecord(sandbox, network, changes) };
  return toEndpoint(only, [only]);
}

/** An endpoint without an address on a network of which only the name matters. */
export function plainEndpoint(
  sandbox: string,
  network: string,
  changes: Partial<Endpoint> = {},
): Endpoint {
  const rest = { routes: [], names: [], aliases: [], parent: "eth0" };
  return { network, sandbox, ifname: "eth0", ...rest, ...changes };
}

/** Five VLANs of 20 sandboxes each, with addresses of both families, and one network on `eth0`. */
export function fiveVlans(): { view: GraphView; networks: Network[] } {
  const vlans = [10, 20, 30, 40, 50];
  const links = vlans.map((id) => link(`eth0.${id}`, { info: vlanInfo(id), link: "eth0" }));
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
    network(`vlan${id}`, {
      parent: `eth0.${id}`,
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
  return { view: view([link("lo"), link("eth0"), ...links], others, host), networks };
}

/** Leaves the functions out of steps, so that steps can be compared. */
export function plainSteps(steps: readonly Step[]): Omit<Step, "explain" | "send">[] {
  return steps.map(({ explain: _explain, send: _send, undo, ...step }) => ({
    ...step,
    ...undo && { undo: plainLine(undo) },
  }));
}

function plainLine({ send: _, ...line }: Line): Omit<Line, "send"> {
  return line;
}
