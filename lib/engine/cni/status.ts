import type { EngineDriver } from "../../driver/mod.ts";
import { IpvlanError, type IpvlanErrorOf, isIpvlanError } from "../../base/errors.ts";
import { differences } from "../attachment.ts";
import { cniError, CODE } from "./errors.ts";
import { findNetwork } from "./parent.ts";
import type { CniRequest } from "./translate.ts";

/** Finds what prevents attaching a container now, with the codes of STATUS. */
export async function statusProblems(
  request: CniRequest,
  driver: EngineDriver,
): Promise<IpvlanErrorOf<"cni">[]> {
  const reported = (error: IpvlanError) =>
    cniError(
      isIpvlanError(error, "network-cut-off") ? CODE.limited : CODE.notAvailable,
      error.message,
    );
  try {
    const network = await findNetwork(request);
    if (typeof network === "string") return (await driver.problemsOfNext(network)).map(reported);
    const { name } = network.network;
    const found = driver.findNetwork(name);
    if (!found) return (await driver.problemsOfFirst(network)).map(reported);
    // ADD makes an unused network anew.
    const isUsed = driver.inspectNetwork(name).endpoints.length > 0;
    const settings = isUsed ? differences(network.network, found) : [];
    return [
      ...settings.length > 0
        ? [new IpvlanError("network-differs", { network: name, settings })]
        : [],
      ...await driver.problemsOfNext(name),
    ].map(reported);
  } catch (error) {
    if (!(error instanceof IpvlanError)) throw error;
    return [reported(error)];
  }
}
