// What is decided from the records of one host alone, in a store in memory.
import { assertEquals } from "@std/assert";
import { hexOf, textOf } from "../../../lib/claims/keys.ts";
import { LastToken } from "../../../lib/claims/last_token.ts";
import {
  blockWith,
  describe,
  dropKept,
  free,
  isCurrent,
  lastOf,
  newUse,
  ownAddresses,
  refuse,
  takeKept,
} from "../../../lib/claims/local.ts";
import type {
  AddressRecord,
  BlockRecord,
  ClaimRecords,
  HostRecord,
  PoolRecord,
} from "../../../lib/claims/records.ts";
import { adoptBlock, holdBlock } from "../../../lib/claims/blocks.ts";
import { Damage } from "../../../lib/claims/values.ts";
import type { Session } from "../../../lib/claims/session.ts";
import { countUntold, giveWish } from "../../../lib/claims/settle.ts";
import { Store } from "../../../lib/driver/store/store.ts";
import { parseAddress } from "../../../lib/ipam/address.ts";
import { parsePrefix } from "../../../lib/ipam/prefix.ts";
import { assertThrowsError } from "../../kit/errors.ts";
import { IpvlanError } from "../../../lib/base/errors.ts";

Deno.test("a host claims what its links and etcd's members have of a pool, but nothing that nobody gets", () => {
  const wanted = (subnet: string, addresses: string[]) => {
    const pool = {
      id: "",
      subnet,
      reserved: { "10.0.0.1": "gateway" },
      access: {
        endpoints: ["http://10.0.0.9:2379", "https://[FD00:0::9]:2379", "https://etcd-1.example"],
      },
    };
    const { wanted, isComplete } = ownAddresses(pool, addresses);
    return [wanted.map(textOf), isComplete];
  };
  assertEquals(wanted("10.0.0.0/24", ["10.0.0.2", "fd00::2", "10.0.1.2", "10.0.0.9"]), [
    ["10.0.0.2", "10.0.0.9"],
    true,
  ]);
  assertEquals(wanted("fd00::/64", ["10.0.0.2", "fd00:0:0::2"]), [["fd00::2", "fd00::9"], true]);
  // The gateway, the network's own address and the broadcast address are nobody's.
  assertEquals(wanted("10.0.0.0/24", ["10.0.0.1", "10.0.0.0", "10.0.0.255"]), [
    ["10.0.0.9"],
    false,
  ]);
  assertEquals(wanted("10.0.2.0/31", ["10.0.2.0", "nonsense", ""]), [["10.0.2.0"], true]);
});

Deno.test("an address is in a block from a first to a last address", () => {
  const blocks: [subnet: string, address: string, first: string, last: string][] = [
    ["10.0.0.0/16", "10.0.3.77", "10.0.3.64", "10.0.3.127"],
    ["10.0.0.0/24", "10.0.0.200", "10.0.0.192", "10.0.0.207"],
    ["10.0.0.0/29", "10.0.0.5", "10.0.0.4", "10.0.0.7"],
    ["fd00::/64", "fd00::1:2345", "fd00::1:2340", "fd00::1:237f"],
  ];
  for (const [subnet, address, ...expected] of blocks) {
    const pool = { id: "", subnet, reserved: {}, access: { endpoints: [] } };
    const first = blockWith(pool, hexOf(parseAddress(address)));
    assertEquals([first, lastOf(pool, first)].map(textOf), expected);
  }
});

const HOST: HostRecord = {
  prefix: "/ipvlan",
  id: "00000000000000aa",
  number: 3,
  token: "t3",
  value: "{}",
  asked: undefined,
  refused: undefined,
  agent: false,
  lease: "",
  heard: 0,
};

const POOL: PoolRecord = {
  id: "p",
  subnet: "10.0.0.0/24",
  reserved: {},
  access: { endpoints: ["http://etcd.example:2379"] },
  prefix: "/ipvlan",
  revision: 7,
  next: undefined,
  leaving: false,
};

const hex = (address: string) => hexOf(parseAddress(address));

/** A block of 16 addresses that this host keeps; `free` has bit 0 for its first address. */
function block(first: string, free: bigint, changes: Partial<BlockRecord> = {}): BlockRecord {
  return {
    pool: "p",
    first: hex(first),
    state: "held",
    token: "b",
    kept: 0xffffn,
    free,
    dirty: false,
    revision: 1,
    ...changes,
  };
}

/** An address in use, in no block. */
function used(address: string, changes: Partial<AddressRecord> = {}): AddressRecord {
  const request = { holder: { sandbox: "c1" }, since: "" };
  return { ...newUse("p", hex(address), request), told: 1, revision: 1, ...changes };
}

/** Runs a function with the records of a host that has one pool, with these blocks and addresses. */
function withRecords<T>(
  { blocks = [], addresses = [], host = {}, pool = {} }: {
    blocks?: BlockRecord[];
    addresses?: AddressRecord[];
    host?: Partial<HostRecord>;
    pool?: Partial<PoolRecord>;
  },
  run: (records: ClaimRecords, pool: PoolRecord) => T,
): T {
  using store = Store.copy("/nowhere");
  return store.transaction(() => {
    const { shared } = store;
    shared.putHost({ ...HOST, ...host });
    shared.putPool({ ...POOL, ...pool });
    for (const each of blocks) shared.putBlock(each);
    for (const each of addresses) shared.putAddress(each);
    return run(shared, { ...POOL, ...pool });
  });
}

/** The sets of free addresses of all blocks, and which ones etcd has to be told of. */
function freeSets(records: ClaimRecords): string[] {
  return records.blocks("p").map(({ free, dirty }) =>
    `${free.toString(2)}${dirty ? " dirty" : ""}`
  );
}

Deno.test("without etcd, a host gives what it keeps: the wanted address, or the first of the range", () => {
  const blocks = [block("10.0.0.16", 0b1000n), block("10.0.0.32", 0b110n, { state: "giving" })];
  const take = (wanted: { address?: string; range?: string }, more: AddressRecord[] = []) =>
    withRecords({ blocks, addresses: more }, (records, pool) => {
      const taken = takeKept(records, pool, {
        holder: { sandbox: "c" },
        since: "now",
        ...(wanted.address !== undefined && { address: hex(wanted.address) }),
        ...(wanted.range !== undefined && { range: parsePrefix(wanted.range).prefix }),
      });
      return [taken && textOf(taken), ...freeSets(records)];
    });
  const KEPT = ["1000", "110"];
  assertEquals(take({}), ["10.0.0.19", "0", "110"]);
  assertEquals(take({ address: "10.0.0.19" }), ["10.0.0.19", "0", "110"]);
  // One that is not free in its block, that is being given back, or that nobody keeps.
  for (const address of ["10.0.0.16", "10.0.0.18", "10.0.0.33", "10.0.0.99"]) {
    assertEquals(take({ address }), [undefined, ...KEPT], address);
  }
  assertEquals(take({ range: "10.0.0.16/30" }), ["10.0.0.19", "0", "110"]);
  assertEquals(take({ range: "10.0.0.20/30" }), [undefined, ...KEPT]);
  // One that was released and that etcd has not been told of is this host's still.
  const freed = used("10.0.0.20", { state: "freed" });
  assertEquals(take({ range: "10.0.0.20/30" }, [freed]), ["10.0.0.20", ...KEPT]);
  assertEquals(take({ range: "10.0.0.24/30" }, [freed]), [undefined, ...KEPT]);
  assertEquals(take({ address: "10.0.0.20" }, [freed]), ["10.0.0.20", ...KEPT]);
  const giving = used("10.0.0.20", { state: "giving" });
  assertEquals(take({ range: "10.0.0.20/30" }, [giving]), [undefined, ...KEPT]);
  assertEquals(take({ address: "10.0.0.20" }, [giving]), [undefined, ...KEPT]);
  assertThrowsError(
    () => take({ address: "10.0.0.20" }, [used("10.0.0.20")]),
    "shared-address-held",
    'held by "c1"',
  );
});

Deno.test("a record that may be a copy or a backup, or that etcd refuses, gives nothing away", () => {
  const folder = Deno.makeTempDirSync();
  try {
    const take = (host: Partial<HostRecord>, tokens?: { token: string; asked?: string }) =>
      withRecords({ blocks: [block("10.0.0.16", 1n)], host }, (records, pool) => {
        const last = new LastToken(`${folder}/run`, folder);
        if (tokens) last.write({ id: HOST.id, asked: undefined, ...tokens });
        const taken = takeKept(records, pool, { holder: { sandbox: "c" }, since: "" }, last);
        assertEquals(taken !== undefined, isCurrent({ ...HOST, ...host }, last));
        return taken !== undefined;
      });
    assertEquals(take({}), false);
    assertEquals(take({}, { token: "t3" }), true);
    assertEquals(take({}, { token: "t2" }), false);
    // It was asked for, and etcd may have carried it out.
    assertEquals(take({ asked: "t4" }, { token: "t4" }), true);
    assertEquals(take({ asked: "t4" }, { token: "t3", asked: "t4" }), true);
    assertEquals(take({}, { token: "t4", asked: "t3" }), false);
    assertThrowsError(() => take({ refused: "removed" }, { token: "t3" }), "host-removed");
    // A token of another state folder is none of this one's.
    const other = Deno.makeTempDirSync();
    assertEquals(new LastToken(`${folder}/run`, other).read(HOST.id), []);
    assertEquals(new LastToken(`${folder}/run`, folder).read(HOST.id), ["t3"]);
    assertEquals(Deno.statSync(`${folder}/run`).mode! & 0o777, 0o755 & ~Deno.umask());
    Deno.removeSync(other);
    // Where it cannot be kept, none is known.
    Deno.writeTextFileSync(`${folder}/file`, "");
    const nowhere = new LastToken(`${folder}/file`, folder);
    nowhere.write(HOST);
    assertEquals(nowhere.read(HOST.id), []);
    // A shorter one leaves nothing of a longer one.
    const last = new LastToken(`${folder}/run`, folder);
    last.write({ id: "x", token: "long", asked: "longer" });
    last.write({ id: "x", token: "a", asked: undefined });
    assertEquals(last.read("x"), ["a"]);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("of a wish without an address, half of what is unused is given, first from unused blocks", () => {
  const give = (blocks: BlockRecord[], addresses: AddressRecord[] = []) =>
    withRecords({ blocks, addresses }, (records, pool) => {
      giveWish(records, pool, {});
      return freeSets(records);
    });
  assertEquals(give([block("10.0.0.16", 0b1111n)]), ["1100 dirty"]);
  assertEquals(give([block("10.0.0.16", 0b111n)]), ["100 dirty"]);
  assertEquals(give([block("10.0.0.16", 0n)]), ["0"]);
  // As many as are wished for come from one block: the other one stays whole, and is not told.
  const inUse = used("10.0.0.17", { block: hex("10.0.0.16") });
  const two = [block("10.0.0.16", 0b1100n), block("10.0.0.32", 0b1100n)];
  assertEquals(give(two), ["0 dirty", "1100"]);
  assertEquals(give(two, [inUse]), ["1100", "0 dirty"]);
  const more = [block("10.0.0.16", 0b11100n), block("10.0.0.32", 1n)];
  assertEquals(give(more, [inUse]), ["11000 dirty", "0 dirty"]);
  // What is being given back is not given again.
  assertEquals(give([block("10.0.0.16", 0b11n, { state: "giving" })]), ["11"]);
});

Deno.test("an address that is wished for is given if it is free in a block of this host", () => {
  const give = (address: string, changes: Partial<BlockRecord> = {}) =>
    withRecords({ blocks: [block("10.0.0.16", 0b1010n, changes)] }, (records, pool) => {
      giveWish(records, pool, { address: hex(address) });
      return freeSets(records)[0];
    });
  assertEquals(give("10.0.0.17"), "1000 dirty");
  assertEquals(give("10.0.0.18"), "1010");
  assertEquals(give("10.0.0.99"), "1010");
  assertEquals(give("10.0.0.17", { state: "giving" }), "1010");
});

Deno.test("released is what is in use; what is lost is forgotten; a holder's change is told once", () => {
  const states = (records: ClaimRecords) =>
    records.addresses("p").map(({ address, state, version }) =>
      `${textOf(address)} ${state} ${version}`
    );
  const addresses = [
    used("10.0.0.2"),
    used("10.0.0.3", { state: "lost", host: "b" }),
    used("10.0.0.4", { state: "giving" }),
  ];
  const after = (run: (records: ClaimRecords) => void) =>
    withRecords({ addresses }, (records) => {
      run(records);
      return states(records);
    });
  assertEquals(
    after((records) => {
      for (const last of [2, 3, 4, 5]) free(records, "p", `10.0.0.${last}`);
    }),
    ["10.0.0.2 freed 1", "10.0.0.4 giving 1"],
  );
  const same = ["10.0.0.2 used 1", "10.0.0.3 lost 1", "10.0.0.4 giving 1"];
  const holder = { sandbox: "c1", names: ["x"] };
  const described = (last: number, by: typeof holder | { sandbox: string }) =>
    after((records) => describe(records, "p", `10.0.0.${last}`, by));
  assertEquals(described(2, { sandbox: "c1" }), same);
  assertEquals(described(2, holder), ["10.0.0.2 used 2", ...same.slice(1)]);
  for (const last of [3, 4, 5]) assertEquals(described(last, holder), same);
});

/** A session with these records. */
function sessionOf(records: ClaimRecords): Session {
  return { records, etcd: { damage: new Damage() } } as unknown as Session;
}

Deno.test("what etcd does not have of a block is not this host's to tell, and in use is claimed by itself", () => {
  const inBlock = { block: hex("10.0.0.16"), told: 1, revision: 0 };
  const addresses = [
    used("10.0.0.17", inBlock),
    used("10.0.0.18", inBlock),
    used("10.0.0.19", { ...inBlock, state: "freed" }),
    used("10.0.0.20", { ...inBlock, state: "lost", host: "b" }),
  ];
  const found = withRecords(
    { blocks: [block("10.0.0.16", 0b11_0000_0000n)], addresses },
    (records, pool) => {
      const first = hex("10.0.0.16");
      const { token } = records.block(pool.id, first)!;
      const value = JSON.stringify({ host: "a", token, kept: "102" });
      const pair = { key: `/ipvlan/blocks/10.0.0.0-24/${first}`, value, modRevision: 9 };
      assertEquals(adoptBlock(sessionOf(records), pool, first, pair), true);
      assertEquals(freeSets(records), ["100000000 dirty"]);
      assertEquals(records.blocks("p")[0]!.revision, 9);
      return records.addresses("p").map(({ address, state, block, told }) =>
        `${textOf(address)} ${state} ${block === undefined ? "alone" : "kept"} ${told}`
      );
    },
  );
  assertEquals(found, [
    "10.0.0.17 used kept 1",
    "10.0.0.18 used alone 0",
    "10.0.0.20 lost alone 0",
  ]);
  withRecords({ addresses }, (records) => {
    for (const each of addresses) dropKept(records, each);
    assertEquals(records.addresses("p").length, 3);
  });
});

Deno.test("after its id was used by another host, what etcd was not told is lost, and nothing else", () => {
  const addresses = [
    used("10.0.0.2"),
    used("10.0.0.3", { told: 0 }),
    used("10.0.0.4", { told: 0, state: "freed" }),
  ];
  const lost = (error: unknown) =>
    withRecords({ addresses }, (records) => {
      refuse(records, "/ipvlan", error);
      return [
        records.host("/ipvlan")!.refused,
        ...records.lost().map(({ address, host }) => `${textOf(address)} ${host}`),
      ];
    });
  assertEquals(lost(new Error("another")), [undefined]);
  assertEquals(lost(new IpvlanError("host-removed", { prefix: "/ipvlan" })), ["removed"]);
  assertEquals(
    lost(new IpvlanError("host-replaced", { prefix: "/ipvlan", id: HOST.id, host: "b" })),
    [
      "replaced b",
      "10.0.0.3 b",
    ],
  );
});

Deno.test("of a pool that it leaves or does not use, a host has all blocks to give back", () => {
  const count = (pool: Partial<PoolRecord>, addresses: AddressRecord[], dirty = false) =>
    withRecords({ blocks: [block("10.0.0.16", 1n, { dirty })], addresses, pool }, countUntold);
  assertEquals(count({}, []), 1);
  assertEquals(count({}, [used("10.0.0.17")]), 0);
  assertEquals(count({}, [used("10.0.0.17")], true), 1);
  assertEquals(count({}, [used("10.0.0.17", { told: 0 })]), 1);
  assertEquals(count({ leaving: true }, [used("10.0.0.17")]), 1);
});

Deno.test("a block has free what no host has claimed, and the next search begins behind it", () => {
  const hold = (first: string, claims: string[], subnet = POOL.subnet) =>
    withRecords({ pool: { subnet, next: hex("10.0.0.16") } }, (records, pool) => {
      const pairs = claims.map((address) => ({
        key: `/ipvlan/claims/10.0.0.0-24/${hex(address)}`,
        value: "",
        modRevision: 1,
      }));
      const asked = block(first, 0n, { state: "giving", kept: 0b1111n });
      assertEquals(
        holdBlock(sessionOf(records), asked, pairs, 5) & 0b1111n,
        records.blocks("p")[0]!.free,
      );
      const { next } = records.pool(pool.id)!;
      return [...freeSets(records), next && textOf(next)];
    });
  assertEquals(hold("10.0.0.16", []), ["1111", "10.0.0.32"]);
  assertEquals(hold("10.0.0.16", ["10.0.0.17"]), ["1101 dirty", "10.0.0.32"]);
  // Behind the last of all addresses, it begins at the first block.
  assertEquals(hold("255.255.255.240", [], "255.255.255.0/24"), ["1111", undefined]);
});
