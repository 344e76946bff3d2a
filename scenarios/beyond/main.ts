/**
 * Runs the scenarios of what users ask for beyond the guide, or the named ones: `deno task lab beyond`.
 *
 * @module
 */
import { main, SUITES } from "../kit/mod.ts";
import cniRoutes from "./cni_routes.ts";
import dhcp from "./dhcp.ts";
import firewall from "./firewall.ts";
import duplicates from "./duplicates.ts";
import hostAccess from "./host_access.ts";
import ipv6 from "./ipv6.ts";
import mtu from "./mtu.ts";
import networkUpdate from "./network_update.ts";
import parentReturns from "./parent_returns.ts";
import oneMac from "./one_mac.ts";
import oneSegment from "./one_segment.ts";
import probe from "./probe.ts";
import proxy from "./proxy.ts";
import policyRoutes from "./policy_routes.ts";
import severalAddresses from "./several_addresses.ts";
import reservations from "./reservations.ts";
import sharedReservations from "./shared_reservations.ts";
import waysOut from "./ways_out.ts";

// In the order of their statements.
const scenarios = [
  hostAccess,
  proxy,
  ipv6,
  duplicates,
  dhcp,
  waysOut,
  mtu,
  firewall,
  parentReturns,
  oneSegment,
  oneMac,
  policyRoutes,
  cniRoutes,
  severalAddresses,
  reservations,
  sharedReservations,
  probe,
  networkUpdate,
];

if (import.meta.main) Deno.exit(await main(scenarios, Deno.args, SUITES.beyond));
