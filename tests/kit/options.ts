/**
 * Networks that differ in one option.
 *
 * @module
 */
import { NETWORK_OPTIONS, type OptionName } from "../../lib/driver/model/options.ts";
import type { NetworkSpec } from "../../lib/driver/model/types.ts";

/** Two values of an option. The first one is not its default, and where there is a third, none is. */
export function twoValues(name: OptionName): [one: unknown, other: unknown] {
  const { value, default: usual } = NETWORK_OPTIONS[name];
  switch (value.kind) {
    case "link":
      return ["eth0", undefined];
    case "switch":
      return [usual !== true, usual];
    case "choice": {
      // Which addresses a network with IPv6 subnets may have, and what User-Mode Linux can do.
      if (name === "ipv6Mode") return ["slaac", "static"];
      if (name === "dad") return ["on", "off"];
      const [one, other = usual] = value.of.filter((word) => word !== usual);
      return [one, other];
    }
    case "number":
      return [value.range[0], value.range[0] + 1];
    case "routes":
      return [[{ dst: "10.9.0.0/16", via: "10.0.0.9" }], usual];
  }
}

/** A network like any other, but for one option. @param value Left out, the option is left out. */
export function networkWith(name: OptionName, value?: unknown): NetworkSpec {
  const spec: NetworkSpec = {
    name: "n",
    parent: "eth0",
    subnets: [
      ...name === "ipv4" || name === "dhcp" && value !== undefined ? [] : ["10.0.0.0/24"],
      ...["ipv4", "ipv6Mode", "dad", "proxy"].includes(name) ? ["2001:db8::/64"] : [],
    ],
  };
  if (name === "advertise") spec.mode = "l3";
  if (name === "proxy") spec.mode = "l3s";
  return { ...spec, [name]: value };
}
