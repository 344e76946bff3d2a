import { addressFields, bareAddresses } from "../../../lib/ipam/address.ts";
import { Pools } from "../../../lib/ipam/mod.ts";
import { subnetsOf } from "../../../lib/driver/model/subnets.ts";
import { settleAll } from "../../../lib/driver/network/settle.ts";
import type {
  Connection,
  Endpoint,
  Network,
  NetworkSpec,
  SandboxDetails,
  SandboxSpec,
} from "../../../lib/driver/model/types.ts";
import type { Current } from "../../../lib/site/records.ts";
import { STARTING_LABEL } from "../../../lib/site/labels.ts";
import type { Plan } from "../../../lib/site/types.ts";
import { plainEndpoint } from "../../kit/values.ts";

/**
 * Carries out a plan on values, as the driver does it on a machine. Returns what there is after each
 * call: an interrupt or an error can leave any of these states.
 *
 * @throws {Error} The driver would refuse a call.
 */
export function statesDuring(plan: Plan, before: Current): Current[] {
  const host = new Host(before);
  const states: Current[] = [];
  const each = <Item>(items: readonly Item[], call: (item: Item) => void) => {
    for (const item of items) {
      call(item);
      states.push(host.current());
    }
  };
  each(plan.restore, (name) => host.down.delete(name));
  each(plan.removeSandboxes, (name) => host.removeSandbox(name));
  for (const { sandbox, networks } of plan.disconnect) {
    each(networks, (network) => host.disconnect(sandbox, network));
  }
  each(plan.removeNetworks, (name) => host.removeNetwork(name));
  each(plan.createNetworks, (spec) => host.createNetwork(spec));
  each(plan.connect, ({ sandbox, connections }) => host.connect(sandbox, connections));
  each(plan.createSandboxes, (spec) => host.createSandbox(spec));
  for (const { sandbox, labels } of plan.start) {
    each([{ ...labels, [STARTING_LABEL]: "" }, labels], (labels) => {
      host.sandbox(sandbox).labels = labels;
    });
  }
  each([...plan.label, ...plan.takeOver], ({ kind, name, labels }) => {
    (kind === "network" ? host.network(name) : host.sandbox(name)).labels = labels;
  });
  return states;
}

/** A sandbox whose endpoints are at the places of their ordinals. */
type SandboxSlots = Omit<SandboxDetails, "endpoints"> & { endpoints: (Endpoint | undefined)[] };

/** The networks and sandboxes of a machine, and the driver's calls that the plan of a site makes. */
class Host {
  readonly down: Set<string>;
  readonly #networks: Map<string, Network>;
  /** An endpoint that is gone leaves its place free for the next one, as its ordinal is free. */
  readonly #sandboxes: Map<string, SandboxSlots>;

  constructor({ networks, sandboxes, down }: Current) {
    this.#networks = byName(networks);
    this.#sandboxes = byName<SandboxSlots>(sandboxes);
    this.down = new Set(down);
  }

  current(): Current {
    return structuredClone({
      networks: [...this.#networks.values()],
      sandboxes: [...this.#sandboxes.values()].map((sandbox) => ({
        ...sandbox,
        endpoints: sandbox.endpoints.filter((endpoint) => endpoint !== undefined),
      })),
      down: [...this.down],
    });
  }

  network(name: string): Network {
    return found(this.#networks.get(name), name);
  }

  sandbox(name: string): SandboxSlots {
    return found(this.#sandboxes.get(name), name);
  }

  createNetwork(spec: NetworkSpec): void {
    const { network, problems } = settleAll([spec], [...this.#networks.values()])[0]!;
    if (problems.length > 0) throw new AggregateError(problems);
    const pool = { subnet: "172.18.0.0/16", gateway: "172.18.0.1", auxAddresses: {} };
    const hasIPv4 = network.subnets.some(({ subnet }) => subnet.includes("."));
    this.#networks.set(spec.name, {
      ...network,
      id: spec.name,
      created: "",
      parent: network.parent ?? `di-${spec.name}`,
      isolated: network.parent === undefined,
      subnets: hasIPv4 ? network.subnets : [...network.subnets, pool],
    });
  }

  removeNetwork(name: string): void {
    const users = this.#endpoints().filter(({ network }) => network === name);
    if (users.length > 0) throw new Error(`The network ${name} is in use`);
    this.network(name);
    this.#networks.delete(name);
  }

  createSandbox({ name, connections = [], labels = {}, ...settings }: SandboxSpec): void {
    if (this.#sandboxes.has(name)) throw new Error(`The sandbox ${name} exists`);
    const made = { id: name, name, created: "", namespace: "made" as const };
    this.#sandboxes.set(name, { ...made, labels, ...settings, endpoints: [] });
    this.connect(name, connections);
  }

  connect(sandbox: string, connections: readonly Connection[]): void {
    const { endpoints } = this.sandbox(sandbox);
    for (const connection of connections) {
      const free = endpoints.indexOf(undefined);
      const place = free === -1 ? endpoints.length : free;
      endpoints[place] = this.#endpoint(sandbox, connection, place);
    }
  }

  disconnect(sandbox: string, network: string): void {
    const { endpoints } = this.sandbox(sandbox);
    endpoints[endpoints.findIndex((endpoint) => endpoint?.network === network)] = undefined;
  }

  removeSandbox(name: string): void {
    this.sandbox(name);
    this.#sandboxes.delete(name);
    this.down.delete(name);
  }

  #endpoints(): Endpoint[] {
    return [...this.#sandboxes.values()].flatMap(({ endpoints }) => endpoints)
      .filter((endpoint) => endpoint !== undefined);
  }

  #endpoint(
    sandbox: string,
    { network, ip, ip6, moreAddresses = [], aliases = [], ...more }: Connection,
    place: number,
  ): Endpoint {
    const { except = [], ifname = this.#freeName(sandbox, place) } = more;
    if (this.#namesOf(sandbox).includes(ifname)) throw new Error(`${sandbox} has a link ${ifname}`);
    const subnets = subnetsOf(this.network(network));
    const taken = this.#endpoints().filter((endpoint) => endpoint.network === network)
      .flatMap(bareAddresses);
    const pools = Pools.of(subnets, taken);
    const free = Pools.of(subnets, new Set([...taken, ...except]));
    const hasIPv6 = subnets.some(({ prefix }) => prefix.family === 6);
    const addresses = [
      ip === undefined ? free.takeNext(4) : pools.take(ip),
      ...hasIPv6 ? [ip6 === undefined ? free.takeNext(6) : pools.take(ip6)] : [],
      ...moreAddresses.map((address) => pools.take(address)),
    ].map(({ address, subnet }) => `${address}/${subnet.prefix.length}`);
    return plainEndpoint(sandbox, network, { ifname, aliases, ...addressFields(addresses) });
  }

  #namesOf(sandbox: string): string[] {
    return this.sandbox(sandbox).endpoints.flatMap((endpoint) => endpoint?.ifname ?? []);
  }

  #freeName(sandbox: string, place: number): string {
    const names = this.#namesOf(sandbox);
    let ordinal = place;
    while (names.includes(`eth${ordinal}`)) ordinal++;
    return `eth${ordinal}`;
  }
}

function byName<Value extends { name: string }>(values: readonly Value[]): Map<string, Value> {
  return new Map(structuredClone(values).map((value) => [value.name, value]));
}

function found<Value>(value: Value | undefined, name: string): Value {
  if (value === undefined) throw new Error(`There is no ${name}`);
  return value;
}
