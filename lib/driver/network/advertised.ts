import {
  advert,
  ADVERT_PROTOCOLS,
  advertKind,
  endpointAdverts,
  networkAdverts,
} from "../model/advertise.ts";
import { readRoutes } from "./host_steps.ts";
import type { Parts } from "../addresses/parts.ts";
import { type HostStep, stepKey } from "../model/option_steps.ts";
import { isReady, withoutState } from "../store/store.ts";
import type { AdvertisedRoute } from "../model/types.ts";

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
