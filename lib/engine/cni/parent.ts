import { IN_SANDBOX } from "../../driver/model/names.ts";
import { Ip } from "../../iproute2/ip.ts";
import type { Conf } from "./conf.ts";
import { parentOf } from "./translate.ts";

/**
 * Finds the parent of a configuration's network; `undefined` for a network of `ipvlan`'s own. Without a
 * master, it is on the link of the host's default route. Which link of a container it is, the driver
 * finds when it makes the link.
 *
 * @throws {"cni"} There is neither a master nor a default route.
 */
export async function findParent(conf: Conf): Promise<string | undefined> {
  if (conf.source.kind === "network") return undefined;
  if (conf.linkInContainer) return IN_SANDBOX;
  return parentOf(conf, conf.master === undefined ? await defaultLink() : undefined);
}

/** The link of the host's default route: the IPv4 one, or else the IPv6 one. */
async function defaultLink(): Promise<string | undefined> {
  await using ip = await Ip.open();
  for (const family of [4, 6] as const) {
    const found = (await ip.route.show(family)).find(({ dst }) => dst === "default");
    if (found) return found.dev ?? found.nexthops[0]?.dev;
  }
}
