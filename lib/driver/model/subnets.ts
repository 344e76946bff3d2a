import { parseSubnets, type Subnet } from "../../ipam/mod.ts";
import type { SettledNetwork } from "./types.ts";

export function subnetsOf(network: SettledNetwork): readonly Subnet[] {
  const result = parseSubnets(network.subnets);
  if (!result.ok) throw new AggregateError(result.problems, `Network "${network.name}" on record`);
  return result.subnets;
}
