// Addresses that are reserved in etcd: what is decided, and answers that are lost.
import { assertEquals, assertRejects } from "@std/assert";
import { Keys } from "../../../lib/claims/keys.ts";
import { endOfUse, listReservations, unreserve } from "../../../lib/claims/reservations.ts";
import type { Holder } from "../../../lib/claims/types.ts";
import { isFor } from "../../../lib/claims/values.ts";
import { assertRejectsError } from "../../kit/errors.ts";
import { hex, type Joined, twice, unanswered, UNREACHABLE, withPool } from "./odd_etcd.ts";

const USER = { sandbox: "db", network: "n" };
const ADDRESS = "10.7.0.9";
const PLACE = `10.7.0.0-24/${hex(ADDRESS)}`;
const [CLAIM, RESERVATION] = [`claims/${PLACE}`, `reservations/n/db/${PLACE}`];

Deno.test("a reserved address is only for the sandbox of the name, on the network", () => {
  const cases: [Holder, boolean][] = [
    [USER, true],
    [{ ...USER, names: ["x"] }, true],
    [{ ...USER, sandbox: "x" }, false],
    [{ ...USER, network: "m" }, false],
    [{ sandbox: "db" }, false],
  ];
  for (const [holder, expected] of cases) {
    assertEquals(isFor({ ...USER, reserved: {} }, holder), expected);
    assertEquals(isFor(USER, holder), true);
  }
});

Deno.test("the keys of reservations begin with the network, and then the name", () => {
  const keys = new Keys("/p");
  assertEquals(
    [keys.reservation(), keys.reservation("n"), keys.reservation("n", "db")],
    ["/p/reservations/", "/p/reservations/n/", "/p/reservations/n/db/"],
  );
  const claim = keys.claim("10.7.0.0/24", hex(ADDRESS));
  assertEquals(keys.reservation("n", "db", claim), `/p/${RESERVATION}`);
});

Deno.test("a use ends with a claim of no host if the address is still reserved as it was, and else without", () => {
  const key = `/p/${CLAIM}`;
  const none = { delete: { key } };
  assertEquals(endOfUse(new Keys("/p"), key, { ...USER, names: ["db"] }), none);
  for (const reserved of [{}, { lease: "5", until: "u" }]) {
    const claim = { host: "reserved", ...USER, reserved, since: "", token: "" };
    assertEquals(endOfUse(new Keys("/p"), key, { ...USER, names: ["db"], reserved }), {
      when: { key: `/p/${RESERVATION}`, value: JSON.stringify(reserved) },
      step: { put: { key, value: JSON.stringify(claim), lease: reserved.lease } },
      otherwise: none,
    });
  }
});

/** Runs a function with a host that has the address, as etcd knows. */
function withUse(run: (joined: Joined & { id: string }) => Promise<void>): Promise<void> {
  return withPool(async (joined) => {
    const { id } = joined.pool();
    await joined.pools.take(id, USER, { address: ADDRESS });
    await joined.pools.settle();
    await run({ ...joined, id });
  });
}

for (const seconds of [undefined, 3600]) {
  Deno.test(`a reservation whose answer is lost is made once (${seconds})`, () =>
    withUse(async ({ access, etcd, pools, id, get, options }) => {
      const { store } = options;
      options.now = () => new Date("2026-01-01T00:00:00Z");
      const places = [{ pool: id, address: ADDRESS }];
      etcd.next = twice;
      await pools.reserve(access, USER, places, seconds);
      const { lease, until } = JSON.parse((await get(RESERVATION))!.value);
      assertEquals(until, seconds && "2026-01-01T01:00:00.000Z");
      assertEquals([lease !== undefined, etcd.leases], [seconds !== undefined, seconds ? 2 : 1]);
      store.transaction(() => pools.release(id, ADDRESS));
      etcd.next = twice;
      await pools.settle();
      assertEquals(JSON.parse((await get(CLAIM))!.value).host, "reserved");
      assertEquals(store.shared.address(id, hex(ADDRESS)), undefined);
      // So is its takeover.
      etcd.next = twice;
      assertEquals(await pools.take(id, USER, { address: ADDRESS }), ADDRESS);
      const claim = JSON.parse((await get(CLAIM))!.value);
      assertEquals([claim.host !== "reserved", claim.reserved?.lease], [true, lease]);
    }));
}

Deno.test("a reservation that fails leaves none with an end, and is on record until it is told", () =>
  withUse(async ({ access, etcd, pools, id, get, options: { store } }) => {
    const places = [{ pool: id, address: ADDRESS }];
    etcd.next = unanswered;
    await assertRejectsError(() => pools.reserve(access, USER, places, 60), "etcd-unreachable");
    assertEquals(await get(RESERVATION), undefined);
    etcd.next = () => Promise.reject(UNREACHABLE);
    await assertRejects(() => pools.reserve(access, USER, places));
    assertEquals(await get(RESERVATION), undefined);
    await pools.settle();
    // It may have taken effect. Then its use ends as if it had been answered.
    etcd.next = unanswered;
    await assertRejects(() => pools.reserve(access, USER, places));
    store.transaction(() => pools.release(id, ADDRESS));
    await pools.settle();
    assertEquals(JSON.parse((await get(CLAIM))!.value).host, "reserved");
    await unreserve(pools.reader(access), USER.network, USER.sandbox);
    assertEquals([await get(CLAIM), await get(RESERVATION)], [undefined, undefined]);
  }));

Deno.test("only what this host has for the sandbox, and etcd knows, is reserved", () =>
  withUse(async ({ access, pools, id, get, options: { store } }) => {
    const reserve = (address: string, user = USER) =>
      assertRejectsError(
        () => pools.reserve(access, user, [{ pool: id, address }], 60),
        "invalid-option",
        "etcd has to say first whose it is",
      );
    await reserve("10.7.0.10");
    await reserve(ADDRESS, { ...USER, sandbox: "x" });
    const untold = await pools.take(id, USER);
    await reserve(untold);
    store.transaction(() => pools.release(id, ADDRESS));
    await reserve(ADDRESS);
    assertEquals(await get(RESERVATION), undefined);
    assertEquals(store.shared.addresses(id).map(({ holder }) => holder), [USER, USER]);
  }));

Deno.test("damaged reservations are named, and hinder nobody", () =>
  withUse(async ({ access, etcd, pools, id, get, put }) => {
    await put({
      [RESERVATION]: "no JSON",
      "reservations/n/x/10.7.0.0-24/q": {},
      "reservations/y": {},
    });
    assertEquals(await listReservations(pools.reader(access)), []);
    assertEquals(etcd.damage.name().length, 3);
    await assertRejectsError(
      () => pools.reserve(access, USER, [{ pool: id, address: ADDRESS }]),
      "invalid-option",
      "is reserved for it",
    );
    assertEquals((await get(RESERVATION))?.value, "no JSON");
  }));
