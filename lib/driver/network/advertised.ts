/**
 * Making, deleting and listing the routes that a routing daemon announces.
 *
 * @module
 */
import {
  type Advert,
  advertKey,
  advertSteps,
  endpointAdverts,
  MARKS,
  networkAdverts,
  type SeenAdvert,
  seenAdverts,
  withdrawLine,
} from "./advertise.ts";
import { failureOf } from "../../base/errors.ts";
import type { Parts } from "../addresses/parts.ts";
import { isGone } from "../run/plan.ts";
import type { EndpointRecord } from "../store/records.ts";
import { isReady, withoutState } from "../store/store.ts";
import type { AdvertisedRoute, Network } from "../model/types.ts";

/** Reads the driver's routes in the host's namespace. */
async function readAdverts({ namespaces }: Parts<"namespaces">): Promise<SeenAdvert[]> {
  const { route } = namespaces.host();
  const protocols = [...new Set(Object.values(MARKS).map(({ protocol }) => protocol))];
  const seen = await Promise.all(
    protocols.flatMap((protocol) =>
      ([4, 6] as const).map(async (family) =>
        seenAdverts(protocol, await route.show(family, { protocol }))
      )
    ),
  );
  return seen.flat();
}

/** Deletes routes. It is no error if one is not there. */
export async function withdraw(
  { namespaces }: Parts<"namespaces">,
  adverts: readonly Advert[],
): Promise<void> {
  const { session } = namespaces.host();
  const results = await Promise.allSettled(
    adverts.map((advert) => session.change(withdrawLine(advert))),
  );
  for (const result of results) {
    if (result.status === "rejected" && !isGone(result.reason)) throw result.reason;
  }
}

/** The routes of endpoints on record. */
export function advertsOf(
  { store }: Parts<"store">,
  endpoints: readonly EndpointRecord[],
): Advert[] {
  return endpoints.flatMap((endpoint) => {
    const network = store.networkById(endpoint.network);
    return network ? endpointAdverts(network, endpoint) : [];
  });
}

/**
 * Brings the host's routes in step with what was restored: makes those of networks and endpoints
 * that are there, and deletes those of the others, so that no router sends packets here for
 * nothing.
 *
 * @param lost The ids of those that could not be restored.
 * @param connected The endpoints that are there.
 * @returns Why the routes of a network could not be made or deleted, by the network's id.
 */
export async function restoreAdverts(
  parts: Parts<"namespaces">,
  { networks, lost, endpoints, connected }: {
    networks: readonly Network[];
    lost: ReadonlySet<string>;
    endpoints: readonly EndpointRecord[];
    connected: ReadonlySet<EndpointRecord>;
  },
): Promise<Map<string, string>> {
  const failures = new Map<string, string>();
  const advertising = networks.filter(({ advertise }) => advertise !== undefined);
  if (advertising.length === 0) return failures;
  const seen = new Set((await readAdverts(parts)).map(advertKey));
  const byNetwork = Map.groupBy(endpoints, ({ network }) => network);
  const plans = advertising.map((network) => {
    const { id } = network;
    const own = byNetwork.get(id) ?? [];
    const [there, gone] = lost.has(id)
      ? [[], own]
      : [own.filter((each) => connected.has(each)), own.filter((each) => !connected.has(each))];
    const routesOf = (some: readonly EndpointRecord[]) =>
      some.flatMap((endpoint) => endpointAdverts(network, endpoint));
    const base = networkAdverts(network);
    return {
      id,
      wanted: [...lost.has(id) ? [] : base, ...routesOf(there)],
      unwanted: [...lost.has(id) ? base : [], ...routesOf(gone)],
    };
  });
  const kept = new Set(plans.flatMap(({ wanted }) => wanted).map(advertKey));
  for (const { id, wanted, unwanted } of plans) {
    const missing = wanted.filter((advert) => !seen.has(advertKey(advert)));
    const stale = unwanted.map((advert) => ({ advert, key: advertKey(advert) }))
      .filter(({ key }) => seen.has(key) && !kept.has(key)).map(({ advert }) => advert);
    const failure = await failureOf(async () => {
      if (missing.length > 0) await parts.namespaces.apply(advertSteps(missing));
      if (stale.length > 0) await withdraw(parts, stale);
    });
    if (failure !== undefined) failures.set(id, failure);
  }
  return failures;
}

/** Lists the routes of networks that advertise: by network, and then those on no record. */
export async function listAdvertised(
  parts: Parts<"store" | "namespaces">,
): Promise<AdvertisedRoute[]> {
  const { store } = parts;
  const { networks, endpoints } = store.transaction(() => ({
    networks: store.networks().filter(isReady).map(withoutState),
    endpoints: store.endpoints().filter(isReady),
  }));
  const byNetwork = Map.groupBy(endpoints, ({ network }) => network);
  const seen = await readAdverts(parts);
  const adverts = networks.flatMap((network) => [
    ...networkAdverts(network),
    ...(byNetwork.get(network.id) ?? []).flatMap((endpoint) => endpointAdverts(network, endpoint)),
  ]);
  const known = new Set(adverts.map(advertKey));
  const present = new Set(seen.map(advertKey));
  return [
    ...adverts.map((advert): AdvertisedRoute => ({
      ...advert,
      state: present.has(advertKey(advert)) ? "up" : "missing",
    })),
    ...seen.filter((each) => !known.has(advertKey(each)))
      .map((each): AdvertisedRoute => ({ ...each, state: "unknown" })),
  ];
}
