// The records of shared pools. Addresses are hexadecimal digits, so that they sort.
import type { Holder, SharedPool } from "./types.ts";

/** The database, as the driver's store lends it. Every call is inside a transaction of the store. */
export interface Database {
  rows(sql: string, ...values: (string | number)[]): Record<string, unknown>[];
  /** Writes. Returns how many rows were changed. */
  run(sql: string, ...values: (string | number | null)[]): number;
}

/** This host under a prefix of etcd. */
export interface HostRecord {
  prefix: string;
  /** Its id: 16 hexadecimal digits. */
  id: string;
  /** The number of its last transaction that etcd has carried out; 0 before the first one. */
  number: number;
  /** The random text that only this transaction wrote into the host's key. */
  token: string;
  /** The value of the host's key, as that transaction wrote it; empty if it is not known. */
  value: string;
  /** The token of the pending transaction: etcd may have carried it out or not. */
  asked: string | undefined;
  /** Why no address may be given away: `removed`, `older` for an older etcd, or `replaced NAME`. */
  refused: string | undefined;
  /** Whether its agent has ever run. */
  agent: boolean;
  /** The lease by which etcd knows that this host was heard from; empty if there is none. */
  lease: string;
  /** When that lease was renewed, in milliseconds by this host's clock. */
  heard: number;
}

export interface Outage {
  /** Its time, in milliseconds by this host's clock. */
  at: number;
  reasons: Readonly<Record<string, string>>;
}

export interface PoolRecord extends SharedPool {
  prefix: string;
  /** The revision of its key in etcd. */
  revision: number;
  /** The block at which to look for the next free one, in hexadecimal digits. */
  next: string | undefined;
  /** Whether this host is leaving the pool, and etcd does not know all of it yet. */
  leaving: boolean;
}

export interface BlockRecord {
  pool: string;
  first: string;
  /** `held`: it is in etcd; `giving`: it may be, as it was asked for or held, and is given back. */
  state: "held" | "giving";
  /** A random text that only this block has. */
  token: string;
  /** The addresses that only this host gives away, as etcd has them. */
  kept: bigint;
  /** Those of them that are not in use, and are not given up. */
  free: bigint;
  /** Whether etcd does not know yet of addresses that were given up. */
  dirty: boolean;
  /** The revision of its key in etcd. */
  revision: number;
}

export interface AddressRecord {
  pool: string;
  address: string;
  /**
   * `used`; `freed`: it is this host's and may be taken again; `giving`: its claim may be in etcd, as it
   * was asked for or used, and is given up; `lost`: another host has it in etcd.
   */
  state: "used" | "freed" | "giving" | "lost";
  /** The block that has it; `undefined` if it was claimed by itself, outside of all blocks. */
  block: string | undefined;
  /** A random text that only this use of the address has. */
  token: string;
  holder: Holder;
  since: string;
  /** Counted up when the holder changes. */
  version: number;
  /** The version that etcd has; 0 if it has none. */
  told: number;
  /** The revision of its claim, if it is in no block; 0 if etcd has none. */
  revision: number;
  /** The name of the host that has it, if it is lost; `undefined` if both hosts have it themselves. */
  host: string | undefined;
}

/** The tables, each after those that it refers to. A column has the name of its field. */
export const CLAIM_TABLES = `
  CREATE TABLE shared_host (
    prefix TEXT PRIMARY KEY,
    id TEXT NOT NULL,
    number INTEGER NOT NULL,
    token TEXT NOT NULL,
    value TEXT NOT NULL,
    asked TEXT,
    refused TEXT,
    agent INTEGER NOT NULL,
    lease TEXT NOT NULL,
    heard INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE shared_silence (
    access TEXT PRIMARY KEY,
    at INTEGER NOT NULL,
    reasons TEXT NOT NULL
  ) STRICT;
  CREATE TABLE shared_pool (
    id TEXT PRIMARY KEY,
    prefix TEXT NOT NULL REFERENCES shared_host (prefix),
    subnet TEXT NOT NULL,
    access TEXT NOT NULL,
    reserved TEXT NOT NULL,
    revision INTEGER NOT NULL,
    next TEXT,
    leaving INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE shared_block (
    pool TEXT NOT NULL REFERENCES shared_pool (id) ON DELETE CASCADE,
    first TEXT NOT NULL,
    state TEXT NOT NULL,
    token TEXT NOT NULL,
    kept TEXT NOT NULL,
    free TEXT NOT NULL,
    dirty INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    PRIMARY KEY (pool, first)
  ) STRICT;
  CREATE TABLE shared_address (
    pool TEXT NOT NULL REFERENCES shared_pool (id) ON DELETE CASCADE,
    address TEXT NOT NULL,
    state TEXT NOT NULL,
    block TEXT,
    token TEXT NOT NULL,
    holder TEXT NOT NULL,
    since TEXT NOT NULL,
    version INTEGER NOT NULL,
    told INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    host TEXT,
    PRIMARY KEY (pool, address)
  ) STRICT;
`;

/** The condition for an address that is out of sync with etcd. */
const UNTOLD_ADDRESS = "state NOT IN ('used', 'lost') OR state = 'used' AND told < version";

/** The condition for an address that a host uses itself: see `ownHolder`. */
const OWN_ADDRESS = `substr(holder, 1, 17) = '{"sandbox":"host '`;

/** The conditions for blocks. SQLite uses an index only for the condition that it has. */
const BLOCKS = { all: "TRUE", free: "free <> '0'", untold: "state <> 'held' OR dirty = 1" };

/** Their indexes: see `INDEXES` of `lib/driver/store/tables.ts`. */
export const CLAIM_INDEXES = `
  CREATE INDEX IF NOT EXISTS shared_block_free ON shared_block (pool, first)
    WHERE ${BLOCKS.free};
  CREATE INDEX IF NOT EXISTS shared_block_untold ON shared_block (pool, first)
    WHERE ${BLOCKS.untold};
  CREATE INDEX IF NOT EXISTS shared_address_lost ON shared_address (pool, address)
    WHERE state = 'lost';
  CREATE INDEX IF NOT EXISTS shared_address_own ON shared_address (pool, address)
    WHERE ${OWN_ADDRESS};
  CREATE INDEX IF NOT EXISTS shared_address_untold ON shared_address (pool, address)
    WHERE ${UNTOLD_ADDRESS};
`;

type Value = string | number | null;

/** Writes a field: sets as hexadecimal numbers, objects as JSON. */
function toColumn(field: unknown): Value {
  if (field === undefined) return null;
  if (typeof field === "boolean") return Number(field);
  if (typeof field === "bigint") return field.toString(16);
  return typeof field === "object" ? JSON.stringify(field) : field as Value;
}

/** How to read the columns whose fields are neither texts nor numbers, by their names. */
const READERS: Readonly<Record<string, (column: string & number) => unknown>> = {
  agent: Boolean,
  leaving: Boolean,
  dirty: Boolean,
  access: JSON.parse,
  reserved: JSON.parse,
  holder: JSON.parse,
  reasons: JSON.parse,
  kept: (text) => BigInt(`0x${text}`),
  free: (text) => BigInt(`0x${text}`),
};

function toField(name: string, column: unknown): unknown {
  if (column === null) return undefined;
  const read = READERS[name];
  return read ? read(column as string & number) : column;
}

export class ClaimRecords {
  constructor(private readonly db: Database) {}

  #select<T>(query: string, ...values: (string | number)[]): T[] {
    return this.db.rows(`SELECT * FROM ${query}`, ...values).map((row) =>
      Object.fromEntries(
        Object.entries(row).map(([name, column]) => [name, toField(name, column)]),
      ) as T
    );
  }

  #put(table: string, key: string, record: object): void {
    const names = Object.keys(record);
    this.db.run(
      `INSERT INTO ${table} (${names}) VALUES (${names.map(() => "?")})
       ON CONFLICT (${key}) DO UPDATE SET ${names.map((name) => `${name} = excluded.${name}`)}`,
      ...Object.values(record).map(toColumn),
    );
  }

  host(prefix: string): HostRecord | undefined {
    return this.#select<HostRecord>("shared_host WHERE prefix = ?", prefix)[0];
  }

  putHost(host: HostRecord): void {
    this.#put("shared_host", "prefix", host);
  }

  /** Deletes the records of this host under prefixes where it shares no pool. */
  deleteUnusedHosts(): void {
    this.db.run("DELETE FROM shared_host WHERE prefix NOT IN (SELECT prefix FROM shared_pool)");
  }

  /** Sets why no address may be given away. Without a reason, addresses may be given away. */
  setRefused(prefix: string, refused?: string): void {
    this.db.run("UPDATE shared_host SET refused = ? WHERE prefix = ?", refused ?? null, prefix);
  }

  /** The last failed attempt to reach an etcd. @param access The access, as JSON. */
  outage(access: string): Outage | undefined {
    return this.#select<Outage>("shared_silence WHERE access = ?", access)[0];
  }

  putOutage(access: string, outage: Outage): void {
    this.#put("shared_silence", "access", { access, ...outage });
  }

  pools(prefix?: string): PoolRecord[] {
    return this.#select<PoolRecord>("shared_pool ORDER BY id")
      .filter((pool) => prefix === undefined || pool.prefix === prefix);
  }

  pool(id: string): PoolRecord | undefined {
    return this.#select<PoolRecord>("shared_pool WHERE id = ?", id)[0];
  }

  putPool(pool: PoolRecord): void {
    this.#put("shared_pool", "id", pool);
  }

  deletePool(id: string): void {
    this.db.run("DELETE FROM shared_pool WHERE id = ?", id);
  }

  /** The blocks of a pool: all, those with free addresses, or those out of sync with etcd. */
  blocks(pool: string, which: keyof typeof BLOCKS = "all"): BlockRecord[] {
    const query = `shared_block WHERE pool = ? AND (${BLOCKS[which]}) ORDER BY first`;
    return this.#select(query, pool);
  }

  block(pool: string, first: string): BlockRecord | undefined {
    return this.#select<BlockRecord>("shared_block WHERE pool = ? AND first = ?", pool, first)[0];
  }

  putBlock(block: BlockRecord): void {
    this.#put("shared_block", "pool, first", block);
  }

  deleteBlock(pool: string, first: string): void {
    this.db.run("DELETE FROM shared_block WHERE pool = ? AND first = ?", pool, first);
  }

  address(pool: string, address: string): AddressRecord | undefined {
    const query = "shared_address WHERE pool = ? AND address = ?";
    return this.#select<AddressRecord>(query, pool, address)[0];
  }

  /** The addresses of a pool, or of one of its blocks, by address. */
  addresses(pool: string, block = { first: "", last: "g" }): AddressRecord[] {
    const query = "shared_address WHERE pool = ? AND address BETWEEN ? AND ? ORDER BY address";
    return this.#select(query, pool, block.first, block.last);
  }

  untold(pool: string): AddressRecord[] {
    const query = `shared_address WHERE pool = ? AND (${UNTOLD_ADDRESS}) ORDER BY address`;
    return this.#select(query, pool);
  }

  /** The addresses of all pools that are in use here, but are another host's in etcd. */
  lost(): AddressRecord[] {
    return this.#select("shared_address WHERE state = 'lost' ORDER BY pool, address");
  }

  own(pool: string): AddressRecord[] {
    return this.#select(`shared_address WHERE pool = ? AND ${OWN_ADDRESS} ORDER BY address`, pool);
  }

  hasUsed(pool: string): boolean {
    const query = `shared_address
      WHERE pool = ? AND state IN ('used', 'lost') AND NOT (${OWN_ADDRESS}) LIMIT 1`;
    return this.#select(query, pool).length > 0;
  }

  putAddress(record: AddressRecord): void {
    this.#put("shared_address", "pool, address", record);
  }

  deleteAddress(pool: string, address: string): void {
    this.db.run("DELETE FROM shared_address WHERE pool = ? AND address = ?", pool, address);
  }
}
