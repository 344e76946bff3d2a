// How a host knows what it did last, and whether its record is the newest.
import { assertEquals, assertRejects } from "@std/assert";
import { readHost } from "../../../lib/claims/values.ts";
import type { Session } from "../../../lib/claims/session.ts";
import { assertRejectsError } from "../../kit/errors.ts";
import { type Joined, unanswered, UNREACHABLE, within, withPool } from "./odd_etcd.ts";

/** Carries out a transaction whose condition does not hold. */
async function failing(session: Session): Promise<boolean | undefined> {
  return await session.change(
    () => ({ compare: [{ key: "/ipvlan/none", revision: 1 }], success: [] }),
    ({ succeeded }) => succeeded,
  );
}

/** The host's key in etcd. */
async function keyOf({ host, get }: Joined) {
  return readHost((await get(`hosts/${host().id}`))!);
}

Deno.test("the first session of an agent says so in the host's key, and the next ones need not", () =>
  withPool(async (joined) => {
    const { begin } = joined;
    const after = async (check?: "agent") => {
      const { renewal } = await begin(check);
      const { agent, number } = await keyOf(joined);
      return [agent === true, number, renewal];
    };
    assertEquals(await after(), [false, 2, undefined]);
    assertEquals(await after("agent"), [true, 3, undefined]);
    assertEquals(await after("agent"), [true, 3, undefined]);
    assertEquals(await after(), [true, 3, undefined]);
    // A host without a pool is a new one when it comes back.
    joined.records.deletePool(joined.pool().id);
    joined.records.deleteUnusedHosts();
    assertEquals(await after(), [false, 1, undefined]);
  }));

Deno.test("a host that etcd has lost registers anew only where that is meant, and after no other error", () =>
  withPool(async ({ etcd, begin, host, records, get }) => {
    const { id, number, lease } = host();
    assertEquals((await get(`heard/${id}`))!.value, "{}");
    const forget = () =>
      etcd.transact({ success: [{ delete: { key: `/ipvlan/hosts/${id}` } }] }, within());
    await forget();
    await begin();
    await assertRejectsError(() => begin("agent"), "host-removed");
    const { renewal } = await begin("register");
    assertEquals(renewal, "This host was not in etcd under /ipvlan, and has registered anew");
    assertEquals([host().number, host().refused, host().lease], [number + 1, "removed", lease]);
    records.putHost({ ...host(), value: "" });
    etcd.next = () => Promise.reject(UNREACHABLE);
    await assertRejectsError(() => begin("register"), "etcd-unreachable");
  }));

Deno.test("a record of an earlier version does not have the value of the host's key, and learns it", () =>
  withPool(async (joined) => {
    const { begin, host, records } = joined;
    records.putHost({ ...host(), value: "" });
    await begin();
    const { number, token } = await keyOf(joined);
    assertEquals([number, token, JSON.parse(host().value).token], [3, host().token, token]);
  }));

Deno.test("a refused transaction costs no other one, unless an attempt without an answer may still come", () =>
  withPool(async (joined) => {
    const { etcd, begin } = joined;
    const session = await begin();
    const numbers: number[] = [];
    for (const mayRepeat of [false, true]) {
      etcd.next = async (send) => ({ ...await send(), mayRepeat });
      assertEquals(await failing(session), false);
      numbers.push((await keyOf(joined)).number);
    }
    assertEquals(numbers, [2, 3]);
  }));

Deno.test("a key that another host wrote, or that is older than the record, is neither one's own", () =>
  withPool(async (joined) => {
    const { begin, host, records, put } = joined;
    const own = host();
    const found = (number: number) =>
      put({ [`hosts/${own.id}`]: { name: "b", number, token: "x" } });
    // With another token, the same number is a fork as well.
    for (const number of [own.number, own.number + 1]) {
      await found(number);
      await assertRejectsError(
        () => begin("register"),
        "host-replaced",
        'The host "b" has gone on',
      );
      records.putHost(own);
    }
    await found(own.number - 1);
    await assertRejectsError(() => begin("agent"), "etcd-older");
    records.putHost(own);
    const { renewal } = await begin("register");
    assertEquals(renewal, "etcd was older than the record of this host under /ipvlan");
    assertEquals([host().refused, host().number], ["older", own.number + 1]);
  }));

for (const isFirst of [false, true]) {
  const what = isFirst ? "the first request of a session" : "a change";
  Deno.test(`a backup is known as this host's if the answer to ${what} was lost since`, () =>
    withPool(async ({ etcd, begin, host, records }) => {
      const [session, backup] = [await begin(), host()];
      etcd.next = unanswered;
      // After a request without an answer, a session begins with one of its own.
      if (isFirst) records.putHost({ ...backup, asked: "t" });
      const lost = isFirst ? begin() : session.change(() => ({ success: [] }), () => {});
      await assertRejectsError(() => lost, "etcd-unreachable");
      records.putHost(backup);
      const { renewal } = await begin("register");
      assertEquals(renewal, "The record of this host was older than etcd under /ipvlan");
    }));
}

Deno.test("a host is heard of once in a minute, and at once if its clock was set back", () =>
  withPool(async ({ etcd, begin, host, records }) => {
    const { now } = Date;
    const time = now();
    Date.now = () => time;
    try {
      const heard: number[] = [];
      for (const ago of [0, 59_999, 60_000, -1]) {
        records.putHost({ ...host(), heard: time - ago });
        const { leases } = etcd;
        etcd.renewals = [false];
        await begin();
        if (etcd.leases > leases) heard.push(ago);
      }
      assertEquals(heard, [60_000, -1]);
      etcd.refusal = new TypeError("a bug");
      records.putHost({ ...host(), lease: "" });
      await assertRejects(begin, TypeError, "a bug");
    } finally {
      Date.now = now;
    }
  }));
