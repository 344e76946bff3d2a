import { isOwned } from "../driver/model/names.ts";
import { chooseParent, conflictProblem } from "../driver/network/parent.ts";
import type { Network } from "../driver/model/types.ts";
import { endpointAddresses, parseAddress } from "../ipam/address.ts";
import { contains, prefixesOf } from "../ipam/prefix.ts";
import { isIpvlanOn, type Link } from "../iproute2/link_types.ts";
import { shellLine } from "../base/printable.ts";
import { about, type Diagnosis } from "./diagnosis.ts";
import type { DoctorFacts, DoctorView, ParentFacts } from "./facts.ts";
import { isIpvlanError } from "../base/errors.ts";

/** Diagnoses one parent: whether it can be one, whether frames can leave, and who else uses it. */
export function diagnoseParent(parent: ParentFacts, facts: DoctorFacts): Diagnosis[] {
  if (!facts.view) return [];
  const { name } = parent;
  const { links } = facts.view.host;
  const networks = facts.state.networks.filter((network) => network.parent === name);
  const found = [
    ...diagnoseFitness(parent, networks, facts),
    ...diagnoseCarrier(name, links),
    ...diagnoseWireless(parent),
    ...diagnoseMode(name, networks, facts.view),
    ...diagnoseMtu(name, networks, facts.view),
    ...diagnoseAddresses(parent),
    ...diagnoseHolders(name, networks, facts),
  ];
  return found.length > 0 ? found : [about(`parent ${name}`).ok(summary(name, facts))];
}

/** The ipvlan links on a parent in all namespaces, each with the name of its namespace. */
function ipvlansOn(name: string, { host, others }: DoctorView) {
  const parent = host.links.find((link) => link.name === name);
  return [host, ...others].flatMap(({ netns, links }) =>
    links.filter((link) => parent && isIpvlanOn(parent, link, netns))
      .map((link) => ({ ...link, netns }))
  );
}

function summary(name: string, { view, links }: DoctorFacts): string {
  const link = view!.host.links.find((link) => link.name === name);
  if (!link) return "It is not there, and is made with the network";
  const [ipvlan] = ipvlansOn(name, view!);
  if (ipvlan?.info.type === "ipvlan") {
    const { mode, flag } = ipvlan.info;
    return `It carries ipvlan links; mode ${mode}, flag ${flag} go for all on it`;
  }
  return links?.ipvlan ? "Nothing else prevents ipvlan links" : "It can carry ipvlan links";
}

function diagnoseFitness(
  { name, problem }: ParentFacts,
  networks: readonly Network[],
  { state, view }: DoctorFacts,
): Diagnosis[] {
  const subject = about(`parent ${name}`);
  const { links } = view!.host;
  const link = links.find((link) => link.name === name);
  const { problems: all, make } = chooseParent(name, links);
  // diagnoseCarrier() reports a link that is down.
  const problems = all.filter((problem) => !isIpvlanError(problem, "parent-down"));
  if (!link && networks.length > 0) {
    const users = networks.map((network) => network.name).join(", ");
    const what = `It is not there, and these networks are on it: ${users}`;
    const sub = make.at(-1);
    const fix = state.made.some((each) => each.name === name)
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
function diagnoseCarrier(name: string, links: readonly Link[]): Diagnosis[] {
  const lowest = chainOf(name, links).reverse().find((link) => !passes(link));
  if (!lowest) return [];
  const which = lowest.name === name ? "It" : `The link "${lowest.name}" below it`;
  const [what, fix] = lowest.up
    ? ["has no carrier, so nothing leaves", "check the cable, the switch's port, or the other end"]
    : ["is down, so nothing passes", shellLine`ip link set dev ${lowest.name} up`];
  return [about(`parent ${name}`).broken(`${which} ${what}`, fix)];
}

function passes({ up, flags }: Link): boolean {
  return up && flags.includes("LOWER_UP");
}

/** A parent and the links below it. If it does not exist yet, the links to make it on. */
export function chainOf(name: string, links: readonly Link[]): Link[] {
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

function diagnoseWireless({ name, wireless }: ParentFacts): Diagnosis[] {
  if (wireless.length === 0) return [];
  const what =
    `The link "${wireless[0]}" is wireless: an access point passes ipvlan's frames, as ` +
    "all have the one MAC address that it knows, but some keep to one IP address for each";
  return [about(`parent ${name}`).warning(what, "try it, or use a wired link")];
}

function diagnoseMode(name: string, networks: readonly Network[], view: DoctorView): Diagnosis[] {
  const [network] = networks;
  const [link] = ipvlansOn(name, view);
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
  return [about(`parent ${name}`).broken(what, fix)];
}

function diagnoseMtu(name: string, networks: readonly Network[], view: DoctorView): Diagnosis[] {
  const subject = about(`parent ${name}`);
  const carrier = chooseParent(name, view.host.links).carrier;
  return networks.flatMap((network) => {
    const { mtu } = network;
    if (mtu === undefined || !carrier) return [];
    if (mtu > carrier.mtu) {
      const what =
        `Its MTU is ${carrier.mtu} and that of the network "${network.name}" is ${mtu}: ` +
        "larger packets are dropped";
      return [subject.broken(what, shellLine`ip link set dev ${carrier.name} mtu ${mtu}`)];
    }
    return ipvlansOn(name, view)
      .filter((link) => link.netns !== undefined && link.mtu !== mtu)
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

function diagnoseAddresses({ name, addresses }: ParentFacts): Diagnosis[] {
  const subject = about(`parent ${name}`);
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

/** Reports links of others that hold addresses of the networks. */
function diagnoseHolders(
  name: string,
  networks: readonly Network[],
  { held, state: { endpoints } }: DoctorFacts,
): Diagnosis[] {
  const subject = about(`parent ${name}`);
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
