// Tests of FRR in a guest of the lab.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Ip } from "../../lib/iproute2/ip.ts";
import { withIpvlan } from "../../scenarios/kit/engines/machine.ts";
import { Frr } from "../../scenarios/kit/hosts/frr.ts";
import { RouteMonitor } from "../../scenarios/kit/hosts/route_monitor.ts";
import { firstLines } from "../kit/pages.ts";
import { succeed } from "../kit/processes.ts";
import { freshNetns } from "../kit/worlds.ts";
import { withRouter } from "./machine.ts";

/** The configuration of bgpd, with short times. */
function bgpConfig(as: number, id: string, peer: string, peerAs: number): string {
  return [
    `router bgp ${as}`,
    ` bgp router-id ${id}`,
    " no bgp ebgp-requires-policy",
    ` neighbor ${peer} remote-as ${peerAs}`,
    ` neighbor ${peer} timers 1 3`,
    ` neighbor ${peer} timers connect 1`,
    ` neighbor ${peer} advertisement-interval 0`,
    " address-family ipv4 unicast",
    "  redistribute kernel",
  ].map((line) => `${line}\n`).join("");
}

Deno.test("FRR 8.4 announces the kernel's routes from one namespace to another by BGP", async () => {
  await using host = await freshNetns();
  await using tor = await freshNetns();
  const peer = { name: "down0", netns: tor.name };
  await host.ip.link.add({ type: "veth", name: "up0", peer, up: true });
  await tor.ip.link.set("down0", { up: true });
  for (const { ip } of [host, tor]) await ip.link.set("lo", { up: true });
  await host.ip.addr.add({ dev: "up0", address: "172.16.0.2/30" });
  await tor.ip.addr.add({ dev: "down0", address: "172.16.0.1/30" });
  await using routes = await RouteMonitor.start(tor.name, tor.ip);
  const start = (netns: string, ...[as, id, peer, peerAs]: Parameters<typeof bgpConfig>) =>
    Frr.start(netns, bgpConfig(as, id, peer, peerAs));
  await using _host = await start(host.name, 65001, "172.16.0.2", "172.16.0.1", 65000);
  await using frr = await start(tor.name, 65000, "172.16.0.1", "172.16.0.2", 65001);
  await succeed("ip", "-n", host.name, "route", "add", "10.20.1.0/24", "dev", "lo");
  await routes.until(/^10\.20\.1\.0\/24 /);
  assertStringIncludes(await frr.show("show bgp ipv4 unicast"), "10.20.1.0/24");
});

Deno.test("FRR announces what the lines of the page make, and nothing else", async () => {
  await using undo = new AsyncDisposableStack();
  const ip = undo.use(await Ip.open());
  undo.use(await withRouter(ip));
  undo.use(await withIpvlan());
  const frr = undo.use(await Frr.start(undefined, ""));
  const other = { type: "unreachable", dst: "10.99.0.0/24" } as const;
  await ip.route.add(other);
  undo.defer(() => ip.route.del(other));
  const lines = firstLines("docs/advertise.md");
  const before = lines.indexOf("ipvlan rm ");
  await succeed("sh", "-ec", lines.slice(0, before));
  assertStringIncludes(await frr.show("show running-config"), "neighbor 192.168.1.1");
  await untilKnown(frr, "10.1.0.0/24", true);
  // zebra has it, and the route map leaves it out.
  assertStringIncludes(await frr.show("show ip route kernel"), other.dst);
  assert(!(await frr.show("show bgp ipv4 unicast")).includes(other.dst));
  await succeed("sh", "-ec", lines.slice(before));
  await untilKnown(frr, "10.1.0.0/24", false);
  const unreachable = (await ip.route.show(4)).filter(({ type }) => type === "unreachable");
  assertEquals(unreachable.map(({ dst }) => dst), [other.dst]);
});

/** Waits until bgpd has a route, or has it no more. It says nothing by itself, so we ask it. */
async function untilKnown(frr: Frr, dst: string, expected: boolean): Promise<void> {
  while ((await frr.show("show bgp ipv4 unicast")).includes(dst) !== expected);
}
