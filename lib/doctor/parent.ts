import { isOwned } from "../driver/model/names.ts";
import { decideEndpoint } from "../driver/endpoint/decide.ts";
import type { HeldAddress } from "../driver/addresses/held_addresses.ts";
import { subnetsOf } from "../driver/model/subnets.ts";
import { globalAddrs } from "../iproute2/addr.ts";
import { busyParent, chooseParent, conflictProblem, LINK_GROUP } from "../driver/network/parent.ts";
import { statOf } from "../base/files.ts";
import { pause } from "../base/waiting.ts";
import type { Network } from "../driver/model/types.ts";
import { type IpvlanError, isIpvlanError, unlessError } from "../base/errors.ts";
import { endpointAddresses, familyOf, parseAddress } from "../ipam/address.ts";
import { Pools } from "../ipam/mod.ts";
import type { Ip } from "../iproute2/ip.ts";
import { isIpvlanOn, type Link, type LinkSpec } from "../iproute2/link_types.ts";
import { neighAsk, neighFlush } from "../iproute2/neigh.ts";
import { make } from "../iproute2/runner.ts";
import type { AskedAddress, DoctorFacts, ParentFacts, StateFacts } from "./facts.ts";
import type { WhyView } from "../why/mod.ts";
import { contains, prefixesOf } from "../ipam/prefix.ts";
import { shellLine } from "../base/printable.ts";
import { about, type Diagnosis } from "./diagnosis.ts";

/** Gathers the facts about one parent. @param facts Those that are known before. */
export async function gatherParent(
  ip: Ip,
  name: string,
  { state, links: refusals, held }: DoctorFacts,
  view: WhyView,
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
    holderElsewhere: () => undefined,
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
): Promise<Map<string, AskedAddress["answer"]>> {
  const answers = new Map<string, AskedAddress["answer"]>(
    addresses.map((address) => [address, "unknown"]),
  );
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

/** Diagnoses one parent: whether it can be one, whether frames can leave, and who else uses it. */
export function diagnoseParent(parent: ParentFacts, facts: DoctorFacts): Diagnosis[] {
  if (!facts.view) return [];
  const examined = lookAt(parent, facts, facts.view);
  const found = [
    ...diagnoseFitness(examined),
    ...diagnoseCarrier(examined),
    ...diagnoseWireless(examined),
    ...diagnoseMode(examined),
    ...diagnoseMtu(examined),
    ...diagnoseAddresses(examined),
    ...diagnoseHolders(examined),
  ];
  return found.length > 0 ? found : [examined.subject.ok(summary(examined))];
}

/** Finds what all facts say of a parent, and the ipvlan links on it in all namespaces. */
function lookAt(parent: ParentFacts, facts: DoctorFacts, { host, others }: WhyView) {
  const { name } = parent;
  const { links } = host;
  const link = links.find((link) => link.name === name);
  const ipvlans = [host, ...others].flatMap(({ netns, links }) =>
    links.filter((each) => link && isIpvlanOn(link, each, netns))
      .map((each) => ({ ...each, netns }))
  );
  const networks = facts.state.networks.filter((network) => network.parent === name);
  const { problems, make, carrier } = chooseParent(name, links);
  const subject = about(`parent ${name}`);
  return { ...parent, facts, links, link, ipvlans, networks, problems, make, carrier, subject };
}

type Examined = ReturnType<typeof lookAt>;

function summary({ link, ipvlans: [ipvlan], facts }: Examined): string {
  if (!link) return "It is not there, and is made with the network";
  if (ipvlan?.info.type === "ipvlan") {
    const { mode, flag } = ipvlan.info;
    return `It carries ipvlan links; mode ${mode}, flag ${flag} go for all on it`;
  }
  return facts.links?.ipvlan ? "Nothing else prevents ipvlan links" : "It can carry ipvlan links";
}

function diagnoseFitness(examined: Examined): Diagnosis[] {
  const { name, link, links, networks, make, problem, subject, facts } = examined;
  // diagnoseCarrier() reports a link that is down.
  const problems = examined.problems.filter((each) => !isIpvlanError(each, "parent-down"));
  if (!link && networks.length > 0) {
    const users = networks.map((network) => network.name).join(", ");
    const what = `It is not there, and these networks are on it: ${users}`;
    const sub = make.at(-1);
    const fix = facts.state.made.some((each) => each.name === name)
      ? "ipvlan restore"
      : sub?.type === "vlan"
      ? shellLine`ip link add link ${sub.link} name ${name} up type vlan id ${sub.id}`
      : `make the link "${name}" as it was made before`;
    return [subject.broken(what, fix)];
  }
  if (problems.length === 0) return problem ? [subject.broken(problem.message)] : [];
  const fix = link && fixFor(link, links);
  return problems.map(({ message }) => subject.broken(message, fix));
}

/** The command that makes a link usable as a parent. */
function fixFor(link: Link, links: readonly Link[]): string | undefined {
  if (link.master !== undefined) return shellLine`ip link set dev ${link.name} nomaster`;
  const macvlan = links.find((other) => other.link === link.name && other.info.type === "macvlan");
  return macvlan && shellLine`ip link del dev ${macvlan.name}`;
}

/** Diagnoses whether frames can leave the parent. Reports the lowest link that stops them. */
function diagnoseCarrier({ name, links, subject }: Examined): Diagnosis[] {
  const lowest = chainOf(name, links)
    .findLast(({ up, flags }) => !up || !flags.includes("LOWER_UP"));
  if (!lowest) return [];
  const which = lowest.name === name ? "It" : `The link "${lowest.name}" below it`;
  const [what, fix] = lowest.up
    ? ["has no carrier, so nothing leaves", "check the cable, the switch's port, or the other end"]
    : ["is down, so nothing passes", shellLine`ip link set dev ${lowest.name} up`];
  return [subject.broken(`${which} ${what}`, fix)];
}

/** A parent and the links below it. If it does not exist yet, the links to make it on. */
function chainOf(name: string, links: readonly Link[]): Link[] {
  const chain: Link[] = [];
  let link = chooseParent(name, links).carrier;
  while (link) {
    chain.push(link);
    // The `link` of a veth is its other end, which is not below it.
    const below: string | undefined = link.info.type === "vlan" ? link.link : undefined;
    link = links.find((other) => other.name === below);
  }
  return chain;
}

function diagnoseWireless({ wireless, subject }: Examined): Diagnosis[] {
  if (wireless.length === 0) return [];
  const what =
    `The link "${wireless[0]}" is wireless: an access point passes ipvlan's frames, as ` +
    "all have the one MAC address that it knows, but some keep to one IP address for each";
  return [subject.warning(what, "try it, or use a wired link")];
}

function diagnoseMode(
  { name, networks: [network], ipvlans: [link], subject }: Examined,
): Diagnosis[] {
  if (!network || link?.info.type !== "ipvlan") return [];
  // A link in another namespace does not show its parent's name.
  if (!conflictProblem(name, network, [], [{ ...link, link: name }])) return [];
  const what =
    `The network "${network.name}" has mode ${network.mode}, flag ${network.flag}, and ` +
    `the kernel mode ${link.info.mode}, flag ${link.info.flag} for all links on it: the last ` +
    "change of a link applies to all";
  // Setting the mode of one link sets it for the whole parent.
  const ip = link.netns === undefined ? "ip" : shellLine`ip -n ${link.netns}`;
  const { mode, flag } = network;
  const fix = `${ip} ${shellLine`link set dev ${link.name} type ipvlan mode ${mode} ${flag}`}`;
  return [subject.broken(what, fix)];
}

function diagnoseMtu({ networks, carrier, ipvlans, subject }: Examined): Diagnosis[] {
  return networks.flatMap((network) => {
    const { mtu } = network;
    if (mtu === undefined || !carrier) return [];
    if (mtu > carrier.mtu) {
      const what =
        `Its MTU is ${carrier.mtu} and that of the network "${network.name}" is ${mtu}: ` +
        "larger packets are dropped";
      return [subject.broken(what, shellLine`ip link set dev ${carrier.name} mtu ${mtu}`)];
    }
    return ipvlans.filter((link) => link.netns !== undefined && link.mtu !== mtu)
      .filter((link) => link.alias?.split(" ").includes(network.name))
      .map(({ netns, name: ifname, mtu: now }) =>
        subject.warning(
          `The MTU of ${ifname} in "${netns}" is ${now}, not the ${mtu} of the network ` +
            `"${network.name}": a change of the parent's MTU sets that of the links on it`,
          shellLine`ip -n ${netns!} link set dev ${ifname} mtu ${mtu}`,
        )
      );
  });
}

function diagnoseAddresses({ addresses, subject }: Examined): Diagnosis[] {
  const found = addresses.flatMap(({ address, network, sandbox, answer }) => {
    if (typeof answer === "string") return [];
    const whose = sandbox === undefined
      ? `is the next that the network "${network}" would give`
      : `is that of "${sandbox}" on the network "${network}"`;
    const fix = sandbox === undefined
      ? `make the network with --ip-range, or with --aux-address taken=${address}`
      : isOwned(sandbox)
      ? "make the container anew with another address"
      : shellLine`ipvlan network disconnect ${network} ${sandbox}, then connect it with another --ip`;
    return [subject.broken(`${address} ${whose}, and the machine ${answer.mac} has it`, fix)];
  });
  const unknown = addresses.filter(({ answer }) => answer === "unknown");
  if (unknown.length === 0) return found;
  const list = unknown.map(({ address }) => address).join(", ");
  const what = `Cannot find out whether another machine has one of these: ${list}`;
  const fix =
    "give the parent a link-local address for IPv6; without netlink, install iproute2 5.16";
  return [...found, subject.warning(what, fix)];
}

function diagnoseHolders({ name, networks, subject, facts }: Examined): Diagnosis[] {
  const { held, state: { endpoints } } = facts;
  return networks.flatMap((network) => {
    const prefixes = prefixesOf(network.subnets);
    return held.filter(({ parent }) => parent === name).flatMap(({ address, holder, names }) => {
      if (!prefixes.some((prefix) => contains(prefix, parseAddress(address)))) return [];
      // Networks on one parent may share a subnet.
      const owner = endpoints.find((endpoint) =>
        networks.some(({ id }) => id === endpoint.network) &&
        endpointAddresses(endpoint).includes(address)
      );
      if (owner && owner.network !== network.id) return [];
      if (owner === undefined) {
        const what = `${address} of the network "${network.name}" is held by ${holder}, so no ` +
          "sandbox gets it";
        const fix = "take it away from that link, or make the network with " +
          `--aux-address taken=${address}`;
        return [subject.warning(what, fix)];
      }
      // We cannot recognize an engine's sandbox, as its namespace has no name.
      if (names.includes(owner.sandbox) || isOwned(owner.sandbox)) return [];
      const what = `${address} is that of "${owner.sandbox}" on the network "${network.name}", ` +
        `and ${holder} holds it`;
      return [subject.broken(what, "take it away from that link, then: ipvlan restore")];
    });
  });
}
