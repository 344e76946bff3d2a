import { isOwned } from "../driver/model/names.ts";
import { type Driver, toSettled } from "../driver/mod.ts";
import { settingsOf } from "../driver/model/settings.ts";
import {
  type Connection,
  type Endpoint,
  extrasOf,
  type Network,
  type SandboxDetails,
} from "../driver/model/types.ts";
import { addressFields, bareAddresses } from "../ipam/address.ts";
import { SITE_LABEL, startedCommand, userLabels } from "./labels.ts";
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

export function withoutOwned({ networks, sandboxes }: Records): Records {
  return {
    networks: networks.filter(({ name }) => !isOwned(name)),
    sandboxes: sandboxes.filter(({ name }) => !isOwned(name)),
  };
}

/** Describes the current state of a site as a desired one with all its details, for a rollback. */
export function asDesired(site: string, { networks, sandboxes }: Current): Desired {
  return {
    name: site,
    networks: networks.filter(({ labels }) => labels[SITE_LABEL] === site).map((network) => ({
      ...toSettled(network),
      labels: userLabels(network.labels),
    })),
    sandboxes: sandboxes.filter(({ labels }) => labels[SITE_LABEL] === site)
      .map(({ name, endpoints, labels, ...more }): DesiredSandbox => ({
        ...settingsOf(more),
        name,
        connections: endpoints.map(asConnection),
        command: startedCommand(labels) ?? [],
        labels: userLabels(labels),
      })),
    checks: [],
  };
}

/** The addresses of an endpoint that are asked for to make the same: a DHCP server gives its own. */
export function askedAddresses(endpoint: Endpoint): string[] {
  return endpoint.leased ? [] : bareAddresses(endpoint);
}

/** The connection that would make the same endpoint. */
export function asConnection(endpoint: Endpoint): Connection {
  const { network, aliases, ifname } = endpoint;
  return {
    network,
    aliases,
    ifname,
    ...addressFields(askedAddresses(endpoint)),
    ...extrasOf(endpoint),
  };
}
