// How the records of a host and etcd are brought back in sync.
import { assertEquals } from "@std/assert";
import { textOf } from "../../../lib/claims/keys.ts";
import { newUse } from "../../../lib/claims/local.ts";
import type { AddressRecord, BlockRecord } from "../../../lib/claims/records.ts";
import { recoverPool } from "../../../lib/claims/recover.ts";
import { settlePool } from "../../../lib/claims/settle.ts";
import { CLAIM, hex, type Joined, REQUEST, SUBNET, withPool } from "./odd_etcd.ts";

const FIRST = hex("10.7.0.16");
const BLOCK = `blocks/10.7.0.0-24/${FIRST}`;
const claimKey = (last: number) => `claims/10.7.0.0-24/${hex(`10.7.0.${last}`)}`;

/** A host whose records can be written. */
interface Recovering extends Joined {
  /** Recovers the pool. Resolves to what was mended, in how many transactions, and what asked for links. */
  recover: (linked?: string[]) => Promise<[string[], number, number]>;
  /** Records a block of which some addresses are free. */
  putBlock: (changes?: Partial<BlockRecord>) => void;
  /** Records an address. */
  putAddress: (last: number, changes: Partial<AddressRecord>) => void;
  /** The value of a claim of this host. */
  claim: (token: string) => unknown;
  addresses: () => string[];
}

function withRecords(run: (recovering: Recovering) => Promise<void>): Promise<void> {
  return withPool(async (joined) => {
    const { records, begin, host, pool } = joined;
    const session = await begin();
    const { id } = pool();
    await run({
      ...joined,
      recover: async (linked = []) => {
        let asked = 0;
        const { number } = host();
        const mended = await recoverPool(session, pool(), () => {
          asked++;
          return Promise.resolve(new Set(linked));
        });
        return [mended, host().number - number, asked];
      },
      putBlock: (changes) =>
        records.putBlock({
          ...{ pool: id, first: FIRST, state: "held", token: "own", kept: 0xffffn, free: 0xff00n },
          ...{ dirty: false, revision: 1, ...changes },
        }),
      putAddress: (last, changes) =>
        records.putAddress({
          ...newUse(id, hex(`10.7.0.${last}`), REQUEST),
          ...{ token: "own", told: 1, revision: 1, ...changes },
        }),
      claim: (token) => ({ host: host().id, sandbox: "c1", since: "", token }),
      addresses: () =>
        records.addresses(id).map(({ address, state, told, revision, block, host }) =>
          [
            ...[textOf(address).slice(7), state, told, revision],
            ...block === undefined ? [] : ["kept"],
            ...host === undefined ? [] : [host],
          ].join(" ")
        ),
    });
  });
}

Deno.test("of each address on record follows from its claim what etcd has to be told of it", () =>
  withRecords(async ({ recover, putBlock, putAddress, claim, put, get, host, addresses }) => {
    putBlock();
    await put({ [BLOCK]: { host: host().id, token: "own", kept: "ffff" } });
    const [own, other] = [claim("own"), claim("other")];
    const lost = { state: "lost", host: "b" } as const;
    const kept = { block: FIRST, revision: 0 };
    const cases: [changes: Partial<AddressRecord>, claim: unknown, after: string | undefined][] = [
      [{}, own, "used 1 R"],
      [{}, other, "used 0 R"],
      [{}, undefined, "used 0 0"],
      [{}, CLAIM, "used 0 0"],
      [{ state: "freed" }, own, "freed 1 R"],
      [{ state: "freed" }, undefined, undefined],
      [{ state: "giving" }, CLAIM, undefined],
      [lost, undefined, "used 0 0"],
      [lost, CLAIM, "used 0 0"],
      [{ ...lost, holder: { sandbox: "host a" } }, CLAIM, undefined],
      [{ ...kept }, own, "used 1 0 kept"],
      [{ ...kept }, other, "used 0 0 kept"],
      [{ ...kept }, undefined, "used 0 0 kept"],
      [{ ...kept, state: "freed" }, undefined, "freed 1 0 kept"],
    ];
    const claims = cases.flatMap(([, claim], index) =>
      claim === undefined ? [] : [[claimKey(index + 6), claim]]
    );
    for (const [index, [changes]] of cases.entries()) putAddress(index + 6, changes);
    await put(Object.fromEntries(claims));
    const { modRevision } = (await get(claimKey(6)))!;
    assertEquals(await recover(), [[], 0, 0]);
    assertEquals(
      addresses().sort(),
      cases.flatMap(([, , after], index) =>
        after === undefined ? [] : [`${index + 6} ${after.replace("R", String(modRevision))}`]
      ).sort(),
    );
  }));

Deno.test("claims of this host without a record are deleted, some at a time, and those of links are kept", () =>
  withRecords(async ({ recover, putBlock, claim, put, get, host, pool, records }) => {
    const { id } = pool();
    putBlock();
    await put({ [BLOCK]: { host: host().id, token: "own", kept: "ffff" } });
    const linked = 24;
    for (const [count, transactions] of [[1, 1], [60, 1], [61, 2]] as const) {
      const orphans = Array.from({ length: count }, (_, index) => 100 + index);
      await put(
        Object.fromEntries([linked, ...orphans].map((last) => [claimKey(last), claim("x")])),
      );
      const [mended, ...counts] = await recover([`10.7.0.${linked}`]);
      assertEquals(counts, [transactions, 1]);
      assertEquals(mended, [
        'The claim of 10.7.0.24 is kept: the sandbox "c1" is not on record and runs',
        ...orphans.map((last) => `The claim of 10.7.0.${last} had no record, and is released`),
      ]);
      for (const last of orphans) assertEquals(await get(claimKey(last)), undefined);
    }
    assertEquals(await get(claimKey(linked)) === undefined, false);
    assertEquals(records.block(id, FIRST)!.free, 0xfe00n);
  }));

Deno.test("a block of this host without a record is given back, and one of another host is not", () =>
  withRecords(async ({ recover, put, get, host }) => {
    const other = "blocks/10.7.0.0-24/0a070020";
    await put({
      [BLOCK]: { host: host().id, token: "own", kept: "ffff" },
      [other]: { host: "b", token: "b", kept: "ffff" },
    });
    const text = `The block at 10.7.0.16 in ${SUBNET} had no record, and is given back`;
    assertEquals(await recover(), [[text], 1, 0]);
    assertEquals([await get(BLOCK), (await get(other))?.key], [undefined, `/ipvlan/${other}`]);
  }));

Deno.test("a block that is not this host's in etcd is forgotten, and what it uses is claimed again", async () => {
  const other = { host: "b", token: "b", kept: "0" };
  for (
    const [value, state] of [[undefined, "held"], [other, "held"], [undefined, "giving"]] as const
  ) {
    await withRecords(
      async ({ recover, putBlock, putAddress, put, get, begin, pool, records, addresses }) => {
        putBlock({ state });
        const kept = { block: FIRST, revision: 0 };
        putAddress(16, kept);
        putAddress(17, { ...kept, state: "freed" });
        putAddress(18, kept);
        await put({ [claimKey(18)]: CLAIM, ...value && { [BLOCK]: value } });
        const text =
          `The block at 10.7.0.16 in ${SUBNET} is not this host's in etcd: its addresses are claimed again`;
        assertEquals(await recover(), [state === "held" ? [text] : [], 0, 0]);
        assertEquals(records.blocks(pool().id), []);
        assertEquals(addresses(), ["16 used 0 0", "18 used 0 0"]);
        await settlePool(await begin(), pool());
        const revision = (await get(claimKey(16)))!.modRevision;
        assertEquals(addresses(), [`16 used 1 ${revision}`, "18 lost 0 0 b"]);
      },
    );
  }
});
