import type { ErrorTable, UnusableReason } from "./error_codes.ts";
import { printableLine, shellLine } from "./printable.ts";
import { didYouMean } from "./suggest.ts";

/** The oldest iproute2 that everything here works with. */
export const OLDEST_IPROUTE2 = "5.0";

/** The oldest kernel with a usable ipvlan, by Docker's guide to its ipvlan driver. */
export const OLDEST_KERNEL = "4.2";

const UNUSABLE: Readonly<Record<UnusableReason, string>> = {
  network: "the network address",
  broadcast: "the broadcast address",
  anycast: "the subnet-router anycast address",
};

/** The Debian package of each program; those that are not here are in iproute2. */
const PACKAGES: Readonly<Record<string, string>> = {
  cat: "coreutils",
  grep: "grep",
  ldd: "libc-bin",
  mkdir: "coreutils",
  nsenter: "util-linux",
  ping: "iputils-ping",
  sh: "dash",
  stat: "coreutils",
  udhcpc: "busybox, which has this DHCP client,",
  timeout: "coreutils",
  xargs: "findutils",
};

const BY_FORCE = "remove its sandboxes there; use --force only if it is switched off for good";

const ALIVE = {
  agent: "is alive: end ipvlan agent there first, and remove only a host that is gone for good",
  heard: `holds addresses and was heard from within 10 minutes: wait, or ${BY_FORCE}`,
  "no agent": `holds addresses and never ran an agent, so it may run: ${BY_FORCE}`,
};

const json = (value: unknown) => JSON.stringify(value);
const quotedNames = (names: readonly string[]) => names.map((name) => `"${name}"`).join(", ");
const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

/** Writes a name as Docker's errors do: without quotes, if a network can have that name. */
const plain = (name: string) => /^[A-Za-z0-9][\w.-]*$/.test(name) ? name : json(name);

const hint = (
  name: string,
  known: readonly string[],
  otherwise = ": see which there are, or create it first",
) => didYouMean(name, known) || otherwise;

/**
 * The sentence of each error: what is wrong, with which value, and what to do. Some begin without a
 * capital: they are in Docker's words, for scripts that look for them.
 */
export const SENTENCES: {
  readonly [Code in keyof ErrorTable]: (fields: ErrorTable[Code]) => string;
} = {
  // Any call

  "problems": ({ sentences }) => sentences.join("\n"),
  "interrupted": () => "It was interrupted",
  "invalid-name": ({ what, value, rule }) => {
    const shown = value.length > 255 ? `${value.slice(0, 60)}…` : value;
    return `The ${what} name ${json(shown)} is not valid: ${rule}`;
  },
  "invalid-option": ({ option, value, rule }) =>
    `The ${option} ${json(value)} is not valid: ${rule}`,
  "invalid-field": ({ place, value, wanted }) =>
    `${place === "" ? "The request" : `The field ${place}`} is ${value}, and should be ${wanted}`,
  "store-unusable": ({ folder, reason }) =>
    `The state folder "${folder}" cannot be used: ${reason}`,
  "half-done": ({ what }) =>
    `The ${what} is being made or removed: wait, or run ipvlan restore if a command was killed`,
  "not-undone": ({ failure, obstacle }) =>
    `${failure}; some changes could not be undone (${obstacle}): run ipvlan restore`,

  // Networks

  "missing-subnet": ({ network }) =>
    `The network "${network}" is to have IPv6, but has no IPv6 subnet: give one, as there is ` +
    "no default pool for IPv6",
  "network-exists": ({ network }) =>
    `network with name ${plain(network)} already exists: choose another, or remove it first`,
  "network-not-found": ({ network, known }) =>
    `network ${plain(network)} not found${hint(network, known)}`,
  "ambiguous-id": ({ id, networks }) =>
    `The id "${id}" fits several networks (${quotedNames(networks)}): give more digits, or a name`,
  "network-in-use": ({ network, sandboxes }) => {
    const names = sandboxes.map((name) => `name:"${name}"`).join(", ");
    return `network ${plain(network)} has active endpoints (${names}): disconnect these ` +
      "sandboxes first";
  },
  "network-cut-off": ({ network, parent, state }) =>
    `The parent "${parent}" of the network "${network}" is ${state}, so nothing passes`,
  "gateway-silent": ({ gateway, network, parent }) =>
    `The gateway ${gateway} of network "${network}" does not answer on "${parent}": check it, the ` +
    "cable and the VLAN",
  "no-lease": ({ sandbox, network, reason }) =>
    `The sandbox "${sandbox}" got no address by DHCP on network "${network}": ${reason}`,
  "subnet-in-use": ({ subnet, other, network, parent }) =>
    `Pool overlaps with other one on this address space: ${subnet}, and ${other} of network ` +
    `"${network}" on the same parent "${parent}"; choose another subnet or parent, or remove ` +
    "that network",
  "network-differs": ({ network, settings }) =>
    `The network "${network}" exists already with another ${settings.join(", ")}: remove all ` +
    "that is connected to it, or choose another name",
  "owned-by-engine": ({ what, subject, engine, removal }) =>
    `The ${what} "${subject}" belongs to ${engine}, which alone changes it; to remove it: ${removal}`,

  // Parents

  "parent-not-found": ({ parent, base }) =>
    base === undefined
      ? `There is no link "${parent}" to be the parent: make it first, or name it LINK.VLAN ` +
        "(such as eth0.20) to have it made"
      : `There is no link "${base}" to make the sub-interface "${parent}" on: make it first`,
  "invalid-parent": ({ parent, reason }) => `The link "${parent}" cannot be a parent: ${reason}`,
  "parent-down": ({ parent }) =>
    `The link "${parent}" cannot be a parent: it is down, and no sub-interface on it can be set ` +
    shellLine`up: "ip link set ${parent} up"`,
  "parent-conflict": ({ parent, current, users, asked }) =>
    `The parent "${parent}" is used with ${current} by ${quotedNames(users)}, and mode and flag ` +
    `belong to the parent: ask for those instead of ${asked}, or take another parent`,
  "parent-subnet": ({ subnet, parent, address, mode }) =>
    `The subnet ${subnet} overlaps ${address} of the parent "${parent}", which cannot be in ` +
    `${mode} mode, as the parent routes between them: choose another subnet, or have the host ` +
    "answer for the sandboxes with proxy=true",

  // Sandboxes and endpoints

  "sandbox-exists": ({ sandbox, foreign }) =>
    foreign
      ? `A network namespace "${sandbox}" exists already and is not a sandbox of this driver: ` +
        "choose another name"
      : `The sandbox name "${sandbox}" is already in use: choose another, or remove it first`,
  "sandbox-not-found": ({ sandbox, known }) =>
    `There is no sandbox ${json(sandbox)} (No such container: ${plain(sandbox)})` +
    hint(sandbox, known),
  "sandbox-gone": ({ sandbox }) =>
    `The network namespace of sandbox "${sandbox}" is gone: run ipvlan restore, or remove the ` +
    "sandbox",
  "sandbox-in-use": ({ sandbox, pids }) =>
    `The sandbox "${sandbox}" has processes in it (${pids.join(", ")}): end them first, or ` +
    "remove it by force",
  "process-not-found": ({ pid, reason }) =>
    `The network namespace of process ${pid} cannot be used: ${reason}`,
  "hosts-file": ({ sandbox, reason }) =>
    `The hosts file of sandbox "${sandbox}" cannot be changed: ${reason}`,
  "resolv-conf": ({ sandbox, reason }) =>
    `The resolv.conf of sandbox "${sandbox}" cannot be changed: ${reason}`,
  "name-in-use": ({ what, value, other, sandbox, network }) =>
    `The ${what} ${json(value)} is ${other} of the sandbox "${sandbox}" on network "${network}": ` +
    "choose another one, as only one of them would be found by it",
  "already-connected": ({ sandbox, network }) =>
    `endpoint with name ${plain(sandbox)} already exists in network ${plain(network)}`,
  "not-connected": ({ sandbox, network }) =>
    `The sandbox "${sandbox}" is not connected to network "${network}"`,
  "route-overlap": ({ sandbox, network, route, other, otherRoute }) =>
    `The sandbox "${sandbox}" cannot be connected to network "${network}": the route ` +
    `${route} would overlap ${otherRoute} of network "${other}", and packets would take the ` +
    "wrong one: disconnect it from that network, or use another subnet",
  "route-exists": ({ sandbox, destination }) =>
    `The sandbox "${sandbox}" has a route to ${destination} already: leave one of them out`,
  "link-exists": ({ sandbox, link }) =>
    `The sandbox "${sandbox}" has a link "${link}" already: choose another name`,
  "link-left": ({ sandbox, network, reason }) =>
    `The link of sandbox "${sandbox}" on network "${network}" could not be removed: ${reason}`,
  "sandbox-parent": ({ sandbox, parent }) =>
    parent === undefined
      ? `The sandbox "${sandbox}" has no default route to take the parent from: name the parent`
      : `The sandbox "${sandbox}" has no link "${parent}" to be the parent: another program has ` +
        "to make it there first",
  "mac-address": ({ macAddress }) =>
    `The MAC address ${json(macAddress)} cannot be used: every ipvlan link has the MAC address ` +
    "of its parent",

  // Addresses

  "invalid-address": ({ value, reason }) => `Invalid address ${json(value)}: ${reason}`,
  "invalid-prefix": ({ value, reason }) => `Invalid prefix ${json(value)}: ${reason}`,
  "subnets-overlap": ({ subnet, other }) =>
    `Subnet ${other} overlaps subnet ${subnet} of the same network: leave one of them out`,
  "outside-subnet": ({ role, value, subnets }) => {
    const where = subnets.length === 0
      ? "in no subnet, as there is none: give the subnet too"
      : subnets.length === 1
      ? `outside subnet ${subnets[0]}: give one inside it`
      : `outside every subnet (${subnets.join(", ")}): give one inside a subnet`;
    return `${capital(role)} ${value} is ${where}`;
  },
  "duplicate-in-subnet": ({ subnet, what, values }) =>
    `Subnet ${subnet} has more than one ${what} (${values.join(", ")}): give only one`,
  "unusable-address": ({ role, address, subnet, reason }) =>
    `${capital(role)} ${address} is ${UNUSABLE[reason]} of subnet ${subnet}: give another one`,
  "reserved-address": ({ role, address, subnet, owner }) =>
    `${capital(role)} ${address} is already the ${printableLine(owner)} of subnet ${subnet}: ` +
    "give another one",
  "address-in-use": ({ address, subnet }) =>
    `Address ${address} of subnet ${subnet} is in use: give another one, or release it first`,
  "address-not-in-use": ({ address, subnet }) =>
    `Address ${address} of subnet ${subnet} is not in use: release only what was taken`,
  "address-held": ({ address, holder }) =>
    `The address ${address} is held by ${holder}: give another one, or take it away from there`,
  "pool-exhausted": ({ subnet, range, others }) => {
    const first = range === undefined
      ? `Subnet ${subnet}`
      : `Ip-range ${range} of subnet ${subnet}`;
    const what = others === 0
      ? `${first} has`
      : `${first} and ${others} ${others === 1 ? "other" : "others"} of its family have`;
    return `${what} no free address: release one, or ask for an address elsewhere`;
  },
  "no-subnet": ({ family }) => `The network has no IPv${family} subnet: make it with one`,
  "pools-exhausted": ({ pools }) =>
    `All ${pools.length} default pools (${pools.at(0)} to ${pools.at(-1)}) overlap networks or ` +
    "routes in use: give a subnet, or remove a network",
  "missing-pool-subnet": () =>
    "The address pool is to have IPv6: give a subnet, as there is no default pool for IPv6",
  "pool-not-found": ({ pool }) => `There is no address pool ${json(pool)}: ask for one first`,

  // Several hosts, with etcd

  "agent-runs": () => "An agent runs on this state folder already: end that one first",
  "etcd-option": ({ option, value, rule }) =>
    `The etcd option ${option} ${json(value)} is not valid: ${rule}`,
  "etcd-unreachable": ({ reasons }) => {
    const texts = Object.entries(reasons).map(([endpoint, reason]) => `${endpoint}: ${reason}`);
    return `etcd is out of reach (${texts.join("; ")}): start it, or check the endpoints`;
  },
  "etcd-refused": ({ endpoint, reason }) => {
    const advice = /space exceeded/.test(reason)
      ? "compact and defragment it, and disarm its alarm"
      : "check the user and its rights";
    return `etcd at ${endpoint} refuses the request (${reason}): ${advice}`;
  },
  "etcd-older": ({ prefix }) =>
    `etcd has an older state under ${prefix} than this host, as an older backup of etcd was put ` +
    "back: run ipvlan restore on every host",
  "damaged-key": ({ key }) =>
    `The key ${json(key)} in etcd is damaged: put back a backup, or delete it`,
  "host-busy": () => "Another command of this host is waiting for etcd: try again",
  "host-removed": ({ prefix }) =>
    `This host is not in etcd under ${prefix} any more: another host removed it, or etcd lost ` +
    "its data; run ipvlan restore, which registers it anew",
  "host-replaced": ({ prefix, id, host }) =>
    `The host ${json(host)} has gone on under ${prefix} with the id ${id} of this one, as the ` +
    "machine or its state folder is a copy or a backup: after a backup, run ipvlan restore; of " +
    "two copies, remove the networks of this one; if the other one is gone for good, run " +
    `ipvlan host rm ${id}, and then ipvlan restore`,
  "host-alive": ({ host, reason }) => `The host ${json(host)} ${ALIVE[reason]}`,
  "host-not-found": ({ host, known, ambiguous = [] }) =>
    ambiguous.length > 0
      ? `Several hosts are named ${json(host)}: give an id (${ambiguous.join(", ")})`
      : `There is no host ${json(host)} in etcd` + hint(host, known, ": see ipvlan host ls"),
  "own-host": () =>
    "A host does not remove itself: remove its networks, or run this on another host",
  "shared-pool-not-found": ({ pool }) =>
    `There is no shared pool ${json(pool)} on this host: join it first`,
  "shared-pool-differs": ({ subnet, differences }) =>
    `The shared pool ${subnet} differs from the one in etcd (${differences.join("; ")}): use the ` +
    "same addresses on all hosts",
  "shared-pools-overlap": ({ subnet, other }) =>
    `The shared pool ${subnet} overlaps the pool ${other} in etcd: use that one, or another etcd ` +
    "prefix",
  "shared-pool-in-use": ({ subnet, addresses }) =>
    `The shared pool ${subnet} has addresses in use (${addresses.join(", ")}): release them first`,
  "shared-pool-exhausted": ({ range, keepers }) => {
    const advice = keepers.length === 0
      ? "remove a sandbox, or use a larger subnet"
      : keepers.map(json).join(", ") +
        " keep unused ones and do not answer: run ipvlan agent there";
    return `No address is left in the shared pool ${range}: ${advice}`;
  },
  "shared-address-held": ({ address, sandbox, host }) => {
    const place = host === undefined ? "this host" : `the host ${json(host)}`;
    return sandbox === undefined
      ? `The address ${address} is held by ${place} itself, or by its etcd: give another one`
      : `The address ${address} is held by ${json(sandbox)} on ${place}: ` +
        "give another one, or remove it there";
  },
  "shared-address-kept": ({ address, host }) =>
    `The address ${address} is kept by the host ${json(host)}, which does not answer: run ipvlan ` +
    "agent there, or use another address",
  "shared-network-differs": ({ network, differences }) =>
    `The network ${json(network)} differs from that of other hosts (${differences.join("; ")}): ` +
    "leave these settings out, or use another name",

  // The machine

  "ip-command": ({ command, reason }) => `${reason} (${command})`,
  "session-closed": ({ session, reason }) => {
    const isTooOld = /^Option "-\w+" is unknown/.test(reason);
    const advice = isTooOld ? `: install iproute2 ${OLDEST_IPROUTE2} or later` : "";
    return `The session "${session}" has ended: ${reason}${advice}`;
  },
  "namespace-not-found": ({ netns }) =>
    `There is no network namespace "${netns}": see "ip netns list"`,
  "program-not-found": ({ program }) =>
    `The program "${program}" was not found: install ${PACKAGES[program] ?? "iproute2"} and see ` +
    "that it is on PATH",
  "invalid-word": ({ what, value, rule }) => `The ${what} ${json(value)} is not valid: ${rule}`,
  "sysctl": ({ netns, keys, value, reason }) =>
    `Cannot set ${keys.join(", ")} to ${value} in "${netns}": ${reason}`,
  "kernel-too-old": ({ release }) =>
    `The kernel is ${release}, and ipvlan needs ${OLDEST_KERNEL} or later: use a newer kernel`,
  "missing-module": ({ module }) =>
    `The kernel has no module "${module}": load it ("modprobe ${module}"), or install a kernel ` +
    "that has it",
  "missing-rights": ({ reason }) =>
    `Links and namespaces cannot be made without rights (${reason}): run as root ("sudo")`,
  "unwritable-file": ({ path, reason }) => `The file "${path}" cannot be changed: ${reason}`,
  "unwritable-folder": ({ path, reason }) => `The folder ${json(path)} cannot be made: ${reason}`,
  "socket": ({ path, reason }) => `The socket "${path}" cannot be made: ${reason}`,

  // Site files

  "site-file": ({ file, line, key, reason }) => {
    const where = line === undefined ? file : `${file}:${line}`;
    // Names and keys come from outside; the message has to be one line all the same.
    return printableLine([where, key, reason].filter((part) => part !== "").join(": "));
  },
  "site-conflict": ({ reason }) => reason,
  "unknown-name": ({ subject, known }) =>
    `There is no network or sandbox ${json(subject)}` +
    hint(subject, known, ": see which there are"),
  "consent": ({ changes }) =>
    [
      "These changes remove something, interrupt connectivity, or touch what belongs to another " +
      "file: say --yes to make them",
      ...changes,
    ].join("\n"),
  "checks-failed": ({ findings }) =>
    findings.map(({ sentence }) => `This does not hold: ${sentence}`).join("\n"),
  "restore-failed": ({ sandboxes }) =>
    sandboxes.map(({ name, reason }) =>
      `The sandbox "${name}" could not be brought back: ${reason}`
    ).join("\n"),
  "not-rolled-back": ({ failure, obstacle }) =>
    `${failure}\nWhat was done so far could not be undone (${obstacle}): apply the file again ` +
    "once that is mended",

  // Engines

  "invalid-request": ({ place, reason }) =>
    `The engine's request cannot be read: ${place} ${reason}`,
  "missing-request": () =>
    "The body is missing, as Docker leaves it out when it repeats a call that a killed plugin did " +
    "not answer: try again",
  "docker-api": ({ path, reason }) => `Docker's API did not answer ${path}: ${reason}`,
  "docker-migrate": ({ network, reason }) =>
    `The network ${json(network)} is not migrated: ${reason}`,
  "cni": ({ reason }) => reason,

  // The command

  "usage": ({ command, reasons }) => [...reasons, `See "${command} --help"`].join("\n"),
  "command-unusable": ({ command, reason }) =>
    `The command ${json(command)} cannot be run: ${reason}`,
  "not-running": ({ sandbox }) => `The sandbox "${sandbox}" is not running: no process is in it`,
  "unwritable-output": ({ reason }) => `The output cannot be written: ${reason}`,
  "no-terminal": () => "The command gets no terminal: the system has none left",
  "declined": () => "Nothing was changed",
  "template": ({ line, column, reason }) =>
    `template parsing error: template: :${line}:${column}: ${reason.replaceAll(/\s+/g, " ")}`,
};
