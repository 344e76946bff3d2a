import { MAX_PRIORITY } from "../driver/model/routes.ts";
import {
  IPAM_DRIVERS,
  IPAM_DRIVERS_HELP,
  IPAM_FIELDS,
  IPAM_OPTIONS,
} from "../driver/model/ipam_options.ts";
import { linkLocalProblem } from "../driver/model/link_local.ts";
import { nameProblem } from "../driver/model/names.ts";
import {
  DRIVER_OPTIONS,
  NETWORK_OPTIONS,
  OPTION_NAMES,
  type OptionName,
  optionProblems,
} from "../driver/model/options.ts";
import { DOMAIN, settingsProblems } from "../driver/model/settings.ts";
import type { SandboxSettings } from "../driver/model/types.ts";
import { attempt, invalidOption, type IpvlanError, problemOf } from "../base/errors.ts";
import { parseAddress, parsePrefix } from "../ipam/mod.ts";
import { NO_GATEWAY } from "../ipam/subnet.ts";
import { linkName } from "../iproute2/words.ts";
import { SENTENCE_PATTERN, sentenceProblem } from "./judge.ts";
import { isOwnLabel, SITE_LABEL } from "./labels.ts";
import { type Key, keyOf, type KeysShape, type Shape, type TextShape } from "./shape.ts";

type Judge = TextShape["judge"];

function text(what: string, pattern?: string, judge?: Judge): TextShape {
  return { kind: "text", what, pattern, judge };
}

function listOf(of: Shape): Shape {
  return { kind: "list", of };
}

function named(names: TextShape, of: Shape): Shape {
  return { kind: "named", names, of };
}

function either(...of: Shape[]): Shape {
  return { kind: "either", of };
}

function wholeNumber(least: number, greatest: number): Shape {
  return { kind: "number", what: "a whole number", range: [least, greatest] };
}

function choice(...of: string[]): Shape {
  return { kind: "choice", of };
}

function mapping(keys: KeysShape["keys"], required?: string[]): KeysShape {
  return { kind: "keys", keys, required };
}

/** A key with its meaning, and where it has them, its other name and its field. */
function key(help: string, shape: Shape, more?: Pick<Key, "alias" | "field">): Key {
  return { help, shape, ...more };
}

const NAME = "[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$";

function name(what: "network" | "sandbox" | "alias"): TextShape {
  const pattern = what === "sandbox" ? `^(?!\\d+$)${NAME}` : `^${NAME}`;
  return text(
    `the name of a${what === "alias" ? "n" : ""} ${what}`,
    pattern,
    (name) => nameProblem(what, name),
  );
}

const GATEWAY: TextShape = {
  ...address(),
  pattern: `^([0-9A-Fa-f:.]+|${NO_GATEWAY})$`,
  judge: (text) => text === NO_GATEWAY ? undefined : address().judge!(text),
};

/** An address of one family, or of either. The pattern does not cover all rules. */
function address(family?: 4 | 6): TextShape {
  const what = family === undefined ? "an address" : `an IPv${family} address`;
  const patterns = { 4: "^[0-9.]+$", 6: "^[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*$", 0: "^[0-9A-Fa-f:.]+$" };
  return text(what, patterns[family ?? 0], (text) => {
    const address = attempt(() => parseAddress(text));
    if (!address.ok) return address.problems[0];
    if (family === undefined || address.value.family === family) return undefined;
    const rule = `it is an IPv${address.value.family} address`;
    return invalidOption(`IPv${family} address`, text, rule);
  });
}

const PREFIX = text(
  "a prefix such as 192.168.20.0/24",
  "^[0-9A-Fa-f:.]+/[0-9]+$",
  (text) => problemOf(() => parsePrefix(text)),
);

function link(judge: Judge = (text) => problemOf(() => linkName(text))): TextShape {
  return text("the name of a link", "^(?!-|\\.\\.?$)[^\\s/:%#\\\\]{1,15}$", judge);
}

/** `settle` and the driver check whether they fit the network. */
const ROUTES = listOf(mapping({
  dst: key("its destination", PREFIX),
  via: key("its next hop; left out, the link itself", address()),
}, ["dst"]));

function optionShape(name: OptionName): Shape {
  const { value } = NETWORK_OPTIONS[name];
  if (value.kind === "routes") return ROUTES;
  if (value.kind === "switch" && value.or) return either(value, choice(...value.or));
  return value.kind === "link" ? link((text) => optionProblems(name, text)[0]) : value;
}

const OPTIONS: Record<string, Key> = Object.fromEntries(OPTION_NAMES.map((name) => [
  keyOf(name),
  key(NETWORK_OPTIONS[name].help, optionShape(name)),
]));

/** The keys of the same options under `driver_opts`. */
const DRIVER_OPTS: Record<string, Key> = Object.fromEntries(OPTION_NAMES.flatMap((name) => {
  const { driverOption, alias } = NETWORK_OPTIONS[name];
  if (driverOption === undefined) return [];
  // A text of Docker's has all routes.
  const shape = name === "routes" ? text("a text") : optionShape(name);
  return [[driverOption, key(`the same as ${keyOf(name)}`, shape, { alias, field: name })]];
}));

const LABEL = text("a label", `^(?!${SITE_LABEL.replaceAll(".", "\\.")}(\\.|$))`, (text) => {
  const rule = `those that begin with ${SITE_LABEL} say what a site made`;
  return isOwnLabel(text) ? invalidOption("label", text, rule) : undefined;
});

const LABELS = key("labels, kept and shown", named(LABEL, text("a text")));
const AUX_ADDRESSES = key(
  "reserved addresses, by the name of their owner",
  named(text("a name"), address()),
);

const SUBNET = mapping({
  subnet: key("its prefix", PREFIX),
  gateway: key("its gateway, or none; left out, the first usable address", GATEWAY),
  ip_range: key("the range of its automatic addresses", PREFIX),
  aux_addresses: AUX_ADDRESSES,
}, ["subnet"]);

const IPAM: Record<string, Key> = {
  driver: key(IPAM_DRIVERS_HELP, choice(...Object.keys(IPAM_DRIVERS))),
  // `settle` checks their values.
  ...Object.fromEntries(IPAM_FIELDS.map((field) => {
    const shape = field === "endpoints" ? listOf(text("a URL")) : text("a text");
    return [keyOf(field), key(`for etcd: ${IPAM_OPTIONS[field].help}`, shape)];
  })),
  config: key("the subnets", listOf(SUBNET)),
};

const NETWORK: Record<string, Key> = {
  ...OPTIONS,
  subnets: key(
    "the subnets, of either family; where none is IPv4, a default pool is added",
    listOf(either(PREFIX, SUBNET)),
  ),
  gateways: key(
    "the gateways, each of the subnet it lies in, or none; left out, the first usable address",
    listOf(GATEWAY),
  ),
  ip_ranges: key(
    "where automatic addresses come from, each of the subnet it lies in",
    listOf(PREFIX),
  ),
  aux_addresses: AUX_ADDRESSES,
  ipv6: key("whether it must have an IPv6 subnet", { kind: "switch" }, { alias: "enable_ipv6" }),
  labels: LABELS,
  driver: key("the driver, as in compose.yaml", choice("ipvlan")),
  driver_opts: key(`${DRIVER_OPTIONS.join(", ")}, as in compose.yaml`, mapping(DRIVER_OPTS)),
  ipam: key("the subnets, as in compose.yaml, and where the addresses come from", mapping(IPAM)),
};

/** A link-local address. The pattern is only a hint for editors. */
const LINK_LOCAL = text(
  "a link-local address",
  "^(169\\.254\\.[0-9.]+|[Ff][Ee][89AaBb][0-9A-Fa-f:]+)$",
  linkLocalProblem,
);

const ENDPOINT: Record<string, Key> = {
  ip: {
    help: "the IPv4 address, or several; left out, the next free one",
    shape: either(address(4), listOf(address(4))),
    alias: "ipv4_address",
  },
  ip6: {
    help: "the IPv6 address, or several; left out, the next free one where the network has IPv6",
    shape: either(address(6), listOf(address(6))),
    alias: "ipv6_address",
  },
  aliases: key("other names that the sandbox is found by on this network", listOf(name("alias"))),
  ifname: key(
    "the link's name in the sandbox; left out, the first free of eth0, eth1, …",
    link(),
    { alias: "interface_name" },
  ),
  link_local_ips: key(
    "more addresses of the link, of 169.254.0.0/16 or fe80::/10",
    listOf(LINK_LOCAL),
    { field: "linkLocalAddresses" },
  ),
  gw_priority: key(
    "the network with the highest number has the default route; left out, 0",
    wholeNumber(-MAX_PRIORITY, MAX_PRIORITY),
    { field: "gatewayPriority" },
  ),
  routes: key("routes besides those of the network", ROUTES, { field: "moreRoutes" }),
};

/** Checks a word of a command: a NUL character would end it (execve(2)). */
function wordProblem(text: string): IpvlanError | undefined {
  if (!text.includes("\0")) return undefined;
  return invalidOption("command", text, "a word cannot have the character NUL");
}

/** The shape of a text in a setting. It is checked as a part of settings with only this text. */
function setting(
  what: string,
  pattern: string | undefined,
  settingsWith: (text: string) => SandboxSettings,
): TextShape {
  return text(what, pattern, (text) => settingsProblems(settingsWith(text))[0]);
}

const HOST_NAME = DOMAIN.source;
const ADDRESS = address().pattern;

const HOST = mapping({
  name: key(
    "the name",
    setting("a host name", HOST_NAME, (name) => ({ hosts: [{ name, address: "::1" }] })),
  ),
  address: key(
    "its address",
    setting("an address", ADDRESS, (address) => ({ hosts: [{ name: "a", address }] })),
  ),
}, ["name", "address"]);

const DNS = mapping({
  servers: key(
    "the name servers; left out, the machine's",
    listOf(setting("an address", ADDRESS, (server) => ({ dns: { servers: [server] } }))),
  ),
  search: key(
    "the domains to search; left out, the machine's",
    listOf(setting("a domain", `^\\.$|${HOST_NAME}`, (domain) => ({ dns: { search: [domain] } }))),
  ),
  options: key(
    "the options; left out, the machine's",
    listOf(setting("an option", "^[\\w:.-]+$", (option) => ({ dns: { options: [option] } }))),
  ),
});

const SYSCTLS = named(
  setting("a name", "^net[./][\\w./-]+$", (name) => ({ sysctls: { [name]: "1" } })),
  either(
    setting("a text", "^[\\w .,:/+-]+$", (value) => ({ sysctls: { "net.x": value } })),
    wholeNumber(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER),
  ),
);

/** The settings of a sandbox. `extra_hosts` and `dns` of compose.yaml are written differently. */
const SETTINGS: { [Name in keyof SandboxSettings]-?: Key } = {
  hostname: key(
    "the host name of its commands; left out, the machine's",
    setting("a host name", HOST_NAME, (hostname) => ({ hostname })),
  ),
  hosts: key("names that only its commands find, with their addresses", listOf(HOST)),
  dns: key("how its commands resolve names, as in resolv.conf(5)", DNS),
  sysctls: key("the kernel's settings of its network, by name: net.…", SYSCTLS),
};

const SANDBOX: Record<string, Key> = {
  networks: key(
    "its networks; the first one has the default route",
    either(listOf(name("network")), named(name("network"), mapping(ENDPOINT))),
  ),
  ...SETTINGS,
  command: key(
    "a command to start in it in the background; a text is split at spaces",
    either(listOf(text("a word", undefined, wordProblem)), text("a text", undefined, wordProblem)),
  ),
  labels: LABELS,
};

export const SITE: KeysShape = {
  ...mapping({
    name: key(
      "the site's name, by which it knows what it made; left out, the file's",
      text("a name", `^${NAME}`, (name) => nameProblem("site", name)),
    ),
    networks: key("the networks, by name", named(name("network"), mapping(NETWORK))),
    sandboxes: key(
      "the sandboxes, by name",
      named(name("sandbox"), mapping(SANDBOX)),
      { alias: "services" },
    ),
    checks: key(
      "what must hold: [NETWORK] FROM reaches|does not reach TARGET [by ip|ip6]",
      listOf(text("a sentence", SENTENCE_PATTERN, sentenceProblem)),
    ),
  }),
  ignored: "^x-",
};
