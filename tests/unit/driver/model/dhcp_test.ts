import { assertEquals } from "@std/assert";
import { settle, toSettled } from "../../../../lib/driver/network/settle.ts";
import type { NetworkSpec } from "../../../../lib/driver/model/types.ts";
import { IDENTITY } from "../../../kit/values.ts";

/** The problems of a network with DHCP. */
function problems(spec: Partial<NetworkSpec>): string[] {
  return settle({ name: "lan", parent: "eth0", dhcp: 10, ...spec }).problems
    .map(({ message }) => message.replace(/^.*? is not valid: /, ""));
}

Deno.test("a network with DHCP has no subnet, and nothing that needs its addresses before", () => {
  const { network } = settle({ name: "lan", parent: "eth0", dhcp: 10 });
  assertEquals([network.foreignAddresses, network.subnets], [true, []]);
  // Only the option is in a specification of the same network.
  const made = { ...network, ...IDENTITY, isolated: false, parent: "eth0" };
  assertEquals([toSettled(made).foreignAddresses, toSettled(made).dhcp], [undefined, 10]);
  assertEquals(problems({ dad: "off", ipv6Mode: "slaac", mtu: 1400 }), []);
  const noBroadcast = (mode: string) =>
    `the mode is ${mode}, where no broadcast reaches a link; choose l2`;
  const early = "needs the addresses before there is a lease: leave it out";
  const noSubnets = "a DHCP server gives the addresses, so the network has no subnets of its own";
  const etcd = { driver: "etcd", access: { endpoints: ["http://a:1"] } } as const;
  const cases: [Partial<NetworkSpec>, string][] = [
    [{ mode: "l3" }, noBroadcast("l3")],
    [{ mode: "l3s" }, noBroadcast("l3s")],
    [{ internal: true }, "the network is isolated, so no DHCP server reaches it; give it a parent"],
    [{ subnets: ["192.168.1.0/24"] }, noSubnets],
    [{ ipv6Mode: "static" }, "it gives no IPv6 addresses; choose ipv6=slaac, or leave that out"],
    [{ dad: "on" }, `the option dad ${early}`],
    [{ probe: "gateway" }, "the network knows no gateway of its subnets"],
    [{ hostAccess: true }, `the option host_access ${early}`],
    [{ policyRoutes: "auto" }, `the option policy_routes ${early}`],
    [{ ipam: etcd }, "etcd gives the addresses: leave one of the two out"],
    ...[0, 601, 1.5].map((dhcp): [Partial<NetworkSpec>, string] => [
      { dhcp },
      "give a whole number from 1 to 600",
    ]),
  ];
  for (const [spec, rule] of cases) assertEquals(problems(spec), [rule]);
});
