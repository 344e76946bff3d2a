/**
 * Finds the sandboxes that an engine has left behind. An engine that was killed does not say which of
 * its sandboxes have ended, and a restart of the machine ends all of them.
 *
 * @module
 */
import { isOwned } from "../model/names.ts";
import { attempt, IpvlanError } from "../../base/errors.ts";
import { endpointAddresses } from "../../ipam/address.ts";
import { formatAddress, parseAddress } from "../../ipam/mod.ts";
import type { Link } from "../../iproute2/link.ts";
import { findEnterable } from "../sandbox/enterable.ts";
import { linkIndex } from "../endpoint/steps.ts";
import type { DriverParts, Parts } from "../addresses/parts.ts";
import type { EndpointRecord } from "../store/records.ts";
import { removeSandbox } from "../endpoint/remove.ts";
import { lookInside } from "../run/look_inside.ts";
import { isReady, type Stated, type Store, withoutState } from "../store/store.ts";
import type { Connection, Sandbox } from "../model/types.ts";

/** Whether a namespace has the link of an endpoint. */
function hasLink(links: readonly { index: number }[], endpoint: EndpointRecord): boolean {
  return links.some(({ index }) => index === linkIndex(endpoint));
}

/** Whether the engine has forgotten a sandbox, and will not take its link from the host. */
export type IsForgotten = (sandbox: string) => boolean;

/**
 * Finds the stale ones of some engines' sandboxes: their namespace is gone. The namespace of links that
 * were handed over is not always known, so such a sandbox is stale if none of its links exists.
 */
async function findStale(
  parts: Parts<"store" | "namespaces" | "borrowed">,
  sandboxes: readonly Sandbox[],
  isForgotten: IsForgotten,
): Promise<Sandbox[]> {
  if (sandboxes.length === 0) return [];
  const { store, namespaces, borrowed } = parts;
  const endpoints = new Map(
    sandboxes.map(({ name }) => [name, store.endpoints({ sandbox: name })]),
  );
  // Reads the host's links first: an engine moves a link from there into its own namespace.
  const links = await namespaces.host().link.show();
  const present = await borrowed.present(sandboxes);
  const stale = await Promise.all(sandboxes.map(async ({ name, path }) => {
    const own = endpoints.get(name)!;
    if (own.some((endpoint) => hasLink(links, endpoint)) && !isForgotten(name)) return false;
    if (!own.some(({ handOver }) => handOver)) return path !== undefined && !present.has(name);
    const seen = present.has(name) ? await lookInside(namespaces, name) : undefined;
    return !own.some((endpoint) => hasLink(seen?.links ?? [], endpoint));
  }));
  const found = sandboxes.filter((_, index) => stale[index]);
  const isHandedOver = ({ name }: Sandbox) => endpoints.get(name)!.some(({ handOver }) => handOver);
  if (!found.some(isHandedOver)) return found;
  // The engine may keep its namespace files where this process does not see them.
  const elsewhere = await linksElsewhere(parts);
  return found.filter((sandbox) =>
    !isHandedOver(sandbox) ||
    !endpoints.get(sandbox.name)!.some((endpoint) => hasLink(elsewhere, endpoint))
  );
}

/** Lists the links in all namespaces that can be entered, except the host's. */
async function linksElsewhere({ namespaces }: Parts<"namespaces">): Promise<Link[]> {
  const places = await findEnterable(namespaces.run, namespaces.hostName);
  const seen = await Promise.all(
    places.flatMap(({ netns, isHost }) =>
      netns === undefined || isHost ? [] : lookInside(namespaces, netns)
    ),
  );
  return seen.flatMap((namespace) => namespace?.links ?? []);
}

/** Removes the stale ones of some engines' sandboxes. Resolves to their names. */
export async function removeStale(
  parts: DriverParts,
  sandboxes: readonly Stated<Sandbox>[],
  isForgotten: IsForgotten = () => false,
): Promise<string[]> {
  const owned = sandboxes.filter(({ name }) => isOwned(name)).filter(isReady);
  const stale = await findStale(parts, owned.map(withoutState), isForgotten);
  const removed = await Promise.all(stale.map(async ({ name }) => {
    try {
      await removeSandbox(parts, name);
      return [name];
    } catch (error) {
      // Another call removes it, or its link is still somewhere: the next call tries again.
      if (!(error instanceof IpvlanError)) throw error;
      return [];
    }
  }));
  return removed.flat();
}

/**
 * The names of the sandboxes that conflict with a new one: they have its name, or an address that it
 * asks for on a network of the same parent.
 */
export function inTheWay(
  store: Store,
  name: string,
  connections: readonly Connection[],
): Set<string> {
  const holders = connections.flatMap(({ network, ...given }) => {
    const wanted = endpointAddresses(given).map((address) => attempt(() => canonical(address)));
    const parent = store.network(network)?.parent;
    return wanted.flatMap((address) =>
      address.ok ? store.endpoints({ address: address.value }) : []
    )
      .filter((endpoint) => store.networkById(endpoint.network)?.parent === parent);
  });
  return new Set([name, ...holders.map(({ sandbox }) => sandbox)]);
}

/** An address in the form of the records, without the prefix length that an engine may add. */
function canonical(text: string): string {
  return formatAddress(parseAddress(text.split("/")[0]!));
}
