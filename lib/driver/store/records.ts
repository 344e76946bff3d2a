/**
 * What the records of the store are, and how each is checked: the store's file may be damaged, or
 * changed by hand.
 *
 * @module
 */
import type { EtcdAccess } from "../../claims/types.ts";
import { attempt } from "../../base/errors.ts";
import { parseAddress, parsePrefix } from "../../ipam/mod.ts";
import type { LinkSpec } from "../../iproute2/link.ts";
import { linkName } from "../../iproute2/words.ts";
import { accessProblems } from "../model/ipam_options.ts";
import { type NetworkOptions, OPTION_NAMES, optionProblems } from "../model/options.ts";
import { settingsProblems } from "../model/settings.ts";
import type {
  AddressPool,
  EndpointRoute,
  EngineName,
  Network,
  NetworkSubnet,
  Owner,
  Sandbox,
  SandboxSettings,
} from "../model/types.ts";

/**
 * The state of a record: `ready` when the kernel has what it says, `making` and `removing` while a
 * call makes or removes that. After a crash, these two say what is half made or half removed.
 */
export type State = "making" | "ready" | "removing";

/** An endpoint on record. */
export interface EndpointRecord {
  /** 12 hexadecimal digits, unique for good. */
  id: string;
  /** The network's id. */
  network: string;
  /** The sandbox's name. */
  sandbox: string;
  /** The link's name in the sandbox. */
  ifname: string;
  /** Its number among the sandbox's endpoints, from 0: of equal priorities, the lowest one counts. */
  ordinal: number;
  /** The IPv4 address, without a prefix length. */
  ip?: string;
  /** The IPv6 address, without a prefix length. */
  ip6?: string;
  /** Other names on the network. */
  aliases: string[];
  /** The routes of its link; `undefined` for the default routes of the network. */
  routes?: readonly EndpointRoute[];
  /** Whether an engine moves, names and addresses its link. */
  handOver?: true;
  /** The link-local addresses that its link gets besides; `undefined` if there are none. */
  linkLocalAddresses?: readonly string[];
  /** Its priority for the default route; `undefined` if it is 0. */
  gatewayPriority?: number;
  /** The prefix lengths of its addresses, if they are foreign. */
  prefixLengths?: { ip?: number; ip6?: number };
  /** Its parent, if that is a link of the sandbox. */
  parent?: string;
}

/** What is on record of an endpoint and no query asks for. */
export type EndpointDetails = Pick<
  EndpointRecord,
  "routes" | "handOver" | "prefixLengths" | "linkLocalAddresses" | "gatewayPriority" | "parent"
>;

type Rule = (value: unknown) => boolean;

const isText: Rule = (value) => typeof value === "string";
const isPrefix = textFor(parsePrefix);
const isAddress = textFor(parseAddress);
const isState: Rule = oneOf<State>("making", "ready", "removing");

/** A text that can be parsed. One that was right once is not parsed again: records are read often. */
function textFor(parse: (text: string) => unknown): Rule {
  const right = new Set<unknown>();
  return (value) => {
    if (right.has(value)) return true;
    if (typeof value !== "string" || !attempt(() => parse(value)).ok) return false;
    right.add(value);
    return true;
  };
}

function oneOf<T>(...values: T[]): Rule {
  return (value) => values.includes(value as T);
}

function optional(rule: Rule): Rule {
  return (value) => value === undefined || rule(value);
}

function listOf(rule: Rule): Rule {
  return (value) => Array.isArray(value) && value.every(rule);
}

function mapOf(rule: Rule): Rule {
  return (value) => isObject(value) && Object.values(value).every(rule);
}

function fields(rules: Record<string, Rule>): Rule {
  const all = Object.entries(rules);
  return (value) => isObject(value) && all.every(([name, rule]) => rule(value[name]));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const OPTIONS: Record<string, Rule> = Object.fromEntries(
  OPTION_NAMES.map((name) => [
    name,
    optional((value) => typeof value !== "object" && optionProblems(name, value).length === 0),
  ]),
);

const OWNER = fields(
  {
    engine: oneOf<EngineName>("docker", "cni", "netavark"),
    id: isText,
  } satisfies Record<keyof Owner, Rule>,
);

const IPAM = fields({
  driver: oneOf("etcd"),
  access: (value) => ACCESS(value) && accessProblems(value as EtcdAccess).length === 0,
});

const ACCESS = fields(
  {
    endpoints: listOf(isText),
    prefix: optional(isText),
    ca: optional(isText),
    cert: optional(isText),
    key: optional(isText),
    user: optional(isText),
    passwordFile: optional(isText),
  } satisfies Record<keyof EtcdAccess, Rule>,
);

const SUBNETS = listOf(fields({
  subnet: isPrefix,
  gateway: optional(isAddress),
  ipRange: optional(isPrefix),
  auxAddresses: mapOf(isAddress),
}));

/** Whether a value is what a network is on all hosts that share it. */
export function isSharedSettings(value: unknown): value is NetworkSettings {
  return fields({ ...OPTIONS, subnets: SUBNETS })(value);
}

const NETWORK = fields({
  ...OPTIONS,
  state: isState,
  id: isText,
  name: isText,
  created: isText,
  parent: isText,
  isolated: (value) => typeof value === "boolean",
  subnets: SUBNETS,
  labels: mapOf(isText),
  owner: optional(OWNER),
  transient: optional(oneOf(true)),
  foreignAddresses: optional(oneOf(true)),
  ipam: optional(IPAM),
});

const SETTINGS: { [Name in keyof SandboxSettings]-?: Rule } = {
  hostname: optional(isText),
  hosts: optional(listOf(fields({ name: isText, address: isText }))),
  dns: optional(fields({
    servers: optional(listOf(isText)),
    search: optional(listOf(isText)),
    options: optional(listOf(isText)),
  })),
  sysctls: optional(mapOf(isText)),
};

const SANDBOX = fields({
  ...SETTINGS,
  state: isState,
  id: isText,
  name: isText,
  created: isText,
  labels: mapOf(isText),
  namespace: oneOf<Sandbox["namespace"]>("made", "attached", "found", "borrowed"),
  owner: optional(OWNER),
  path: optional(isText),
  namespaceId: optional(isText),
});

const VLAN_LINK = fields({
  type: oneOf("vlan"),
  name: isText,
  link: isText,
  id: Number.isInteger as Rule,
});

const LINK: Rule = (value) => {
  if (!VLAN_LINK(value)) return fields({ type: oneOf("dummy"), name: isText })(value);
  const { name, link } = value as { name: string; link: string };
  // So no link is below itself.
  return name.startsWith(`${link}.`);
};

const DETAILS: Record<keyof EndpointDetails, Rule> = {
  routes: optional(listOf(fields({ dst: isPrefix, via: optional(isAddress) }))),
  handOver: optional(oneOf(true)),
  linkLocalAddresses: optional(listOf(isAddress)),
  gatewayPriority: optional(Number.isInteger as Rule),
  prefixLengths: optional(fields({
    ip: optional(Number.isInteger as Rule),
    ip6: optional(Number.isInteger as Rule),
  })),
  parent: optional((value) => attempt(() => linkName(String(value))).ok),
};

/** The names of what is on record of an endpoint and no query asks for. */
export const DETAIL_NAMES = Object.keys(DETAILS) as (keyof EndpointDetails)[];

const ENDPOINT = fields({
  ...DETAILS,
  state: isState,
  id: isText,
  // The store gives null for a network that it does not have.
  network: isText,
  sandbox: isText,
  ifname: isText,
  ordinal: Number.isInteger as Rule,
  ip: optional(isAddress),
  ip6: optional(isAddress),
  aliases: listOf(isText),
});

const POOL = fields(
  {
    id: isText,
    subnet: isPrefix,
    ipRange: optional(isPrefix),
    owner: OWNER,
    ipam: optional(IPAM),
    requests: Number.isInteger as Rule,
  } satisfies Record<keyof AddressPool, Rule>,
);

/** The kinds of records, with the types of their values. */
export interface RecordKinds {
  /** A network. */
  network: Network;
  /** A sandbox. */
  sandbox: Sandbox;
  /** An endpoint. */
  endpoint: EndpointRecord;
  /** A link that the driver made. */
  link: LinkSpec;
  /** An address pool. */
  pool: AddressPool;
}

const RULES: Record<keyof RecordKinds, Rule> = {
  network: NETWORK,
  sandbox: (value) => SANDBOX(value) && settingsProblems(value as Sandbox).length === 0,
  endpoint: ENDPOINT,
  link: LINK,
  pool: POOL,
};

/** Whether a value is a record of a kind. */
export function isRecord<Kind extends keyof RecordKinds>(
  kind: Kind,
  value: unknown,
): value is RecordKinds[Kind] {
  return RULES[kind](value);
}

/** What a network is on all of its hosts. */
export interface NetworkSettings extends Partial<Omit<NetworkOptions, "parent">> {
  /** The subnets, with every default settled. */
  subnets: NetworkSubnet[];
}
