// What is on record, as a site file would have it.
import { isOwned } from "../driver/model/names.ts";
import { type Driver, toSettled } from "../driver/mod.ts";
import { IpvlanError, throwProblems } from "../base/errors.ts";
import { withoutEmpty } from "../base/objects.ts";
import { NETWORK_OPTIONS, OPTION_NAMES } from "../driver/model/options.ts";
import { settingsOf } from "../driver/model/settings.ts";
import {
  type Connection,
  type Endpoint,
  extrasOf,
  type Network,
  type SandboxDetails,
  type SettledNetwork,
} from "../driver/model/types.ts";
import { addressFields, bareAddresses, endpointAddresses, familyOf } from "../ipam/address.ts";
import { inOrder } from "../template/value.ts";
import { SITE_LABEL, startedCommand, userLabels } from "./labels.ts";
import { keyOf } from "./shape.ts";
import type { Desired, DesiredSandbox } from "./types.ts";

/** Networks and sandboxes on record. */
export interface Records {
  /** The networks. */
  networks: readonly Network[];
  /** The sandboxes, with their endpoints. */
  sandboxes: readonly SandboxDetails[];
}

/** All networks and sandboxes on record, of every site and of no site. */
export interface Current extends Records {
  /** The names of sandboxes whose namespaces are gone, as after a restart. */
  down: readonly string[];
}

/** Reads the records, without those that belong to engines. */
export async function readCurrent(driver: Driver): Promise<Current> {
  const running = new Set(await driver.runningSandboxes());
  const { networks, sandboxes } = withoutOwned({
    networks: driver.listNetworks(),
    sandboxes: driver.listSandboxes(),
  });
  const down = sandboxes.map(({ name }) => name).filter((name) => !running.has(name));
  return { networks, sandboxes, down };
}

function withoutOwned({ networks, sandboxes }: Records): Records {
  return {
    networks: networks.filter(({ name }) => !isOwned(name)),
    sandboxes: sandboxes.filter(({ name }) => !isOwned(name)),
  };
}

/** Describes the current state of a site as a desired one with all its details, for a rollback. */
export function asDesired(site: string, { networks, sandboxes }: Current): Desired {
  const isOfSite = ({ labels }: Network | SandboxDetails) => labels[SITE_LABEL] === site;
  return {
    name: site,
    networks: networks.filter(isOfSite).map(asNetwork),
    sandboxes: sandboxes.filter(isOfSite).map(asSandbox),
    checks: [],
  };
}

function asNetwork(network: Network): SettledNetwork {
  return { ...toSettled(network), labels: userLabels(network.labels) };
}

function asSandbox({ name, endpoints, labels, ...more }: SandboxDetails): DesiredSandbox {
  return {
    ...settingsOf(more),
    name,
    connections: endpoints.map(asConnection),
    command: startedCommand(labels) ?? [],
    labels: userLabels(labels),
  };
}

/** The connection that would make the same endpoint. */
export function asConnection(endpoint: Endpoint): Connection {
  const { network, aliases, ifname } = endpoint;
  return {
    network,
    aliases,
    ifname,
    // A DHCP server gives addresses of its own.
    ...addressFields(endpoint.leased ? [] : bareAddresses(endpoint)),
    ...extrasOf(endpoint),
  };
}

/** A site file as a value. */
export interface Exported {
  /** The value, to write as YAML. */
  value: Record<string, unknown>;
  /** Notices for the user. */
  notices: string[];
}

/**
 * Writes networks and sandboxes on record as a site file, with every address and every setting.
 * Applying the file makes them again after they have been removed. Only commands that a site has
 * started are on record. Networks and sandboxes of engines are left out.
 *
 * The file gets the name of a site if it contains exactly that site. Then, applying it unchanged
 * changes nothing; later changes need consent, as the site belongs to the file that made it. In all
 * other cases it has no name: with the name, applying it would remove the rest of the site.
 *
 * @param names The networks and sandboxes to write; a sandbox brings its networks. All, if empty.
 * @throws {"unknown-name"} A name is neither a network's nor a sandbox's.
 * @throws {"problems"} Several names are unknown.
 */
export function exportSite(records: Records, names: readonly string[] = []): Exported {
  const picked = names.length > 0 ? pickRecords(records, names) : records;
  const { networks, sandboxes } = withoutOwned(picked);
  const made = sandboxes.filter(({ namespace }) => namespace === "made");
  const notices = sandboxes.filter((sandbox) => !made.includes(sandbox)).map(({ name }) =>
    `The sandbox "${name}" is left out: a site file makes namespaces, and this one was there before`
  );
  const owned = picked.networks.length + picked.sandboxes.length - networks.length -
    sandboxes.length;
  if (owned > 0) {
    notices.push(
      `Networks and sandboxes of engines are left out, ${owned} in all: the engines make them again`,
    );
  }
  const value = withoutEmpty({
    name: wholeSite(records, [...networks, ...made]),
    networks: Object.fromEntries(
      networks.map((each) => [each.name, networkValue(asNetwork(each))]),
    ),
    sandboxes: Object.fromEntries(made.map((each) => [each.name, sandboxValue(asSandbox(each))])),
  });
  return { value, notices };
}

function pickRecords({ networks, sandboxes }: Records, names: readonly string[]): Records {
  const known = [...networks, ...sandboxes].map(({ name }) => name);
  const unknown = names.filter((name) => !known.includes(name));
  throwProblems(unknown.map((name) => new IpvlanError("unknown-name", { subject: name, known })));
  const picked = sandboxes.filter(({ name }) => names.includes(name));
  const needed = picked.flatMap(({ endpoints }) => endpoints.map(({ network }) => network));
  return {
    networks: networks.filter(({ name }) => names.includes(name) || needed.includes(name)),
    sandboxes: picked,
  };
}

/** The site that consists of exactly these records. */
function wholeSite(
  { networks, sandboxes }: Records,
  exported: readonly (Network | SandboxDetails)[],
): string | undefined {
  const siteOf = ({ labels }: Network | SandboxDetails) => labels[SITE_LABEL];
  const site = exported[0] && siteOf(exported[0]);
  const own = [...networks, ...sandboxes].filter((each) => siteOf(each) === site);
  const isWhole = own.length === exported.length && own.every((each) => exported.includes(each));
  return isWhole ? site : undefined;
}

function networkValue(network: SettledNetwork): Record<string, unknown> {
  const { subnets, ipam, labels } = network;
  const options = OPTION_NAMES.filter((name) => network[name] !== NETWORK_OPTIONS[name].default)
    .map((name) => [name, network[name]]);
  return withoutEmpty({
    ...underKeys(Object.fromEntries(options)),
    // By name: a record that a newer program wrote may have more fields.
    subnets: subnets.map(({ subnet, gateway, ipRange, auxAddresses }) =>
      withoutEmpty(underKeys({ subnet, gateway, ipRange, auxAddresses }))
    ),
    ipam: ipam && { driver: ipam.driver, ...underKeys(ipam.access) },
    labels,
  });
}

function underKeys(fields: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).map(([field, value]) => [keyOf(field), value]));
}

function sandboxValue({ name: _, connections, ...more }: DesiredSandbox): Record<string, unknown> {
  const networks = connections.map((each, index): [string, unknown] => [
    each.network,
    connectionValue(each, `eth${index}`),
  ]);
  // The first network has the default route.
  return withoutEmpty({ networks: inOrder(networks), ...more });
}

/** @param usual The link name that the driver would choose. */
function connectionValue(connection: Connection, usual: string): Record<string, unknown> {
  const { aliases, ifname, linkLocalAddresses, gatewayPriority, moreRoutes } = connection;
  const { 4: ip = [], 6: ip6 = [] } = Object.groupBy(endpointAddresses(connection), familyOf);
  return withoutEmpty({
    ip: ip.length > 1 ? ip : ip[0],
    ip6: ip6.length > 1 ? ip6 : ip6[0],
    aliases,
    ifname: ifname === usual ? undefined : ifname,
    link_local_ips: linkLocalAddresses,
    gw_priority: gatewayPriority,
    routes: moreRoutes,
  });
}
