// Which new addresses a host gets from etcd, whatever other hosts have and do meanwhile.
import { assertEquals } from "@std/assert";
import { claimAddress, claimAny, takeBlock } from "../../../lib/claims/blocks.ts";
import { textOf } from "../../../lib/claims/keys.ts";
import { newUse, type Request } from "../../../lib/claims/local.ts";
import { countUntold, settlePool } from "../../../lib/claims/settle.ts";
import { parsePrefix } from "../../../lib/ipam/prefix.ts";
import { assertRejectsError } from "../../kit/errors.ts";
import { CLAIM, hex, type Joined, REQUEST, twice, withPool } from "./odd_etcd.ts";

const SINGLE = "10.7.0.99";
const CLAIM_KEY = `claims/10.7.0.0-24/${hex(SINGLE)}`;
const POOL_KEY = "pools/10.7.0.0-24";

/** The keys of blocks of another host, by the last numbers of their first addresses. */
function blocks(kept: string, ...lasts: number[]): Record<string, unknown> {
  return Object.fromEntries(lasts.map((last) => [
    `blocks/10.7.0.0-24/${hex(`10.7.0.${last}`)}`,
    { host: "b", token: "t", kept },
  ]));
}

/** Has other hosts write keys right before the next change is sent. */
function before({ etcd, put }: Joined, values: Record<string, unknown>): void {
  etcd.next = async (send) => {
    await put(values);
    return await send();
  };
}

/** Claims the single address. Resolves to what came of it. */
async function claim({ begin, pool }: Joined): Promise<string> {
  const claimed = await claimAddress(await begin(), pool(), hex(SINGLE), REQUEST);
  const { kind } = claimed;
  if (kind === "taken") return `${kind} ${textOf(claimed.address)}`;
  return `${kind} ${kind === "kept" ? claimed.host : claimed.claim.host}`;
}

Deno.test("a claim says who has the address, also if that changed just before", async () => {
  const cases: [Record<string, unknown>, string][] = [
    [{}, `taken ${SINGLE}`],
    [{ [CLAIM_KEY]: CLAIM }, "held b"],
    [blocks("8", 96), "kept b"],
    // The other host has given it up.
    [blocks("fff7", 96), `taken ${SINGLE}`],
    [{ [CLAIM_KEY]: CLAIM, ...blocks("8", 96) }, "held b"],
    [{ [POOL_KEY]: { reserved: {} } }, `taken ${SINGLE}`],
    [{ [POOL_KEY]: { reserved: {} }, ...blocks("fff7", 96) }, `taken ${SINGLE}`],
  ];
  for (const [values, expected] of cases) {
    for (const isMeanwhile of [false, true]) {
      await withPool(async (joined) => {
        const { pool, put, get, records } = joined;
        if (isMeanwhile) before(joined, values);
        else await put(values);
        assertEquals(await claim(joined), expected);
        const record = records.address(pool().id, hex(SINGLE));
        const isTaken = expected.startsWith("taken");
        const revision = (await get(CLAIM_KEY))?.modRevision;
        const { state, told } = record ?? {};
        assertEquals([state, told, record?.revision], [
          ...isTaken ? ["used", 1, revision] : [undefined, undefined, undefined],
        ]);
        assertEquals(pool().revision, (await get(POOL_KEY))!.modRevision);
      });
    }
  }
});

Deno.test("an address that is claimed twice, as an answer was lost, is claimed once", () =>
  withPool(async (joined) => {
    const { etcd, begin, host, pool, get, records } = joined;
    etcd.next = twice;
    const { number } = host();
    assertEquals(await claim(joined), `taken ${SINGLE}`);
    const { state, revision } = records.address(pool().id, hex(SINGLE))!;
    assertEquals([state, revision], ["used", (await get(CLAIM_KEY))!.modRevision]);
    assertEquals([countUntold(records, pool()), host().number], [0, number + 1]);
    await settlePool(await begin(), pool());
    assertEquals(host().number, number + 1);
  }));

Deno.test("a claim that is damaged just before stops only its own address", () =>
  withPool(async (joined) => {
    const { begin, pool, records } = joined;
    const session = await begin();
    before(joined, { [CLAIM_KEY]: "{ no JSON" });
    const claiming = () => claimAddress(session, pool(), hex(SINGLE), REQUEST);
    await assertRejectsError(claiming, "damaged-key", CLAIM_KEY);
    assertEquals(records.addresses(pool().id), []);
    const { kind } = await claimAddress(session, pool(), hex("10.7.0.98"), REQUEST);
    assertEquals(kind, "taken");
  }));

/** Takes a block. Resolves to those on record, and to how many transactions that took. */
async function take(joined: Joined, range?: string) {
  const { etcd, begin, pool, records } = joined;
  const session = await begin();
  etcd.requests = 0;
  const isTaken = await takeBlock(session, pool(), range ? parsePrefix(range).prefix : undefined);
  const held = records.blocks(pool().id).map(({ first }) => textOf(first));
  return [isTaken, etcd.requests, ...held];
}

const FREE = Array.from({ length: 16 }, (_, index) => index * 16);

Deno.test("the search for a block leaps over those of other hosts, and goes on at the first one", async () => {
  const find = async (next: string, taken: number[], range?: string) => {
    let found: unknown;
    await withPool(async (joined) => {
      const { pool, put, records } = joined;
      await put(blocks("ffff", ...taken));
      records.putPool({ ...pool(), next: hex(next) });
      found = await take(joined, range);
    });
    return found;
  };
  const all = (...except: number[]) => FREE.filter((last) => !except.includes(last));
  assertEquals(await find("10.7.0.32", []), [true, 1, "10.7.0.32"]);
  assertEquals(await find("10.7.0.32", [32, 48, 64]), [true, 2, "10.7.0.80"]);
  assertEquals(await find("10.7.0.240", [240]), [true, 2, "10.7.0.0"]);
  assertEquals(await find("10.7.0.32", all(16)), [true, 3, "10.7.0.16"]);
  assertEquals(await find("10.7.0.32", all()), [false, 2]);
  // Outside of the range that is asked for, it begins at the first block of it.
  assertEquals(await find("10.7.0.32", [], "10.7.0.128/26"), [true, 1, "10.7.0.128"]);
  assertEquals(await find("10.7.0.240", [], "10.7.0.128/26"), [true, 1, "10.7.0.128"]);
  assertEquals(await find("10.7.0.176", [176], "10.7.0.128/26"), [true, 2, "10.7.0.128"]);
  assertEquals(await find("10.7.0.32", all(0), "10.7.0.128/26"), [false, 1]);
  assertEquals(await find("10.7.0.0", [], "10.7.0.40/29"), [true, 1, "10.7.0.32"]);
});

Deno.test("a block is taken for one usable address, and none is taken for none, or if it is this host's", async () => {
  for (
    const [last, expected] of [["2", [true, 1, "10.7.0.0"]], ["1", [true, 1, "10.7.0.0"]]] as const
  ) {
    await withPool(async (joined) => {
      assertEquals(await take(joined), [...expected]);
      assertEquals(await take(joined), [false, 0, "10.7.0.0"]);
    }, { subnet: "10.7.0.0/30", reserved: { [`10.7.0.${last}`]: "gateway" } });
  }
  const reserved = { "10.7.0.1": "gateway", "10.7.0.2": "router" };
  await withPool(async (joined) => {
    assertEquals(await take(joined), [false, 0]);
  }, { subnet: "10.7.0.0/30", reserved });
});

Deno.test("a block is taken after the key of its pool was made anew", () =>
  withPool(async (joined) => {
    const { pool, get, records } = joined;
    records.putPool({ ...pool(), next: hex("10.7.0.32") });
    before(joined, { [POOL_KEY]: { reserved: {} } });
    assertEquals((await take(joined)).at(-1), "10.7.0.32");
    assertEquals(pool().revision, (await get(POOL_KEY))!.modRevision);
  }));

/** Claims any address. Resolves to it, or to the hosts that keep one. */
async function any({ begin, pool }: Joined, range?: string): Promise<string[]> {
  const request: Request = { ...REQUEST, ...range && { range: parsePrefix(range).prefix } };
  const { taken, keepers } = await claimAny(await begin(), pool(), request);
  return taken === undefined ? [...keepers] : [textOf(taken)];
}

Deno.test("any address that no host keeps is claimed, and else it is said who keeps one", () =>
  withPool(async (joined) => {
    const { host, pool, put, records } = joined;
    const at = (last: number) => hex(`10.7.0.${last}`);
    const key = (kind: string, last: number) => `${kind}/10.7.0.0-28/${at(last)}`;
    const block = (kept: string, host = "b") => ({ host, token: "t", kept });
    // No host has the third block, so it is none to claim single addresses in.
    await put({
      [key("blocks", 0)]: block("f"),
      [key("blocks", 4)]: block("0"),
      [key("blocks", 12)]: block("f", host().id),
      "blocks/10.7.0.0-28/zz": block("0", "c"),
      [key("claims", 4)]: CLAIM,
      [key("claims", 5)]: CLAIM,
      "claims/10.7.0.0-28/0a0700041": CLAIM,
    });
    assertEquals(await any(joined, "10.7.0.4/31"), []);
    assertEquals(await any(joined, "10.7.0.0/30"), ["b"]);
    assertEquals(await any(joined), ["10.7.0.7"]);
    assertEquals(await any(joined), ["b"]);
    // What this host has given up, and etcd has not been told of, is none of the others'.
    const { id } = pool();
    records.putAddress({ ...newUse(id, at(5), REQUEST), state: "giving" });
    await put({ [key("claims", 5)]: "", [key("blocks", 4)]: "{ no JSON" });
    assertEquals(await any(joined), ["b"]);
    // It keeps nothing that it does not use.
    await put(Object.fromEntries([0, 1, 2, 3].map((last) => [key("claims", last), CLAIM])));
    assertEquals(await any(joined), []);
  }, { subnet: "10.7.0.0/28", reserved: { "10.7.0.6": "router" } }));

Deno.test("in a large pool, all blocks are looked at", () =>
  withPool(async (joined) => {
    const { put } = joined;
    const first = (index: number) => hex(`10.7.${index >> 2}.${(index & 3) * 64}`);
    const full = Array.from({ length: 40 }, (_, index) => [
      `blocks/10.7.0.0-20/${first(index)}`,
      { host: "b", token: "t", kept: index === 39 ? "f".repeat(15) + "e" : "f".repeat(16) },
    ]);
    await put(Object.fromEntries(full));
    assertEquals(await any(joined), ["10.7.9.192"]);
    assertEquals(await any(joined), ["b"]);
  }, { subnet: "10.7.0.0/20" }));
