import { assertEquals } from "@std/assert";
import type { SharedClaim } from "../../../lib/claims/types.ts";
import { renderHosts } from "../../../lib/driver/sandbox/hosts_plan.ts";
import { nameOf, recordChange } from "../../../lib/driver/shared/names.ts";
import { SqliteStore } from "../../../lib/driver/store/sqlite_store.ts";

/** A claim of another host. */
function claim(address: string, names: string[], network = "lan"): SharedClaim {
  return { address, names, network, host: "other", sandbox: names[0] ?? "", since: "" };
}

Deno.test("names that could not stand in a hosts file are left out, whoever has written them", () => {
  const good = claim("10.0.0.2", ["web", "web.lan"]);
  assertEquals(nameOf("/x", good), {
    prefix: "/x",
    network: "lan",
    address: "10.0.0.2",
    names: ["web", "web.lan"],
  });
  const evil = ["a b", "x\n10.0.0.9 bank", "", "-x", "a".repeat(300), "\u001b[2J", "good"];
  assertEquals(nameOf("/x", claim("10.0.0.2", evil))?.names, ["good"]);
  assertEquals(nameOf("/x", claim("10.0.0.2\n", ["web"])), undefined);
  assertEquals(nameOf("/x", claim("10.0.0.2", [])), undefined);
  assertEquals(nameOf("/x", { ...good, names: [7] as never }), undefined);
});

Deno.test("changes are put on record, and tell which networks are stale", () => {
  using store = SqliteStore.copy("/nonexistent");
  const names = (network: string) =>
    store.sharedNames("/x", network).map(({ address, names }) => [address, ...names].join(" "));
  const listed = [claim("10.0.0.2", ["web"]), claim("10.1.0.2", ["db"], "back")];
  assertEquals(recordChange(store, "/x", { kind: "listed", claims: listed }), ["lan", "back"]);
  // Under another prefix, the same address is another machine's.
  recordChange(store, "/y", { kind: "claimed", claim: claim("10.0.0.2", ["else"]) });
  const moved = claim("10.0.0.2", ["cache"], "back");
  assertEquals(recordChange(store, "/x", { kind: "claimed", claim: moved }), ["lan", "back"]);
  assertEquals([names("lan"), names("back")], [[], ["10.1.0.2 db", "10.0.0.2 cache"]]);
  assertEquals(recordChange(store, "/x", { kind: "freed", address: "10.1.0.2" }), ["back"]);
  assertEquals(recordChange(store, "/x", { kind: "freed", address: "10.1.0.2" }), []);
  assertEquals(recordChange(store, "/x", { kind: "listed", claims: [] }), ["back"]);
  assertEquals([names("lan"), names("back")], [[], []]);
  assertEquals(store.sharedNames("/y", "lan").length, 1);
});

Deno.test("what this host has at an address itself is found there, and not what etcd has told", () => {
  const endpoint = {
    ...{ id: "1", state: "ready", network: "1", networkName: "lan", sandbox: "c1" } as const,
    ...{ ifname: "eth0", ordinal: 0, aliases: [], ip: "10.0.0.2" },
  };
  const remote = [
    { address: "10.0.0.2", names: ["old"] },
    { address: "10.0.0.3", names: ["c2", "c2.lan"] },
  ];
  assertEquals(renderHosts([endpoint], remote).split("\n").slice(3), [
    "10.0.0.2 c1 c1.lan",
    "10.0.0.3 c2 c2.lan",
    "",
  ]);
});
