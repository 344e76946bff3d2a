import { assertEquals } from "@std/assert";
import { inTheWay } from "../../../../lib/driver/restore/stale.ts";
import { SqliteStore } from "../../../../lib/driver/store/sqlite_store.ts";
import { endpointRecord, network, sandboxRecord } from "../../../kit/values.ts";

Deno.test("in the way of a new sandbox are its name, and who has its address on the same parent", () => {
  using store = SqliteStore.copy("/nowhere");
  const networks = { lan: "eth0", twin: "eth0", far: "eth1" };
  for (const [name, parent] of Object.entries(networks)) {
    const net = network(name, { parent });
    store.putNetwork(net, "ready");
    store.putSandbox(sandboxRecord(`on-${name}`), "ready");
    store.putEndpoint(
      endpointRecord(`on-${name}`, net, { id: name.padEnd(12, "0"), ip6: "fd00::2" }),
      "ready",
    );
  }
  const holders = (network: string, given: { ip?: string; ip6?: string }) =>
    [...inTheWay(store, "new", [{ network, ...given }])].sort();
  assertEquals(holders("lan", {}), ["new"]);
  assertEquals(holders("lan", { ip: "192.168.1.3" }), ["new"]);
  // An engine gives an address with its length, in any spelling.
  assertEquals(holders("lan", { ip: "192.168.1.2/24" }), ["new", "on-lan", "on-twin"]);
  assertEquals(holders("far", { ip6: "FD00:0::2/64" }), ["new", "on-far"]);
  assertEquals(holders("none", { ip: "192.168.1.2" }), ["new"]);
  assertEquals(holders("lan", { ip: "nonsense" }), ["new"]);
});
