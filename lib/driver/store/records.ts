// The records of the store, and their checks: the store's file may be damaged, or changed by hand.
import { accessFields, ownerFields, routeFields, settingsFields } from "../model/specs.ts";
import { attempt } from "../../base/errors.ts";
import {
  fits,
  flag,
  kind,
  list,
  object,
  oneOf,
  optional,
  type Reader,
  record,
  text,
  whole,
} from "../../base/reader.ts";
import { parseAddress, parsePrefix } from "../../ipam/mod.ts";
import { NO_GATEWAY } from "../../ipam/subnet.ts";
import type { LinkSpec } from "../../iproute2/link_types.ts";
import { linkName } from "../../iproute2/words.ts";
import { accessProblems } from "../model/ipam_options.ts";
import { OPTION_NAMES, optionProblems } from "../model/options.ts";
import { settingsProblems } from "../model/settings.ts";
import type {
  AddressPool,
  ConnectOptions,
  EndpointExtras,
  Network,
  NetworkOptions,
  NetworkSubnet,
  Sandbox,
} from "../model/types.ts";

/**
 * A crash leaves `making` or `removing` on what is half made or half removed in the kernel, and
 * `updating` on a network whose options were being changed: the kernel may have some of the new ones.
 */
export type State = "making" | "ready" | "updating" | "removing";

/** An endpoint on record, without the lengths of its addresses, and without options as usual. */
export interface EndpointRecord
  extends
    EndpointExtras,
    Pick<ConnectOptions, "ip" | "ip6" | "moreAddresses" | "routes" | "handOver" | "parent"> {
  /** 12 hexadecimal digits. An id is never used again. */
  id: string;
  /** The network's id. */
  network: string;
  sandbox: string;
  ifname: string;
  /** Its number among the sandbox's endpoints, from 0: among equal priorities, the lowest number wins. */
  ordinal: number;
  /** Its other names on the network. */
  aliases: string[];
  /** The prefix lengths of foreign addresses, by address; of an earlier version, by `ip` and `ip6`. */
  prefixLengths?: Record<string, number>;
  /** The next hop of its default route, if a DHCP server gives the addresses. */
  gateway?: string;
}

const prefix = parsed(parsePrefix);
const address = parsed(parseAddress);
const state = oneOf<State>("making", "ready", "updating", "removing");

/** Reads a text that can be parsed. A valid text is parsed only once: records are read often. */
function parsed(parse: (text: string) => unknown): Reader<string> {
  const right = new Set<unknown>();
  return kind("what the program wrote", (value) => {
    if (right.has(value)) return true;
    if (typeof value !== "string" || !attempt(() => parse(value)).ok) return false;
    right.add(value);
    return true;
  });
}

function checked<T>(reader: Reader<T>, isRight: (value: T) => boolean): Reader<T> {
  return (value, reading) => {
    if (!fits(reader, value) || !isRight(value)) reading.misfit(value, "what the program wrote");
    return value as T;
  };
}

const OPTIONS: Record<string, Reader<unknown>> = Object.fromEntries(OPTION_NAMES.map((name) => {
  const isFit = (value: unknown) =>
    (typeof value !== "object" || name === "routes") && optionProblems(name, value).length === 0;
  return [name, optional(kind("a value", isFit))];
}));

const OWNER = object(ownerFields);

const IPAM = object({
  driver: oneOf("etcd"),
  access: checked(object(accessFields), (access) => accessProblems(access).length === 0),
});

const SUBNETS = list(object({
  subnet: prefix,
  gateway: optional(kind("a gateway", (value) => value === NO_GATEWAY || fits(address, value))),
  ipRange: optional(prefix),
  auxAddresses: record(address),
}));

/** Whether a value has the settings of a network that all its hosts share. */
export function isSharedSettings(
  value: unknown,
): value is Partial<Omit<NetworkOptions, "parent">> & { subnets: NetworkSubnet[] } {
  return fits(object({ ...OPTIONS, subnets: SUBNETS }), value);
}

const NETWORK_FIELDS = {
  ...OPTIONS,
  id: text,
  name: text,
  created: text,
  parent: text,
  isolated: flag,
  changed: optional(list(oneOf("ipv4/forwarding", "ipv6/forwarding", "ipv6/proxy_ndp"))),
  subnets: SUBNETS,
  labels: record(text),
  owner: optional(OWNER),
  transient: optional(oneOf(true)),
  foreignAddresses: optional(oneOf(true)),
  ipam: optional(IPAM),
  reservations: optional(list(object({ name: text, address, until: optional(text) }))),
};

const NETWORK = object({ ...NETWORK_FIELDS, state, next: optional(object(NETWORK_FIELDS)) });

const SANDBOX = object({
  ...settingsFields,
  state,
  id: text,
  name: text,
  created: text,
  labels: record(text),
  namespace: oneOf<Sandbox["namespace"]>("made", "attached", "found", "borrowed"),
  owner: optional(OWNER),
  path: optional(text),
  namespaceId: optional(text),
});

const VLAN_LINK = object({ type: oneOf("vlan"), name: text, link: text, id: whole });

const DUMMY_LINK = object({ type: oneOf("dummy"), name: text });

const LINK = kind("a link", (value) => {
  if (!fits(VLAN_LINK, value)) return fits(DUMMY_LINK, value);
  // So no link is below itself.
  return value.name.startsWith(`${value.link}.`);
});

const STATIC = { dst: prefix, via: optional(address) };

const ENDPOINT = object({
  state,
  id: text,
  // The store gives null for a network that it does not have.
  network: text,
  sandbox: text,
  ifname: text,
  ordinal: whole,
  ip: optional(address),
  ip6: optional(address),
  aliases: list(text),
  moreAddresses: optional(list(address)),
  routes: optional(list(object({ ...routeFields, ...STATIC }))),
  moreRoutes: optional(list(object(STATIC))),
  handOver: optional(oneOf(true)),
  linkLocalAddresses: optional(list(address)),
  gatewayPriority: optional(whole),
  prefixLengths: optional(record(whole)),
  gateway: optional(address),
  parent: optional(kind("a link name", (value) => attempt(() => linkName(String(value))).ok)),
});

const POOL = object<AddressPool>({
  id: text,
  subnet: prefix,
  ipRange: optional(prefix),
  owner: OWNER,
  ipam: optional(IPAM),
  requests: whole,
  kept: optional(list(address)),
});

export interface RecordKinds {
  network: Network;
  sandbox: Sandbox;
  endpoint: EndpointRecord;
  link: LinkSpec;
  pool: AddressPool;
}

const READERS: Record<keyof RecordKinds, Reader<unknown>> = {
  network: NETWORK,
  sandbox: checked(SANDBOX, (value) => settingsProblems(value as Sandbox).length === 0),
  endpoint: ENDPOINT,
  link: LINK,
  pool: POOL,
};

export function isRecord<Kind extends keyof RecordKinds>(
  kind: Kind,
  value: unknown,
): value is RecordKinds[Kind] {
  return fits(READERS[kind], value);
}
