import { isOwned } from "../model/names.ts";
import { siblingsOf } from "../endpoint/routes.ts";
import { findHostSteps, hostSteps } from "../network/host_steps.ts";
import { networksOf } from "../store/find.ts";
import type { Parts } from "../addresses/parts.ts";
import { endpointRepair } from "./repair.ts";
import { lookInside } from "../run/look_inside.ts";
import { isReady } from "../store/store.ts";
import type { SandboxDetails, SeenSandbox } from "../model/types.ts";

/** Reads the state of sandboxes in the kernel. */
export async function seeSandboxes(
  parts: Parts<"store" | "namespaces" | "borrowed">,
  sandboxes: readonly SandboxDetails[],
): Promise<SeenSandbox[]> {
  const { store, namespaces } = parts;
  const { endpoints, networks } = store.transaction(() => {
    const all = store.endpoints().filter(isReady);
    return {
      endpoints: Map.groupBy(all, ({ sandbox }) => sandbox),
      networks: networksOf(store, all),
    };
  });
  const [names, borrowed] = await Promise.all([
    namespaces.caller().netns.list(),
    parts.borrowed.present(sandboxes),
  ]);
  const present = new Set([...names, ...borrowed]);
  const steps = sandboxes.flatMap(({ name }) => endpoints.get(name) ?? []).flatMap((endpoint) => {
    const network = networks.get(endpoint.network)!;
    return [...hostSteps(network), ...hostSteps(network, endpoint)];
  });
  const beside = await findHostSteps(parts, steps);
  return await Promise.all(sandboxes.map(async (sandbox): Promise<SeenSandbox> => {
    const { name } = sandbox;
    // Links that an engine has not taken yet are in the host's namespace.
    const isThere = present.has(name) || isOwned(name) && sandbox.path === undefined;
    const seen = isThere ? await lookInside(namespaces, name) : undefined;
    const own = endpoints.get(name) ?? [];
    const siblings = siblingsOf(own);
    const repairs = new Map(own.map((endpoint) => {
      const network = networks.get(endpoint.network)!;
      const view = { seen, siblings, path: sandbox.path, beside };
      return [endpoint.ifname, endpointRepair(network, endpoint, view)];
    }));
    const isWhole = repairs.values().every(({ state }) => state === "up");
    return {
      ...sandbox,
      state: seen ? isWhole ? "up" : "incomplete" : "down",
      endpoints: sandbox.endpoints.map((endpoint) => {
        // An endpoint that was removed meanwhile is no longer on record.
        const { state = "missing", changes = [`The link ${endpoint.ifname} is missing`], link } =
          repairs.get(endpoint.ifname) ?? {};
        return { ...endpoint, ...link && { mac: link.address, mtu: link.mtu }, state, changes };
      }),
      ...seen && { seen },
    };
  }));
}
