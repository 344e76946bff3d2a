import type { Driver } from "../../driver/mod.ts";
import type { Command } from "../command.ts";
import { inspectedNetwork } from "../docker/shape.ts";
import { type Find, INSPECT_OPTIONS, showInFull } from "../inspect.ts";
import { COMMON } from "../options.ts";

/** Finds networks. */
export function networkFinder(driver: Driver): Find {
  // deno-lint-ignore require-await
  return async (name) => inspectedNetwork(driver.inspectNetwork(name), driver.addressUsage(name));
}

export default {
  usage: "[OPTIONS] NETWORK [NETWORK...]",
  example: "ipvlan network inspect ipvlan20\n" +
    "ipvlan network inspect -f '{{range .IPAM.Config}}{{.Subnet}} {{end}}' ipvlan20",
  options: { ...INSPECT_OPTIONS, "-v, --verbose": COMMON["--verbose"] },
  run: (args, context) => showInFull(args, context, networkFinder),
} satisfies Command;
