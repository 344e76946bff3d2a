// Sandboxes that cannot reach the gateway of their network, by the model of `lib/why/`.
import { attempt } from "../base/errors.ts";
import { linkAddresses } from "../driver/endpoint/routes.ts";
import { netnsOf } from "../iproute2/words.ts";
import { findFix, nodeOf, stepText, why, type WhyView, World } from "../why/mod.ts";
import { about, type Diagnosis } from "./diagnosis.ts";
import type { StateFacts } from "./facts.ts";

/**
 * Ends of a path that are no news: nobody is the gateway of a network that is only tried out, and a
 * parent that is down has its own diagnosis.
 */
const USUAL: readonly (string | undefined)[] = ["no-answer", "dummy", "no-carrier"];

/** Diagnoses the sandboxes of L2 networks, without firewalls: to read these takes programs. */
export function diagnoseReach(
  { networks, endpoints, owned }: StateFacts,
  view: WhyView | undefined,
): Diagnosis[] {
  if (!view) return [];
  const world = new World(view);
  const pathOf = new Map(owned.map(({ name, path }) => [name, path]));
  return endpoints.flatMap((endpoint): Diagnosis[] => {
    const { sandbox, handOver } = endpoint;
    // The engine makes the routes of such a link, maybe later.
    if (handOver) return [];
    const path = pathOf.get(sandbox);
    const node = nodeOf(view, path === undefined ? sandbox : netnsOf(path));
    const network = networks.find(({ id, mode }) => id === endpoint.network && mode === "l2");
    const addresses = attempt(() => network ? linkAddresses(network, endpoint) : []);
    // A record that is damaged says so elsewhere.
    return (addresses.ok ? addresses.value : []).flatMap(({ gateway: dst }) => {
      if (dst === undefined) return [];
      const answer = node ? why(world, node, { dst }) : undefined;
      const last = answer && [...answer.there, ...answer.back].at(-1);
      if (answer?.verdict !== "no" || USUAL.includes(last!.code)) return [];
      const what = `"${sandbox}" does not reach its gateway ${dst}: ${stepText(last!)}`;
      return [
        about("gateway").warning(
          what,
          findFix(view, node!.netns, { dst }, answer) ??
            `see where it stops: ipvlan why ${sandbox} ${dst}`,
        ),
      ];
    });
  });
}
