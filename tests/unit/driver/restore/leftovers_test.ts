import { assertEquals } from "@std/assert";
import { findUnfinished, inTheWay } from "../../../../lib/driver/restore/leftovers.ts";
import { type Stated, Store } from "../../../../lib/driver/store/store.ts";
import type { EndpointRecord, State } from "../../../../lib/driver/store/records.ts";
import type { Network, Sandbox } from "../../../../lib/driver/model/types.ts";
import { endpointRecord, network, sandboxRecord } from "../../../kit/values.ts";

function inState<T>(state: State, record: T): Stated<T> {
  return { ...record, state };
}

/** What is found, as `KIND NAME: STATE`. */
function found(
  networks: Stated<Network>[],
  sandboxes: Stated<Sandbox>[],
  endpoints: Stated<EndpointRecord>[],
): string[] {
  return findUnfinished({ networks, sandboxes, endpoints })
    .map(({ kind, name, state }) => `${kind} ${name}: ${state}`);
}

Deno.test("sandboxes are found before endpoints, and endpoints before networks", () => {
  const n = network("n");
  assertEquals(
    found(
      [inState("making", network("made")), inState("removing", n)],
      [
        inState("making", sandboxRecord("c2")),
        inState("removing", sandboxRecord("c3")),
      ],
      [
        inState("making", endpointRecord("c1", n)),
        inState("removing", endpointRecord("c1", network("m"))),
      ],
    ),
    [
      "sandbox c2: half made",
      "sandbox c3: half removed",
      "sandbox c1: half connected",
      "sandbox c1: half disconnected",
      "network made: half made",
      "network n: half removed",
    ],
  );
});

Deno.test("the endpoints of an unfinished sandbox are not found beside it", () => {
  const endpoints = [inState("making", endpointRecord("c", network("n")))];
  assertEquals(found([], [inState("making", sandboxRecord("c"))], endpoints), [
    "sandbox c: half made",
  ]);
});

Deno.test("in the way of a new sandbox are sandboxes with its name, or its address on the same parent", () => {
  using store = Store.copy("/nowhere");
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
