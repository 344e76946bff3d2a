import { settleAll, toSettled } from "../driver/mod.ts";
import { settingsOf } from "../driver/model/settings.ts";
import type {
  Connection,
  Endpoint,
  NetworkSpec,
  SandboxDetails,
  SettledNetwork,
} from "../driver/model/types.ts";
import { type IpvlanError, throwProblems } from "../base/errors.ts";
import { endpointAddresses } from "../ipam/address.ts";
import { formatAddress, parseAddress } from "../ipam/mod.ts";
import {
  endpointDifferences,
  labelDifferences,
  networkDifferences,
  settingsDifferences,
} from "./compare.ts";
import { asConnection, asDesired, type Current, withoutLength } from "./current.ts";
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
import type { Change, Desired, DesiredSandbox, Plan, SiteSource } from "./types.ts";
import { describeConnection, describeNetwork, describeSandbox, showCommand } from "./describe.ts";

/** The inputs of a plan, and the plan so far. */
interface Planning {
  desired: Desired;
  current: Current;
  plan: Plan;
  problems: IpvlanError[];
  /** The names of the site's networks on record. */
  own: ReadonlySet<string>;
  /** The names of those to remove, also if they are made again. */
  removed: Set<string>;
  /** The sandbox that requests an address, by network and address. */
  claims: ReadonlyMap<string, ReadonlyMap<string, string>>;
  /** The new owner file of a network or sandbox. */
  sourceOf(kind: Change["kind"], name: string): SiteSource | undefined;
  /** The other file that owns something with these labels, so that a change needs consent. */
  otherFile(labels: Labels): string | undefined;
}

type Labels = Readonly<Record<string, string>>;

/**
 * Plans the changes from the current networks and sandboxes to the desired ones.
 *
 * @throws {"site-conflict"} Something that the site did not make is in the way.
 * @throws {IpvlanError} A network has a problem, alone or next to the networks that stay.
 * @throws {"problems"} There are several problems.
 */
export function makePlan(desired: Desired, current: Current): Plan {
  return plan(desired, current, {
    sourceOf: () => desired.source,
    otherFile: (labels) => {
      const source = sourceOf(labels);
      return source && !isSameFile(source, desired.source) ? source.path : undefined;
    },
  });
}

function plan(
  desired: Desired,
  current: Current,
  files: Pick<Planning, "sourceOf" | "otherFile">,
): Plan {
  const own = current.networks.filter(({ labels }) => labels[SITE_LABEL] === desired.name);
  const planning: Planning = {
    desired,
    current,
    problems: [],
    own: new Set(own.map(({ name }) => name)),
    removed: new Set(),
    claims: claimsOf(desired),
    ...files,
    plan: {
      site: desired.name,
      changes: [],
      restore: [],
      removeSandboxes: [],
      disconnect: [],
      removeNetworks: [],
      createNetworks: [],
      attach: [],
      start: [],
      label: [],
      takeOver: [],
    },
  };
  // The networks that stay. One that has a name of ours is refused below.
  const others = current.networks.filter(({ name }) =>
    !planning.own.has(name) && !desired.networks.some(isNamed(name))
  );
  const settlements = settleAll(desired.networks, others);
  for (const [index, spec] of desired.networks.entries()) {
    const { network, problems } = settlements[index]!;
    planning.problems.push(...problems);
    planNetwork(planning, spec, network);
  }
  for (const network of own.filter(({ name }) => !desired.networks.some(isNamed(name)))) {
    change(planning, "-", "network", network, { loss: "itself" });
    removeNetwork(planning, network.name);
  }
  for (const sandbox of desired.sandboxes) planSandbox(planning, sandbox);
  for (const sandbox of current.sandboxes) {
    const { name, labels } = sandbox;
    if (labels[SITE_LABEL] !== desired.name || desired.sandboxes.some(isNamed(name))) continue;
    change(planning, "-", "sandbox", sandbox, { loss: "itself" });
    planning.plan.removeSandboxes.push(name);
  }
  throwProblems(planning.problems);
  return planning.plan;
}

/**
 * Plans the way back from the current state to the earlier one, after any part of a plan.
 *
 * @throws {"site-conflict"} Something that the site did not make is in the way.
 */
export function makeRollback(site: string, before: Current, now: Current): Plan {
  return plan(asDesired(site, before), now, {
    sourceOf: (kind, name) => {
      const records = kind === "network" ? before.networks : before.sandboxes;
      return sourceOf(records.find(isNamed(name))?.labels ?? {});
    },
    otherFile: () => undefined,
  });
}

function planNetwork(planning: Planning, spec: NetworkSpec, settled: SettledNetwork): void {
  const { plan, current, own } = planning;
  const { name, labels } = spec;
  const network = current.networks.find(isNamed(name));
  const create = { ...spec, labels: labelsOf(planning, "network", name, labels) };
  if (!network) {
    change(planning, "+", "network", spec, { details: describeNetwork(settled) });
    plan.createNetworks.push(create);
  } else if (!own.has(name)) {
    planning.problems.push(foreignError(planning.desired, "network", network));
  } else {
    const differences = networkDifferences(toSettled(network), settled);
    const relabelled = labelDifferences(network.labels, create.labels);
    if (differences.length > 0) {
      removeNetwork(planning, name);
      plan.createNetworks.push(create);
      const details = [...differences, "is made anew"];
      change(planning, "~", "network", network, { details, loss: "meanwhile" });
    } else {
      if (relabelled.length > 0) {
        change(planning, "~", "network", network, { details: relabelled });
      }
      relabel(planning, "network", network, create.labels);
    }
  }
}

function removeNetwork({ plan, current, problems, removed }: Planning, name: string): void {
  removed.add(name);
  plan.removeNetworks.push(name);
  const others = current.sandboxes.filter(({ labels, endpoints }) =>
    labels[SITE_LABEL] !== plan.site && endpoints.some(({ network }) => network === name)
  );
  if (others.length > 0) problems.push(inUseError(plan.site, name, others.map(({ name }) => name)));
}

function planSandbox(planning: Planning, wanted: DesiredSandbox): void {
  const { plan, current } = planning;
  const { name, command } = wanted;
  const sandbox = current.sandboxes.find(isNamed(name));
  const started = sandbox && startedCommand(sandbox.labels);
  const isHalfStarted = sandbox?.labels[STARTING_LABEL] !== undefined;
  const reasons = isHalfStarted
    ? [`command ${showCommand(started ?? [])} was left half started`]
    : sandbox
    ? recreateReasons(wanted, sandbox)
    : [];
  const make = () => {
    const connections = wanted.connections.map((each) => withExceptions(planning, name, each));
    const labels = labelsOf(planning, "sandbox", name, wanted.labels);
    const all = withForeignConnections(planning, connections, sandbox?.endpoints ?? []);
    plan.attach.push({ sandbox: name, labels, ...settingsOf(wanted), connections: all });
    if (command.length > 0) start(planning, wanted);
  };
  if (!sandbox) {
    change(planning, "+", "sandbox", wanted, { details: describeSandbox(wanted) });
    make();
  } else if (sandbox.labels[SITE_LABEL] !== plan.site) {
    planning.problems.push(foreignError(planning.desired, "sandbox", sandbox));
  } else if (reasons.length > 0) {
    const details = [...reasons, "is made anew"];
    const loss = isHalfStarted ? undefined : "meanwhile";
    change(planning, "~", "sandbox", sandbox, { details, loss });
    plan.removeSandboxes.push(name);
    make();
  } else {
    changeSandbox(planning, wanted, sandbox);
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

/** Plans the changes of a sandbox that stays. Its connections to networks of others stay too. */
function changeSandbox(
  planning: Planning,
  wanted: DesiredSandbox,
  sandbox: SandboxDetails,
): void {
  const { plan, current } = planning;
  const { name, command } = wanted;
  const details: string[] = [];
  const isDown = current.down.includes(name);
  if (isDown) {
    plan.restore.push(name);
    details.push("is brought back, as its namespace is gone");
  }
  const endpoints = sandbox.endpoints.filter((each) => isOfSite(planning, each));
  const connections = wanted.connections.filter((each) => isOfSite(planning, each))
    .map((each) => withExceptions(planning, name, each));
  // The first network has the default route. So we keep the endpoints up to the first one that
  // differs, and make all others anew.
  let kept = 0;
  while (kept < endpoints.length && endpoints[kept]!.network === connections[kept]?.network) {
    if (differencesOf(planning, connections[kept]!, endpoints[kept]!).length > 0) break;
    kept++;
  }
  const undone = endpoints.slice(kept);
  const redone = connections.slice(kept);
  plan.disconnect.push(
    ...undone.toReversed().map(({ network }) => ({ network, sandbox: name })),
  );
  if (redone.length > 0) plan.attach.push({ sandbox: name, connections: redone });
  let loss: Loss | undefined;
  for (const { network } of undone) {
    if (!redone.some((each) => each.network === network)) {
      details.push(`is disconnected from ${network}`);
      loss = "itself";
    }
  }
  for (const connection of redone) {
    const endpoint = undone.find(({ network }) => network === connection.network);
    if (endpoint) loss = "meanwhile";
    const why = endpoint && differencesOf(planning, connection, endpoint).join(", ");
    details.push(
      endpoint
        ? `is reconnected to ${connection.network} (${why || "for the order of its networks"})`
        : `is connected to ${describeConnection(connection)}`,
    );
  }
  const isStarted = startedCommand(sandbox.labels) !== undefined && !isDown;
  if (command.length > 0 && !isStarted) {
    details.push(`command ${showCommand(command)} is started`);
    start(planning, wanted);
  } else {
    const started = startedCommand(sandbox.labels);
    const labels = labelsOf(planning, "sandbox", name, wanted.labels, started);
    details.push(...labelDifferences(sandbox.labels, labels));
    relabel(planning, "sandbox", sandbox, labels);
  }
  if (details.length > 0) change(planning, "~", "sandbox", sandbox, { details, loss });
}

function start(planning: Planning, { name, command, labels }: DesiredSandbox): void {
  planning.plan.start.push({
    sandbox: name,
    command,
    labels: labelsOf(planning, "sandbox", name, labels, command),
  });
}

/** The new labels of a network or sandbox. */
function labelsOf(
  { plan, sourceOf }: Planning,
  kind: Change["kind"],
  name: string,
  labels?: Labels,
  command?: readonly string[],
): Record<string, string> {
  return siteLabels({ name: plan.site, source: sourceOf(kind, name) }, labels, command);
}

/** Plans new labels for a network or sandbox that stays, if they differ. */
function relabel(
  { plan, otherFile }: Planning,
  kind: Change["kind"],
  { name, labels: now }: { name: string; labels: Labels },
  labels: Record<string, string>,
): void {
  const names = new Set([...Object.keys(now), ...Object.keys(labels)]);
  if ([...names].every((each) => now[each] === labels[each])) return;
  const list = otherFile(now) === undefined ? plan.label : plan.takeOver;
  list.push({ kind, name, labels });
}

/** The reasons why an endpoint cannot stay as it is. */
function differencesOf(
  { removed, claims }: Planning,
  wanted: Connection,
  endpoint: Endpoint,
): string[] {
  const { network, sandbox } = endpoint;
  if (removed.has(network)) return ["which is made anew"];
  const meant = endpointAddresses(endpoint).flatMap((address) => {
    const owner = claims.get(network)?.get(withoutLength(address));
    return owner === undefined || owner === sandbox
      ? []
      : `${withoutLength(address)} is meant for ${owner}`;
  });
  return [...meant, ...endpointDifferences(wanted, endpoint)];
}

/** The sandbox that requests an address, by network and address in canonical notation. */
function claimsOf({ networks, sandboxes }: Desired): Planning["claims"] {
  const claims = new Map(networks.map(({ name }) => [name, new Map<string, string>()]));
  for (const { name, connections } of sandboxes) {
    for (const connection of connections) {
      for (const address of endpointAddresses(connection)) {
        claims.get(connection.network)?.set(formatAddress(parseAddress(address)), name);
      }
    }
  }
  return claims;
}

/** Whether a network belongs to the site, or will. */
function isOfSite({ own, desired }: Planning, { network }: { network: string }): boolean {
  return own.has(network) || desired.networks.some(isNamed(network));
}

/**
 * The connections of a sandbox that is made anew: those of the site, and unchanged and in their
 * place those that others made. The first connection has the default route.
 */
function withForeignConnections(
  planning: Planning,
  connections: readonly Connection[],
  endpoints: readonly Endpoint[],
): Connection[] {
  const all = [...connections];
  for (const [index, endpoint] of endpoints.entries()) {
    const isThere = all.some(({ network }) => network === endpoint.network);
    if (!isThere && !isOfSite(planning, endpoint)) all.splice(index, 0, asConnection(endpoint));
  }
  return all.length > connections.length ? withLinkNames(all) : all;
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

/** Keeps a connection from getting automatically an address that another sandbox requests. */
function withExceptions(
  { claims }: Planning,
  sandbox: string,
  connection: Connection,
): Connection {
  const except = [...claims.get(connection.network) ?? []]
    .filter(([, owner]) => owner !== sandbox).map(([address]) => address);
  return except.length > 0 ? { ...connection, except } : connection;
}

/** The loss by a change: the network, sandbox or connection itself, or connectivity meanwhile. */
type Loss = "itself" | "meanwhile";

/** Adds the description of a change to the plan. */
function change(
  { plan, otherFile }: Planning,
  sign: Change["sign"],
  kind: Change["kind"],
  { name, labels = {} }: { name: string; labels?: Labels },
  { details = [], loss }: { details?: string[]; loss?: Loss },
): void {
  const file = sign === "+" ? undefined : otherFile(labels);
  plan.changes.push({
    sign,
    kind,
    name,
    details: loss === "meanwhile" ? [...details, "loses connectivity meanwhile"] : details,
    disruptive: loss !== undefined,
    ...(file !== undefined && { file }),
  });
}

function isNamed(name: string): (each: { name: string }) => boolean {
  return (each) => each.name === name;
}
