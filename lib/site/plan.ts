import { settleAll, toSettled } from "../driver/mod.ts";
import { settingsOf } from "../driver/model/settings.ts";
import type {
  Connection,
  Endpoint,
  Network,
  NetworkSpec,
  SandboxDetails,
  SettledNetwork,
} from "../driver/model/types.ts";
import { type IpvlanError, throwProblems } from "../base/errors.ts";
import { addressIn, bareAddresses, endpointAddresses } from "../ipam/address.ts";
import { asConnection, asDesired, type Current } from "./records.ts";
import {
  foreignError,
  inUseError,
  isSameFile,
  SITE_LABEL,
  siteLabels,
  sourceOf,
  startedCommand,
  STARTING_LABEL,
} from "./labels.ts";
import type { Change, Desired, DesiredSandbox, Plan } from "./types.ts";
import {
  describeConnection,
  describeNetwork,
  describeSandbox,
  endpointDifferences,
  labelDifferences,
  networkDifferences,
  settingsDifferences,
  showCommand,
} from "./describe.ts";

type Labels = Readonly<Record<string, string>>;

export function makePlan(desired: Desired, current: Current): Plan {
  return new Planner(desired, current).make();
}

/** Plans the way back to the earlier state, after any part of a plan. @throws {"site-conflict"} */
export function makeRollback(site: string, before: Current, now: Current): Plan {
  return new Planner(asDesired(site, before), now, before).make();
}

/** The loss by a change: the network, sandbox or connection itself, or connectivity meanwhile. */
type Loss = "itself" | "meanwhile";

class Planner {
  readonly #problems: IpvlanError[] = [];
  readonly #networks: ReadonlyMap<string, Network>;
  readonly #sandboxes: ReadonlyMap<string, SandboxDetails>;
  /** The names of the networks that belong to the site, or will. */
  readonly #ofSite: ReadonlySet<string>;
  /** The names of those to remove, also if they are made again. */
  readonly #removed = new Set<string>();
  /** The sandbox that requests an address, by network and address in canonical notation. */
  readonly #claims: ReadonlyMap<string, Map<string, string>>;
  readonly #plan: Plan;

  constructor(
    private readonly desired: Desired,
    private readonly current: Current,
    /** The earlier state for a rollback, by which everything is its earlier file's again. */
    private readonly before?: Current,
  ) {
    this.#networks = byName(current.networks);
    this.#sandboxes = byName(current.sandboxes);
    const own = current.networks.filter((each) => this.#isOwn(each));
    this.#ofSite = new Set([...own, ...desired.networks].map(({ name }) => name));
    this.#claims = new Map(desired.networks.map(({ name }) => [name, new Map()]));
    for (const { name, connections } of desired.sandboxes) {
      for (const connection of connections) {
        for (const address of endpointAddresses(connection)) {
          this.#claims.get(connection.network)?.set(addressIn(address), name);
        }
      }
    }
    this.#plan = {
      site: desired.name,
      changes: [],
      restore: [],
      removeSandboxes: [],
      disconnect: [],
      removeNetworks: [],
      createNetworks: [],
      connect: [],
      createSandboxes: [],
      start: [],
      label: [],
      takeOver: [],
    };
  }

  make(): Plan {
    const { networks, sandboxes } = this.desired;
    // The networks that stay. One that has a name of ours is refused below.
    const others = this.current.networks.filter(({ name }) => !this.#ofSite.has(name));
    const settlements = settleAll(networks, others);
    for (const [index, spec] of networks.entries()) {
      const { network, problems } = settlements[index]!;
      this.#problems.push(...problems);
      this.#planNetwork(spec, network);
    }
    const wanted = { networks: byName(networks), sandboxes: byName(sandboxes) };
    for (const network of this.current.networks) {
      if (!this.#isOwn(network) || wanted.networks.has(network.name)) continue;
      this.#change("-", "network", network, { loss: "itself" });
      this.#removeNetwork(network.name);
    }
    for (const sandbox of sandboxes) this.#planSandbox(sandbox);
    for (const sandbox of this.current.sandboxes) {
      if (!this.#isOwn(sandbox) || wanted.sandboxes.has(sandbox.name)) continue;
      this.#change("-", "sandbox", sandbox, { loss: "itself" });
      this.#plan.removeSandboxes.push(sandbox.name);
    }
    throwProblems(this.#problems);
    return this.#plan;
  }

  #planNetwork(spec: NetworkSpec, settled: SettledNetwork): void {
    const { name, labels } = spec;
    const network = this.#networks.get(name);
    const create = { ...spec, labels: this.#labelsOf("network", name, labels) };
    if (!network) {
      this.#change("+", "network", spec, { details: describeNetwork(settled) });
      this.#plan.createNetworks.push(create);
      return;
    }
    if (!this.#isOwn(network)) {
      this.#problems.push(foreignError(this.desired, "network", network));
      return;
    }
    const differences = networkDifferences(toSettled(network), settled);
    if (differences.length > 0) {
      this.#removeNetwork(name);
      this.#plan.createNetworks.push(create);
      const lost = network.reservations ? ["loses its reservations"] : [];
      const details = [...differences, "is made anew", ...lost];
      this.#change("~", "network", network, { details, loss: "meanwhile" });
      return;
    }
    const details = labelDifferences(network.labels, create.labels);
    if (details.length > 0) this.#change("~", "network", network, { details });
    this.#relabel("network", network, create.labels);
  }

  #removeNetwork(name: string): void {
    const { site, removeNetworks } = this.#plan;
    this.#removed.add(name);
    removeNetworks.push(name);
    const strangers = this.current.sandboxes.filter((each) =>
      !this.#isOwn(each) && each.endpoints.some(({ network }) => network === name)
    );
    if (strangers.length > 0) {
      this.#problems.push(inUseError(site, name, strangers.map(({ name }) => name)));
    }
  }

  #planSandbox(wanted: DesiredSandbox): void {
    const sandbox = this.#sandboxes.get(wanted.name);
    if (!sandbox) {
      this.#change("+", "sandbox", wanted, { details: describeSandbox(wanted) });
      this.#makeSandbox(wanted, []);
      return;
    }
    if (!this.#isOwn(sandbox)) {
      this.#problems.push(foreignError(this.desired, "sandbox", sandbox));
      return;
    }
    const started = startedCommand(sandbox.labels) ?? [];
    const isHalfStarted = sandbox.labels[STARTING_LABEL] !== undefined;
    const reasons = isHalfStarted
      ? [`command ${showCommand(started)} was left half started`]
      : recreateReasons(wanted, sandbox);
    if (reasons.length === 0) {
      this.#changeSandbox(wanted, sandbox);
      return;
    }
    const loss = isHalfStarted ? undefined : "meanwhile";
    this.#change("~", "sandbox", sandbox, { details: [...reasons, "is made anew"], loss });
    this.#plan.removeSandboxes.push(wanted.name);
    this.#makeSandbox(wanted, sandbox.endpoints);
  }

  /** Plans to make a sandbox. @param before The endpoints that it had until now. */
  #makeSandbox(wanted: DesiredSandbox, before: readonly Endpoint[]): void {
    const { name, command } = wanted;
    const own = wanted.connections.map((each) => this.#withExceptions(name, each));
    const labels = this.#labelsOf("sandbox", name, wanted.labels);
    const connections = this.#withForeignConnections(own, before);
    this.#plan.createSandboxes.push({ name, labels, ...settingsOf(wanted), connections });
    if (command.length > 0) this.#start(wanted);
  }

  /** Plans the changes of a sandbox that stays. Its connections to networks of others stay too. */
  #changeSandbox(wanted: DesiredSandbox, sandbox: SandboxDetails): void {
    const { name, command } = wanted;
    const details: string[] = [];
    const isDown = this.current.down.includes(name);
    if (isDown) {
      this.#plan.restore.push(name);
      details.push("is brought back, as its namespace is gone");
    }
    const endpoints = sandbox.endpoints.filter(({ network }) => this.#ofSite.has(network));
    const connections = wanted.connections.filter(({ network }) => this.#ofSite.has(network))
      .map((each) => this.#withExceptions(name, each));
    // The first network has the default route. So we keep the endpoints up to the first one that
    // differs, and make all others anew.
    let kept = 0;
    while (kept < endpoints.length && endpoints[kept]!.network === connections[kept]?.network) {
      if (this.#differencesOf(connections[kept]!, endpoints[kept]!).length > 0) break;
      kept++;
    }
    const undone = endpoints.slice(kept);
    const redone = connections.slice(kept);
    const networks = undone.map(({ network }) => network).reverse();
    if (networks.length > 0) this.#plan.disconnect.push({ sandbox: name, networks });
    if (redone.length > 0) this.#plan.connect.push({ sandbox: name, connections: redone });
    let loss: Loss | undefined;
    for (const { network } of undone) {
      if (redone.some((each) => each.network === network)) continue;
      details.push(`is disconnected from ${network}`);
      loss = "itself";
    }
    for (const connection of redone) {
      const { network } = connection;
      const endpoint = undone.find((each) => each.network === network);
      if (endpoint) {
        loss = "meanwhile";
        const why = this.#differencesOf(connection, endpoint).join(", ");
        details.push(`is reconnected to ${network} (${why || "for the order of its networks"})`);
      } else {
        details.push(`is connected to ${describeConnection(connection)}`);
      }
    }
    const started = startedCommand(sandbox.labels);
    if (command.length > 0 && (started === undefined || isDown)) {
      details.push(`command ${showCommand(command)} is started`);
      this.#start(wanted);
    } else {
      const labels = this.#labelsOf("sandbox", name, wanted.labels, started);
      details.push(...labelDifferences(sandbox.labels, labels));
      this.#relabel("sandbox", sandbox, labels);
    }
    if (details.length > 0) this.#change("~", "sandbox", sandbox, { details, loss });
  }

  #start({ name, command, labels: own }: DesiredSandbox): void {
    const labels = this.#labelsOf("sandbox", name, own, command);
    this.#plan.start.push({ sandbox: name, command, labels });
  }

  #labelsOf(kind: Change["kind"], name: string, labels?: Labels, command?: readonly string[]) {
    const records = kind === "network" ? this.before?.networks : this.before?.sandboxes;
    const found = records?.find((each) => each.name === name);
    const source = this.before ? sourceOf(found?.labels ?? {}) : this.desired.source;
    return siteLabels({ name: this.#plan.site, source }, labels, command);
  }

  #relabel(
    kind: Change["kind"],
    { name, labels: now }: { name: string; labels: Labels },
    labels: Record<string, string>,
  ): void {
    const names = new Set([...Object.keys(now), ...Object.keys(labels)]);
    if (names.values().every((each) => now[each] === labels[each])) return;
    const { label, takeOver } = this.#plan;
    const list = this.#otherFile(now) === undefined ? label : takeOver;
    list.push({ kind, name, labels });
  }

  #differencesOf(wanted: Connection, endpoint: Endpoint): string[] {
    const { network, sandbox } = endpoint;
    if (this.#removed.has(network)) return ["which is made anew"];
    const meant = bareAddresses(endpoint).flatMap((address) => {
      const owner = this.#claims.get(network)?.get(address);
      return owner === undefined || owner === sandbox ? [] : `${address} is meant for ${owner}`;
    });
    return [...meant, ...endpointDifferences(wanted, endpoint)];
  }

  /** The other file that owns something with these labels, so that a change needs consent. */
  #otherFile(labels: Labels): string | undefined {
    const source = this.before ? undefined : sourceOf(labels);
    return source && !isSameFile(source, this.desired.source) ? source.path : undefined;
  }

  #isOwn({ labels }: { labels: Labels }): boolean {
    return labels[SITE_LABEL] === this.desired.name;
  }

  /** The connections of the site, and in their place those of others, of a sandbox made anew. */
  #withForeignConnections(own: readonly Connection[], before: readonly Endpoint[]): Connection[] {
    const all = [...own];
    for (const [index, endpoint] of before.entries()) {
      const isThere = all.some(({ network }) => network === endpoint.network);
      if (!isThere && !this.#ofSite.has(endpoint.network)) {
        all.splice(index, 0, asConnection(endpoint));
      }
    }
    return all.length > own.length ? withLinkNames(all) : all;
  }

  /** Keeps a connection from getting automatically an address that another sandbox requests. */
  #withExceptions(sandbox: string, connection: Connection): Connection {
    const except = [...this.#claims.get(connection.network) ?? []]
      .filter(([, owner]) => owner !== sandbox).map(([address]) => address);
    return except.length > 0 ? { ...connection, except } : connection;
  }

  #change(
    sign: Change["sign"],
    kind: Change["kind"],
    { name, labels = {} }: { name: string; labels?: Labels },
    { details = [], loss }: { details?: string[]; loss?: Loss },
  ): void {
    const file = sign === "+" ? undefined : this.#otherFile(labels);
    this.#plan.changes.push({
      sign,
      kind,
      name,
      details: loss === "meanwhile" ? [...details, "loses connectivity meanwhile"] : details,
      disruptive: loss !== undefined,
      ...(file !== undefined && { file }),
    });
  }
}

/** Lists the differences that only making the sandbox anew can remove, as phrases. */
function recreateReasons(wanted: DesiredSandbox, sandbox: SandboxDetails): string[] {
  const reasons = settingsDifferences(sandbox, wanted);
  const started = startedCommand(sandbox.labels);
  const [before, after] = [showCommand(started ?? []), showCommand(wanted.command)];
  if (started && before !== after) reasons.push(`command ${before} -> ${after || "none"}`);
  return reasons;
}

/** Chooses link names as the driver does, but none that a later connection requests. */
function withLinkNames(connections: readonly Connection[]): Connection[] {
  const taken = new Set(connections.map(({ ifname }) => ifname));
  return connections.map((connection, index) => {
    if (connection.ifname !== undefined) return connection;
    let number = index;
    while (taken.has(`eth${number}`)) number++;
    taken.add(`eth${number}`);
    return { ...connection, ifname: `eth${number}` };
  });
}

function byName<T extends { name: string }>(items: readonly T[]): Map<string, T> {
  return new Map(items.map((item) => [item.name, item]));
}
