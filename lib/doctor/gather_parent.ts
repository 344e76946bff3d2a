import { isOwned } from "../driver/model/names.ts";
import { decideEndpoint } from "../driver/endpoint/decide.ts";
import type { HeldAddress } from "../driver/addresses/held_addresses.ts";
import { subnetsOf } from "../driver/model/subnets.ts";
import { globalAddrs } from "../iproute2/addr.ts";
import { busyParent, chooseParent, LINK_GROUP } from "../driver/network/parent.ts";
import { statOf } from "../base/files.ts";
import { pause } from "../base/waiting.ts";
import type { Network } from "../driver/model/types.ts";
import { type IpvlanError, isIpvlanError, unlessError } from "../base/errors.ts";
import { endpointAddresses, familyOf } from "../ipam/address.ts";
import { Pools } from "../ipam/mod.ts";
import type { Ip } from "../iproute2/ip.ts";
import type { Link, LinkSpec } from "../iproute2/link_types.ts";
import { neighAsk, neighFlush } from "../iproute2/neigh.ts";
import { make } from "../iproute2/runner.ts";
import { chainOf } from "./diagnose_parent.ts";
import type { AskedAddress, DoctorFacts, DoctorView, ParentFacts, StateFacts } from "./facts.ts";

/** Gathers the facts about one parent. @param facts Those that are known before. */
export async function gatherParent(
  ip: Ip,
  name: string,
  { state, links: refusals, held }: DoctorFacts,
  view: DoctorView,
  signal: AbortSignal | undefined,
): Promise<ParentFacts> {
  const { links, addrs } = view.host;
  const chain = chainOf(name, links);
  const wireless = chain.map((link) => link.name)
    .filter((each) => statOf(`/sys/class/net/${each}/phy80211`) !== undefined);
  const facts: ParentFacts = { name, wireless, addresses: [] };
  const link = links.find((link) => link.name === name);
  if (!link || refusals?.ipvlan || chooseParent(name, links).problems.length > 0) return facts;
  facts.problem = await tryParent(ip, name);
  if (facts.problem || !link.up || !link.flags.includes("LOWER_UP")) return facts;
  // On a link without ARP, such as a dummy, no other machine can answer.
  if (link.flags.includes("NOARP")) return facts;
  const own = globalAddrs(name, addrs).map(({ address }) => address);
  // Not in L3 modes, which use no ARP; and an isolated network has no other machines.
  const asked = state.networks
    .filter((network) => network.parent === name && network.mode === "l2" && !network.isolated)
    .flatMap((network) =>
      askedAddresses(network, state, own, held.filter(({ parent }) => parent === name))
    );
  const addresses = asked.map(({ address }) => address);
  const answers = await whoHas(ip, link, addresses, signal);
  facts.addresses = asked.map((one) => ({ ...one, answer: answers.get(one.address)! }));
  return facts;
}

/** The addresses of a network's endpoints, and those of the next endpoint. */
export function askedAddresses(
  network: Network,
  { endpoints }: StateFacts,
  parentAddresses: readonly string[],
  held: readonly HeldAddress[],
): Omit<AskedAddress, "answer">[] {
  const given = endpoints.filter((endpoint) => endpoint.network === network.id)
    .flatMap((endpoint) =>
      endpointAddresses(endpoint)
        .map((address) => ({ address, network: network.name, sandbox: endpoint.sandbox }))
    );
  // An engine chooses the addresses on its networks.
  if (isOwned(network.name)) return given;
  const pools = Pools.of(subnetsOf(network), given.map(({ address }) => address));
  const decision = decideEndpoint({}, "next", {
    ...{ network, pools, parentAddresses, held, sandbox: "next" },
    ...{ present: [], neighbours: [], holderElsewhere: () => undefined },
  });
  // A full network has no next address.
  const next = endpointAddresses(decision.ok ? decision.endpoint : {})
    .map((address) => ({ address, network: network.name }));
  return [...given, ...next];
}

/**
 * Tries to make an ipvlan link on a parent without ipvlan links: its mode and flag would change
 * those of all others. So it first tries a macvlan link, which the kernel refuses if there are
 * ipvlan links. If the kernel accepts macvlan but refuses ipvlan, the parent already has a macvlan
 * link, usually in an unnamed namespace of a container.
 */
async function tryParent(ip: Ip, link: string): Promise<IpvlanError | undefined> {
  const name = `probe-${crypto.randomUUID().slice(0, 8)}`;
  const refusal = async (spec: LinkSpec): Promise<unknown> => {
    // Both lines go to `ip` in one burst, so that a kill cannot leave the link behind.
    const [added] = await Promise.allSettled([ip.link.add(spec), ip.link.del(name)]);
    return added.status === "rejected" ? added.reason : undefined;
  };
  const base = { name, link, group: LINK_GROUP };
  if (await refusal({ ...base, type: "macvlan" }) !== undefined) return undefined;
  const error = await refusal({ ...base, type: "ipvlan", mode: "l2" });
  return isIpvlanError(error, "ip-command") && error.errno === "EBUSY"
    ? busyParent(link)
    : undefined;
}

/** The owner of an address: see {@linkcode AskedAddress.answer}. */
type Answer = AskedAddress["answer"];

/** Longer than the kernel needs to give up on a neighbour with three requests, in milliseconds. */
const TIMEOUT = 4000;
/** How often to poll the neighbour table, in milliseconds. */
const INTERVAL = 100;

/**
 * Asks the segment of a link for the owner of each address: the kernel does, without sending data. An
 * answer from the link's own MAC address comes from an ipvlan link of this host, and is ignored.
 */
async function whoHas(
  ip: Ip,
  { name: dev, address: own }: Link,
  addresses: readonly string[],
  signal?: AbortSignal,
): Promise<Map<string, Answer>> {
  const answers = new Map<string, Answer>(addresses.map((address) => [address, "unknown"]));
  // Without a link-local address, the kernel sends no requests, but still reports a failure.
  const held = await ip.addr.show({ dev });
  const asked = addresses.filter((address) =>
    familyOf(address) === 4 || held.some(({ scope, family }) => scope === "link" && family === 6)
  );
  // Old entries may be stale, and unresolved ones would stay in the kernel's table.
  const flush = () => Promise.all(asked.map((dst) => make(ip.session, neighFlush(dst, dev))));
  await flush();
  const waiting = new Set<string>();
  await Promise.all(asked.map((address) =>
    // A static entry stays as it is, and iproute2 before 5.16 does not know `use`.
    unlessError(["ip-command"], async () => {
      await make(ip.session, neighAsk(address, dev));
      waiting.add(address);
    })
  ));
  const deadline = performance.now() + TIMEOUT;
  while (waiting.size > 0 && performance.now() < deadline && !signal?.aborted) {
    for (const { dst, address: mac, state } of await ip.neigh.show({ dev })) {
      if (!waiting.has(dst) || !(mac !== undefined || state === "FAILED")) continue;
      answers.set(dst, mac === undefined || mac === own ? "none" : { mac });
      waiting.delete(dst);
    }
    await pause(INTERVAL, signal);
  }
  await flush();
  signal?.throwIfAborted();
  return answers;
}
