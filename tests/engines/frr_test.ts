// Tests of FRR in a guest of the lab.
import { assertStringIncludes } from "@std/assert";
import { Frr } from "../../scenarios/kit/frr.ts";
import { RouteMonitor } from "../../scenarios/kit/route_monitor.ts";
import { succeed } from "../kit/processes.ts";
import { freshNetns } from "../kit/worlds.ts";

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
