// What is told to etcd, in how many transactions, and what comes of it if another host was faster.
import { assertEquals } from "@std/assert";
import { claimAddress, takeBlock } from "../../../lib/claims/blocks.ts";
import { textOf } from "../../../lib/claims/keys.ts";
import { describe, free, takeKept } from "../../../lib/claims/local.ts";
import type { Session } from "../../../lib/claims/session.ts";
import { countUntold, settlePool } from "../../../lib/claims/settle.ts";
import { readBlock } from "../../../lib/claims/values.ts";
import { parsePrefix } from "../../../lib/ipam/prefix.ts";
import { assertRejectsError } from "../../kit/errors.ts";
import { CLAIM, hex, type Joined, REQUEST, twice, UNREACHABLE, withPool } from "./odd_etcd.ts";

/** The block of a host in these tests, and an address outside of it. */
const BLOCK = { range: parsePrefix("10.7.0.16/28").prefix, key: "blocks/10.7.0.0-24/0a070010" };
const SINGLE = "10.7.0.99";

const claimKey = (address: string) => `claims/10.7.0.0-24/${hex(address)}`;

/** A host with a session that has a block, and one single address. */
interface Settling extends Joined {
  session: Session;
  /** Takes an address of the block. */
  take: () => string;
  release: (...addresses: string[]) => void;
  /** Changes the holder of an address. */
  rename: (address: string, name: string) => void;
  /** Settles the pool. Resolves to how many transactions that took. */
  settle: () => Promise<number>;
  /** The addresses in use. */
  held: () => string[];
  /** The addresses on record, with what is said of them. */
  addresses: () => string[];
}

/** Runs a function with a host that uses a single address, and keeps a block. */
function withBlock(run: (settling: Settling) => Promise<void>): Promise<void> {
  return withPool(async (joined) => {
    const { records, begin, host, pool } = joined;
    const session = await begin();
    const { id } = pool();
    await claimAddress(session, pool(), hex(SINGLE), REQUEST);
    await takeBlock(session, pool(), BLOCK.range);
    await run({
      ...joined,
      session,
      take: () => textOf(takeKept(records, pool(), REQUEST)!),
      release: (...addresses) => addresses.forEach((each) => free(records, id, each)),
      rename: (address, name) => describe(records, id, address, { sandbox: name }),
      settle: async () => {
        const { number } = host();
        await settlePool(session, pool());
        return host().number - number;
      },
      held: () => joined.pools.held().map(({ address }) => address),
      addresses: () =>
        records.addresses(id).map(({ address, state, block, host, told, version }) =>
          [
            textOf(address),
            state,
            ...block === undefined ? [] : ["kept"],
            ...host === undefined ? [] : [host],
            ...told === version ? [] : ["untold"],
          ].join(" ")
        ),
    });
  });
}

Deno.test("each block and each single address that changed is one transaction, and nothing else is told", () =>
  withBlock(async ({ records, pool, get, take, release, rename, settle, addresses }) => {
    const taken = [take(), take(), take()];
    rename(SINGLE, "c2");
    assertEquals([countUntold(records, pool()), await settle()], [4, 2]);
    assertEquals([countUntold(records, pool()), await settle()], [0, 0]);
    const revision = async (name: string) => (await get(name))!.modRevision;
    const before = await Promise.all([claimKey(taken[0]!), BLOCK.key].map(revision));
    taken.push(take());
    rename(SINGLE, "c3");
    assertEquals(await settle(), 2);
    assertEquals(await Promise.all([claimKey(taken[0]!), BLOCK.key].map(revision)), before);
    // What is released is not kept any more, so the key of the block changes as well.
    for (const address of taken.splice(0, 2)) {
      release(address);
      assertEquals(await settle(), 1);
      assertEquals(await get(claimKey(address)), undefined);
    }
    assertEquals(addresses(), [...taken.map((each) => `${each} used kept`), `${SINGLE} used`]);
    assertEquals(readBlock((await get(BLOCK.key))!).kept, "fffc");
    release(SINGLE, ...taken);
    assertEquals([await settle(), addresses(), records.blocks(pool().id)], [2, [], []]);
    for (const name of [...[SINGLE, ...taken].map(claimKey), BLOCK.key]) {
      assertEquals(await get(name), undefined);
    }
  }));

/** What is told, and in how many transactions if the first answer is lost. */
const LOST: Record<string, [(settling: Settling, address: string) => void, number]> = {
  "an address of a block is claimed": [({ take }) => void take(), 2],
  "an address of a block is given up": [({ release }, address) => release(address), 2],
  "a block and a single address are given back": [({ release, held }) => release(...held()), 2],
  "a single address changes hands": [({ rename }) => rename(SINGLE, "c2"), 2],
  "a single address is given up": [({ release }) => release(SINGLE), 1],
};
for (const [what, [change, expected]] of Object.entries(LOST)) {
  Deno.test(`after ${what} and the answer is lost, the second attempt changes nothing`, () =>
    withBlock(async (settling) => {
      const { etcd, records, pool, take, settle, addresses } = settling;
      const taken = [take(), take()];
      await settle();
      change(settling, taken[0]!);
      const left = addresses().filter((each) => !each.includes("freed"));
      etcd.next = twice;
      assertEquals([await settle(), await settle()], [expected, 0]);
      assertEquals(addresses(), left.map((each) => each.replace(" untold", "")));
      assertEquals(records.blocks(pool().id).length, left.length === 0 ? 0 : 1);
    }));
}

Deno.test("of a block that is another host's by now, this host claims what it uses and that one does not keep", async () => {
  for (const kept of ["0", "ffff"]) {
    await withBlock(async ({ records, pool, put, get, take, settle, addresses }) => {
      const address = take();
      await put({
        [BLOCK.key]: { host: "b", token: "t", kept },
        "hosts/b": { name: "rack-b", number: 1, token: "t" },
      });
      const isOurs = kept === "0";
      assertEquals(await settle(), isOurs ? 1 : 0);
      const state = isOurs ? "used" : "lost rack-b untold";
      assertEquals(addresses(), [`${address} ${state}`, `${SINGLE} used`]);
      assertEquals(await get(claimKey(address)) !== undefined, isOurs);
      assertEquals(records.blocks(pool().id), []);
    });
  }
});

Deno.test("a single address whose claim is another host's is lost, or forgotten if it was released", async () => {
  for (const isReleased of [false, true]) {
    await withBlock(async ({ put, get, rename, release, settle, addresses }) => {
      await put({ [claimKey(SINGLE)]: CLAIM });
      if (isReleased) release(SINGLE);
      else rename(SINGLE, "c9");
      await settle();
      assertEquals(addresses(), isReleased ? [] : [`${SINGLE} lost b untold`]);
      assertEquals((await get(claimKey(SINGLE)))!.value, CLAIM);
    });
  }
});

Deno.test("an unused block stays if more than half of it is free, and it is the only one to take from", () =>
  withBlock(async ({ records, pool, settle }) => {
    const { id } = pool();
    const [block] = records.blocks(id);
    const after = async (free: bigint) => {
      records.putBlock({ ...block!, free, dirty: true });
      await settle();
      return records.blocks(id).map(({ first }) => textOf(first));
    };
    // What is being given back already is none to take from.
    const first = hex("10.7.0.32");
    records.putBlock({ ...block!, first, state: "giving", token: "x" });
    assertEquals(await after(0xffffn), ["10.7.0.16"]);
    records.putBlock({ ...records.block(id, block!.first)!, free: 0x1ffn, dirty: true });
    await settle();
    assertEquals(records.blocks(id).length, 1);
    records.putBlock({ ...records.block(id, block!.first)!, free: 0xffn, dirty: true });
    await settle();
    assertEquals(records.blocks(id), []);
  }));

Deno.test("nobody takes an address of a block that is being given back", () =>
  withBlock(async ({ etcd, records, pool, release, settle }) => {
    const taken: unknown[] = [];
    etcd.next = (send) => {
      taken.push(takeKept(records, pool(), { ...REQUEST, range: BLOCK.range }));
      return send();
    };
    release(SINGLE);
    await settle();
    assertEquals([taken, records.blocks(pool().id)], [[undefined], []]);
  }));

Deno.test("a damaged key of the host itself fails a report, as it stops more than one address", () =>
  withBlock(async ({ host, session, pool, put, rename, settle }) => {
    await claimAddress(session, pool(), hex("10.7.0.98"), REQUEST);
    for (const address of [SINGLE, "10.7.0.98"]) rename(address, "c2");
    await put({ [`hosts/${host().id}`]: "{ no JSON" });
    await assertRejectsError(settle, "damaged-key", `/ipvlan/hosts/${host().id}`);
  }));

Deno.test("a damaged claim is passed over at once, and an etcd out of reach is not", () =>
  withBlock(async ({ etcd, put, rename, settle, addresses }) => {
    await put({ [claimKey(SINGLE)]: "{ no JSON" });
    rename(SINGLE, "c2");
    etcd.requests = 0;
    assertEquals([await settle(), etcd.requests], [0, 2]);
    assertEquals(etcd.damage.name().length, 1);
    assertEquals(addresses(), [`${SINGLE} used untold`]);
    etcd.failure = UNREACHABLE;
    await assertRejectsError(settle, "etcd-unreachable");
  }));
