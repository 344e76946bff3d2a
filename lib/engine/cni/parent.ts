import { type Settlement, withParent } from "../../driver/mod.ts";
import { throwProblems } from "../../base/errors.ts";
import { Ip } from "../../iproute2/ip.ts";
import { defaultLink } from "../../iproute2/route.ts";
import { type CniRequest, parentOf } from "./translate.ts";

/**
 * Finds the network of a request: the name of one of `ipvlan`'s own, or a network to make if it does
 * not exist. Without a master, its parent is the link of the host's default route. If the parent is a
 * link of the container, the driver finds it when it makes the ipvlan link.
 *
 * @throws {"cni"} There is neither a master nor a default route.
 */
export async function findNetwork({ conf, settled }: CniRequest): Promise<Settlement | string> {
  if (conf.source.kind === "network") return conf.source.network;
  if (settled!.network.parent !== undefined) return settled!;
  await using ip = await Ip.open();
  const routes = await Promise.all([ip.route.show(4), ip.route.show(6)]);
  const placed = withParent(settled!, parentOf(conf, defaultLink(routes.flat())));
  throwProblems(placed.problems);
  return placed;
}
