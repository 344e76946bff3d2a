import { assertEquals } from "@std/assert";
import { differences } from "../../../lib/engine/attachment.ts";
import { type Network, type NetworkSpec, settle } from "../../../lib/driver/mod.ts";
import { network } from "../../kit/values.ts";

const ETCD = (prefix?: string, at = "http://10.0.0.1:2379") => ({
  driver: "etcd" as const,
  access: { endpoints: [at], ...prefix !== undefined && { prefix } },
});

Deno.test("a network is another one by each setting of its links, and by its pool", () => {
  const spec: NetworkSpec = { name: "n", parent: "eth0", subnets: ["192.168.1.0/24"] };
  const subnets = [{ subnet: "192.168.1.0/24", auxAddresses: {}, gateway: "192.168.1.1" }];
  const different = (changes: Partial<NetworkSpec>, found: Partial<Network> = {}) =>
    differences(settle({ ...spec, ...changes }).network, network("n", { subnets, ...found }));
  assertEquals(different({}), []);
  // A record of another version may have the fields in another order.
  const turned = [{ gateway: "192.168.1.1", auxAddresses: {}, subnet: "192.168.1.0/24" }];
  assertEquals(different({}, { subnets: turned }), []);
  const cases: [Partial<NetworkSpec>, string[]][] = [
    [{ parent: "eth1" }, ["parent"]],
    [{ mode: "l2", flag: "private" }, ["flag"]],
    [{ mtu: 1400 }, ["mtu"]],
    [{ subnets: ["192.168.2.0/24"] }, ["subnets"]],
    [{ mtu: 1400, flag: "private" }, ["flag", "mtu"]],
    // A default pool was chosen when the network was made.
    [{ subnets: [] }, []],
    [{ subnets: undefined, mtu: 1400 }, ["mtu"]],
    // Labels are none of them.
    [{ labels: { a: "b" } }, []],
  ];
  for (const [changes, settings] of cases) assertEquals(different(changes), settings);
  assertEquals(different({ ipam: ETCD() }), ["ipam"]);
  assertEquals(different({}, { ipam: ETCD() }), ["ipam"]);
  assertEquals(different({ ipam: ETCD() }, { ipam: ETCD(undefined, "http://10.0.0.2:2379") }), []);
  assertEquals(different({ ipam: ETCD("/a") }, { ipam: ETCD("/b") }), ["ipam"]);
});
