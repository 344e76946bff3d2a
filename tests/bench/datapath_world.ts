/**
 * The networks of `deno task bench datapath`: for each kind of link a host with a wire to a machine of
 * its LAN, all of them namespaces.
 *
 * @module
 */
import { Ip } from "../../lib/iproute2/ip.ts";
import type { LinkSpec } from "../../lib/iproute2/link_types.ts";
import { writeSysctls } from "../../scenarios/kit/machines/in_netns.ts";

/**
 * The kinds of links that are compared: the link on the host's `eth0`, if it is no veth pair; and
 * whether the sandboxes have a subnet of their own, which the host routes.
 */
export const KINDS = {
  "ipvlan L2": { child: { type: "ipvlan", link: "eth0", mode: "l2" }, isRouted: false },
  "ipvlan L3": { child: { type: "ipvlan", link: "eth0", mode: "l3" }, isRouted: true },
  "ipvlan L3S": { child: { type: "ipvlan", link: "eth0", mode: "l3s" }, isRouted: true },
  macvlan: { child: { type: "macvlan", link: "eth0", mode: "bridge" }, isRouted: false },
  "veth routed": { child: undefined, isRouted: true },
  "veth, bridge": { child: undefined, isRouted: false },
} as const;

/** The name of a kind of link. */
export type KindName = keyof typeof KINDS;

/** The kind that all others are compared with. */
export const PEER = "veth, bridge" satisfies KindName;

/** The address of the machine of the LAN. */
export const LAN_ADDRESS = "10.1.255.254";
/** The host's own address, which routes to the sandboxes that have a subnet of their own. */
const HOST_ADDRESS = "10.1.255.1";
/** The gateway of a routed veth pair, an address of the host's `lo`. */
const GATEWAY = "169.254.1.1";

/** A host with a wire to a machine of the LAN. */
export interface DataPath extends AsyncDisposable {
  /** The namespace of the machine of the LAN. */
  readonly lan: string;
  /** The namespaces of the sandboxes. */
  readonly sandboxes: readonly [string, string];
  /** Connects a sandbox by links with these numbers, from 1. With several, it has no default route. */
  connect(sandbox: string, numbers: readonly number[]): Promise<void>;
}

/** The address of the sandbox with a number, from 1. */
export function addressOf(kind: KindName, number: number): string {
  return `10.${KINDS[kind].isRouted ? 2 : 1}.${number >> 8}.${number & 255}`;
}

/** Makes a host with two sandboxes that have no link yet. All is removed at the end of the scope. */
export async function dataPath(kind: KindName): Promise<DataPath> {
  const { child, isRouted } = KINDS[kind];
  await using undo = new AsyncDisposableStack();
  const id = crypto.randomUUID().slice(0, 8);
  const names = ["host", "lan", "s1", "s2"].map((name) => `bench-${id}-${name}`);
  const [host, lan, ...sandboxes] = names as [string, string, string, string];
  await using outer = await Ip.open();
  for (const name of names) {
    await outer.netns.add(name);
    undo.defer(() => deleteNamespace(name));
    // Without IPv6, the links announce nothing and probe for nothing.
    const keys = ["all", "default"].map((which) => `net/ipv6/conf/${which}/disable_ipv6`);
    await writeSysctls(name, keys, "1");
  }
  await using inHost = await Ip.open({ netns: host });
  await using inLan = await Ip.open({ netns: lan });
  const peer = { name: "eth0", netns: lan };
  await inHost.link.add({ type: "veth", name: "eth0", peer, up: true });
  await inLan.link.set("eth0", { up: true });
  await inLan.addr.add({ dev: "eth0", address: `${LAN_ADDRESS}/16` });
  if (isRouted) {
    await inHost.link.set("lo", { up: true });
    await inHost.addr.add({ dev: "lo", address: `${GATEWAY}/32` });
    await inHost.addr.add({ dev: "eth0", address: `${HOST_ADDRESS}/16` });
    await inLan.route.add({ dst: "10.2.0.0/16", via: HOST_ADDRESS });
    if (!child) await writeSysctls(host, ["net/ipv4/ip_forward"], "1");
  } else if (!child) {
    await inHost.link.add({ type: "bridge", name: "br0", up: true });
    await inHost.link.set("eth0", { master: "br0" });
  }
  const kept = undo.move();
  return {
    lan,
    sandboxes,
    connect: (sandbox, numbers) => connect(kind, host, sandbox, numbers),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

async function connect(
  kind: KindName,
  host: string,
  sandbox: string,
  numbers: readonly number[],
): Promise<void> {
  const { child, isRouted } = KINDS[kind];
  await using inHost = await Ip.open({ netns: host });
  await using inSandbox = await Ip.open({ netns: sandbox });
  await Promise.all(numbers.flatMap((number) => {
    const [inner, outer] = [`e${number}`, `v${number}`];
    if (child) return [inHost.link.add({ ...child, name: inner, netns: sandbox } as LinkSpec)];
    const peer = { name: inner, netns: sandbox };
    const address = addressOf(kind, number);
    return [
      inHost.link.add({ type: "veth", name: outer, peer, up: true }),
      isRouted
        ? inHost.route.add({ dst: `${address}/32`, dev: outer })
        : inHost.link.set(outer, { master: "br0" }),
    ];
  }));
  await Promise.all(numbers.flatMap((number) => {
    const dev = `e${number}`;
    const isAlone = isRouted && !child;
    return [
      inSandbox.link.set(dev, { up: true }),
      inSandbox.addr.add({ dev, address: `${addressOf(kind, number)}/${isAlone ? 32 : 16}` }),
    ];
  }));
  // Only one of several links can have the default route.
  const [first, ...others] = numbers;
  if (!isRouted || others.length > 0) return;
  const via = child ? {} : { via: GATEWAY, onlink: true };
  await inSandbox.route.add({ dst: "default", dev: `e${first}`, ...via });
}

/** Deletes a namespace, by a session of its own: `ip` keeps every namespace open that it has named. */
async function deleteNamespace(name: string): Promise<void> {
  await using ip = await Ip.open();
  await ip.netns.del(name);
}
