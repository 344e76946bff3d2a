import { linkIndex } from "../driver/endpoint/steps.ts";
import { chooseParent } from "../driver/network/parent.ts";
import { engineTitle } from "../engine/owners.ts";
import { endpointAddresses, familyOf } from "../ipam/address.ts";
import { OLDEST_IPROUTE2, OLDEST_KERNEL } from "../base/error_codes.ts";
import { kernelProblem, MODULES } from "../iproute2/kernel.ts";
import { netnsOf } from "../iproute2/words.ts";
import { about, type Diagnosis } from "./diagnosis.ts";
import { diagnoseFirewall } from "./firewall.ts";
import { diagnoseParent } from "./parent.ts";
import { diagnoseReach } from "./reach.ts";
import type { HeldAddress } from "../driver/addresses/held_addresses.ts";
import { shellLine } from "../base/printable.ts";
import type { DoctorFacts, MachineFacts, OwnedSandbox, SharedFacts } from "./facts.ts";
import { type DoctorOptions, gatherFacts } from "./gather.ts";
import { isIpvlanError } from "../base/errors.ts";

/**
 * Finds out what is wrong with this machine. As a test, it makes links, a namespace and a file, and
 * deletes them again. It also asks the segment of each parent for the owners of the networks'
 * addresses, which takes seconds.
 */
export async function examine(options?: DoctorOptions): Promise<Diagnosis[]> {
  return diagnose(await gatherFacts(options));
}

/** Judges all facts, the kernel first. */
export function diagnose(facts: DoctorFacts): Diagnosis[] {
  return [
    ...diagnoseKernel(facts),
    ...diagnoseIp(facts),
    ...diagnoseTransport(facts),
    ...diagnoseRights(facts),
    ...diagnoseModules(facts),
    ...diagnoseState(facts),
    ...facts.shared.flatMap((shared) => diagnoseShared(shared, facts.held)),
    ...diagnoseIPv6(facts),
    ...diagnoseHostsFile(facts),
    ...diagnosePlugins(facts),
    ...diagnoseRoutes(facts),
    ...diagnoseMachine(facts.machine),
    ...diagnoseFirewall(
      facts.firewall,
      facts.state.networks,
      ({ id }) =>
        facts.state.endpoints.filter(({ network }) => network === id).flatMap(endpointAddresses),
    ),
    ...facts.parents.flatMap((parent) => diagnoseParent(parent, facts)),
    ...diagnoseReach(facts.state, facts.view),
  ];
}

function diagnoseKernel({ release }: DoctorFacts): Diagnosis[] {
  const kernel = about("kernel");
  const what = `${release}, and ipvlan needs ${OLDEST_KERNEL} or later`;
  return [kernelProblem(release) ? kernel.broken(what, "use a newer kernel") : kernel.ok(what)];
}

/**
 * The oldest iproute2 that works here. Releases before 5.8 print the date of a snapshot instead of
 * a version. Older releases were built and tried: up to 4.16 they print no JSON for our questions,
 * 4.17 ends at the second line of a batch, and 4.18 to 4.20 print the type of a route without its
 * key, which is no JSON.
 */
const OLDEST_IP = { major: 5, snapshot: 190319 };

/** Whether the version printed by `ip -V` is new enough; `undefined` if it prints none. */
function isNewEnough(printed: string): boolean | undefined {
  const [, snapshot, major] = /iproute2-(?:ss(\d{6})|v?(\d+)\.\d+)/.exec(printed) ?? [];
  if (snapshot !== undefined) return Number(snapshot) >= OLDEST_IP.snapshot;
  return major === undefined ? undefined : Number(major) >= OLDEST_IP.major;
}

function diagnoseIp({ ip: printed, ipProblem }: DoctorFacts): Diagnosis[] {
  const ip = about("ip");
  const fix = `install iproute2 ${OLDEST_IPROUTE2} or later (the package iproute2 or iproute)`;
  if (printed === undefined) return [ip.broken('The program "ip" is not on PATH', fix)];
  const isNew = isNewEnough(printed);
  if (isNew === undefined) {
    return [ip.broken(`The program "ip" is not iproute2's: ${printed}`, fix)];
  }
  if (!isNew) return [ip.broken(`${printed} is older than iproute2 ${OLDEST_IPROUTE2}`, fix)];
  return [ipProblem ? ip.broken(ipProblem.message) : ip.ok(printed)];
}

function diagnoseTransport({ transport: { reason, fix } }: DoctorFacts): Diagnosis[] {
  const transport = about("transport");
  if (reason === undefined) return [transport.ok("netlink, without a program")];
  const what = `The program "ip" runs for each change, which takes longer: ${reason}`;
  return [fix === undefined ? transport.ok(what) : transport.warning(what, fix)];
}

function diagnoseRights({ links }: DoctorFacts): Diagnosis[] {
  if (!links) return [];
  const rights = about("rights");
  const missing = Object.values(links).find((problem) => isIpvlanError(problem, "missing-rights"));
  if (!missing) return [rights.ok("Links and namespaces can be made")];
  const what = `Links and namespaces cannot be made (${missing.reason})`;
  return [rights.broken(what, "run as root: sudo ipvlan …")];
}

function diagnoseModules(facts: DoctorFacts): Diagnosis[] {
  const { links, modulesOnDisk, state, parents, view } = facts;
  if (!links) return [];
  const needed = new Set(["ipvlan", ...state.made.map(({ type }) => type)]);
  for (const { name } of parents) {
    for (const { type } of chooseParent(name, view?.host.links ?? []).make) needed.add(type);
  }
  return Object.entries(links).flatMap(([type, problem]) => {
    const name = MODULES[type as keyof typeof MODULES];
    const module = about(`module ${name}`);
    if (problem === undefined) return [module.ok("The kernel has it")];
    // Rights and kernel version have their own diagnoses.
    if (isIpvlanError(problem, "missing-rights", "kernel-too-old")) return [];
    const fix = modulesOnDisk.includes(name)
      ? `modprobe ${name}`
      : `install a kernel, or its package of extra modules, that has ${name}`;
    const what = isIpvlanError(problem, "missing-module")
      ? "The kernel does not have it"
      : problem.message;
    // A network on an existing link needs only ipvlan.
    return [needed.has(type) ? module.broken(what, fix) : module.warning(what, fix)];
  });
}

function diagnoseState(facts: DoctorFacts): Diagnosis[] {
  const { state, view } = facts;
  const { folder, problem, halfDone, sandboxes, owned, networks } = state;
  const subject = about("state folder");
  if (problem !== undefined) {
    const fix = "run as root, or name a folder that can be written in IPVLAN_STATE_DIR";
    return [subject.broken(`${folder} cannot be used: ${problem}`, fix)];
  }
  const found: Diagnosis[] = [];
  if (halfDone.length > 0) {
    const what = `A command is running or was killed: half done is ${halfDone.join(", ")}`;
    found.push(subject.warning(what, "ipvlan restore"));
  }
  // Without a view, we do not know which sandboxes are missing.
  const present = view && [...view.others, ...view.closed].map(({ netns }) => netns);
  const lost = sandboxes.filter((name) => present && !present.includes(name));
  if (lost.length > 0) {
    const what = `On record but not there, as after a restart: ${lost.join(", ")}`;
    found.push(subject.warning(what, "ipvlan restore"));
  }
  const at = (place: LinkPlace) =>
    owned.filter((sandbox) => placeOf(sandbox, facts) === place).map(({ name }) => name).join(", ");
  const [gone, untaken] = [at("nowhere"), at("host")];
  if (gone !== "") {
    const what = `An engine ended without cleaning up, and left on record: ${gone}`;
    found.push(subject.warning(what, "ipvlan restore"));
  }
  if (untaken !== "") {
    const what = `An engine has not moved the links of these into a container: ${untaken}`;
    const fix =
      'wait if it is starting one; otherwise start "ipvlan docker serve" again, which asks Docker';
    found.push(subject.warning(what, fix));
  }
  if (found.length > 0) return found;
  const count = `${networks.length} network(s), ${sandboxes.length + owned.length} sandbox(es)`;
  return [subject.ok(`${folder}: ${count}`)];
}

/** The place of the links of an engine's sandbox. */
type LinkPlace = "container" | "host" | "nowhere";

function placeOf({ name, path }: OwnedSandbox, { state, view, held }: DoctorFacts): LinkPlace {
  if (!view) return "container";
  const isIt = ({ netns }: { netns?: string }) => path !== undefined && netns === netnsOf(path);
  const namespace = view.others.find(isIt);
  if (view.closed.some(isIt)) return "container";
  const own = state.endpoints.filter(({ sandbox }) => sandbox === name);
  // An engine that lets us make the links names the namespace before.
  if (!own.some(({ handOver }) => handOver)) {
    return path === undefined || namespace ? "container" : "nowhere";
  }
  const isAmong = (links: readonly { index: number }[]) =>
    own.some((endpoint) => links.some(({ index }) => index === linkIndex(endpoint)));
  if (namespace && isAmong(namespace.links)) return "container";
  if (isAmong(view.host.links)) return "host";
  // The files of Docker's namespaces may be invisible to this process.
  const addresses = own.flatMap((endpoint) => endpointAddresses(endpoint));
  return held.some(({ address }) => addresses.includes(address)) ? "container" : "nowhere";
}

function diagnoseIPv6({ ipv6, state }: DoctorFacts): Diagnosis[] {
  const subject = about("IPv6");
  if (ipv6 === "on") return [subject.ok("Sandboxes have it")];
  const [what, fix] = ipv6 === "off in new namespaces"
    ? [
      "IPv6 is disabled in new namespaces",
      "sysctl -w net.core.devconf_inherit_init_net=0; without ipv6.disable_ipv6=1 on the kernel's " +
      "command line",
    ]
    : ["The kernel has no IPv6", "boot without ipv6.disable=1, or: modprobe ipv6"];
  const users = state.networks.filter(({ subnets }) =>
    subnets.some(({ subnet }) => familyOf(subnet) === 6)
  ).map(({ name }) => name);
  return [
    users.length > 0
      ? subject.broken(`${what}, and these networks have an IPv6 subnet: ${users.join(", ")}`, fix)
      : subject.warning(`${what}: networks can have IPv4 subnets only`, fix),
  ];
}

function diagnoseHostsFile({ hostsFile }: DoctorFacts): Diagnosis[] {
  if (hostsFile) return [];
  const what = "There is no /etc/hosts, so sandboxes do not find each other by name";
  return [about("names").warning(what, "touch /etc/hosts")];
}

function diagnosePlugins({ plugins }: DoctorFacts): Diagnosis[] {
  return plugins.map(({ engine, what, fix }) => {
    const subject = about(engineTitle(engine));
    return fix === undefined ? subject.ok(what) : subject.warning(what, fix);
  });
}

/**
 * Diagnoses whether a routing daemon can announce the routes of networks. We cannot see whether it
 * is configured to, and whether its neighbors accept them.
 */
function diagnoseRoutes({ state, routingDaemons }: DoctorFacts): Diagnosis[] {
  const networks = state.networks.filter(({ advertise }) => advertise !== undefined);
  if (networks.length === 0) return [];
  const subject = about("routes");
  const names = networks.map(({ name }) => name).join(", ");
  if (routingDaemons.length > 0) {
    return [subject.ok(`${routingDaemons.join(", ")} can announce the routes of ${names}`)];
  }
  const what = `These networks advertise routes, and nobody announces them: ${names}. Neither ` +
    "zebra (FRR) nor bird runs in this network namespace";
  const fix = 'start one of them with what "ipvlan advertise --config frr" or "bird" prints, or ' +
    "leave this to another program that announces the routes of the main table";
  return [subject.warning(what, fix)];
}

/** The lines of a cloud's command that let addresses pass: of single sandboxes, or of a subnet. */
type CloudLines = Record<"assign" | "forward", string>;

/**
 * Clouds whose network drops all addresses that are not assigned to a NIC. The firmware names the
 * cloud (cloud-init's `ds-identify` reads the same values).
 */
const CLOUDS: [field: keyof MachineFacts, mark: RegExp, cloud: string, lines?: CloudLines][] = [
  ["vendor", /^Amazon EC2$/, "Amazon EC2", {
    assign:
      "aws ec2 assign-private-ip-addresses --network-interface-id NIC --private-ip-addresses " +
      "ADDRESS, or assign-ipv6-addresses … --ipv6-addresses ADDRESS",
    forward: "aws ec2 modify-network-interface-attribute --network-interface-id NIC " +
      "--no-source-dest-check",
  }],
  ["product", /^Google Compute Engine$/, "Google Compute Engine", {
    assign: "gcloud compute instances network-interfaces update MACHINE --aliases ADDRESS/32",
    forward: "gcloud compute instances create MACHINE --can-ip-forward",
  }],
  ["assetTag", /^7783-7084-3265-9085-8269-3286-77$/, "Microsoft Azure", {
    assign: "az network nic ip-config create --resource-group GROUP --nic-name NIC --name NAME " +
      "--private-ip-address ADDRESS",
    forward: "az network nic update --resource-group GROUP --name NIC --ip-forwarding true",
  }],
  ["assetTag", /^OracleCloud\.com$/, "Oracle Cloud"],
  ["product", /^Alibaba Cloud ECS$/, "Alibaba Cloud"],
  ["product", /^OpenStack (Nova|Compute)$/, "OpenStack"],
  ["assetTag", /^OpenTelekomCloud$/, "Open Telekom Cloud"],
  ["vendor", /^DigitalOcean$/, "DigitalOcean"],
  ["vendor", /^Hetzner$/, "Hetzner Cloud"],
  ["vendor", /^Vultr$/, "Vultr"],
  ["vendor", /^(Akamai|Linode)$/, "Akamai"],
  ["vendor", /^Scaleway$/, "Scaleway"],
  ["vendor", /^UpCloud$/, "UpCloud"],
];

function diagnoseMachine(machine: MachineFacts): Diagnosis[] {
  const found = CLOUDS.find(([field, mark]) => mark.test(machine[field]));
  if (!found) return [];
  const what = `This is a machine of ${found[2]}, whose network drops what comes from or goes to ` +
    "an address that was not assigned to the NIC";
  const line = (key: keyof CloudLines) => found[3] ? `: ${found[3][key]}` : "";
  const fix = `assign the sandboxes' addresses to the NIC (l2${line("assign")}), or route their ` +
    `subnet to this machine and turn the NIC's source and destination check off (l3${
      line("forward")
    })`;
  return [about("cloud").warning(what, fix)];
}

/** Diagnoses the pools shared under one prefix of etcd. @param held This host's addresses. */
function diagnoseShared(
  { prefix, problem, refused, untold, lost, hosts, ownId }: SharedFacts,
  held: readonly HeldAddress[],
): Diagnosis[] {
  const subject = about(`etcd ${prefix}`);
  const found: Diagnosis[] = [];
  if (refused !== undefined) found.push(subject.broken(refused));
  for (const { address, sandbox, host } of lost) {
    const link = held.find((each) => each.address === address)?.holder ?? "no link here";
    const what =
      `The host "${host}" has the address ${address} of "${sandbox}", and ${link} has it`;
    found.push(subject.broken(what, "remove one of them, and then: ipvlan restore"));
  }
  if (problem !== undefined) {
    const fix = "start it, or check the network between; running sandboxes work on, and new " +
      "addresses come from what this host keeps";
    found.push(subject.broken(problem, fix));
  }
  if (untold > 0) {
    const what = `It lacks ${untold} change(s) of this host`;
    found.push(subject.warning(what, "ipvlan restore; the agent does it by itself"));
  }
  const others = hosts.filter(({ id }) => id !== ownId);
  const own = hosts.find(({ id }) => id === ownId);
  if (others.length > 0 && own && !own.isAlive) {
    const what =
      "No agent runs here: names of other hosts' sandboxes are those of the last command";
    found.push(subject.warning(what, "ipvlan agent install writes a systemd unit"));
  }
  // If no agent runs anywhere, we cannot tell which hosts are gone.
  const gone = hosts.some(({ isAlive }) => isAlive)
    ? others.filter(({ isAlive, addresses }) => !isAlive && addresses > 0)
    : [];
  for (const { id, name, addresses } of gone) {
    const what = `The host "${name}" holds ${addresses} address(es), and no agent runs there`;
    const fix =
      shellLine`start the agent there; or if it is gone for good: ipvlan host rm --yes ${id}`;
    found.push(subject.warning(what, fix));
  }
  for (const { name, copies } of hosts) {
    for (const copy of copies) {
      const what = `The host "${copy}" is a copy of "${name}", and was refused`;
      found.push(subject.warning(what, "remove the networks of one of them"));
    }
  }
  if (found.length > 0) return found;
  return [subject.ok(`It answers, and has ${hosts.length} host(s)`)];
}
