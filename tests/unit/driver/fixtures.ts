import { parseAddress } from "../../../lib/ipam/mod.ts";
import type { HostFacts } from "../../../lib/driver/network.ts";
import type { Step } from "../../../lib/driver/plan.ts";
import type { EndpointRecord } from "../../../lib/driver/store.ts";
import type { Network, Sandbox } from "../../../lib/driver/types.ts";
import type { Addr } from "../../../lib/iproute2/addr.ts";
import type { VlanProtocol } from "../../../lib/iproute2/kinds/vlan.ts";
import type { Link, LinkInfo } from "../../../lib/iproute2/link.ts";
import type { Route } from "../../../lib/iproute2/route.ts";

/** What a new network is called by the driver: 64 digits, of which 12 name its links. */
export const IDENTITY = { id: "0123456789ab".padEnd(64, "0"), created: "2026-01-01T00:00:00.000Z" };

/** A link as the kernel shows it: an Ethernet card that is up, but for what is given. */
export function link(name: string, changes: Partial<Link> = {}): Link {
  return {
    index: 2,
    name,
    flags: ["UP"],
    up: true,
    state: "UP",
    mtu: 1500,
    group: "default",
    linkType: "ether",
    info: { type: "other", kind: "device" },
    altnames: [],
    promiscuity: 0,
    minMtu: 68,
    maxMtu: 65535,
    txqlen: 1000,
    numTxQueues: 1,
    gsoMaxSize: 65536,
    ...changes,
  };
}

/** What is read back of a VLAN sub-interface that was made without a flag. */
export function vlanInfo(
  id: number,
  protocol: VlanProtocol = "802.1Q",
): Extract<LinkInfo, { type: "vlan" }> {
  const flags = { gvrp: false, mvrp: false, looseBinding: false, bridgeBinding: false };
  return { type: "vlan", id, protocol, reorderHdr: true, ...flags };
}

/** The loopback. */
export const LO: Link = link("lo", { linkType: "loopback", mtu: 65536 });

/** A host with a loopback and `eth0`, but for what is given. */
export function host(changes: Partial<HostFacts> = {}): HostFacts {
  return { release: "6.1.0", links: [LO, link("eth0")], addrs: [], routes: [], ...changes };
}

/** An address on a link. */
export function addr(dev: string, text: string, scope = "global"): Addr {
  const [address = "", length] = text.split("/");
  const { family } = parseAddress(address);
  return { dev, family, address, prefixLength: Number(length), scope, flags: [] };
}

/** An IPv4 route of the main table. */
export function route(dst: string): Route {
  return { family: 4, dst, table: "main", type: "unicast", nexthops: [], flags: [] };
}

/** A network on `eth0` with one subnet, but for what is given. */
export function network(name: string, changes: Partial<Network> = {}): Network {
  return {
    id: name.padEnd(64, "0"),
    created: IDENTITY.created,
    name,
    parent: "eth0",
    isolated: false,
    internal: false,
    mode: "l2",
    flag: "bridge",
    subnets: [{ subnet: "192.168.1.0/24", gateway: "192.168.1.1", auxAddresses: {} }],
    labels: {},
    ...changes,
  };
}

/** A sandbox whose namespace the driver made, but for what is given. */
export function sandbox(name: string, changes: Partial<Sandbox> = {}): Sandbox {
  return { name, created: IDENTITY.created, labels: {}, namespace: "made", ...changes };
}

/** The first endpoint of a sandbox, with the address 192.168.1.2, but for what is given. */
export function endpoint(
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

/** Steps without what their failures mean, so that they can be compared. */
export function withoutMeaning(steps: readonly Step[]): Omit<Step, "explain">[] {
  return steps.map(({ explain: _, ...step }) => step);
}
