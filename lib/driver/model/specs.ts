// Readers of what callers pass to the driver, field by field: otherwise, a misspelt field in a
// script would be ignored in silence. The driver checks the values themselves later.
import type { EtcdAccess } from "../../claims/types.ts";
import { IpvlanError, throwProblems } from "../../base/errors.ts";
import {
  anything,
  exactly,
  type Fields,
  flag,
  list,
  oneOf,
  optional,
  placeOf,
  read,
  type Reader,
  record,
  show,
  text,
  whole,
} from "../../base/reader.ts";
import type { SubnetSpec } from "../../ipam/mod.ts";
import { OPTION_NAMES } from "./options.ts";
import type {
  AdoptSpec,
  BorrowSpec,
  Connection,
  ConnectOptions,
  EndpointRoute,
  EngineName,
  EngineNetworkSpec,
  NetworkIpam,
  NetworkSpec,
  Owner,
  SandboxSettings,
  SandboxSpec,
  StaticRoute,
} from "./types.ts";

export const ownerFields: Fields<Owner> = {
  engine: oneOf<EngineName>("docker", "cni", "netavark"),
  id: text,
};

export const accessFields: Fields<EtcdAccess> = {
  endpoints: list(text),
  prefix: optional(text),
  ca: optional(text),
  cert: optional(text),
  key: optional(text),
  user: optional(text),
  passwordFile: optional(text),
};

const owner = exactly(ownerFields);
const access = exactly(accessFields);

const subnet = exactly<SubnetSpec>({
  subnet: text,
  gateway: optional(text),
  ipRange: optional(text),
  auxAddresses: optional(record(text)),
});

// `settle` checks the values of the options later.
const networkFields = {
  ...Object.fromEntries(OPTION_NAMES.map((name) => [name, anything])),
  name: text,
  subnets: optional(
    list<string | SubnetSpec>((value, reading) =>
      typeof value === "string" ? value : subnet(value, reading)
    ),
  ),
  ipv6: optional(flag),
  labels: optional(record(text)),
  ipam: optional(exactly<NetworkIpam>({ driver: oneOf("etcd"), access })),
} as Fields<NetworkSpec>;

export const networkSpec: Reader<NetworkSpec> = exactly(networkFields);

export const engineNetworkSpec: Reader<EngineNetworkSpec> = exactly<EngineNetworkSpec>({
  ...networkFields,
  owner: optional(owner),
  transient: optional(oneOf(true)),
  foreignAddresses: optional(oneOf(true)),
});

const staticRoute: Fields<StaticRoute> = { dst: text, via: optional(text) };

export const routeFields: Fields<EndpointRoute> = {
  ...staticRoute,
  metric: optional(whole),
  table: optional(whole),
  scope: optional(text as Reader<NonNullable<EndpointRoute["scope"]>>),
  mtu: optional(whole),
  advmss: optional(whole),
};

const connectFields: Fields<ConnectOptions> = {
  ip: optional(text),
  ip6: optional(text),
  moreAddresses: optional(list(text)),
  except: optional(list(text)),
  aliases: optional(list(text)),
  macAddress: optional(text),
  ifname: optional(text),
  routes: optional(list(exactly(routeFields))),
  moreRoutes: optional(list(exactly(staticRoute))),
  linkLocalAddresses: optional(list(text)),
  gatewayPriority: optional(whole),
  handOver: optional(oneOf(true)),
  reserveAs: optional(text),
  parent: optional(text),
};

export const connectOptions: Reader<ConnectOptions> = exactly(connectFields);

export const settingsFields: Fields<SandboxSettings> = {
  hostname: optional(text),
  hosts: optional(list(exactly<{ name: string; address: string }>({ name: text, address: text }))),
  dns: optional(exactly<{ servers?: string[]; search?: string[]; options?: string[] }>({
    servers: optional(list(text)),
    search: optional(list(text)),
    options: optional(list(text)),
  })),
  sysctls: optional(record(text)),
};

const sandboxFields: Fields<SandboxSpec> = {
  ...settingsFields,
  name: text,
  connections: optional(list(exactly<Connection>({ ...connectFields, network: text }))),
  labels: optional(record(text)),
};

export const sandboxSpec: Reader<SandboxSpec> = exactly(sandboxFields);

export const adoptSpec: Reader<AdoptSpec> = exactly<AdoptSpec>({
  ...sandboxFields,
  pid: optional(whole),
});

export const borrowSpec: Reader<BorrowSpec> = exactly<BorrowSpec>({
  ...sandboxFields,
  owner,
  path: optional(text),
});

/** Checks the fields of a specification and returns it. @throws {"invalid-field"} One is wrong. */
export function requireSpec<T>(reader: Reader<T>, spec: T): T {
  throwProblems(
    read(reader, spec).misfits.map(({ path, value, wanted }) =>
      new IpvlanError("invalid-field", { place: placeOf(path), value: show(value), wanted })
        .at(...path)
    ),
  );
  return spec;
}
