import { linkDel } from "../iproute2/link.ts";
import type { DriverParts } from "./parts.ts";
import { temporaryName } from "./endpoint.ts";
import { aliasSteps, probeName } from "./network.ts";
import { isOurs, LINK_GROUP, standsOn } from "./parent.ts";
import { isGone } from "./plan.ts";
import { type EndpointRecord, type State, type Store, withoutState } from "./store.ts";
import type { Network, Sandbox } from "./types.ts";

/** What one call makes or removes. */
export interface Batch {
  /** A sandbox, where it is made or removed and not just connected or disconnected. */
  sandbox?: Sandbox;
  /** Endpoints of one sandbox. */
  endpoints: readonly EndpointRecord[];
}

/** Records how far a batch is. */
export function mark(store: Store, { sandbox, endpoints }: Batch, state: State): void {
  if (sandbox) store.putSandbox(sandbox, state);
  for (const endpoint of endpoints) store.putEndpoint(endpoint, state);
}

/**
 * Takes a batch that the kernel does not have, and that is marked as being removed, off the record.
 * Its hosts files go first, so that a crash in between leaves the record to go by.
 */
export async function forget({ store, hosts }: DriverParts, batch: Batch): Promise<void> {
  const { sandbox, endpoints } = batch;
  const sandboxes = [...(sandbox ? [sandbox.name] : []), ...endpoints.map((one) => one.sandbox)];
  await hosts.refresh(endpoints.map(({ network }) => network), sandboxes);
  store.transaction(() => {
    for (const { id } of endpoints) store.deleteEndpoint(id);
    if (sandbox) store.deleteSandbox(sandbox.name);
  });
}

/**
 * Takes a network out of the kernel and off the record: it deletes the links that the driver made
 * and that no other network needs. A link that is not marked as the driver's is let be, even if the
 * record says otherwise: somebody made it anew since.
 */
export async function dropNetwork(parts: DriverParts, network: Network): Promise<void> {
  const { store, namespaces } = parts;
  const made = store.links();
  const others = store.networks().filter(({ id }) => id !== network.id).map(withoutState);
  const needed = (name: string) => others.some(({ parent }) => standsOn(parent, name, made));
  const mine = made.filter(({ name }) => standsOn(network.parent, name, made));
  const host = namespaces.host();
  const ours = (await host.link.show({ group: LINK_GROUP })).filter(isOurs).map(({ name }) => name);
  const isThere = (name: string) => ours.includes(name);
  // A link goes before the one below it.
  const unneeded = mine.map(({ name }) => name).filter((name) => !needed(name)).toReversed();
  await namespaces.apply([
    ...[probeName(network), ...unneeded].filter(isThere).map((name) => ({ line: linkDel(name) })),
    ...aliasSteps(mine.filter(({ name }) => needed(name) && isThere(name)), others, made),
  ]);
  store.transaction(() => {
    store.deleteNetwork(network.id);
    for (const name of unneeded) store.deleteLink(name);
  });
}

/**
 * Takes an endpoint that is marked as being removed out of its sandbox, under whichever name its link
 * has, and off the record.
 */
export async function dropEndpoint(parts: DriverParts, endpoint: EndpointRecord): Promise<void> {
  await ifThere(async () => {
    const ip = parts.namespaces.inside(endpoint.sandbox);
    const names = [temporaryName(endpoint), endpoint.ifname];
    const links = await ip.link.show({ group: LINK_GROUP });
    const link = links.find(({ name }) => names.includes(name));
    if (link) await ip.link.del(link.name);
  });
  await forget(parts, { endpoints: [endpoint] });
}

/**
 * Takes a sandbox that is marked as being removed, with all its endpoints, out of the kernel and off
 * the record. With its namespace its links go too, and far faster than one by one. But a namespace
 * stays where it is not ours, and as long as a process is in it: then the links are deleted before,
 * so that their addresses are free.
 */
export async function dropSandbox(parts: DriverParts, sandbox: Sandbox): Promise<void> {
  const { store, namespaces, processes } = parts;
  const { name, namespace } = sandbox;
  const isKept = namespace !== "made" || (await processes.in(name)).length > 0;
  await ifThere(async () => {
    if (isKept) await namespaces.inside(name).link.del({ group: LINK_GROUP });
  });
  await ifThere(async () => {
    if (namespace !== "found") await namespaces.caller().netns.del(name);
  });
  await forget(parts, { sandbox, endpoints: store.endpoints({ sandbox: name }) });
}

/** Runs what removes something; where that is gone, there is nothing to be done. */
async function ifThere(run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}
