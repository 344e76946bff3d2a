// The calls for addresses of shared pools: what they ask etcd, wait for, and leave on record.
import { assertEquals, assertRejects } from "@std/assert";
import { takeBlock } from "../../../lib/claims/blocks.ts";
import { under } from "../../../lib/claims/etcd.ts";
import { newUse } from "../../../lib/claims/local.ts";
import { defineNetwork, forgetNetwork } from "../../../lib/claims/networks.ts";
import { leavePool } from "../../../lib/claims/pool_key.ts";
import { readBlock, readNetwork } from "../../../lib/claims/values.ts";
import { IpvlanError } from "../../../lib/base/errors.ts";
import { parsePrefix } from "../../../lib/ipam/prefix.ts";
import { assertRejectsError } from "../../kit/errors.ts";
import { hex, type Joined, REQUEST, SUBNET, UNREACHABLE, within, withPool } from "./odd_etcd.ts";

const BLOCK = "blocks/10.7.0.0-24/0a070010";

/** Another host that keeps a block, and whose agent runs. */
const KEEPER = {
  [BLOCK]: { host: "b", token: "t", kept: "ffff" },
  "hosts/b": { name: "rack-b", number: 1, token: "t" },
  "alive/b": {},
};
const GIVEN = { [BLOCK]: { host: "b", token: "t", kept: "0" } };

/** Takes an address of that block. */
function takeKept({ pools, pool }: Joined): Promise<string> {
  return pools.take(pool().id, { sandbox: "c1" }, { address: "10.7.0.20" });
}

/** The keys of wishes. */
async function wishes({ etcd, access }: Joined) {
  const { ranges: [pairs] } = await etcd.read([under(`${access.prefix}/wishes/`)], within());
  return pairs!.map(({ value }) => JSON.parse(value));
}

Deno.test("what another host keeps is wished for until it is given, and then nothing is left of the wish", () =>
  withPool(async (joined) => {
    const { etcd, put } = joined;
    await put(KEEPER);
    const seen: unknown[] = [];
    // A watch may break: the address is asked for again, with the same wish.
    const outcomes = [UNREACHABLE, undefined];
    etcd.watched = async () => {
      seen.push(await wishes(joined));
      const outcome = outcomes.shift();
      if (outcome) throw outcome;
      await put(GIVEN);
    };
    const { leases } = etcd;
    assertEquals(await takeKept(joined), "10.7.0.20");
    const wish = [{ address: hex("10.7.0.20") }];
    assertEquals([seen, etcd.leases - leases], [[wish, wish], 1]);
    assertEquals(await wishes(joined), []);
  }));

Deno.test("a wish that nobody grants in time fails, as does one that etcd refuses to watch", () =>
  withPool(async (joined) => {
    const { etcd, put } = joined;
    await put(KEEPER);
    const { now } = performance;
    let watches = 0;
    etcd.watched = () => {
      watches++;
      performance.now = () => now.call(performance) + 3001;
      throw UNREACHABLE;
    };
    try {
      await assertRejectsError(() => takeKept(joined), "shared-address-kept", 'the host "rack-b"');
    } finally {
      performance.now = now;
    }
    assertEquals(watches, 1);
    etcd.watched = () => {
      throw new IpvlanError("etcd-refused", { endpoint: "", reason: "permission denied" });
    };
    await assertRejectsError(() => takeKept(joined), "etcd-refused");
    assertEquals(await wishes(joined), []);
  }));

/** Waits until a key with a prefix is written, from a revision on. */
async function untilPut({ etcd }: Joined, prefix: string, from: number): Promise<void> {
  const options = { ...within(), signal: new AbortController().signal };
  for await (const events of etcd.watch(under(prefix), from, options)) {
    if (events.some(({ isDeleted }) => !isDeleted)) return;
  }
}

Deno.test("a signal ends the wait for another host", () =>
  withPool(async (joined) => {
    const { etcd, pools, put } = joined;
    await put(KEEPER);
    const { revision } = await etcd.read([], within());
    const stop = new AbortController();
    const taking = takeKept({ ...joined, pools: pools.withSignal(stop.signal) });
    const failing = assertRejects(() => taking, Error, "stopped");
    await untilPut(joined, "/ipvlan/wishes/", revision + 1);
    stop.abort(new Error("stopped"));
    await failing;
  }));

Deno.test("a pool is joined with the same reserved addresses, and all that is wrong is said at once", () =>
  withPool(async ({ access, etcd, pools, pool }) => {
    etcd.requests = 0;
    assertEquals((await pools.join(access, SUBNET, {})).id, pool().id);
    assertEquals(etcd.requests, 0);
    const other = { "10.7.0.1": "gateway" };
    await assertRejectsError(() => pools.join(access, SUBNET, other), "shared-pool-differs");
    const error = await assertRejects(() => pools.join({ endpoints: [], prefix: "x" }, SUBNET, {}));
    assertEquals((error as Error).message.split("\n").length, 2);
  }));

Deno.test("of two pools that overlap, one that is made just before the other one is there alone", () =>
  withPool(async ({ access, etcd, pools, put }) => {
    etcd.next = async (send) => {
      await put({ "pools/10.8.0.0-16": { reserved: {} } });
      return await send();
    };
    const joining = () => pools.join(access, "10.8.0.0/24", {});
    await assertRejectsError(joining, "shared-pools-overlap", "10.8.0.0/16");
  }));

Deno.test("a pool that this host leaves is on record until nothing of it is, unless it is joined again", () =>
  withPool(async ({ begin, pool, records, get }) => {
    const session = await begin();
    const isLeft = async () => {
      const before = pool();
      await leavePool(session, before);
      const isGone = records.pool(before.id) === undefined;
      if (isGone) records.putPool(before);
      return [isGone, await get("pools/10.7.0.0-24") === undefined];
    };
    await takeBlock(session, pool(), undefined);
    records.putAddress(newUse(pool().id, hex("10.7.0.99"), REQUEST));
    records.putPool({ ...pool(), leaving: true });
    assertEquals(await isLeft(), [false, false]);
    records.deleteAddress(pool().id, hex("10.7.0.99"));
    const [block] = records.blocks(pool().id);
    records.deleteBlock(block!.pool, block!.first);
    // etcd still has the block.
    assertEquals(await isLeft(), [true, false]);
    await session.etcd.transact({ success: [{ delete: under("/ipvlan/blocks/") }] }, within());
    records.putPool({ ...pool(), leaving: false });
    assertEquals(await isLeft(), [false, true]);
  }));

Deno.test("the holder of an address is known while it is in use here, also if it is lost", () =>
  withPool(({ pools, pool, records }) => {
    const { id } = pool();
    const states = ["used", "lost", "freed", "giving"] as const;
    for (const [index, state] of states.entries()) {
      records.putAddress({ ...newUse(id, hex(`10.7.0.${index}`), REQUEST), state });
    }
    const holders = [...states, ""].map((_, index) => pools.holder(id, `10.7.0.${index}`));
    const { holder } = REQUEST;
    assertEquals(holders, [holder, holder, undefined, undefined, undefined]);
    return Promise.resolve();
  }));

Deno.test("while etcd is out of reach, it is asked once for each prefix, and the record says what to do", () =>
  withPool(async ({ access, etcd, pools, pool, records }) => {
    const { id } = pool();
    const { id: second } = await pools.join(access, "10.8.0.0/24", {});
    for (const each of [id, second]) await pools.take(each, { sandbox: "c1" });
    const failing = async <T>(failure: Error, run: () => Promise<T>) => {
      [etcd.failure, etcd.requests] = [failure, 0];
      const result = await run().finally(() => etcd.failure = undefined);
      return [result, etcd.requests];
    };
    const { message: reason } = UNREACHABLE;
    const settled = await failing(UNREACHABLE, () => pools.settle());
    assertEquals(settled, [{ untold: 2, reason, lost: [] }, 1]);
    await assertRejects(() => failing(new TypeError("a bug"), () => pools.settle()), TypeError);
    // Its own addresses are claimed later. A call that needs etcd knows that it is out of reach.
    const own = ["10.8.0.3", "10.8.0.4", "10.8.0.5"].map((address) => ({ address }));
    const claimed = await failing(UNREACHABLE, () => pools.claimOwn(second, own));
    assertEquals(claimed, [undefined, 1]);
    assertEquals(records.own(second).map(({ told }) => told), [0, 0, 0]);
    await assertRejects(
      () =>
        failing(new TypeError("a bug"), () => pools.claimOwn(second, [{ address: "10.8.0.6" }])),
      TypeError,
    );
    for (const { pool, address } of pools.held()) pools.release(pool, address);
    const refused = new IpvlanError("etcd-refused", { endpoint: "", reason: "no" });
    await assertRejectsError(() => failing(refused, () => pools.leave(id)), "etcd-refused");
    assertEquals((await failing(UNREACHABLE, () => pools.leave(second)))[0], undefined);
    assertEquals(records.pools().map(({ leaving }) => leaving), [true, true]);
    assertEquals(await pools.settle(), { untold: 0, lost: [] });
    assertEquals(records.pools(), []);
  }));

Deno.test("a pool that is left while this host claims its own addresses stays left", () =>
  withPool(async ({ etcd, pools, pool, records }) => {
    const { id } = pool();
    etcd.next = () => {
      records.deletePool(id);
      throw UNREACHABLE;
    };
    await pools.claimOwn(id, [{ address: "10.7.0.9" }]);
    assertEquals(records.pools(), []);
  }));

Deno.test("a host whose id is another one's removes that one, and forgets networks that are that one's", () =>
  withPool(async ({ access, etcd, host, pools, put, get, records }) => {
    const { id } = host();
    await assertRejectsError(() => pools.removeHost(access, id, true), "own-host");
    await pools.defineNetwork(access, "n", {});
    await put({ [`hosts/${id}`]: { name: "b", number: 99, token: "x" } });
    await pools.forgetNetwork(access, "n");
    assertEquals(host().refused, "replaced b");
    assertEquals(readNetwork((await get("networks/n"))!).hosts, [id]);
    await pools.removeHost(access, id, true);
    assertEquals(await get(`hosts/${id}`), undefined);
    etcd.failure = UNREACHABLE;
    await assertRejectsError(() => pools.forgetNetwork(access, "n"), "etcd-unreachable");
    records.setRefused(access.prefix!, "removed");
    etcd.failure = undefined;
    await assertRejectsError(() => pools.removeHost(access, id, true), "host-not-found");
  }));

Deno.test("a host is removed with all that it holds, and what is not its own stays as it is", () =>
  withPool(async ({ access, pools, put, get, etcd }) => {
    const network = (...hosts: string[]) => ({ settings: { mode: "l2" }, hosts });
    const claims = Array.from({ length: 120 }, (_, last) => `10.7.0.${last}`);
    await put(Object.fromEntries(claims.map((address) => [
      `claims/10.7.0.0-24/${hex(address)}`,
      { host: "beef", sandbox: "c1", since: "", token: "t" },
    ])));
    await put({
      "hosts/beef": { name: "rack3", number: 1, token: "t", agent: true },
      "blocks/10.7.0.0-24/0a070080": { host: "beef", token: "t", kept: "ff" },
      "networks/both": network("aa", "beef"),
      "networks/other": network("aa"),
      "networks/own": network("beef"),
    });
    const other = await get("networks/other");
    etcd.requests = 0;
    assertEquals(await pools.removeHost(access, "rack3"), {
      id: "beef",
      name: "rack3",
      freed: claims,
    });
    // Two to know the host, one for its key, one for its block, two for claims, and two for networks.
    assertEquals(etcd.requests, 8);
    assertEquals(await get("networks/other"), other);
    assertEquals(readNetwork((await get("networks/both"))!), network("aa"));
    assertEquals(await get("networks/own"), undefined);
    const { ranges } = await etcd.read(
      ["blocks", "claims"].map((kind) => under(`/ipvlan/${kind}/`)),
      within(),
    );
    assertEquals(ranges, [[], []]);
  }));

Deno.test("an agent gives up half of what is free for a wish", () =>
  withPool(async (joined) => {
    const { access, begin, etcd, pools, pool, put, get } = joined;
    await takeBlock(await begin(), pool(), parsePrefix("10.7.0.16/28").prefix);
    await pools.take(pool().id, { sandbox: "c1" });
    await pools.settle();
    // There is no such pool on this host.
    await put({ "wishes/10.6.0.0-24/b": {} });
    await put({ "wishes/10.7.0.0-24/b": {} });
    const { revision } = await etcd.read([], within());
    const stop = new AbortController();
    const changes = pools.watch(access, stop.signal);
    assertEquals((await changes.next()).value?.kind, "listed");
    const end = changes.next();
    await untilPut(joined, "/ipvlan/blocks/", revision + 1);
    // When it is the turn of this call, the agent has done all that it does.
    await pools.defineNetwork(access, "n", {});
    stop.abort();
    await end;
    // Of 15 that are free, 8 are given up.
    assertEquals(readBlock((await get(BLOCK))!).kept, "fe01");
  }));

Deno.test("a network that another host changes meanwhile is defined and forgotten as it is then", () =>
  withPool(async ({ begin, etcd, put, get }) => {
    const session = await begin();
    const { hostId } = session;
    const meanwhile = (value: unknown) => {
      etcd.next = async (send) => {
        await put({ "networks/n": value });
        return await send();
      };
    };
    const there = async () => readNetwork((await get("networks/n"))!);
    const settings = { mode: "l2", parent: "eth0" };
    meanwhile({ settings, hosts: ["zz"] });
    assertEquals(await defineNetwork(session, "n", { mode: "l2" }), settings);
    assertEquals(await there(), { settings, hosts: [hostId, "zz"].sort() });
    // It is this host's already, so nothing is written.
    etcd.requests = 0;
    await defineNetwork(session, "n", {});
    assertEquals(etcd.requests, 1);
    meanwhile({ settings, hosts: [hostId, "yy", "zz"] });
    await forgetNetwork(session, "n");
    assertEquals((await there()).hosts, ["yy", "zz"]);
  }));
