import { linkDel } from "../iproute2/link.ts";
import { temporaryName } from "./endpoint.ts";
import { aliasSteps, probeName } from "./network.ts";
import { isOurs, LINK_GROUP, linksUnder, standsOn } from "./parent.ts";
import type { DriverParts } from "./parts.ts";
import { isGone } from "./plan.ts";
import { type EndpointRecord, type State, type Store, withoutState } from "./store.ts";
import type { Network, Sandbox } from "./types.ts";

/** Records that one call adds or removes together. */
export interface RecordGroup {
  /** The sandbox, if the call makes or removes it. */
  sandbox?: Sandbox;
  /** Endpoints of one sandbox. */
  endpoints: readonly EndpointRecord[];
}

/** Writes records with a state. */
export function setState(
  store: Store,
  { sandbox, endpoints }: RecordGroup,
  state: State,
): void {
  if (sandbox) store.putSandbox(sandbox, state);
  for (const endpoint of endpoints) store.putEndpoint(endpoint, state);
}

/**
 * Deletes records. They must be marked as `removing`, and the kernel must not have what they say.
 * The hosts files are changed first, so that after a crash the records still say what is left.
 */
export async function deleteRecords(
  { store, hosts, settings, wait }: DriverParts,
  { sandbox, endpoints }: RecordGroup,
): Promise<void> {
  if (sandbox) settings.remove(sandbox.name);
  const sandboxes = endpoints.map((endpoint) => endpoint.sandbox);
  if (sandbox) sandboxes.push(sandbox.name);
  await hosts.refresh(endpoints.map(({ network }) => network), sandboxes, wait);
  store.transaction(() => {
    for (const { id } of endpoints) store.deleteEndpoint(id);
    if (sandbox) store.deleteSandbox(sandbox.name);
  });
}

/**
 * Deletes a network's record, and the links that the driver made for the network and that no other
 * network needs. A link without the mark of the driver stays, even if it is on record: then another
 * program has made it again.
 */
export async function dropNetwork(parts: DriverParts, network: Network): Promise<void> {
  const { store, namespaces } = parts;
  const made = store.links();
  const others = store.networks().filter(({ id }) => id !== network.id).map(withoutState);
  const isNeeded = (name: string) => others.some(({ parent }) => standsOn(parent, name, made));
  const ours = (await namespaces.host().link.show({ group: LINK_GROUP })).filter(isOurs);
  const exists = (name: string) => ours.some((link) => link.name === name);
  const own = linksUnder(network.parent, made);
  // A link is deleted before the one below it.
  const unneeded = own.map(({ name }) => name).filter((name) => !isNeeded(name)).toReversed();
  const kept = own.filter(({ name }) => isNeeded(name) && exists(name));
  await namespaces.apply([
    ...[probeName(network), ...unneeded].filter(exists).map((name) => ({ line: linkDel(name) })),
    ...aliasSteps(kept, others, made),
  ]);
  store.transaction(() => {
    store.deleteNetwork(network.id);
    for (const name of unneeded) store.deleteLink(name);
  });
}

/**
 * Deletes an endpoint's link, under its temporary or its final name, and the endpoint's record. The
 * record must be marked as `removing`.
 */
export async function dropEndpoint(parts: DriverParts, endpoint: EndpointRecord): Promise<void> {
  await unlessGone(async () => {
    const ip = parts.namespaces.inside(endpoint.sandbox);
    const names = [temporaryName(endpoint), endpoint.ifname];
    const links = await ip.link.show({ group: LINK_GROUP });
    const link = links.find(({ name }) => names.includes(name));
    if (link) await ip.link.del(link.name);
  });
  await deleteRecords(parts, { endpoints: [endpoint] });
}

/**
 * Deletes a sandbox's namespace, and the records of the sandbox and its endpoints. They must be
 * marked as `removing`.
 *
 * The kernel deletes the links with the namespace, far faster than one by one. But it keeps a
 * namespace as long as a process is in it, and the driver keeps one that it did not make. Then the
 * links are deleted first, so that their addresses are free.
 */
export async function dropSandbox(parts: DriverParts, sandbox: Sandbox): Promise<void> {
  const { store, namespaces, processes } = parts;
  const { name, namespace } = sandbox;
  const isKept = namespace !== "made" || (await processes.in(name)).length > 0;
  await unlessGone(async () => {
    if (isKept) await namespaces.inside(name).link.del({ group: LINK_GROUP });
  });
  await unlessGone(async () => {
    if (namespace !== "found") await namespaces.caller().netns.del(name);
  });
  await deleteRecords(parts, { sandbox, endpoints: store.endpoints({ sandbox: name }) });
}

/** Removes something. It is no error if that does not exist. */
async function unlessGone(remove: () => Promise<void>): Promise<void> {
  try {
    await remove();
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}
