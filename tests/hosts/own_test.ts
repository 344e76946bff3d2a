// Tests of the addresses that hosts have themselves, and of etcd's members.
import { listClaims, listHosts } from "../../lib/claims/hosts.ts";
import { assertEquals, assertRejects } from "@std/assert";
import { release } from "./host.ts";
import { deleteKeys, kindOf, test } from "./kit.ts";
import { assertRejectsError } from "../kit/errors.ts";

const SUBNET = "10.7.0.0/29";
const GATEWAY = { "10.7.0.1": "gateway" };

/** The addresses of a host's links. */
function addrs(...addresses: string[]): { address: string }[] {
  return addresses.map((address) => ({ address }));
}

test("what a host has itself is no sandbox's, of no host", ["a", "b"], async ([a, b], access) => {
  const { id } = await a.pools.join(access, SUBNET, GATEWAY);
  await b.pools.join(access, SUBNET, GATEWAY);
  // Those that nobody gets, those of other subnets, and what is no address are left out.
  const others = ["10.7.0.0", "10.7.0.1", "10.7.0.7", "10.8.0.3", "fd00::1", "127.0.0.1", ""];
  await a.pools.claimOwn(id, addrs("10.7.0.2", "10.7.0.2", ...others));
  await b.pools.claimOwn(id, addrs("10.7.0.3", "10.7.0.4"));
  const taken = [
    await b.pools.take(id, { sandbox: "c1" }),
    await b.pools.take(id, { sandbox: "c2" }),
  ];
  assertEquals(taken.sort(), ["10.7.0.5", "10.7.0.6"]);
  await assertRejectsError(() => b.pools.take(id, { sandbox: "c3" }), "shared-pool-exhausted");
  await assertRejectsError(
    () => b.pools.take(id, { sandbox: "c3" }, { address: "10.7.0.2" }),
    "shared-address-held",
    'The address 10.7.0.2 is held by the host "a" itself, or by its etcd: give another one',
  );
  await b.pools.settle();
  const counts = (await listHosts(a.pools.reader(access))).map((
    { name, claims },
  ) => [name, claims[SUBNET] ?? 0]);
  assertEquals(counts, [["a", 0], ["b", 2]]);
  // Without an address of a sandbox, a host has no block.
  await release(b, id, ...taken);
  assertEquals(await kindOf(access, "blocks"), []);
  assertEquals((await kindOf(access, "claims")).length, 3);
  // One that goes while the host has others is given up; when the last one goes, it may come back.
  await b.pools.claimOwn(id, addrs("10.7.0.4"));
  await b.pools.claimOwn(id, addrs());
  await b.pools.settle();
  assertEquals(await a.pools.take(id, { sandbox: "c1" }, { address: "10.7.0.3" }), "10.7.0.3");
  await assertRejects(() => a.pools.take(id, { sandbox: "c1" }, { address: "10.7.0.4" }));
  await b.pools.leave(id);
  assertEquals(b.pools.held(), []);
  await a.pools.claimOwn(id, addrs("10.7.0.2", "10.7.0.4"));
  assertEquals((await kindOf(access, "claims")).length, 3);
  assertEquals(await a.pools.recover(), []);
});

test(
  "what both hosts have themselves, such as a member of etcd, the first one has",
  ["a", "b"],
  async (
    [a, b],
    access,
  ) => {
    // Of its members, those count that are addresses of the pool.
    const endpoints = [...access.endpoints, "http://10.7.0.3:2379", "http://etcd.example:2379"];
    const { id } = await a.pools.join({ ...access, endpoints }, SUBNET, GATEWAY);
    await b.pools.join({ ...access, endpoints }, SUBNET, GATEWAY);
    for (const { pools } of [a, b, b, a]) {
      await pools.claimOwn(id, addrs("10.7.0.2"));
      assertEquals(await pools.settle(), { untold: 0, lost: [] });
    }
    const claims = async () =>
      (await listClaims(a.pools.reader(access))).map(({ address, sandbox }) =>
        `${address} ${sandbox}`
      );
    assertEquals(await claims(), ["10.7.0.2 host a", "10.7.0.3 host a"]);
    // Also after etcd has lost its data.
    await deleteKeys(`${access.prefix}/`);
    for (const { pools } of [b, a]) await pools.recover();
    assertEquals(await claims(), ["10.7.0.2 host a", "10.7.0.3 host a"]);
    assertEquals(await a.pools.settle(), { untold: 0, lost: [] });
    // When the first one leaves, the other one has them by its next attempt.
    await a.pools.leave(id);
    await b.pools.recover();
    await b.pools.claimOwn(id, addrs("10.7.0.2"));
    assertEquals(await claims(), ["10.7.0.2 host b", "10.7.0.3 host b"]);
  },
);

test(
  "what a sandbox of another host has, or that host keeps, stays there and is said",
  ["a", "b"],
  async (
    [a, b],
    access,
  ) => {
    const { id } = await a.pools.join(access, SUBNET, GATEWAY);
    await b.pools.join(access, SUBNET, GATEWAY);
    const used = await a.pools.take(id, { sandbox: "c1" }, { range: "10.7.0.4/30" });
    await a.pools.settle();
    const kept = ["10.7.0.4", "10.7.0.5", "10.7.0.6"].filter((address) => address !== used);
    for (let times = 2; times > 0; times--) {
      await b.pools.claimOwn(id, addrs(used, kept[0]!));
      const { lost } = await b.pools.settle();
      const lines = lost.map(({ address, host }) => `${address} ${host}`);
      assertEquals(lines, [used, kept[0]].sort().map((address) => `${address} a`));
    }
    // It has not been stolen, and this host does not give it away either.
    assertEquals((await listClaims(b.pools.reader(access))).map(({ sandbox }) => sandbox), ["c1"]);
    await assertRejects(() => b.pools.take(id, { sandbox: "c2" }, { address: used }));
    await release(a, id, used);
    await b.pools.recover();
    await b.pools.claimOwn(id, addrs(used, kept[0]!));
    assertEquals(await b.pools.settle(), { untold: 0, lost: [] });
    assertEquals((await listClaims(b.pools.reader(access))).map(({ sandbox }) => sandbox), [
      "host b",
      "host b",
    ]);
  },
);

test("an agent gives up what another host has itself", ["a", "b"], async ([a, b], access) => {
  const { id } = await a.pools.join(access, SUBNET, GATEWAY);
  await b.pools.join(access, SUBNET, GATEWAY);
  const used = await a.pools.take(id, { sandbox: "c1" }, { range: "10.7.0.4/30" });
  const stop = new AbortController();
  const changes = a.pools.watch(access, stop.signal);
  assertEquals((await changes.next()).value?.kind, "listed");
  const rest = changes.next();
  const kept = ["10.7.0.4", "10.7.0.5"].find((address) => address !== used)!;
  await b.pools.claimOwn(id, addrs(kept));
  assertEquals(
    (await listClaims(b.pools.reader(access))).map(({ address }) => address).includes(kept),
    true,
  );
  stop.abort();
  await rest;
  await changes.return(undefined);
});

test("what this host keeps and then has itself is given to no sandbox, and no block stays for it", [
  "a",
], async (
  [a],
  access,
) => {
  const { id } = await a.pools.join(access, SUBNET, GATEWAY);
  const used = await a.pools.take(id, { sandbox: "c1" }, { range: "10.7.0.4/30" });
  const own = ["10.7.0.4", "10.7.0.5", "10.7.0.6"].filter((address) => address !== used);
  // What a sandbox of this host has stays with it.
  await a.pools.claimOwn(id, addrs(used, ...own));
  await assertRejects(() => a.pools.take(id, { sandbox: "c2" }, { range: "10.7.0.4/30" }));
  await release(a, id, used);
  assertEquals(await kindOf(access, "blocks"), []);
  assertEquals((await listClaims(a.pools.reader(access))).map(({ address }) => address), own);
  assertEquals(await a.pools.settle(), { untold: 0, lost: [] });
});
