// Tests of shared pools against a real etcd on this machine.
import { assert, assertEquals, assertRejects } from "@std/assert";
import { listClaims } from "../../lib/claims/hosts.ts";
import type { Wanted } from "../../lib/claims/types.ts";
import { IpvlanError } from "../../lib/base/errors.ts";
import { release } from "./host.ts";
import { kindOf, newLink, test } from "./kit.ts";
import { assertRejectsError } from "../kit/errors.ts";

const SUBNET = "10.7.0.0/24";
const GATEWAY = { "10.7.0.1": "gateway" };

test("a host takes a block, tells its claims, and gives all back", ["a"], async ([a], access) => {
  const { id } = await a.pools.join(access, SUBNET, GATEWAY);
  const address = await a.pools.take(id, { sandbox: "c1", network: "n", names: ["c1", "db"] });
  assertEquals((await kindOf(access, "blocks")).length, 1);
  assertEquals(await kindOf(access, "claims"), []);
  assertEquals(await a.pools.settle(), { untold: 0, lost: [] });
  const claims = await listClaims(a.pools.reader(access));
  assertEquals(claims.map(({ since: _since, host: _host, ...rest }) => rest), [
    { address, sandbox: "c1", network: "n", names: ["c1", "db"] },
  ]);
  await assertRejectsError(() => a.pools.leave(id), "shared-pool-in-use");
  await release(a, id, address);
  assertEquals(await kindOf(access, "claims"), []);
  assertEquals(await kindOf(access, "blocks"), []);
  await a.pools.leave(id);
  assertEquals([a.pools.pools(), a.store.shared.pools()], [[], []]);
  assertEquals((await kindOf(access, "pools")).length, 0);
  await assertRejectsError(() => a.pools.take(id, { sandbox: "c1" }), "shared-pool-not-found");
});

test("200 addresses of two hosts at once are 200 addresses", ["a", "b"], async (hosts, access) => {
  const ids = await Promise.all(
    hosts.map(async ({ pools }) => (await pools.join(access, SUBNET, GATEWAY)).id),
  );
  const taken = await Promise.all(
    hosts.flatMap(({ pools }, host) =>
      Array.from({ length: 100 }, (_, index) => pools.take(ids[host]!, { sandbox: `c${index}` }))
    ),
  );
  assertEquals(new Set(taken).size, 200);
  assert(!taken.includes("10.7.0.1") && !taken.includes("10.7.0.0"));
  for (const { pools } of hosts) assertEquals(await pools.settle(), { untold: 0, lost: [] });
  assertEquals((await listClaims(hosts[0]!.pools.reader(access))).length, 200);
});

test(
  "a wanted address: free, in use here, in use there, kept there",
  ["a", "b"],
  async ([a, b], access) => {
    const { id } = await a.pools.join(access, SUBNET, GATEWAY);
    await b.pools.join(access, SUBNET, GATEWAY);
    assertEquals(await a.pools.take(id, { sandbox: "c1" }, { address: "10.7.0.77" }), "10.7.0.77");
    await assertRejectsError(
      () => a.pools.take(id, { sandbox: "c2" }, { address: "10.7.0.77" }),
      "shared-address-held",
      'held by "c1" on this host',
    );
    await assertRejectsError(
      () => b.pools.take(id, { sandbox: "c2" }, { address: "10.7.0.77" }),
      "shared-address-held",
      'held by "c1" on the host "a"',
    );
    const own = await a.pools.take(id, { sandbox: "c3" });
    const kept = own.replace(/\d+$/, (last) => String(Number(last) + 1));
    await assertRejectsError(
      () => b.pools.take(id, { sandbox: "c4" }, { address: kept }),
      "shared-address-kept",
      'kept by the host "a"',
    );
    // An address that was in use and is free again can be taken by every host.
    await release(a, id, own);
    assertEquals(await b.pools.take(id, { sandbox: "c3" }, { address: own }), own);
  },
);

test("a full pool", ["a", "b"], async ([a, b], access) => {
  const { id } = await a.pools.join(access, "10.8.0.0/28", {});
  await b.pools.join(access, "10.8.0.0/28", {});
  const taken = [];
  for (let left = 14; left > 0; left--) taken.push(await a.pools.take(id, { sandbox: "c" }));
  assertEquals(new Set(taken).size, 14);
  await a.pools.settle();
  await assertRejectsError(
    () => b.pools.take(id, { sandbox: "c" }),
    "shared-pool-exhausted",
    "No address is left in the shared pool 10.8.0.0/28: remove a sandbox",
  );
  await release(a, id, taken[5]!);
  assertEquals(await b.pools.take(id, { sandbox: "c" }), taken[5]);
});

test("an agent gives away what its host keeps", ["a", "b"], async ([a, b], access) => {
  const { id } = await a.pools.join(access, "10.8.0.0/28", {});
  await b.pools.join(access, "10.8.0.0/28", {});
  const own = [];
  for (let left = 4; left > 0; left--) {
    own.push(await a.pools.take(id, { sandbox: "c" }, { range: `10.8.0.${(left - 1) * 4}/30` }));
  }
  await assertRejectsError(
    () => b.pools.take(id, { sandbox: "d" }),
    "shared-pool-exhausted",
    '"a" keep unused ones and do not answer: run ipvlan agent there',
  );
  const stop = new AbortController();
  const changes = a.pools.watch(access, stop.signal);
  assertEquals((await changes.next()).value?.kind, "listed");
  const rest = changes.next();
  const free = own.map((address) => Number(address.split(".")[3]) + 1);
  const wanted = `10.8.0.${free.find((last) => last % 4 !== 0)}`;
  assertEquals(await b.pools.take(id, { sandbox: "d" }, { address: wanted }), wanted);
  const other = await b.pools.take(id, { sandbox: "e" });
  assert(![...own, wanted].includes(other));
  assertEquals(await kindOf(access, "wishes"), []);
  stop.abort();
  await rest;
  await changes.return(undefined);
  assertEquals((await kindOf(access, "alive")).length, 0);
});

test(
  "of two blocks without an address in use, a host keeps one, if most of it is free",
  ["a"],
  async (
    [a],
    access,
  ) => {
    const { id } = await a.pools.join(access, SUBNET, {});
    const take = (wanted: Wanted) => a.pools.take(id, { sandbox: "c" }, wanted);
    const blocks = () => a.store.shared.blocks(id).length;
    await take({ address: "10.7.0.200" });
    const low = { range: "10.7.0.16/28" };
    await release(a, id, await take(low));
    assertEquals(blocks(), 1);
    const other = await take({ range: "10.7.0.32/28" });
    assertEquals(blocks(), 2);
    await release(a, id, other);
    assertEquals(blocks(), 1);
    // Each address that is released is given up, so of a block that was used little is free.
    const taken: string[] = [];
    for (let left = 12; left > 0; left--) taken.push(await take(low));
    await release(a, id, ...taken);
    assertEquals(blocks(), 0);
  },
);

test("what etcd knows already costs no request: to join again, and to settle", ["a"], async (
  [a],
  access,
) => {
  await using link = newLink();
  const by = { ...access, endpoints: [link.endpoint] };
  const { id } = await a.pools.join(by, SUBNET, GATEWAY);
  link.trouble = { kind: "partition" };
  assertEquals(await a.pools.settle(), { untold: 0, lost: [] });
  assertEquals((await a.pools.join(by, SUBNET, GATEWAY)).id, id);
  link.trouble = { kind: "none" };
  // Other endpoints of the same etcd are taken over.
  await a.pools.join(access, SUBNET, GATEWAY);
  assertEquals(a.pools.pools().map(({ access }) => access), [access]);
});

test("pools that differ or overlap are refused", ["a", "b"], async ([a, b], access) => {
  await a.pools.join(access, SUBNET, GATEWAY);
  await assertRejectsError(
    () => b.pools.join(access, SUBNET, { "10.7.0.254": "gateway" }),
    "shared-pool-differs",
    "10.7.0.1 is free here, and gateway there; 10.7.0.254 is gateway here, and free there",
  );
  await assertRejectsError(
    () => b.pools.join(access, "10.7.0.128/25", {}),
    "shared-pools-overlap",
    "overlaps the pool 10.7.0.0/24",
  );
});

test("IPv6, small pools, and ranges", ["a", "b"], async ([a, b], access) => {
  const { id } = await a.pools.join(access, "FD00:7::/64", { "fd00:7::1": "gateway" });
  await b.pools.join(access, "fd00:7::/64", { "fd00:7::1": "gateway" });
  const wanted = { address: "fd00:7:0::0077" };
  assertEquals(await a.pools.take(id, { sandbox: "c" }, wanted), "fd00:7::77");
  await assertRejectsError(() => b.pools.take(id, { sandbox: "c" }, wanted), "shared-address-held");
  const taken = await Promise.all(
    [a, b].flatMap(({ pools }) =>
      Array.from({ length: 70 }, () => pools.take(id, { sandbox: "c" }))
    ),
  );
  assertEquals(new Set(taken).size, 140);
  assert(taken.every((address) => /^fd00:7::[0-9a-f:]+$/.test(address)));

  const pair = (await a.pools.join(access, "10.7.1.0/31", {})).id;
  await b.pools.join(access, "10.7.1.0/31", {});
  const ends = [
    await a.pools.take(pair, { sandbox: "c" }),
    await a.pools.take(pair, { sandbox: "c" }),
  ];
  assertEquals(ends.sort(), ["10.7.1.0", "10.7.1.1"]);
  await assertRejectsError(() => b.pools.take(pair, { sandbox: "c" }), "shared-pool-exhausted");

  const pool = (await a.pools.join(access, SUBNET, {})).id;
  await b.pools.join(access, SUBNET, {});
  const range = "10.7.0.8/29";
  const inside = await Promise.all(
    Array.from({ length: 8 }, () => a.pools.take(pool, { sandbox: "c" }, { range })),
  );
  assertEquals(inside.map((address) => Number(address.split(".")[3])).sort((x, y) => x - y), [
    ...[8, 9, 10, 11, 12, 13, 14, 15],
  ]);
  for (const host of [a, b]) {
    await assertRejectsError(
      () => host.pools.take(pool, { sandbox: "c" }, { range }),
      "shared-pool-exhausted",
      "No address is left in the shared pool 10.7.0.8/29",
    );
  }
  await assertRejectsError(
    () => a.pools.take(pool, { sandbox: "c" }, { range: "10.9.0.0/24" }),
    "outside-subnet",
  );
  for (const address of ["10.7.0.0", "10.7.0.255", "10.9.0.1"]) {
    await assertRejects(() => a.pools.take(pool, { sandbox: "c" }, { address }), IpvlanError);
  }
});
