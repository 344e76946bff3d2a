/**
 * Runs all scenarios, or the named ones.
 *
 * @module
 */
import { main } from "./kit/mod.ts";
import defaults from "./defaults.ts";
import dualStackL2 from "./dual_stack_l2.ts";
import dualStackL3 from "./dual_stack_l3.ts";
import isolated from "./isolated.ts";
import l2 from "./l2.ts";
import l3 from "./l3.ts";
import l3Remote from "./l3_remote.ts";
import manualLinks from "./manual_links.ts";
import mixed from "./mixed.ts";
import netops from "./netops.ts";
import persistence from "./persistence.ts";
import prerequisites from "./prerequisites.ts";
import trunk from "./trunk.ts";
import twoHosts from "./two_hosts.ts";
import v6 from "./v6.ts";
import vlan114 from "./vlan114.ts";

// In the guide's order.
const scenarios = [
  prerequisites,
  l2,
  defaults,
  twoHosts,
  isolated,
  trunk,
  vlan114,
  netops,
  persistence,
  l3,
  l3Remote,
  v6,
  dualStackL2,
  dualStackL3,
  manualLinks,
  mixed,
];

if (import.meta.main) Deno.exit(await main(scenarios, Deno.args));
