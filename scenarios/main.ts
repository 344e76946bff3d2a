/**
 * Runs the scenarios: all, or those named.
 *
 * @module
 */
import { main } from "./kit/mod.ts";
import defaults from "./defaults.ts";
import isolated from "./isolated.ts";
import l2 from "./l2.ts";
import netops from "./netops.ts";
import persistence from "./persistence.ts";
import trunk from "./trunk.ts";
import twoHosts from "./two_hosts.ts";
import vlan114 from "./vlan114.ts";

if (import.meta.main) {
  Deno.exit(
    await main([
      l2,
      defaults,
      twoHosts,
      isolated,
      trunk,
      vlan114,
      netops,
      persistence,
    ], Deno.args),
  );
}
