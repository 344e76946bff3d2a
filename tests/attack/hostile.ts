import { assertEquals } from "@std/assert";
import { IpvlanError } from "../../mod.ts";
import { Ip } from "../../lib/iproute2/ip.ts";
import { run } from "../kit/processes.ts";
import { type TestHost, withHost } from "../kit/worlds.ts";
import type { Attack } from "./attack.ts";

/** What root in a sandbox can do to its link `eth0`, as scripts of sh(1) that run inside. */
export const MISCHIEF = [
  "ip link set eth0 down; ip link set eth0 name mine",
  "ip link set eth0 group 0",
  "ip link set eth0 alias ''",
  "ip link set eth0 alias \"$(printf 'ipvlan-kit \\033[2J')\"",
  "ip link set eth0 down; ip link set eth0 name mine; ip link set mine group 0 alias mine up",
  "ip addr flush dev eth0",
  "ip addr add 10.0.0.77/24 dev eth0",
  "ip route flush table main",
  "ip link del eth0",
  "ip link add eth9 type dummy; ip link set eth9 group 30583",
  "ip link set eth0 down; ip link set eth0 name x; ip link add eth0 type dummy",
  "ip link set eth0 mtu 1000",
  "ip link set lo down",
];

/** Root in a sandbox does what he can. Nothing may be left of it after its removal, nor harm others. */
export const HOSTILE: Attack = {
  name: "hostile sandbox",
  round: (random, tally) =>
    withHost(async (host) => {
      const driver = await host.driver();
      await driver.createNetwork({ name: "n", parent: "eth0.20", subnets: ["10.0.0.0/24"] });
      const connections = [{ network: "n" }];
      const evil = (await driver.createSandbox({ name: "evil", connections })).value;
      await driver.createSandbox({ name: "good", connections });
      const mischief = random.pick(MISCHIEF);
      await run("ip", "netns", "exec", "evil", "sh", "-c", mischief);
      tally.calls += 4;
      try {
        const isRemoved = random.once(2);
        if (isRemoved) await driver.removeSandbox("evil", "kill");
        else await driver.disconnect("n", "evil");
        // Only the link of the other sandbox is left on the parent.
        assertEquals(await linksOn(host, "eth0.20"), ["good/eth0"], "links on the parent");
        const ip = evil.endpoints[0]!.ip!.replace("/24", "");
        await driver.createSandbox({ name: "next", connections: [{ network: "n", ip }] });
        const ping = await driver.exec("good", ["ping", "-c", "1", "-W", "5", "next"]).output();
        assertEquals(ping.code, 0, "good reaches next");
        if (!isRemoved) await driver.removeSandbox("evil", "kill");
      } catch (error) {
        if (!(error instanceof IpvlanError || error instanceof Error)) throw error;
        throw new Error(mischief, { cause: error });
      }
    }),
};

/** The links on a parent, as `NAMESPACE/LINK`, wherever they are. */
async function linksOn(host: TestHost, parent: string): Promise<string[]> {
  const { index } = await host.ns.ip.link.show(parent);
  await using outer = await Ip.open();
  const found: string[] = [];
  for (const netns of await outer.netns.list()) {
    if (netns === host.ns.name) continue;
    await using ip = await Ip.open({ netns });
    for (const { name, info, linkIndex } of await ip.link.show()) {
      if (info.type === "ipvlan" && linkIndex === index) found.push(`${netns}/${name}`);
    }
  }
  return found.sort();
}
