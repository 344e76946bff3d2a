import type { Driver, Network, NetworkDetails } from "../../driver/mod.ts";
import { IN_SANDBOX } from "../../driver/model/names.ts";
import { subnetsOf } from "../../driver/network/decide.ts";
import { IpvlanError } from "../../base/errors.ts";
import { endpointAddresses } from "../../ipam/address.ts";
import { type Family, Pools } from "../../ipam/mod.ts";
import { Ip } from "../../iproute2/ip.ts";
import type { Link } from "../../iproute2/link.ts";
import { CniError, CODE } from "./errors.ts";
import { findParent } from "./parent.ts";
import { type CniRequest, networkOf } from "./translate.ts";

/** Finds what is in the way of attaching a container now, with the codes that STATUS has for it. */
export async function statusProblems(
  { conf }: CniRequest,
  driver: Driver,
): Promise<CniError[]> {
  const unavailable = (message: string) => new CniError(CODE.notAvailable, message);
  try {
    const network = networkOf(conf, await findParent(conf));
    const name = typeof network === "string" ? network : network.name;
    if (typeof network !== "string" && !driver.findNetwork(name)) {
      return (await driver.problemsOf(network)).map(({ message }) => unavailable(message));
    }
    const found = driver.inspectNetwork(name);
    await using ip = await Ip.open();
    return [...parentProblems(found, await ip.link.show()), ...poolProblems(found)];
  } catch (error) {
    if (!(error instanceof IpvlanError)) throw error;
    return [unavailable(error.message)];
  }
}

/** Finds why the containers of a network may be cut off. */
export function parentProblems(
  { name, parent }: Pick<Network, "name" | "parent">,
  links: readonly Pick<Link, "name" | "up">[],
): CniError[] {
  // Each container has its own.
  if (parent === IN_SANDBOX) return [];
  const link = links.find((each) => each.name === parent);
  if (link?.up) return [];
  const state = link ? "is down" : "is missing";
  const sentence = `The parent "${parent}" of the network "${name}" ${state}, so nothing passes`;
  return [new CniError(CODE.limited, sentence)];
}

/** Finds the families of which a network has no address left. */
export function poolProblems(network: NetworkDetails): CniError[] {
  const taken = network.endpoints.flatMap(endpointAddresses)
    .map((address) => address.split("/")[0]!);
  const usage = Pools.of(subnetsOf(network), network.foreignAddresses ? [] : taken).usage();
  const free = subnetsOf(network).map(({ prefix: { family } }, index) => ({
    family,
    free: usage[index]!.free,
  }));
  return ([4, 6] satisfies Family[]).flatMap((family) => {
    const own = free.filter((each) => each.family === family);
    if (own.length === 0 || own.some(({ free }) => free > 0n)) return [];
    const sentence = `The network "${network.name}" has no IPv${family} address left`;
    return [new CniError(CODE.notAvailable, sentence)];
  });
}
