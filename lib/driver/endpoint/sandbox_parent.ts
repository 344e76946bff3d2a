// Parents that are links of the sandboxes. On such a network, another program has made a link in
// each sandbox or moved one there, such as a virtual function of a network card. The sandbox's
// ipvlan link is made on it, inside. The driver never makes such a parent: it goes with the
// namespace.
import { attempt, type Decision, invalidOption, IpvlanError } from "../../base/errors.ts";
import { familyOf } from "../../ipam/address.ts";
import type { Link } from "../../iproute2/link_types.ts";
import { defaultLink } from "../../iproute2/route.ts";
import { fromNetnsFolder, linkName, printedDestination } from "../../iproute2/words.ts";
import { DEFAULT_METRIC, linkRoutes, type NetworkEndpoint } from "./routes.ts";
import { linkIndex } from "./steps.ts";
import { networkParent } from "../model/names.ts";
import type { Parts } from "../addresses/parts.ts";
import { carrierProblems } from "../network/decide.ts";
import { chooseParent } from "../network/parent.ts";
import type { HostFacts, SeenNamespace } from "../model/facts.ts";
import { lookInside } from "../run/namespaces.ts";
import type { EndpointRecord } from "../store/records.ts";
import type { Connection, ConnectOptions, Network } from "../model/types.ts";

/** Looks into the namespace of a sandbox if a connection needs one of its links as the parent. */
export async function lookForParents(
  { store, namespaces }: Parts<"store" | "namespaces">,
  connections: readonly Connection[],
  path: string | undefined,
): Promise<Pick<HostFacts, "inside">> {
  const isNeeded = connections.some(({ network }) =>
    networkParent(store.network(network) ?? {}).kind === "sandbox"
  );
  if (!isNeeded || path === undefined) return {};
  return { inside: await lookInside(namespaces, fromNetnsFolder(path)) };
}

/** Looks into the namespace of a sandbox in which another program has made a route. */
export async function lookForRoutes(
  { store, namespaces }: Parts<"store" | "namespaces">,
  { name, path = store.sandbox(name)?.path }: { name: string; path?: string },
): Promise<SeenNamespace | undefined> {
  return await lookInside(namespaces, path === undefined ? name : fromNetnsFolder(path));
}

/** Chooses the link of a sandbox that is an endpoint's parent, or finds what is wrong with it. */
export function decideSandboxParent(
  network: Network,
  sandbox: string,
  { parent: asked, handOver }: ConnectOptions,
  seen: SeenNamespace | undefined,
): Decision<{ parent: string }> {
  const failed = (...problems: IpvlanError[]) => ({ ok: false as const, problems });
  if (!seen || handOver) {
    const rule = "its parents are links of its engine's sandboxes, and this is none of them";
    return failed(invalidOption("network", network.name, rule));
  }
  const named = attempt(() => asked === undefined ? undefined : linkName(asked, "parent"));
  if (!named.ok) return named;
  const parent = asked ?? defaultLink(seen.routes);
  if (parent === undefined || !seen.links.some(({ name }) => name === parent)) {
    return failed(new IpvlanError("sandbox-parent", { sandbox, parent }));
  }
  const problems = carrierProblems(network, parent, chooseParent(parent, seen.links), seen);
  return problems.length > 0 ? { ok: false, problems } : { ok: true, parent };
}

/**
 * Whether another program has given a sandbox a route to a destination of an endpoint, such as a default
 * route. The kernel takes only one route per metric, so the endpoint counts as the sandbox's second.
 */
export function isSecond(
  network: Network,
  endpoint: EndpointRecord,
  { routes }: SeenNamespace,
): boolean {
  return linkRoutes(network, endpoint, "none").some(({ dst, table }) => {
    if (table !== undefined) return false;
    const family = familyOf(dst);
    const best = DEFAULT_METRIC[family];
    return routes.some((route) =>
      route.family === family && printedDestination(route.dst) === printedDestination(dst) &&
      (route.metric ?? best) === best
    );
  });
}

export function parentLink(
  { network, endpoint }: NetworkEndpoint,
  facts: HostFacts | undefined,
): Link | undefined {
  const { kind, link } = networkParent(network);
  return kind === "sandbox"
    ? facts?.inside?.links.find(({ name }) => name === endpoint.parent)
    : facts?.links.find(({ name }) => name === link);
}

/**
 * Checks that the links of endpoints are on the chosen parents. Root in the sandbox may have given the
 * name to another link meanwhile, even to one whose own parent is a link of the host.
 */
export async function requireParents(
  { namespaces, isRehearsal }: Parts<"namespaces" | "isRehearsal">,
  sandbox: string,
  planned: readonly NetworkEndpoint[],
  facts: HostFacts | undefined,
): Promise<void> {
  const inner = planned.filter(({ network }) => networkParent(network).kind === "sandbox");
  if (inner.length === 0 || isRehearsal) return;
  const links = await namespaces.inside(sandbox).link.show();
  for (const each of inner) {
    const link = links.find(({ index }) => index === linkIndex(each.endpoint));
    const isRight = link?.linkNetnsid === undefined &&
      link?.linkIndex === parentLink(each, facts)?.index;
    if (!isRight) {
      const reason = `another link of the sandbox "${sandbox}" got this name meanwhile; try again`;
      throw new IpvlanError("invalid-parent", { parent: each.endpoint.parent!, reason });
    }
  }
}
