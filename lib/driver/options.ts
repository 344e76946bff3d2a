import type { IpvlanError } from "../errors.ts";
import type { IpvlanFlag, IpvlanMode } from "../iproute2/kinds/ipvlan.ts";
import { InvalidOptionError } from "./errors.ts";
import type { Network, NetworkSpec } from "./types.ts";

/** Docker's name for the MTU among a driver's options, beside the short one. */
const MTU = "com.docker.network.driver.mtu";

/** The names that `-o` takes. */
const NAMES = ["parent", "ipvlan_mode", "ipvlan_flag", "mtu"];

/** What the options of `docker network create -o NAME=VALUE` say of a network. */
export interface DriverOptionsResult {
  /** The fields of the network that they stand for. */
  spec: Pick<NetworkSpec, "parent" | "mode" | "flag" | "mtu">;
  /** Everything that is wrong with them. Values of mode and flag are judged with the network. */
  problems: IpvlanError[];
}

/** Reads options written as `NAME=VALUE`, with the names that Docker's ipvlan driver has. */
export function parseDriverOptions(words: readonly string[]): DriverOptionsResult {
  const { spec, problems }: DriverOptionsResult = { spec: {}, problems: [] };
  for (const word of words) {
    const [, name, value] = /^([^=]*)=(.*)$/s.exec(word) ?? [];
    if (name === undefined || !value) {
      problems.push(new InvalidOptionError("driver option", word, "write NAME=VALUE"));
    } else if (name === "parent") {
      spec.parent = value;
    } else if (name === "ipvlan_mode") {
      spec.mode = value as IpvlanMode;
    } else if (name === "ipvlan_flag") {
      spec.flag = value as IpvlanFlag;
    } else if (name === "mtu" || name === MTU) {
      spec.mtu = Number(value);
    } else {
      problems.push(new InvalidOptionError("driver option", word, `choose of ${NAMES.join(", ")}`));
    }
  }
  return { spec, problems };
}

/** The options that a network was created with, every default settled, by the same names. */
export function toDriverOptions(network: Network): Record<string, string> {
  return {
    parent: network.parent,
    ipvlan_mode: network.mode,
    ipvlan_flag: network.flag,
    ...(network.mtu === undefined ? {} : { mtu: String(network.mtu) }),
  };
}
