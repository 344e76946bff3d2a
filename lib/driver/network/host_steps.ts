// The steps of network options in the host's namespace: makes, removes, finds and restores them.
import { failureOf } from "../../base/errors.ts";
import { routeChange } from "../../iproute2/route.ts";
import type { RouteSpec } from "../../iproute2/route_types.ts";
import { make } from "../../iproute2/runner.ts";
import type { Parts } from "../addresses/parts.ts";
import {
  advert,
  ADVERT_PROTOCOLS,
  advertKind,
  endpointAdverts,
  networkAdverts,
} from "../model/advertise.ts";
import { type HostStep, isHostStep, stepKey } from "../model/option_steps.ts";
import { type OptionEndpoint, stepsOf } from "../model/options.ts";
import type { AdvertisedRoute, Network } from "../model/types.ts";
import { routePrefix } from "../model/routes.ts";
import { isGone, type Step } from "../run/plan.ts";
import type { EndpointRecord } from "../store/records.ts";
import { isReady, withoutState } from "../store/store.ts";

/** The steps in the host's namespace for a network, or for an endpoint on it. */
export function hostSteps(network: Network, endpoint?: OptionEndpoint): HostStep[] {
  return stepsOf(network, endpoint).filter(isHostStep);
}

/** Picks the steps that no other network has. Two engines' networks may share a subnet's route. */
export function unshared(steps: readonly HostStep[], others: readonly Network[]): HostStep[] {
  if (steps.length === 0) return [];
  const shared = new Set(others.flatMap((network) => hostSteps(network)).map(stepKey));
  return steps.filter((step) => !shared.has(stepKey(step)));
}

/** The plan that does the steps. @param owned The steps that undoing takes back; by default all. */
export function makeHostSteps(
  steps: readonly HostStep[],
  owned: readonly HostStep[] = steps,
): Step[] {
  return steps.map((step) => ({
    // A route that is already there is ours, so that is no error.
    ...routeChange("replace", step.route),
    ...owned.includes(step) && { undo: routeChange("del", step.route) },
  }));
}

/** Undoes the steps, the last first. A route that is already gone is no error. */
export async function removeHostSteps(
  { namespaces }: Parts<"namespaces">,
  steps: readonly HostStep[],
): Promise<void> {
  if (steps.length === 0) return;
  const { session } = namespaces.host();
  const results = await Promise.allSettled(
    steps.toReversed().map((step) => make(session, routeChange("del", step.route))),
  );
  for (const result of results) {
    if (result.status === "rejected" && !isGone(result.reason)) throw result.reason;
  }
}

/** Reads the routes of some protocols in the host's main table. */
async function readRoutes(
  { namespaces }: Parts<"namespaces">,
  protocols: readonly RouteSpec["protocol"][],
): Promise<HostStep[]> {
  const { route } = namespaces.host();
  const seen = await Promise.all(
    protocols.flatMap((protocol) =>
      ([4, 6] as const).map(async (family) =>
        (await route.show(family, { protocol })).map(({ type, dst, metric }) => ({
          kind: "route.add",
          route: { type, dst: routePrefix(dst, family), protocol, metric },
        } as HostStep))
      )
    ),
  );
  return seen.flat();
}

/** Finds the steps in the host, by their keys. Reads only the routes of their protocols. */
export async function findHostSteps(
  parts: Parts<"namespaces">,
  steps: readonly HostStep[],
): Promise<Set<string>> {
  const protocols = new Set(steps.map(({ route }) => route.protocol));
  return new Set((await readRoutes(parts, [...protocols])).map(stepKey));
}

/**
 * Brings the host in sync with what was restored: does the steps of restored networks and endpoints,
 * and undoes those of the others, so that no router sends packets here for nothing.
 *
 * @param lost The ids of the networks that could not be restored.
 * @param connected The endpoints that are restored.
 * @returns The reason for each network whose steps failed, by the network's id.
 */
export async function restoreHostSteps(
  parts: Parts<"namespaces">,
  { networks, lost, endpoints, connected }: {
    networks: readonly Network[];
    lost: ReadonlySet<string>;
    endpoints: readonly EndpointRecord[];
    connected: ReadonlySet<EndpointRecord>;
  },
): Promise<Map<string, string>> {
  const byNetwork = Map.groupBy(endpoints, ({ network }) => network);
  const plans = networks.map((network) => {
    const { id } = network;
    const of = (isThere: boolean) => [
      ...lost.has(id) === isThere ? [] : hostSteps(network),
      ...(byNetwork.get(id) ?? [])
        .filter((endpoint) => (!lost.has(id) && connected.has(endpoint)) === isThere)
        .flatMap((endpoint) => hostSteps(network, endpoint)),
    ];
    return { id, wanted: of(true), unwanted: of(false) };
  });
  const all = plans.flatMap(({ wanted, unwanted }) => [...wanted, ...unwanted]);
  const seen = await findHostSteps(parts, all);
  const kept = new Set(plans.flatMap(({ wanted }) => wanted).map(stepKey));
  const failures = new Map<string, string>();
  for (const { id, wanted, unwanted } of plans) {
    const missing = wanted.filter((step) => !seen.has(stepKey(step)));
    const stale = unwanted.filter((step) => seen.has(stepKey(step)) && !kept.has(stepKey(step)));
    const failure = await failureOf(async () => {
      if (missing.length > 0) await parts.namespaces.apply(makeHostSteps(missing));
      await removeHostSteps(parts, stale);
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
  const seen = await readRoutes(parts, ADVERT_PROTOCOLS);
  const present = new Set(seen.map(stepKey));
  const listed = (steps: readonly HostStep[], more: Partial<AdvertisedRoute>) =>
    steps.flatMap((step): AdvertisedRoute[] => {
      const kind = advertKind(step);
      const state = present.has(stepKey(step)) ? "up" : "missing";
      return kind === undefined ? [] : [{ kind, dst: step.route.dst, state, ...more }];
    });
  const adverts = networks.flatMap((network) => [
    ...listed(networkAdverts(network), { network: network.name }),
    ...(byNetwork.get(network.id) ?? []).flatMap((each) =>
      listed(endpointAdverts(network, each), { network: network.name, sandbox: each.sandbox })
    ),
  ]);
  const known = new Set(adverts.map(({ kind, dst }) => stepKey(advert(kind, dst))));
  const others = seen.filter((step) => !known.has(stepKey(step)));
  return [...adverts, ...listed(others, { state: "unknown" })];
}
