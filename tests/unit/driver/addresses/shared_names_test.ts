import { assert, assertEquals, assertRejects } from "@std/assert";
import type { SharedClaim } from "../../../../lib/claims/types.ts";
import { nameOf, remoteNames } from "../../../../lib/driver/addresses/shared/names.ts";
import { renderHosts } from "../../../../lib/driver/sandbox/hosts_plan.ts";
import { KnownNames } from "../../../../lib/driver/addresses/shared/known_names.ts";
import { Store } from "../../../../lib/driver/store/store.ts";
import type { Network } from "../../../../lib/driver/model/types.ts";
import { network } from "../../../kit/values.ts";

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
  // One label, alone or before the name of the network: anything else may be a name of the world.
  const wide = ["github.com", "a.b.lan", "lan", ".lan", "a..lan", "a.lan.", "a.LAN", "good.lan"];
  wide.push("localhost", "LOCALHOST.", "LocalHost.lan", "localhost.lan.", "127.0.0.1", "127.1.lan");
  assertEquals(nameOf("/x", claim("10.0.0.2", wide))?.names, ["lan", "good.lan", "LocalHost.lan"]);
  assertEquals(nameOf("/x", claim("10.0.0.2", ["x.localhost"], "localhost")), undefined);
  const many = Array.from({ length: 60_000 }, (_, index) => `n${index}`);
  assertEquals(nameOf("/x", claim("10.0.0.2", many))?.names, many.slice(0, 32));
  assertEquals(nameOf("/x", claim("10.0.0.2\n", ["web"])), undefined);
  assertEquals(nameOf("/x", claim("10.0.0.2", [])), undefined);
  assertEquals(nameOf("/x", { ...good, names: [7] as never }), undefined);
});

/** A network of this host that has its addresses in etcd. */
function sharedNetwork(name: string): Network {
  const access = { endpoints: ["http://10.9.9.9:2379"], prefix: "/x" };
  return network(name, { ipam: { driver: "etcd", access } });
}

Deno.test("changes are put on record together, and tell which networks are stale", async () => {
  using store = Store.copy("/nonexistent");
  const [lan, back] = ["lan", "back"].map(sharedNetwork);
  for (const each of [lan!, back!]) store.putNetwork(each, "ready");
  const onRecord = (network?: string) =>
    store.sharedNames("/x", network).map(({ address, names }) => [address, ...names].join(" "));
  // One of an agent that has ended, of an address that is free by now.
  const old = { prefix: "/x", network: "lan", address: "10.0.0.9", names: ["old"] };
  store.putSharedName(old);
  const names = new KnownNames(store);
  const listed = [claim("10.0.0.2", ["web"]), claim("10.1.0.2", ["db"], "back")];
  await names.change("/x", { kind: "listed", claims: listed });
  // Under another prefix, the same address is another machine's.
  await names.change("/y", { kind: "claimed", claim: claim("10.0.0.2", ["else"]) });
  assertEquals(onRecord(), ["10.0.0.9 old"]);
  assertEquals(await names.record(), [back!.id, lan!.id].toSorted());
  assertEquals([onRecord("lan"), onRecord("back")], [["10.0.0.2 web"], ["10.1.0.2 db"]]);
  assertEquals(await names.record(), []);

  const moved = claim("10.0.0.2", ["cache"], "back");
  await names.change("/x", { kind: "claimed", claim: moved });
  await names.change("/x", { kind: "freed", address: "10.1.0.2" });
  await names.change("/x", { kind: "freed", address: "10.1.0.3" });
  await names.change("/x", { kind: "broken", reason: "" });
  assertEquals((await names.record()).length, 2);
  assertEquals([onRecord("lan"), onRecord("back")], [[], ["10.0.0.2 cache"]]);
  // What comes and goes between two writes is not written.
  await names.change("/x", { kind: "claimed", claim: claim("10.0.0.7", ["short"]) });
  await names.change("/x", { kind: "freed", address: "10.0.0.7" });
  assertEquals(await names.record(), []);
  await names.change("/x", { kind: "listed", claims: [] });
  assertEquals(await names.record(), [back!.id]);
  assertEquals([onRecord(), store.sharedNames("/y").length], [[], 1]);
});

Deno.test("this host's own names are not put on record, and come back when another host has them", async () => {
  using store = Store.copy("/nonexistent");
  const none = { asked: undefined, refused: undefined, agent: false };
  const own = { number: 1, token: "1", value: "{}", lease: "", heard: 0, ...none };
  store.shared.putHost({ prefix: "/x", id: "own", ...own });
  const names = new KnownNames(store);
  const claims = [{ ...claim("10.0.0.2", ["web"]), host: "own" }];
  await names.change("/x", { kind: "listed", claims });
  await names.record();
  assertEquals(store.sharedNames("/x"), []);
  await names.change("/x", { kind: "claimed", claim: claim("10.0.0.2", ["theirs"]) });
  await names.record();
  assertEquals(store.sharedNames("/x").map(({ names }) => names), [["theirs"]]);
});

Deno.test("a list of many names leaves others their turns, and a failed write is made up for", async () => {
  using store = Store.copy("/nonexistent");
  const names = new KnownNames(store);
  const claims = Array.from({ length: 5000 }, (_, index) => {
    return claim(`10.0.${index >> 8}.${index & 255}`, [`n${index}`]);
  });
  let turns = 0;
  const timer = setInterval(() => turns++);
  const { transaction } = store;
  let left = 3;
  store.transaction = (run) => {
    if (left-- === 0) throw new Error("disk full");
    return transaction.call(store, run) as never;
  };
  await names.change("/x", { kind: "listed", claims });
  assert(turns > 0);
  await assertRejects(() => names.record(), Error, "disk full");
  const before = turns;
  await names.record();
  assert(turns > before);
  clearInterval(timer);
  assertEquals(store.sharedNames("/x").length, claims.length);
});

Deno.test("a name on a network counts with an address of the network, whoever has written it", async () => {
  using store = Store.copy("/nonexistent");
  const access = { endpoints: ["http://10.9.9.9:2379"], prefix: "/x" };
  const lan = network("lan", {
    ipam: { driver: "etcd", access },
    subnets: [{ subnet: "10.0.0.0/24", auxAddresses: {} }, {
      subnet: "fd00::/64",
      auxAddresses: {},
    }],
  });
  store.putNetwork(lan, "ready");
  const listed = [
    ...[
      claim("10.0.0.2", ["web"]),
      claim("fd00::2", ["web"]),
      claim("10.99.0.1", ["google", "web"]),
    ],
    ...[claim("10.0.1.2", ["db"]), claim("fd00:1::2", ["db"])],
  ];
  const known = new KnownNames(store);
  await known.change("/x", { kind: "listed", claims: listed });
  await known.record();
  const names = remoteNames(store, lan.id).map(({ address, names }) =>
    [address, ...names].join(" ")
  );
  assertEquals(names, ["10.0.0.2 web", "fd00::2 web"]);
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
    "10.0.0.2 c1 c1.lan # ipvlan",
    "10.0.0.3 c2 c2.lan # ipvlan",
    "",
  ]);
});
