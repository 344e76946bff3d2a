import { throwProblems } from "../driver/errors.ts";
import { settleAll, toSettled } from "../driver/settle.ts";
import type {
  Connection,
  Endpoint,
  NetworkSpec,
  SandboxDetails,
  SettledNetwork,
} from "../driver/types.ts";
import type { IpvlanError } from "../errors.ts";
import { endpointAddresses } from "../ipam/address.ts";
import { formatAddress, parseAddress } from "../ipam/mod.ts";
import { endpointDifferences, labelDifferences, networkDifferences } from "./compare.ts";
import { asDesired, type Current, withoutLength } from "./current.ts";
import { foreign, shared } from "./errors.ts";
import { SITE_LABEL, siteLabels, startedCommand, STARTING_LABEL } from "./labels.ts";
import type { Change, Desired, DesiredSandbox, Plan } from "./types.ts";
import { describeConnection, describeNetwork, describeSandbox, show } from "./words.ts";

/** The inputs of a plan, and the plan so far. */
interface Planning {
  desired: Desired;
  current: Current;
  plan: Plan;
  problems: IpvlanError[];
  /** The names of the site's networks on record. */
  own: ReadonlySet<string>;
  /** The names of those that are removed, also to be made anew. */
  going: Set<string>;
  /** The sandbox that asks for an address, by network and address. */
  claims: ReadonlyMap<string, ReadonlyMap<string, string>>;
}

/**
 * Plans the changes from the current networks and sandboxes to the desired ones.
 *
 * @throws {SiteConflictError} Something that the site did not make is in the way.
 * @throws {IpvlanError} A network has a problem, alone or next to the networks that stay.
 * @throws {ProblemsError} There are several problems.
 */
export function makePlan(desired: Desired, current: Current): Plan {
  const own = current.networks.filter(({ labels }) => labels[SITE_LABEL] === desired.name);
  const planning: Planning = {
    desired,
    current,
    problems: [],
    own: new Set(own.map(({ name }) => name)),
    going: new Set(),
    claims: claimsOf(desired),
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
  for (const { name } of own.filter((each) => !desired.networks.some(isNamed(each.name)))) {
    planning.plan.changes.push(change("-", "network", name, []));
    removeNetwork(planning, name);
  }
  for (const sandbox of desired.sandboxes) planSandbox(planning, sandbox);
  for (const { name, labels } of current.sandboxes) {
    if (labels[SITE_LABEL] !== desired.name || desired.sandboxes.some(isNamed(name))) continue;
    planning.plan.changes.push(change("-", "sandbox", name, []));
    planning.plan.removeSandboxes.push(name);
  }
  throwProblems(planning.problems);
  return planning.plan;
}

/**
 * Plans what undoes a plan of a site, however much of it was done.
 *
 * @param before What there was before the plan.
 * @param now What there is now.
 * @throws {SiteConflictError} Something that the site did not make is in the way.
 */
export function makeRollback(site: string, before: Current, now: Current): Plan {
  return makePlan(asDesired(site, before), now);
}

function planNetwork(planning: Planning, spec: NetworkSpec, settled: SettledNetwork): void {
  const { plan, current, own } = planning;
  const { name, labels } = spec;
  const network = current.networks.find(isNamed(name));
  const create = { ...spec, labels: siteLabels(plan.site, labels) };
  if (!network) {
    plan.changes.push(change("+", "network", name, describeNetwork(settled)));
    plan.createNetworks.push(create);
  } else if (!own.has(name)) {
    planning.problems.push(foreign(plan.site, "network", name, network.labels[SITE_LABEL]));
  } else {
    const differences = networkDifferences(toSettled(network), settled);
    const relabelled = labelDifferences(network.labels, create.labels);
    if (differences.length > 0) {
      removeNetwork(planning, name);
      plan.createNetworks.push(create);
      plan.changes.push(change("~", "network", name, [...differences, "is made anew"], true));
    } else if (relabelled.length > 0) {
      plan.label.push({ kind: "network", name, labels: create.labels });
      plan.changes.push(change("~", "network", name, relabelled));
    }
  }
}

function removeNetwork({ plan, current, problems, going }: Planning, name: string): void {
  going.add(name);
  plan.removeNetworks.push(name);
  const others = current.sandboxes.filter(({ labels, endpoints }) =>
    labels[SITE_LABEL] !== plan.site && endpoints.some(({ network }) => network === name)
  );
  if (others.length > 0) problems.push(shared(plan.site, name, others.map(({ name }) => name)));
}

function planSandbox(planning: Planning, wanted: DesiredSandbox): void {
  const { plan, current } = planning;
  const { name, command } = wanted;
  const sandbox = current.sandboxes.find(isNamed(name));
  const connections = wanted.connections.map((each) => withExceptions(planning, name, each));
  const started = sandbox && startedCommand(sandbox.labels);
  const make = () => {
    plan.attach.push({ sandbox: name, labels: siteLabels(plan.site, wanted.labels), connections });
    if (command.length > 0) start(plan, wanted);
  };
  if (!sandbox) {
    plan.changes.push(change("+", "sandbox", name, describeSandbox(wanted)));
    make();
  } else if (sandbox.labels[SITE_LABEL] !== plan.site) {
    planning.problems.push(foreign(plan.site, "sandbox", name, sandbox.labels[SITE_LABEL]));
  } else if (sandbox.labels[STARTING_LABEL] !== undefined) {
    const phrase = `command ${show(started ?? [])} was left half started`;
    plan.changes.push(change("~", "sandbox", name, [phrase, "is made anew"]));
    plan.removeSandboxes.push(name);
    make();
  } else if (started && !isSame(started, command)) {
    const phrase = `command ${show(started)} -> ${show(command) || "none"}`;
    plan.changes.push(change("~", "sandbox", name, [phrase, "is made anew"], true));
    plan.removeSandboxes.push(name);
    make();
  } else {
    changeSandbox(planning, wanted, sandbox, connections);
  }
}

/** Plans what is done to a sandbox that stays. */
function changeSandbox(
  planning: Planning,
  wanted: DesiredSandbox,
  sandbox: SandboxDetails,
  connections: Connection[],
): void {
  const { plan, current } = planning;
  const { name, command } = wanted;
  const details: string[] = [];
  const isDown = current.down.includes(name);
  if (isDown) {
    plan.restore.push(name);
    details.push("is brought back, as its namespace is gone");
  }
  const endpoints = sandbox.endpoints.filter(({ network }) => planning.own.has(network));
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
  for (const { network } of undone) {
    if (!redone.some((each) => each.network === network)) {
      details.push(`is disconnected from ${network}`);
    }
  }
  let disruptive = false;
  for (const connection of redone) {
    const endpoint = undone.find(({ network }) => network === connection.network);
    disruptive ||= endpoint !== undefined;
    const why = endpoint && differencesOf(planning, connection, endpoint).join(", ");
    details.push(
      endpoint
        ? `is reconnected to ${connection.network} (${why || "for the order of its networks"})`
        : `is connected to ${describeConnection(connection)}`,
    );
  }
  const isStarted = startedCommand(sandbox.labels) !== undefined && !isDown;
  if (command.length > 0 && !isStarted) {
    details.push(`command ${show(command)} is started`);
    start(plan, wanted);
  } else {
    const labels = siteLabels(plan.site, wanted.labels, startedCommand(sandbox.labels));
    const relabelled = labelDifferences(sandbox.labels, labels);
    if (relabelled.length > 0) plan.label.push({ kind: "sandbox", name, labels });
    details.push(...relabelled);
  }
  if (details.length > 0) {
    plan.changes.push(change("~", "sandbox", name, details, disruptive));
  }
}

function start({ start, site }: Plan, { name, command, labels }: DesiredSandbox): void {
  start.push({ sandbox: name, command, labels: siteLabels(site, labels, command) });
}

/** The reasons why an endpoint cannot stay as it is. */
function differencesOf(
  { going, claims }: Planning,
  wanted: Connection,
  endpoint: Endpoint,
): string[] {
  const { network, sandbox } = endpoint;
  if (going.has(network)) return ["which is made anew"];
  const meant = endpointAddresses(endpoint).flatMap((address) => {
    const owner = claims.get(network)?.get(withoutLength(address));
    return owner === undefined || owner === sandbox
      ? []
      : `${withoutLength(address)} is meant for ${owner}`;
  });
  return [...meant, ...endpointDifferences(wanted, endpoint)];
}

/** The sandbox that asks for an address, by network and address, in the usual notation. */
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

/** A connection that does not get an address by chance that another sandbox asks for. */
function withExceptions(
  { claims }: Planning,
  sandbox: string,
  connection: Connection,
): Connection {
  const except = [...claims.get(connection.network) ?? []]
    .filter(([, owner]) => owner !== sandbox).map(([address]) => address);
  return except.length > 0 ? { ...connection, except } : connection;
}

function change(
  sign: Change["sign"],
  kind: Change["kind"],
  name: string,
  details: string[],
  disruptive = false,
): Change {
  return { sign, kind, name, details, disruptive };
}

function isSame(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((word, index) => word === other[index]);
}

function isNamed(name: string): (each: { name: string }) => boolean {
  return (each) => each.name === name;
}
