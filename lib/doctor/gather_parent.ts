import { isOwned } from "../driver/model/names.ts";
import { decideEndpoint } from "../driver/endpoint/decide.ts";
import type { HeldAddress } from "../driver/addresses/held_addresses.ts";
import { subnetsOf } from "../driver/model/subnets.ts";
import { globalAddrs } from "../iproute2/addr.ts";
import { busyParent, chooseParent, LINK_GROUP } from "../driver/network/parent.ts";
import { statOf } from "../base/files.ts";
import { atOnce, pause } from "../base/waiting.ts";
import { addressWord, linkName } from "../iproute2/words.ts";
import type { Network } from "../driver/model/types.ts";
import { IpvlanError, isIpvlanError } from "../base/errors.ts";
import { endpointAddresses, familyOf } from "../ipam/address.ts";
import { Pools } from "../ipam/mod.ts";
import { Ip } from "../iproute2/ip.ts";
import type { LinkSpec } from "../iproute2/link_types.ts";
import { chainOf } from "./diagnose_parent.ts";
import type { AskedAddress, DoctorFacts, DoctorView, ParentFacts, StateFacts } from "./facts.ts";

/** Gathers the facts about one parent. @param facts Those that are known before. */
export async function gatherParent(
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

/** The owner of an address: see {@linkcode AskedAddress.answer}. */
type Answer = AskedAddress["answer"];

/** The number of concurrent `arping` processes. */
const CONCURRENCY = 32;

/** Longer than the kernel needs to give up on a neighbour with three requests, in milliseconds. */
const TIMEOUT = 4000;
/** How often to poll the neighbour table, in milliseconds. */
const INTERVAL = 100;

/**
 * Asks the segment of a link for the owner of each address. An answer from the link's own MAC
 * address comes from an ipvlan link of this host, and is ignored.
 *
 * For IPv4 it uses `arping -D`, whose requests have no sender address (RFC 5227) and so get an
 * answer from any subnet. For IPv6, or without arping, the kernel resolves the neighbour.
 */
async function whoHas(
  dev: string,
  mac: string | undefined,
  addresses: readonly string[],
  signal?: AbortSignal,
): Promise<Map<string, Answer>> {
  const answers = new Map<string, Answer>();
  const isIPv6 = (address: string) => familyOf(address) === 6;
  await atOnce(CONCURRENCY, addresses.filter((address) => !isIPv6(address)), async (address) => {
    answers.set(address, await arping(dev, address, signal));
  });
  const left = addresses.filter((address) => isIPv6(address) || answers.get(address) === "unknown");
  if (left.length > 0) {
    for (const [address, answer] of await resolve(dev, left, signal)) answers.set(address, answer);
  }
  for (const [address, answer] of answers) {
    if (typeof answer === "object" && answer.mac === mac) answers.set(address, "none");
  }
  return answers;
}

async function arping(dev: string, address: string, signal?: AbortSignal): Promise<Answer> {
  signal?.throwIfAborted();
  try {
    const options = ["-D", "-f", "-c", "2", "-w", "2", "-I", linkName(dev)];
    const args = [...options, addressWord(address, "address", 4)];
    const { stdout } = await new Deno.Command("arping", { args, stdin: "null", signal }).output();
    signal?.throwIfAborted();
    return parseArping(new TextDecoder().decode(stdout));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "unknown";
    throw error;
  }
}

/**
 * Reads the output of `arping -D` of iputils or busybox. The third arping (Habets') has other
 * options, and its output starts differently.
 */
export function parseArping(printed: string): Answer {
  if (!/^ARPING \S+ from 0\.0\.0\.0 /.test(printed)) return "unknown";
  const mac = /^\w+ reply from \S+ \[([0-9A-Fa-f:]+)\]/m.exec(printed)?.[1];
  return mac === undefined ? "none" : { mac: mac.toLowerCase() };
}

/** Lets the kernel resolve neighbours: `ip neigh … use` triggers that without sending data. */
async function resolve(
  dev: string,
  addresses: readonly string[],
  signal?: AbortSignal,
): Promise<Map<string, Answer>> {
  await using ip = await Ip.open();
  const answers = new Map<string, Answer>(addresses.map((address) => [address, "unknown"]));
  // Without a link-local address, the kernel sends no requests, but still reports a failure.
  const own = await ip.addr.show({ dev });
  const canAsk = (address: string) =>
    familyOf(address) === 4 || own.some(({ scope, family }) => scope === "link" && family === 6);
  // Delete old entries, which may be stale, but no static ones.
  const known = await ip.neigh.show({ dev });
  const fixed = known.filter(({ state }) => state === "PERMANENT").map(({ dst }) => dst);
  const asked = addresses.filter((address) => canAsk(address) && !fixed.includes(address));
  const old = known.map(({ dst }) => dst).filter((dst) => asked.includes(dst));
  await Promise.allSettled(old.map((dst) => ip.neigh.del({ dst, dev })));
  const waiting = new Set<string>();
  await Promise.all(asked.map(async (address) => {
    const line = `neigh replace ${addressWord(address, "address")} dev ${linkName(dev)} use`;
    try {
      await ip.session.change(line);
      waiting.add(address);
    } catch (error) {
      // iproute2 before 5.16 does not know `use`.
      if (!(error instanceof IpvlanError)) throw error;
    }
  }));
  const deadline = performance.now() + TIMEOUT;
  while (waiting.size > 0 && performance.now() < deadline && !signal?.aborted) {
    for (const { dst, address: mac, state } of await ip.neigh.show({ dev })) {
      if (!waiting.has(dst) || !(mac !== undefined || state === "FAILED")) continue;
      answers.set(dst, mac === undefined ? "none" : { mac });
      waiting.delete(dst);
      await ip.neigh.del({ dst, dev });
    }
    await pause(INTERVAL, signal);
  }
  // Unresolved entries would stay in the kernel's table.
  await Promise.allSettled([...waiting].map((dst) => ip.neigh.del({ dst, dev })));
  signal?.throwIfAborted();
  return answers;
}
