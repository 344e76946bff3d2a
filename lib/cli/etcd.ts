import type { EtcdAccess } from "../claims/types.ts";
import { accept } from "../base/errors.ts";
import { IPAM_NAMES, readIpamOptions, variableOf } from "../driver/model/ipam_options.ts";
import type { Arguments } from "./command.ts";

export const ETCD_OPTION = {
  "--ipam-opt NAME=VALUE...": `how to reach etcd, if no network here does: ${
    IPAM_NAMES.join(", ")
  }`,
};

/** The same option of the plugin for Docker. */
export const POOLS = {
  "--ipam-opt NAME=VALUE...": `have all pools of --ipam-driver in etcd: ${IPAM_NAMES.join(", ")}`,
};

/**
 * Reads how to reach etcd from {@linkcode ETCD_OPTION} or the environment; `undefined` if neither
 * says it. With `pools`, the option is {@linkcode POOLS}: it is required, and its files are read.
 */
export function readAccess(args: Pick<Arguments, "values">, pools = false): EtcdAccess | undefined {
  const words = args.values("ipam-opt");
  const environment = Deno.env.toObject();
  if (words.length === 0 && (pools || !environment[variableOf("endpoints")])) return undefined;
  const surroundings = { folder: Deno.cwd(), environment, readsFiles: pools };
  return accept(readIpamOptions(words, surroundings)).access;
}
