import { OWN_ADDRESS, UNTOLD_ADDRESS, UNTOLD_BLOCK } from "./tables.ts";
import { setText, textSet } from "./keys.ts";
import type { EtcdAccess, Holder, SharedPool } from "./types.ts";

/** The database, as the driver's store lends it. Every call is inside a transaction of the store. */
export interface Database {
  /** Reads rows. */
  rows(sql: string, ...values: (string | number)[]): Record<string, unknown>[];
  /** Writes. Returns how many rows were changed. */
  run(sql: string, ...values: (string | number | null)[]): number;
}

/** This host under a prefix of etcd. */
export interface HostRecord {
  /** The prefix. */
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
  /** Whether the result of an earlier transaction is not on record yet. */
  unsure: boolean;
  /**
   * Why no address may be given away: `removed`, `older` for an etcd that is older than this record, or
   * `replaced NAME` by the name of the host that uses its id.
   */
  refused: string | undefined;
  /** Whether its agent has ever run. */
  agent: boolean;
  /** The lease by which etcd knows that this host was heard from; empty if there is none. */
  lease: string;
  /** When that lease was renewed, in milliseconds by this host's clock. */
  heard: number;
}

/** A failed attempt to reach an etcd. */
export interface Outage {
  /** Its time, in milliseconds by this host's clock. */
  at: number;
  /** The error of each endpoint. */
  reasons: Readonly<Record<string, string>>;
}

/** A pool on record. */
export interface PoolRecord extends SharedPool {
  /** The prefix. */
  prefix: string;
  /** The revision of its key in etcd. */
  revision: number;
  /** The block at which to look for the next free one, in hexadecimal digits. */
  next: string | undefined;
  /** Whether this host is leaving the pool, and etcd does not know all of it yet. */
  leaving: boolean;
}

/** A block on record. */
export interface BlockRecord {
  /** The pool's id. */
  pool: string;
  /** Its first address. */
  first: string;
  /** `asked`: it may be in etcd; `held`: it is; `giving`: it is given back, and may be there. */
  state: "asked" | "held" | "giving";
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

/** An address on record. */
export interface AddressRecord {
  /** The pool's id. */
  pool: string;
  /** The address, in hexadecimal digits. */
  address: string;
  /**
   * `asked`: its claim may be in etcd; `used`; `freed`: it is this host's and may be taken again;
   * `giving`: it is given up, and its claim may be in etcd still; `lost`: another host has it in etcd.
   */
  state: "asked" | "used" | "freed" | "giving" | "lost";
  /** The block that has it; `undefined` if it was claimed by itself, outside of all blocks. */
  block: string | undefined;
  /** A random text that only this use of the address has. */
  token: string;
  /** The user of the address. */
  holder: Holder;
  /** Since when. */
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

type Row = Record<string, unknown>;

/** The records of shared pools, in the driver's database. */
export class ClaimRecords {
  readonly #db: Database;

  /** Uses a database that has the tables. */
  constructor(db: Database) {
    this.#db = db;
  }

  /** This host under a prefix. */
  host(prefix: string): HostRecord | undefined {
    const [row] = this.#db.rows("SELECT * FROM shared_host WHERE prefix = ?", prefix);
    return row && readHost(row);
  }

  /** Adds this host under a prefix, or replaces its record. */
  putHost(host: HostRecord): void {
    this.#db.run(
      `INSERT OR REPLACE INTO shared_host
         (prefix, id, number, token, value, asked, unsure, refused, agent, lease, heard)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      host.prefix,
      host.id,
      host.number,
      host.token,
      host.value,
      host.asked ?? null,
      Number(host.unsure),
      host.refused ?? null,
      Number(host.agent),
      host.lease,
      host.heard,
    );
  }

  /** Deletes the records of this host under prefixes where it shares no pool. */
  deleteUnusedHosts(): void {
    this.#db.run("DELETE FROM shared_host WHERE prefix NOT IN (SELECT prefix FROM shared_pool)");
  }

  /** Sets why no address may be given away. Without a reason, addresses may be given away. */
  setRefused(prefix: string, refused?: string): void {
    this.#db.run("UPDATE shared_host SET refused = ? WHERE prefix = ?", refused ?? null, prefix);
  }

  /** The last failed attempt to reach an etcd. @param access The access, as JSON. */
  outage(access: string): Outage | undefined {
    const [row] = this.#db.rows("SELECT at, reasons FROM shared_silence WHERE access = ?", access);
    return row && { at: row.at as number, reasons: JSON.parse(row.reasons as string) };
  }

  /** Records that an etcd is out of reach. */
  putOutage(access: string, { at, reasons }: Outage): void {
    this.#db.run(
      `INSERT INTO shared_silence (access, at, reasons) VALUES (?, ?, ?)
       ON CONFLICT (access) DO UPDATE SET at = excluded.at, reasons = excluded.reasons`,
      access,
      at,
      JSON.stringify(reasons),
    );
  }

  /** All pools, by id. */
  pools(): PoolRecord[] {
    return this.#db.rows("SELECT * FROM shared_pool ORDER BY id").map(readPool);
  }

  /** One pool. */
  pool(id: string): PoolRecord | undefined {
    const [row] = this.#db.rows("SELECT * FROM shared_pool WHERE id = ?", id);
    return row && readPool(row);
  }

  /** Adds a pool, or replaces its record. */
  putPool(pool: PoolRecord): void {
    this.#db.run(
      `INSERT INTO shared_pool (id, prefix, subnet, access, reserved, revision, next, leaving)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET access = excluded.access, reserved = excluded.reserved,
         revision = excluded.revision, next = excluded.next, leaving = excluded.leaving`,
      pool.id,
      pool.prefix,
      pool.subnet,
      JSON.stringify(pool.access),
      JSON.stringify(pool.reserved),
      pool.revision,
      pool.next ?? null,
      Number(pool.leaving),
    );
  }

  /** Deletes the record of a pool, with its blocks and addresses. */
  deletePool(id: string): void {
    this.#db.run("DELETE FROM shared_pool WHERE id = ?", id);
  }

  /** The blocks of a pool, by address. */
  blocks(pool: string): BlockRecord[] {
    return this.#db.rows("SELECT * FROM shared_block WHERE pool = ? ORDER BY first", pool)
      .map(readBlock);
  }

  /** The blocks of a pool that are out of sync with etcd. */
  untoldBlocks(pool: string): BlockRecord[] {
    const sql = `SELECT * FROM shared_block WHERE pool = ? AND (${UNTOLD_BLOCK}) ORDER BY first`;
    return this.#db.rows(sql, pool).map(readBlock);
  }

  /** One block, by its first address. */
  block(pool: string, first: string): BlockRecord | undefined {
    const sql = "SELECT * FROM shared_block WHERE pool = ? AND first = ?";
    const [row] = this.#db.rows(sql, pool, first);
    return row && readBlock(row);
  }

  /** The blocks of a pool that have free addresses. */
  freeBlocks(pool: string): BlockRecord[] {
    const sql = "SELECT * FROM shared_block WHERE pool = ? AND free <> '0' ORDER BY first";
    return this.#db.rows(sql, pool).map(readBlock);
  }

  /** Adds a block, or replaces its record. */
  putBlock({ pool, first, state, token, kept, free, dirty, revision }: BlockRecord): void {
    this.#db.run(
      `INSERT INTO shared_block (pool, first, state, token, kept, free, dirty, revision)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (pool, first) DO UPDATE SET state = excluded.state, token = excluded.token,
         kept = excluded.kept, free = excluded.free, dirty = excluded.dirty,
         revision = excluded.revision`,
      pool,
      first,
      state,
      token,
      setText(kept),
      setText(free),
      Number(dirty),
      revision,
    );
  }

  /** Deletes the record of a block. */
  deleteBlock(pool: string, first: string): void {
    this.#db.run("DELETE FROM shared_block WHERE pool = ? AND first = ?", pool, first);
  }

  /** One address. */
  address(pool: string, address: string): AddressRecord | undefined {
    const sql = "SELECT * FROM shared_address WHERE pool = ? AND address = ?";
    const [row] = this.#db.rows(sql, pool, address);
    return row && readAddress(row);
  }

  /** The addresses of a pool, or of one of its blocks, by address. */
  addresses(pool: string, block?: { first: string; last: string }): AddressRecord[] {
    const sql = "SELECT * FROM shared_address WHERE pool = ? AND address BETWEEN ? AND ? " +
      "ORDER BY address";
    return this.#db.rows(sql, pool, block?.first ?? "", block?.last ?? "g").map(readAddress);
  }

  /** The addresses of a pool that are out of sync with etcd. */
  untold(pool: string): AddressRecord[] {
    const sql = `SELECT * FROM shared_address WHERE pool = ? AND (${UNTOLD_ADDRESS})
      ORDER BY address`;
    return this.#db.rows(sql, pool).map(readAddress);
  }

  /** The addresses of all pools that are in use here, but are another host's in etcd. */
  lost(): AddressRecord[] {
    const sql = "SELECT * FROM shared_address WHERE state = 'lost' ORDER BY pool, address";
    return this.#db.rows(sql).map(readAddress);
  }

  /** The addresses of a pool that this host uses itself. */
  own(pool: string): AddressRecord[] {
    const sql = `SELECT * FROM shared_address WHERE pool = ? AND ${OWN_ADDRESS} ORDER BY address`;
    return this.#db.rows(sql, pool).map(readAddress);
  }

  /** Whether sandboxes have addresses of a pool. */
  hasUsed(pool: string): boolean {
    const sql = `SELECT 1 FROM shared_address
      WHERE pool = ? AND state IN ('used', 'asked', 'lost') AND NOT (${OWN_ADDRESS}) LIMIT 1`;
    return this.#db.rows(sql, pool).length > 0;
  }

  /** Adds an address, or replaces its record. */
  putAddress(record: AddressRecord): void {
    this.#db.run(
      `INSERT INTO shared_address
         (pool, address, state, block, token, holder, since, version, told, revision, host)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (pool, address) DO UPDATE SET state = excluded.state, block = excluded.block,
         token = excluded.token, holder = excluded.holder, since = excluded.since,
         version = excluded.version, told = excluded.told, revision = excluded.revision,
         host = excluded.host`,
      record.pool,
      record.address,
      record.state,
      record.block ?? null,
      record.token,
      JSON.stringify(record.holder),
      record.since,
      record.version,
      record.told,
      record.revision,
      record.host ?? null,
    );
  }

  /** Deletes the record of an address. */
  deleteAddress(pool: string, address: string): void {
    this.#db.run("DELETE FROM shared_address WHERE pool = ? AND address = ?", pool, address);
  }
}

function readHost({ asked, unsure, refused, agent, ...row }: Row): HostRecord {
  return {
    ...row,
    asked: asked ?? undefined,
    unsure: unsure === 1,
    refused: refused ?? undefined,
    agent: agent === 1,
  } as HostRecord;
}

function readPool({ access, reserved, next, leaving, ...row }: Row): PoolRecord {
  return {
    ...row,
    access: JSON.parse(access as string) as EtcdAccess,
    reserved: JSON.parse(reserved as string),
    next: next ?? undefined,
    leaving: leaving === 1,
  } as PoolRecord;
}

function readBlock({ kept, free, dirty, ...row }: Row): BlockRecord {
  return {
    ...row,
    kept: textSet(kept as string),
    free: textSet(free as string),
    dirty: dirty === 1,
  } as BlockRecord;
}

function readAddress({ holder, block, host, ...row }: Row): AddressRecord {
  return {
    ...row,
    holder: JSON.parse(holder as string),
    block: block ?? undefined,
    host: host ?? undefined,
  } as AddressRecord;
}
