// Sandboxes that cannot reach the gateway of their network, by the model of `lib/why/`.
import { attempt } from "../base/errors.ts";
import { linkAddresses } from "../driver/endpoint/routes.ts";
import { netnsOf } from "../iproute2/words.ts";
import { findFix, nodeOf, stepText, why, type WhyView, World } from "../why/mod.ts";
import { about, type Diagnosis } from "./diagnosis.ts";
import type { StateFacts } from "./facts.ts";

/**
 * Where a path may end without a warning. A network that people only try out has nobody as its gateway,
 * and a parent that is down has a diagnosis of its own.
 */
const USUAL: readonly (string | undefined)[] = ["no-answer", "dummy", "no-carrier"];

/**
 * Diagnoses the sandboxes of L2 networks, without firewalls: to read these takes programs. Sandboxes
 * with one gateway and one cause share a diagnosis, with the remedy for the first of them.
 */
export function diagnoseReach(
  { networks, endpoints, owned }: StateFacts,
  view: WhyView | undefined,
): Diagnosis[] {
  if (!view) return [];
  const world = new World(view);
  const pathOf = new Map(owned.map(({ name, path }) => [name, path]));
  const faults = endpoints.flatMap((endpoint) => {
    const { sandbox, handOver } = endpoint;
    const path = pathOf.get(sandbox);
    const node = nodeOf(view, path === undefined ? sandbox : netnsOf(path));
    const network = networks.find(({ id, mode }) => id === endpoint.network && mode === "l2");
    // The engine makes the routes of a link that it moves itself, maybe later.
    if (!node || !network || handOver) return [];
    const addresses = attempt(() => linkAddresses(network, endpoint));
    // A record that is damaged says so elsewhere.
    return (addresses.ok ? addresses.value : []).flatMap(({ gateway: dst }) => {
      if (dst === undefined) return [];
      const answer = why(world, node, { dst });
      const last = [...answer.there, ...answer.back].at(-1)!;
      const isFault = answer.verdict === "no" && !USUAL.includes(last.code);
      return isFault ? [{ sandbox, netns: node.netns, dst, answer, last }] : [];
    });
  });
  return Map.groupBy(faults, ({ dst, last: { code } }) => `${dst} ${code}`).values().map((all) => {
    const [{ sandbox, netns, dst, answer, last }] = all as [typeof faults[number]];
    const others = all.length > 1 ? ` (nor do ${all.length - 1} more)` : "";
    const what = `"${sandbox}" does not reach its gateway ${dst}: ${stepText(last)}${others}`;
    const fix = findFix(view, netns, { dst }, answer) ??
      `see where it stops: ipvlan why ${sandbox} ${dst}`;
    return about("gateway").warning(what, fix);
  }).toArray();
}
