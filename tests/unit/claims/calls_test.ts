// Whose turn it is to ask etcd, what ends a wait for it, and what its errors leave on record.
import { assertEquals, assertRejects } from "@std/assert";
import { Calls, type CallSignals } from "../../../lib/claims/calls.ts";
import type { SharedPoolsOptions } from "../../../lib/claims/session.ts";
import { SharedPools } from "../../../lib/claims/shared_pools.ts";
import { IpvlanError, isIpvlanError } from "../../../lib/base/errors.ts";
import { assertRejectsError } from "../../kit/errors.ts";
import { type Joined, unanswered, UNREACHABLE, within, withPool } from "./odd_etcd.ts";

/** Makes calls of a host whose options are changed. */
function callsOf({ options }: Joined, changes: Partial<SharedPoolsOptions>, signals?: CallSignals) {
  return new Calls({ ...options, ...changes }, signals);
}

Deno.test("the calls of one process run one after another, also where the lock lets both in", () =>
  withPool(async (joined) => {
    using calls = callsOf(joined, {});
    const said: string[] = [];
    const run = (name: string) =>
      calls.run(joined.access, async (session) => {
        for (const each of ["begins", "goes on", "ends"]) {
          said.push(`${name} ${each}`);
          await session.read({ key: "/ipvlan/" });
        }
      });
    await Promise.all([run("one"), run("two")]);
    const order = ["one", "two"].flatMap((name) =>
      ["begins", "goes on", "ends"].map((each) => `${name} ${each}`)
    );
    assertEquals(said, order);
  }));

Deno.test("a wait for the lock ends by its time, which is short for a report, by the signal, or by an error", () =>
  withPool(async (joined) => {
    const { timeout } = AbortSignal;
    const times: number[] = [];
    const stop = new AbortController();
    const run = async (isReport: boolean, lock: SharedPoolsOptions["lock"]) => {
      using calls = callsOf(joined, { lock }, { signal: stop.signal });
      await calls.run(joined.access, () => Promise.resolve(), { isReport });
    };
    try {
      AbortSignal.timeout = (ms) => {
        times.push(ms);
        return AbortSignal.abort();
      };
      for (const isReport of [true, false]) {
        const lock = (signal: AbortSignal) => Promise.reject(signal.reason);
        await assertRejectsError(() => run(isReport, lock), "host-busy");
      }
      assertEquals(times, [2000, 30_000]);
    } finally {
      AbortSignal.timeout = timeout;
    }
    const full = () => Promise.reject(new Error("the disk is full"));
    await assertRejects(() => run(false, full), Error, "the disk is full");
    const stopped = () => {
      stop.abort(new Error("stopped"));
      return full();
    };
    await assertRejects(() => run(false, stopped), Error, "stopped");
  }));

Deno.test("an etcd that was out of reach while a call waited for its turn is not asked again", () =>
  withPool(async (joined) => {
    const { records, access } = joined;
    const { now } = Date;
    const key = JSON.stringify(access);
    const isAsked = async (at: number) => {
      const lock = () => {
        Date.now = () => 2000;
        records.putOutage(key, { at, reasons: {} });
        return Promise.resolve({ [Symbol.dispose]() {} });
      };
      using calls = callsOf(joined, { lock });
      Date.now = () => 1000;
      try {
        return await calls.run(access, () => Promise.resolve(true));
      } catch (error) {
        return isIpvlanError(error, "etcd-unreachable") ? false : error;
      }
    };
    try {
      const asked = [];
      // After 2000, the clock has been set back since.
      for (const at of [1000, 1001, 2000, 2001]) asked.push(await isAsked(at));
      assertEquals(asked, [true, false, false, true]);
    } finally {
      Date.now = now;
    }
  }));

Deno.test("a call waits half as long if etcd left the one before it without an answer", () =>
  withPool(async (joined) => {
    const { access } = joined;
    using calls = callsOf(joined, {});
    const patience = (isSilent: boolean) => {
      calls.client(access).isSilent = isSilent;
      return calls.run(access, ({ options }) => {
        const left = options().deadline - performance.now();
        return Promise.resolve(Math.ceil(left / 1000));
      });
    };
    assertEquals([await patience(false), await patience(true)], [4, 2]);
  }));

Deno.test("that etcd is out of reach is on record if a call needed it, and not if a report or etcd failed", () =>
  withPool(async (joined) => {
    const { records, access } = joined;
    using calls = callsOf(joined, {});
    const outages: boolean[] = [];
    const refused = new IpvlanError("etcd-refused", { endpoint: "", reason: "no" });
    for (const [error, isReport] of [[UNREACHABLE, true], [refused, false], [UNREACHABLE, false]]) {
      const failing = () => Promise.reject(error);
      const options = { isReport: isReport as boolean };
      await assertRejects(() => calls.run(access, failing, options), IpvlanError);
      outages.push(records.outage(JSON.stringify(access)) !== undefined);
    }
    assertEquals(outages, [false, false, true]);
  }));

Deno.test("an address whose claim had no answer is given up, and can be taken again", () =>
  withPool(async ({ etcd, pools, pool, records }) => {
    const take = () => pools.take(pool().id, { sandbox: "c1" }, { address: "10.7.0.99" });
    etcd.next = unanswered;
    await assertRejectsError(take, "etcd-unreachable");
    const states = () => records.addresses(pool().id).map(({ state }) => state);
    assertEquals(states(), ["giving"]);
    assertEquals([await pools.settle(), states()], [{ untold: 0, lost: [] }, []]);
    assertEquals(await take(), "10.7.0.99");
  }));

Deno.test("a copy says so in etcd when it is refused for the first time, and no other host does", () =>
  withPool(async (joined) => {
    const { access, etcd, get, host } = joined;
    using calls = callsOf(joined, { hostname: "copy" });
    const { id, token } = host();
    const key = `copies/${id}/${token}`;
    const told = async (error: Error) => {
      await assertRejects(() => calls.run(access, () => Promise.reject(error)), IpvlanError);
      const pair = await get(key);
      await etcd.transact({ success: [{ delete: { key: `/ipvlan/${key}` } }] }, within());
      return pair && JSON.parse(pair.value).name;
    };
    const replaced = new IpvlanError("host-replaced", { prefix: "/ipvlan", id, host: "a" });
    const refused = new IpvlanError("etcd-refused", { endpoint: "", reason: "no" });
    assertEquals(
      [await told(refused), await told(replaced), await told(replaced)],
      [undefined, "copy", undefined],
    );
  }));

Deno.test("what etcd can do without may fail by etcd or by the signal, and not by a bug", () =>
  withPool(async (joined) => {
    using calls = callsOf(joined, {});
    const tell = (error: Error, signal?: AbortSignal) =>
      calls.tell(joined.access, () => Promise.reject(error), { ...within(), signal });
    const bug = new TypeError("a bug");
    await tell(UNREACHABLE, new AbortController().signal);
    await tell(bug, AbortSignal.abort());
    await assertRejects(() => tell(bug), TypeError);
    await assertRejects(() => tell(bug, new AbortController().signal), TypeError);
  }));

Deno.test("a signal ends calls, another one reports, which do not fail by that", () =>
  withPool(async ({ pools, records, pool }) => {
    const { id } = pool();
    const [open, over] = [new AbortController().signal, AbortSignal.abort(new Error("over"))];
    const withoutReports = pools.withSignal(open, over);
    const address = await withoutReports.take(id, { sandbox: "c1" });
    assertEquals(await withoutReports.settle(), { untold: 1, reason: "over", lost: [] });
    const withoutCalls = pools.withSignal(over, open);
    const single = { address: address.replace(/\d+$/, (last) => String(255 - Number(last))) };
    await assertRejects(() => withoutCalls.take(id, { sandbox: "c2" }, single), Error, "over");
    assertEquals(await withoutCalls.settle(), { untold: 0, lost: [] });
    // The pool is left on record, and in etcd by the next report.
    pools.release(id, address);
    await withoutReports.leave(id);
    assertEquals([pools.pools(), records.pools().length], [[], 1]);
    // The address, its block, and the pool.
    assertEquals(await withoutReports.settle(), { untold: 3, reason: "over", lost: [] });
    assertEquals(await pools.settle(), { untold: 0, lost: [] });
    assertEquals(records.pools(), []);
  }));

Deno.test({
  name: "pools close their connections once, also if they are disposed of twice",
  sanitizeResources: true,
  fn: () =>
    withPool(async ({ access, options }) => {
      using pools = new SharedPools(options);
      assertEquals(await pools.network(access, "none"), undefined);
      pools[Symbol.dispose]();
    }),
});
