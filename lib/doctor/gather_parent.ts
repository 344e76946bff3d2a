import { isOwned } from "../driver/model/names.ts";
import { decideEndpoint } from "../driver/endpoint/decide.ts";
import type { HeldAddress } from "../driver/addresses/holders.ts";
import { subnetsOf } from "../driver/model/subnets.ts";
import { globalAddrs } from "../iproute2/addr.ts";
import { busyParent, chooseParent, LINK_GROUP } from "../driver/network/parent.ts";
import { statOf } from "../base/files.ts";
import type { Network } from "../driver/model/types.ts";
import { type IpvlanError, isIpvlanError } from "../base/errors.ts";
import { endpointAddresses } from "../ipam/address.ts";
import { Pools } from "../ipam/mod.ts";
import { Ip } from "../iproute2/ip.ts";
import type { LinkSpec } from "../iproute2/link.ts";
import { whoHas } from "./answers.ts";
import { chainOf } from "./diagnose_parent.ts";
import type { AskedAddress, DoctorView, ParentFacts, StateFacts } from "./facts.ts";

/** The facts known before a parent is examined. */
export interface Known {
  /** The records. */
  state: StateFacts;
  /** The kernel's state. */
  view: DoctorView;
  /** The addresses of ipvlan links in all namespaces. */
  held: readonly HeldAddress[];
  /** Whether ipvlan links can be made. */
  able: boolean;
  /** Ends the call. */
  signal: AbortSignal | undefined;
}

/** Gathers the facts about one parent. */
export async function gatherParent(
  name: string,
  { state, view, held, able, signal }: Known,
): Promise<ParentFacts> {
  const { links, addrs } = view.host;
  const chain = chainOf(name, links);
  const wireless = chain.map((link) => link.name)
    .filter((each) => statOf(`/sys/class/net/${each}/phy80211`) !== undefined);
  const facts: ParentFacts = { name, wireless, addresses: [] };
  const link = links.find((link) => link.name === name);
  if (!link || !able || chooseParent(name, links).problems.length > 0) return facts;
  facts.problem = await tryParent(name);
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
  const answers = await whoHas(name, link.address, addresses, signal);
  facts.addresses = asked.map((one) => ({ ...one, answer: answers.get(one.address)! }));
  return facts;
}

/** The addresses of a network's endpoints, and those of the next endpoint. */
function askedAddresses(
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
  const facts = {
    network,
    pools,
    sandbox: "next",
    endpoints: [],
    routes: [],
    neighbours: [],
    parentAddresses,
    held,
    holderElsewhere: () => undefined,
  };
  const decision = decideEndpoint({}, "next", facts);
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
 *
 * @returns The error, or `undefined` if it worked.
 */
async function tryParent(link: string): Promise<IpvlanError | undefined> {
  await using ip = await Ip.open();
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
