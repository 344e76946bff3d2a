import type { Driver } from "../../driver/mod.ts";
import { IpvlanError, type IpvlanErrorOf, isIpvlanError } from "../../base/errors.ts";
import { cniError, CODE } from "./errors.ts";
import { findParent } from "./parent.ts";
import { type CniRequest, networkOf } from "./translate.ts";

/** Finds what is in the way of attaching a container now, with the codes that STATUS has for it. */
export async function statusProblems(
  { conf }: CniRequest,
  driver: Driver,
): Promise<IpvlanErrorOf<"cni">[]> {
  const reported = (error: IpvlanError) =>
    cniError(
      isIpvlanError(error, "network-cut-off") ? CODE.limited : CODE.notAvailable,
      error.message,
    );
  try {
    const network = networkOf(conf, await findParent(conf));
    const isKnown = typeof network !== "string" && driver.findNetwork(network.name);
    return (await driver.problemsOfNext(isKnown ? network.name : network)).map(reported);
  } catch (error) {
    if (!(error instanceof IpvlanError)) throw error;
    return [reported(error)];
  }
}
