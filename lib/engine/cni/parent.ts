import { type Settlement, withParent } from "../../driver/mod.ts";
import { throwProblems } from "../../base/errors.ts";
import { Ip } from "../../iproute2/ip.ts";
import type { CniRequest } from "./translate.ts";
import { parentOf } from "./translate.ts";

/**
 * Finds the network of a request: the name of one of `ipvlan`'s own, or what to make if it is not there.
 * Without a master, it is on the link of the host's default route. Which link of a container it is, the
 * driver finds when it makes the link.
 *
 * @throws {"cni"} There is neither a master nor a default route.
 */
export async function findNetwork({ conf, settled }: CniRequest): Promise<Settlement | string> {
  if (conf.source.kind === "network") return conf.source.network;
  if (settled!.network.parent !== undefined) return settled!;
  const placed = withParent(settled!, parentOf(conf, await defaultLink()));
  throwProblems(placed.problems);
  return placed;
}

/** The link of the host's default route: the IPv4 one, or else the IPv6 one. */
async function defaultLink(): Promise<string | undefined> {
  await using ip = await Ip.open();
  for (const family of [4, 6] as const) {
    const found = (await ip.route.show(family)).find(({ dst }) => dst === "default");
    if (found) return found.dev ?? found.nexthops[0]?.dev;
  }
}
