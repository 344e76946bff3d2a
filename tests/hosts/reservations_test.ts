// Addresses that are kept in etcd for a sandbox by its name, whichever host it runs on.
import { assert, assertEquals } from "@std/assert";
import { listClaims, listHosts } from "../../lib/claims/hosts.ts";
import { listReservations, unreserve } from "../../lib/claims/reservations.ts";
import { poolId } from "../../lib/claims/pool_key.ts";
import type { EtcdAccess, Holder } from "../../lib/claims/types.ts";
import { assertRejectsError } from "../kit/errors.ts";
import { type Host, release } from "./host.ts";
import { cluster, deleteKey, kindOf, put, test } from "./kit.ts";

const SUBNET = "10.7.0.0/24";
const DB: Holder & { network: string } = { sandbox: "db", network: "n" };

/** Joins the pool on all hosts. Returns its id. */
async function join(hosts: readonly Host[], access: EtcdAccess, subnet = SUBNET): Promise<string> {
  for (const { pools } of hosts) await pools.join(access, subnet, {});
  return poolId(access, subnet);
}

/** Takes an address for the sandbox `db`, reserves it, and releases it again. */
async function reserve(
  host: Host,
  access: EtcdAccess,
  id: string,
  address?: string,
  seconds?: number,
): Promise<string> {
  const taken = await host.pools.take(id, DB, { address });
  await host.pools.settle();
  await host.pools.reserve(access, DB, [{ pool: id, address: taken }], seconds);
  await release(host, id, taken);
  return taken;
}

/** The claims in etcd: the address, the sandbox, and whether a host has it. */
async function claims({ pools, store }: Host, access: EtcdAccess): Promise<string[]> {
  const own = store.shared.host(access.prefix!)!.id;
  const all = await listClaims(pools.reader(access));
  return all.map(({ address, sandbox, host }) =>
    `${address} ${sandbox} ${host === own ? "here" : host === "reserved" ? host : "there"}`
  );
}

for (const address of [undefined, "10.7.0.77"]) {
  test(
    `a reserved address outlives its sandbox, and moves with the name (${address})`,
    ["a", "b"],
    async ([a, b], access) => {
      const id = await join([a, b], access);
      const kept = await reserve(a, access, id, address);
      assertEquals(await claims(a, access), [`${kept} db reserved`]);
      assertEquals(await listReservations(b.pools.reader(access)), [
        { subnet: SUBNET, address: kept, ...DB, reserved: {} },
      ]);
      for (const { pools } of [a, b]) {
        for (const holder of [{ sandbox: "x", network: "n" }, { sandbox: "db", network: "m" }]) {
          await assertRejectsError(
            () => pools.take(id, holder, { address: kept }),
            "address-held",
            'the reservation for "db"',
          );
        }
      }
      // It is in use on one host, and then on the other one.
      for (const [one, other] of [[b, a], [a, b]] as const) {
        await one.pools.take(id, DB, { address: kept });
        await one.pools.settle();
        assertEquals(await claims(one, access), [`${kept} db here`]);
        await assertRejectsError(
          () => other.pools.take(id, DB, { address: kept }),
          "shared-address-held",
          `held by "db" on the host "${one.name}"`,
        );
        await release(one, id, kept);
        assertEquals(await claims(one, access), [`${kept} db reserved`]);
      }
      await unreserve(b.pools.reader(access), DB.network, DB.sandbox);
      assertEquals([await kindOf(access, "claims"), await kindOf(access, "reservations")], [
        [],
        [],
      ]);
      assertEquals(await b.pools.take(id, { sandbox: "x" }, { address: kept }), kept);
    },
  );
}

test(
  "no host gives a reserved address away, of a small pool",
  ["a", "b"],
  async (hosts, access) => {
    const [a, b] = hosts;
    const id = await join([a, b], access, "10.8.0.0/28");
    const kept = await a.pools.take(id, DB);
    await a.pools.settle();
    await a.pools.reserve(access, DB, [{ pool: id, address: kept }]);
    await release(a, id, kept);
    const taken: string[] = [];
    for (let left = 13; left > 0; left--) {
      const host = left % 2 === 0 ? a : b;
      const other = left % 2 === 0 ? b : a;
      const address = await host.pools.take(id, { sandbox: "c" })
        .catch(() => other.pools.take(id, { sandbox: "c" }));
      taken.push(address);
    }
    assertEquals(new Set(taken).size, 13);
    assert(!taken.includes(kept));
    for (const { pools } of [a, b]) {
      await assertRejectsError(() => pools.take(id, { sandbox: "c" }), "shared-pool-exhausted");
    }
    assertEquals(await b.pools.take(id, DB, { address: kept }), kept);
  },
);

test(
  "a name has one reservation of each family, which may be released while it is in use",
  ["a"],
  async (
    [a],
    access,
  ) => {
    const id = await join([a], access);
    const address = await reserve(a, access, id);
    await a.pools.take(id, DB, { address });
    await assertRejectsError(
      () => reserve(a, access, id),
      "invalid-option",
      "is reserved for it",
    );
    await unreserve(a.pools.reader(access), DB.network, DB.sandbox);
    await a.pools.settle();
    assertEquals((await claims(a, access)).includes(`${address} db here`), true);
    const again = await reserve(a, access, id, undefined, 3600);
    assertEquals((await listReservations(a.pools.reader(access))).map(({ address }) => address), [
      again,
    ]);
    // Its end finds another reservation of the name, which is not of this address.
    await release(a, id, address);
    assertEquals((await claims(a, access)).filter((each) => each.startsWith(`${address} `)), []);
  },
);

test(
  "a reserved address that is free again goes only to its name, also before etcd is told",
  ["a"],
  async ([a], access) => {
    const id = await join([a], access, "10.8.0.0/30");
    const kept = await a.pools.take(id, DB);
    await a.pools.settle();
    await a.pools.reserve(access, DB, [{ pool: id, address: kept }]);
    await a.pools.take(id, { sandbox: "y" });
    await a.pools.settle();
    a.store.transaction(() => a.pools.release(id, kept));
    await assertRejectsError(
      () => a.pools.take(id, { sandbox: "x" }, { address: kept }),
      "address-held",
      'the reservation for "db"',
    );
    assertEquals(await a.pools.take(id, DB, { address: kept }), kept);
    assertEquals(a.pools.holder(id, kept), { ...DB, reserved: {} });
    await a.pools.settle();
    assert((await claims(a, access)).includes(`${kept} db here`));
    a.store.transaction(() => a.pools.release(id, kept));
    await assertRejectsError(() => a.pools.take(id, { sandbox: "x" }), "shared-pool-exhausted");
    assertEquals(await claims(a, access), [`${kept} db reserved`, (await claims(a, access))[1]]);
  },
);

test("a host that is removed leaves what is reserved, and it is taken over", ["a", "b"], async (
  [a, b],
  access,
) => {
  const id = await join([a, b], access);
  const kept = await reserve(a, access, id);
  await a.pools.take(id, DB, { address: kept });
  await a.pools.take(id, { sandbox: "web" });
  await a.pools.settle();
  await assertRejectsError(() => b.pools.take(id, DB, { address: kept }), "shared-address-held");
  await b.pools.removeHost(access, "a", true);
  assertEquals(await claims(b, access), [`${kept} db reserved`]);
  assertEquals(await b.pools.take(id, DB, { address: kept }), kept);
  await b.pools.settle();
  assertEquals((await listHosts(b.pools.reader(access))).map(({ name }) => name), ["b"]);
  // The host comes back, with the sandbox on record.
  await a.pools.recover();
  assertEquals((await a.pools.settle()).lost.map(({ address, host }) => [address, host]), [
    [kept, "b"],
  ]);
});

test("a host that comes back in time keeps its reserved address", ["a", "b"], async (
  [a, b],
  access,
) => {
  const id = await join([a, b], access);
  const kept = await reserve(a, access, id);
  await a.pools.take(id, DB, { address: kept });
  await a.pools.settle();
  await b.pools.removeHost(access, "a", true);
  await a.pools.recover();
  assertEquals((await a.pools.settle()).lost, []);
  assertEquals(await claims(a, access), [`${kept} db here`]);
});

/** Ends the lease of the only reservation, as its time does. */
async function end(access: EtcdAccess): Promise<void> {
  const [[, value]] = await kindOf(access, "reservations") as [[string, { lease: string }]];
  const body = JSON.stringify({ ID: value.lease });
  const answer = await fetch(`${cluster.endpoints[0]}/v3/lease/revoke`, { method: "POST", body });
  await answer.text();
}

test("a reservation ends, and what is in use then stays in use", ["a", "b"], async (
  [a, b],
  access,
) => {
  const id = await join([a, b], access);
  const kept = await reserve(a, access, id, undefined, 3600);
  const [{ reserved: { until = "" } } = { reserved: {} }] = await listReservations(
    b.pools.reader(access),
  );
  assert(Math.abs(Date.parse(until) - Date.now() - 3600_000) < 600_000);
  // It goes back to the same end.
  await b.pools.take(id, DB, { address: kept });
  await b.pools.settle();
  await release(b, id, kept);
  assertEquals(await claims(a, access), [`${kept} db reserved`]);
  await end(access);
  assertEquals(await claims(a, access), []);
  await reserve(a, access, id, kept, 3600);
  await b.pools.take(id, DB, { address: kept });
  await b.pools.settle();
  await end(access);
  assertEquals([await claims(b, access), await listReservations(a.pools.reader(access))], [
    [`${kept} db here`],
    [],
  ]);
  await release(b, id, kept);
  assertEquals(await claims(b, access), []);
});

test(
  "a reserved address whose claim was deleted can be taken, and released",
  ["a"],
  async ([a], access) => {
    const id = await join([a], access);
    const kept = await reserve(a, access, id, "10.7.0.77");
    await deleteKey(`${access.prefix}/claims/10.7.0.0-24/0a07004d`);
    assertEquals(await a.pools.take(id, DB, { address: kept }), kept);
    await a.pools.settle();
    assertEquals(await claims(a, access), [`${kept} db here`]);
    await release(a, id, kept);
    await deleteKey(`${access.prefix}/claims/10.7.0.0-24/0a07004d`);
    await unreserve(a.pools.reader(access), DB.network, DB.sandbox);
    assertEquals(await kindOf(access, "reservations"), []);
  },
);

test("with an older etcd, a sandbox keeps its address that is reserved again", ["a", "b"], async (
  [a, b],
  access,
) => {
  const id = await join([a, b], access);
  const kept = await reserve(a, access, id, "10.7.0.77");
  const older = [...await kindOf(access, "claims"), ...await kindOf(access, "reservations")];
  await unreserve(a.pools.reader(access), DB.network, DB.sandbox);
  await b.pools.take(id, { sandbox: "web" }, { address: kept });
  await b.pools.settle();
  for (const [key, value] of older) await put(`${access.prefix}/${key}`, value);
  await b.pools.recover();
  assertEquals((await b.pools.settle()).lost, []);
  assertEquals(await claims(b, access), [`${kept} web here`]);
  // Nobody protects it then, but its name may take it.
  await release(b, id, kept);
  assertEquals(await claims(b, access), []);
  assertEquals(await a.pools.take(id, DB, { address: kept }), kept);
});
