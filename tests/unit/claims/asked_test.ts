// What a host finds of a request that etcd did not answer: it was killed, or etcd was, just then. And
// what etcd has that the host did not expect.
import { assertEquals, assertRejects } from "@std/assert";
import { claimAddress, takeBlock } from "../../../lib/claims/blocks.ts";
import { type Etcd, under } from "../../../lib/claims/etcd.ts";
import { readHost, readNetwork, type WishValue } from "../../../lib/claims/values.ts";
import { removeHost } from "../../../lib/claims/hosts.ts";
import { Keys, textOf } from "../../../lib/claims/keys.ts";
import { free, takeKept } from "../../../lib/claims/local.ts";
import { recoverPool } from "../../../lib/claims/recover.ts";
import { settlePool } from "../../../lib/claims/settle.ts";
import { watchClaims } from "../../../lib/claims/watch.ts";
import { parsePrefix } from "../../../lib/ipam/prefix.ts";
import { IpvlanError } from "../../../lib/base/errors.ts";
import { assertRejectsError } from "../../kit/errors.ts";
import {
  CLAIM,
  hex,
  type Joined,
  REQUEST,
  SUBNET,
  twice,
  UNREACHABLE,
  within,
  withPool,
} from "./odd_etcd.ts";

/** The blocks on record, with how many of their addresses are free. */
function blocksOf({ records, pool }: Joined): string[] {
  return records.blocks(pool().id).map(({ first, free }) =>
    `${textOf(first)} ${free.toString(2).replaceAll("0", "").length}`
  );
}

for (const what of ["block", "claim"] as const) {
  for (const loses of ["request", "answer"] as const) {
    Deno.test(`a ${what} that is asked for is given back after a lost ${loses}, if etcd has it`, () =>
      withPool(async ({ etcd, records, begin, pool }) => {
        const first = await begin();
        etcd.next = async (send) => {
          if (loses === "answer") await send();
          throw UNREACHABLE;
        };
        await assertRejectsError(
          () =>
            what === "block"
              ? takeBlock(first, pool(), undefined)
              : claimAddress(first, pool(), hex("10.7.0.77"), REQUEST),
          "etcd-unreachable",
        );
        // It is on record before etcd is asked.
        const onRecord = () => [
          ...records.blocks(pool().id).map(({ state }) => state),
          ...records.addresses(pool().id).map(({ state }) => state),
        ];
        assertEquals(onRecord(), ["giving"]);
        const second = await begin();
        const inEtcd = async () => {
          const { keys } = second;
          const [blocks, claims] = await second.read(
            { key: keys.block(SUBNET), end: `${keys.block(SUBNET)}~` },
            { key: keys.claim(SUBNET), end: `${keys.claim(SUBNET)}~` },
          );
          return blocks.length + claims.length;
        };
        assertEquals(await inEtcd(), loses === "answer" ? 1 : 0);
        await settlePool(second, pool());
        assertEquals([onRecord(), await inEtcd()], [[], 0]);
      }));
  }
}

Deno.test("a host writes the number of each transaction, and needs no right to leases", () =>
  withPool(async ({ etcd, records, begin }) => {
    const numbers = async () => {
      const session = await begin();
      const [[pair]] = await session.read({ key: session.keys.host(session.hostId) });
      return [readHost(pair!).number, records.host("/ipvlan")!.number];
    };
    assertEquals(await numbers(), [2, 2]);
    // It was not heard from for long.
    const forget = () => records.putHost({ ...records.host("/ipvlan")!, lease: "" });
    forget();
    etcd.refusal = new IpvlanError("etcd-refused", { endpoint: "", reason: "permission denied" });
    assertEquals(await numbers(), [2, 2]);
    etcd.refusal = UNREACHABLE;
    await assertRejectsError(begin, "etcd-unreachable");
    etcd.refusal = undefined;
    assertEquals(await numbers(), [2, 2]);
    assertEquals(records.host("/ipvlan")!.lease === "", false);
  }));

Deno.test("a network that changes while a host is removed from it keeps the change", () =>
  withPool(async ({ etcd, begin }) => {
    const { hostId } = await begin();
    const keys = new Keys("/ipvlan");
    const network = (mode: string, hosts: string[]) => ({
      put: { key: keys.network("n"), value: JSON.stringify({ settings: { mode }, hosts }) },
    });
    const host = { key: keys.host("b"), value: '{"name":"b","number":1,"token":"t"}' };
    const put = (...success: { put: { key: string; value: string } }[]) =>
      etcd.transact({ success }, within());
    await put({ put: host }, network("l2", [hostId, "b"]));
    // The first change deletes the key of the host, the second one changes the network.
    etcd.next = async (send) => {
      const sent = await send();
      etcd.next = async (send) => {
        await put(network("l3", [hostId, "b"]));
        return await send();
      };
      return sent;
    };
    await removeHost({ etcd, keys, options: within }, "b", hostId, true);
    const { ranges: [[pair] = []] } = await etcd.read([{ key: keys.network("n") }], within());
    assertEquals(readNetwork(pair!), { settings: { mode: "l3" }, hosts: [hostId] });
  }));

Deno.test("behind a block without a free address comes the next one, also if an answer was lost", async () => {
  for (const isRepeated of [false, true]) {
    await withPool(async (joined) => {
      const { etcd, records, begin, pool } = joined;
      const session = await begin();
      const claims = Array.from({ length: 16 }, (_, last) => `10.7.0.${last}`);
      await etcd.transact({
        success: claims.map((address) => ({
          put: { key: session.keys.claim(SUBNET, hex(address)), value: CLAIM },
        })),
      }, within());
      records.putPool({ ...pool(), next: hex("10.7.0.0") });
      if (isRepeated) etcd.next = twice;
      const range = parsePrefix("10.7.0.0/27").prefix;
      assertEquals(await takeBlock(session, pool(), range), true);
      assertEquals(blocksOf(joined), ["10.7.0.0 0", "10.7.0.16 16"]);
    });
  }
});

Deno.test("a search begins where the last one ended, also at the last block", () =>
  withPool(async (joined) => {
    const { records, begin, pool } = joined;
    records.putPool({ ...pool(), next: hex("10.7.0.240") });
    assertEquals(await takeBlock(await begin(), pool(), undefined), true);
    assertEquals(blocksOf(joined), ["10.7.0.240 15"]);
  }));

Deno.test("an address that is given up is taken by no call until etcd knows", () =>
  withPool(async ({ etcd, records, begin, pool }) => {
    const session = await begin();
    await takeBlock(session, pool(), undefined);
    const [kept, given] = [1, 2].map(() => takeKept(records, pool(), REQUEST)!);
    await settlePool(session, pool());
    free(records, pool().id, textOf(given!));
    let meanwhile: string[] = [];
    etcd.next = (send) => {
      meanwhile = records.addresses(pool().id).map(({ address, state }) => `${address} ${state}`);
      return send();
    };
    await settlePool(session, pool());
    assertEquals(meanwhile, [`${kept} used`, `${given} giving`]);
    assertEquals(records.addresses(pool().id).map(({ address }) => address), [kept]);
  }));

Deno.test("recovering leaves the addresses of a block to the block", () =>
  withPool(async ({ records, begin, pool }) => {
    const session = await begin();
    await takeBlock(session, pool(), undefined);
    const [used, freed] = [1, 2].map(() => takeKept(records, pool(), REQUEST)!);
    await settlePool(session, pool());
    const unreported = takeKept(records, pool(), REQUEST)!;
    for (const address of [freed!, unreported]) free(records, pool().id, textOf(address));
    await recoverPool(session, pool(), () => Promise.resolve(new Set()));
    const states = records.addresses(pool().id).map(({ address, state, told, revision }) =>
      [address, state, told, revision].join(" ")
    );
    assertEquals(states, [`${used} used 1 0`, `${freed} freed 1 0`, `${unreported} freed 0 0`]);
  }));

/** Watches as the agent of a host does. */
function watch(etcd: Etcd, hostId: string, answer: (wish: WishValue) => void = () => {}) {
  const stop = new AbortController();
  const changes = watchClaims({
    etcd,
    keys: new Keys("/ipvlan"),
    options: within,
    begin: () => Promise.resolve(hostId),
    hostname: "a",
    answer: (_subnet, wish) => Promise.resolve(answer(wish)),
    signal: stop.signal,
  });
  const end = async () => {
    stop.abort();
    await changes.return(undefined);
  };
  return { changes, [Symbol.asyncDispose]: end };
}

Deno.test("a watch misses neither a claim nor a wish that comes right after its lists", () =>
  withPool(async ({ etcd, begin }) => {
    const { hostId, keys } = await begin();
    const both = Promise.withResolvers<void>();
    const began = new Set<string>();
    etcd.watched = (key) => {
      began.add(key);
      if (began.size === 2) both.resolve();
    };
    const answered = Promise.withResolvers<WishValue>();
    await using watching = watch(etcd, hostId, answered.resolve);
    const { changes } = watching;
    assertEquals((await changes.next()).value, { kind: "listed", claims: [] });
    const change = changes.next();
    await both.promise;
    // Both lists had the same revision, so the keys come with one.
    const addresses = ["0a070001", "0a070002"];
    const put = (key: string, value: string) => ({ put: { key, value } });
    for (const address of addresses) {
      await etcd.transact({
        success: [
          put(keys.claim(SUBNET, address), CLAIM),
          put(keys.wish(SUBNET, "b"), JSON.stringify({ address })),
        ],
      }, within());
    }
    assertEquals(await answered.promise, { address: addresses[0] });
    const { value } = await change;
    assertEquals(value?.kind === "claimed" && value.claim.address, "10.7.0.1");
  }));

Deno.test("a wish is answered once, and an etcd out of reach for an answer does not end the watch", () =>
  withPool(async ({ etcd, begin, put }) => {
    const { hostId } = await begin();
    const wish = (id: string, last: number) =>
      put({ [`wishes/10.7.0.0-24/${id}`]: { address: hex(`10.7.0.${last}`) } });
    const answers: string[] = [];
    const errors = [UNREACHABLE, UNREACHABLE, new TypeError("a bug")];
    const second = Promise.withResolvers<void>();
    await wish(hostId, 1);
    await wish("b", 2);
    etcd.watched = (key) => key.includes("/wishes/") ? wish("b", 3) : undefined;
    await using watching = watch(etcd, hostId, ({ address }) => {
      answers.push(textOf(address!));
      if (answers.length === 2) second.resolve();
      throw errors.shift();
    });
    const { changes } = watching;
    assertEquals((await changes.next()).value?.kind, "listed");
    const next = changes.next();
    await second.promise;
    await etcd.transact({ success: [{ delete: under("/ipvlan/wishes/") }] }, within());
    await wish("b", 4);
    await assertRejects(() => next, TypeError, "a bug");
    assertEquals(answers, ["10.7.0.2", "10.7.0.3", "10.7.0.4"]);
  }));

Deno.test("a watch lets other work go on after some hundred changes that come at once", () =>
  withPool(async ({ etcd, begin }) => {
    const { hostId } = await begin();
    const key = (rest: string) => ({ key: `/ipvlan/claims/10.7.0.0-24/${rest}`, modRevision: 9 });
    const pair = { ...key(hex("10.7.0.1")), value: CLAIM };
    etcd.seen = Array.from({ length: 1200 }, () => ({ pair, isDeleted: false }));
    // Such a key is passed over.
    etcd.seen.unshift({ pair: { ...key("zz"), value: "" }, isDeleted: true });
    await using watching = watch(etcd, hostId);
    let [pauses, isWaiting] = [0, false];
    for (let left = 1100; left > 0; left--) {
      await watching.changes.next();
      if (isWaiting) continue;
      isWaiting = true;
      setTimeout(() => {
        pauses++;
        isWaiting = false;
      });
    }
    assertEquals(pauses, 2);
  }));

/** Has timers of some seconds run at once, and keeps their times. */
function quickTimers(): Disposable & { times: number[] } {
  const { setTimeout } = globalThis;
  const times: number[] = [];
  const quick = (run: () => void, ms = 0) => {
    const isLong = ms >= 500 && ms <= 5000;
    if (isLong) times.push(ms);
    return setTimeout(run, isLong ? 0 : ms);
  };
  globalThis.setTimeout = quick as typeof setTimeout;
  return { times, [Symbol.dispose]: () => globalThis.setTimeout = setTimeout };
}

Deno.test("an agent gets a new lease exactly when its lease has ended, and goes on after a failure", () =>
  withPool(async ({ etcd, begin }) => {
    const { hostId } = await begin();
    using quick = quickTimers();
    const before = etcd.leases;
    const { promise: renewed, resolve } = Promise.withResolvers<void>();
    etcd.renewed = resolve;
    const signals: AbortSignal[] = [];
    etcd.watched = (_key, signal) => {
      signals.push(signal);
    };
    etcd.renewals = [true, true, false, true, UNREACHABLE];
    await using watching = watch(etcd, hostId);
    const kinds = [await watching.changes.next(), await watching.changes.next()];
    assertEquals(kinds.map(({ value }) => value?.kind), ["listed", "broken"]);
    await renewed;
    assertEquals(etcd.leases - before, 2);
    // A third of the time that the lease lasts, and a short one after the failure.
    assertEquals(quick.times.slice(0, 6), [5000, 5000, 5000, 5000, 5000, 500]);
    assertEquals(signals.length > 0 && signals.every(({ aborted }) => aborted), true);
  }));

Deno.test("an agent that etcd has lost waits as long as ever, and one that ends leaves nothing behind", () =>
  withPool(async ({ etcd, begin, get }) => {
    const { hostId } = await begin();
    using quick = quickTimers();
    const removed = new IpvlanError("host-removed", { prefix: "/ipvlan" });
    const { promise: renewed, resolve } = Promise.withResolvers<void>();
    etcd.renewals = [removed];
    etcd.renewed = resolve;
    const { changes } = watch(etcd, hostId);
    await changes.next();
    assertEquals(await get(`alive/${hostId}`) !== undefined, true);
    await renewed;
    assertEquals(quick.times.slice(0, 2), [5000, 5000]);
    etcd.renewed = () => {
      throw new TypeError("It still renews its lease");
    };
    await changes.return(undefined);
    assertEquals(await get(`alive/${hostId}`), undefined);
  }));
