import type { Decision } from "../errors.ts";
import { type Link, linkDel, linkSet, type LinkSpec } from "../iproute2/link.ts";
import { endpointSteps, sandboxSteps } from "./endpoint.ts";
import { accept, failureOf, ParentNotFoundError, SandboxGoneError } from "./errors.ts";
import { aliasSteps, linkSteps } from "./network.ts";
import { isOurs, linksUnder } from "./parent.ts";
import type { DriverParts } from "./parts.ts";
import { byPlace, type Step } from "./plan.ts";
import type { Recovery } from "./recover.ts";
import { type EndpointRecord, isReady, type Store, withoutState } from "./store.ts";
import type { Network, RestoreReport, Sandbox } from "./types.ts";

/** Brings everything on record back into the kernel. The caller must hold the exclusive lock. */
export async function restore(parts: DriverParts, recovery: Recovery): Promise<RestoreReport> {
  const { store, namespaces, hosts, processes, wait } = parts;
  // The `ip` of a driver that was killed may still be running its lines.
  await processes.idle(wait);
  const restored: Restored[] = [];
  const networks = new Map<string, Network>();
  // In turn, as networks may need the same link.
  for (const network of store.networks().filter(isReady).map(withoutState)) {
    const failure = await failureOf(() => restoreParent(parts, network));
    if (failure === undefined) networks.set(network.id, network);
    restored.push({ kind: "network", name: network.name, failure });
  }
  const present = new Set(await namespaces.caller().netns.list());
  const sandboxes = store.sandboxes().filter(isReady).map(withoutState);
  restored.push(
    ...await Promise.all(sandboxes.map(async (sandbox): Promise<Restored> => {
      const { name } = sandbox;
      const isPresent = present.has(name);
      const failure = await failureOf(() => restoreSandbox(parts, sandbox, networks, isPresent));
      return { kind: "sandbox", name, failure: failure ?? lostReason(store, name, networks) };
    })),
  );
  await hosts.refresh(
    store.networks().map(({ id }) => id),
    sandboxes.map(({ name }) => name),
    wait,
  );
  return toReport(recovery, restored);
}

/** A network or sandbox, and why it could not be brought back; `undefined` if it could. */
export interface Restored {
  /** What it is. */
  kind: "network" | "sandbox";
  /** Its name. */
  name: string;
  /** Why it could not be brought back. */
  failure: string | undefined;
}

/** Reports what was brought back and what was not. */
export function toReport(
  { undone, missing }: Recovery,
  restored: readonly Restored[],
): RestoreReport {
  const namesOf = (wanted: Restored["kind"]) =>
    restored.filter(({ kind, failure }) => kind === wanted && failure === undefined)
      .map(({ name }) => name);
  const failed = restored.flatMap(({ kind, name, failure }) =>
    failure === undefined ? [] : [{ kind, name, reason: failure }]
  );
  return {
    networks: namesOf("network"),
    sandboxes: namesOf("sandbox"),
    missing: [...missing, ...failed],
    undone,
  };
}

/** Says which networks of a sandbox could not be brought back, if there are any. */
function lostReason(
  store: Store,
  sandbox: string,
  networks: ReadonlyMap<string, Network>,
): string | undefined {
  const ids = store.endpoints({ sandbox }).filter(isReady).map(({ network }) => network);
  const lost = store.networks().filter(({ id }) => ids.includes(id) && !networks.has(id));
  if (lost.length === 0) return undefined;
  const names = lost.map(({ name }) => name).join(", ");
  return `It is not connected to ${names}, which could not be restored`;
}

/** Makes the links of a network's parent that the driver made before and that are missing now. */
export async function restoreParent(
  { store, namespaces }: DriverParts,
  network: Network,
): Promise<void> {
  const plan = accept(parentPlan(network, {
    networks: store.networks().map(withoutState),
    made: store.links(),
    links: await namespaces.host().link.show(),
  }));
  for (const name of plan.foreign) store.deleteLink(name);
  await namespaces.apply(plan.steps);
}

/** The input of {@linkcode parentPlan}. */
export interface ParentFacts {
  /** All networks. */
  networks: readonly Network[];
  /** The links that the driver made, according to the record. */
  made: readonly LinkSpec[];
  /** The links of the host. */
  links: readonly Link[];
}

/** How to restore a parent. */
export interface ParentPlan {
  /** Links on record that another program has made again. The driver must not delete them later. */
  foreign: string[];
  /** The steps that make the missing links. */
  steps: Step[];
}

/**
 * Plans how to restore a network's parent. Only links that the driver made before are made again:
 * it deletes what it makes, and must not delete a link that another program made.
 */
export function parentPlan(
  network: Network,
  { networks, made, links }: ParentFacts,
): Decision<ParentPlan> {
  const find = (name: string) => links.find((link) => link.name === name);
  const own = linksUnder(network.parent, made);
  const missing = own.filter(({ name }) => !find(name));
  const [lowest] = missing;
  // A dummy needs no other link. A sub-interface needs the link below it, and a network its parent.
  const needed = lowest && "link" in lowest ? lowest.link : network.parent;
  if (lowest?.type !== "dummy" && !find(needed)) {
    const problem = new ParentNotFoundError(network.parent, lowest && needed);
    return { ok: false, problems: [problem] };
  }
  const foreign = own.map(({ name }) => name).filter((name) => {
    const link = find(name);
    return link !== undefined && !isOurs(link);
  });
  return {
    ok: true,
    foreign,
    steps: [...linkSteps(missing), ...aliasSteps(missing, networks, made)],
  };
}

async function restoreSandbox(
  { store, namespaces, settings }: DriverParts,
  sandbox: Sandbox,
  networks: ReadonlyMap<string, Network>,
  isPresent: boolean,
): Promise<void> {
  const endpoints = store.endpoints({ sandbox: sandbox.name }).filter(isReady);
  const links = isPresent ? await namespaces.inside(sandbox.name).link.show() : undefined;
  const plan = accept(sandboxPlan(sandbox, { endpoints, networks, links }));
  await namespaces.apply(plan.remove);
  await namespaces.apply(plan.make);
  if (!isPresent) await settings.apply(sandbox.name, sandbox);
}

/** The input of {@linkcode sandboxPlan}. */
export interface SandboxFacts {
  /** Its endpoints on record. */
  endpoints: readonly EndpointRecord[];
  /** The networks whose parents are there, by id. */
  networks: ReadonlyMap<string, Network>;
  /** The links in its namespace; `undefined` if it has no namespace. */
  links: readonly Link[] | undefined;
}

/** How to restore a sandbox. */
export interface SandboxPlan {
  /** The steps that delete incomplete links. They run first, and are not undone. */
  remove: Step[];
  /** The steps that make what is missing. */
  make: Step[];
}

/** Plans how to restore a sandbox. Its endpoints on networks that are not there are left out. */
export function sandboxPlan(
  sandbox: Sandbox,
  { endpoints, networks, links }: SandboxFacts,
): Decision<SandboxPlan> {
  const { name, namespace } = sandbox;
  if (!links && namespace !== "made") {
    return { ok: false, problems: [new SandboxGoneError(name)] };
  }
  const ours = links?.filter(isOurs) ?? [];
  // The alias is set last. A link without one may lack an address or a route, as a crash left it.
  const complete = ours.filter(({ alias }) => alias !== undefined);
  const incomplete = ours.filter(({ alias }) => alias === undefined);
  const isDown = links?.find((link) => link.name === "lo")?.up === false;
  const missing = endpoints.filter(({ ifname }) => !complete.some((link) => link.name === ifname));
  return {
    ok: true,
    remove: incomplete.map((link) => ({ netns: name, line: linkDel(link.name) })),
    make: byPlace([
      ...(links ? [] : sandboxSteps(sandbox)),
      ...(isDown && namespace === "made"
        ? [{ netns: name, line: linkSet("lo", { up: true }) }]
        : []),
      ...missing.flatMap((endpoint) => {
        const network = networks.get(endpoint.network);
        return network ? endpointSteps(network, endpoint, endpoints.length === 1) : [];
      }),
    ]),
  };
}
