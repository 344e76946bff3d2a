import { DatabaseSync, type SQLOutputValue, type StatementSync } from "node:sqlite";
import { ClaimRecords } from "../../claims/records.ts";
import { tryToWriteIn } from "../../base/files.ts";
import { IpvlanError, isIpvlanError } from "../../base/errors.ts";
import { endpointAddresses, familyOf } from "../../ipam/address.ts";
import type { LinkSpec } from "../../iproute2/link.ts";
import { AddressLog } from "./address_log.ts";
import { settleOptions } from "../model/options.ts";
import {
  DETAIL_NAMES,
  type EndpointDetails,
  type EndpointRecord,
  isRecord,
  type RecordKinds,
  type State,
} from "./records.ts";
import type {
  EndpointFilter,
  HostEntry,
  NetworkFilter,
  PoolClaim,
  SandboxFilter,
  SharedName,
  Stated,
  Store,
} from "./store.ts";
import {
  BELOW,
  FROM_VERSION_1,
  FROM_VERSION_2,
  FROM_VERSION_3,
  ID,
  INDEXES,
  OWNED,
  PARENT,
  SHARED,
  TABLE_NAMES,
  TABLES,
  VERSION,
  WITH_HOSTS,
} from "./tables.ts";
import type { AddressPool, Network, Sandbox } from "../model/types.ts";
import { STORE_FILE } from "../model/state_folder.ts";

/** How long a process waits while another one writes, in milliseconds. */
const PATIENCE = 30_000;

/** How often it tries to set WAL mode meanwhile, in milliseconds. */
const INTERVAL = 10;

/** The columns of an endpoint, as SQLite gives them. */
interface EndpointRow {
  id: string;
  state: State;
  network: string;
  sandbox: string;
  ifname: string;
  ordinal: number;
  ip: string | null;
  ip6: string | null;
  aliases: string;
  record: string;
}

/** Reads endpoints. A network that is not on record is NULL. */
const SELECT_ENDPOINTS = `SELECT id, state,
  (SELECT id FROM network WHERE id = endpoint.network) AS network,
  sandbox, ifname, ordinal, ip, ip6, aliases, record FROM endpoint`;

/** Reads the host entries of endpoints. */
const SELECT_HOST_ENTRIES = `SELECT endpoint.state, network, name AS networkName, sandbox, ordinal,
  ip, ip6, aliases FROM endpoint LEFT JOIN network ON network.id = network`;

/** The condition that a record is half made or half removed. */
const UNREADY = "state <> 'ready'";

/**
 * The conditions of a query, each with the value for its `?`, or `true` if it has none. `undefined`
 * leaves a condition out.
 */
type Conditions = Record<string, string | true | undefined>;

/** A store in one SQLite file, `ipvlan.db` in the state folder. */
export class SqliteStore implements Store {
  #db: DatabaseSync;
  #folder: string;
  /** Counts networks and pools that this process has added or deleted, and addresses rolled back. */
  #changes = 0;
  readonly addressLog: AddressLog = new AddressLog();
  /** The prepared statements, by their text. */
  #statements = new Map<string, StatementSync>();
  /** The records of the pools that hosts share. */
  readonly shared: ClaimRecords;

  private constructor(folder: string, file: string) {
    this.#folder = folder;
    try {
      this.#db = new DatabaseSync(file);
      // Several processes may write. A process waits for the other one before it fails.
      this.#db.exec(`PRAGMA busy_timeout = ${PATIENCE}`);
      this.#db.exec("PRAGMA foreign_keys = ON");
    } catch (error) {
      throw new IpvlanError("store-unusable", { folder, reason: (error as Error).message }, {
        cause: error,
      });
    }
    this.shared = new ClaimRecords({
      rows: (sql, ...values) => this.#rows(sql, ...values),
      run: (sql, ...values) => this.#run(sql, ...values),
    });
  }

  /**
   * Opens the store in a folder. Makes the folder and the store if they do not exist.
   *
   * @throws {"missing-rights"} The caller may not write there.
   * @throws {"store-unusable"} It cannot be written, or is of a newer version.
   */
  static open(folder: string): SqliteStore {
    try {
      Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
      requireFile(folder);
      // Open it here first, because SQLite does not say why it cannot open a file.
      Deno.openSync(`${folder}/${STORE_FILE}`, { write: true, create: true, mode: 0o600 }).close();
    } catch (error) {
      throw openError(folder, error);
    }
    const store = new SqliteStore(folder, `${folder}/${STORE_FILE}`);
    try {
      store.#useWal();
      // The default in WAL mode (NORMAL) may lose the last transactions in a power cut.
      store.#db.exec("PRAGMA synchronous = FULL");
      store.transaction(() => store.#requireTables());
      return store;
    } catch (error) {
      store[Symbol.dispose]();
      if (isIpvlanError(error, "store-unusable")) throw error;
      const reason = isFull(folder) ? "its disk is full: make room" : (error as Error).message;
      throw new IpvlanError("store-unusable", { folder, reason }, { cause: error });
    }
  }

  /**
   * Sets WAL mode, which is persistent. When two processes set it at once, SQLite does not wait, and one
   * of them fails.
   */
  #useWal(): void {
    const deadline = Date.now() + PATIENCE;
    for (;;) {
      try {
        this.#db.exec("PRAGMA journal_mode = WAL");
        return;
      } catch (error) {
        if (!(error as Error).message.includes("is locked") || Date.now() > deadline) throw error;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, INTERVAL);
      }
    }
  }

  /**
   * Copies the store in a folder into memory. If there is no store, the copy is empty. Writes to
   * the copy do not reach the disk.
   *
   * @throws {"missing-rights"} The caller may not read it.
   * @throws {"store-unusable"} It is of a newer version.
   */
  static copy(folder: string): SqliteStore {
    const store = new SqliteStore(folder, ":memory:");
    store.#requireTables();
    try {
      requireFile(folder);
      Deno.openSync(`${folder}/${STORE_FILE}`).close();
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return store;
      throw openError(folder, error);
    }
    // Row by row: Deno allows ATTACH only with all permissions.
    using original = SqliteStore.open(folder);
    original.transaction(() => {
      for (const table of TABLE_NAMES) {
        for (const row of original.#rows(`SELECT * FROM ${table} ORDER BY rowid`)) {
          const places = Object.keys(row).map(() => "?").join(", ");
          store.#run(
            `INSERT INTO ${table} (${Object.keys(row).join(", ")}) VALUES (${places})`,
            ...Object.values(row) as (string | number | null)[],
          );
        }
      }
    });
    return store;
  }

  #requireTables(): void {
    const version = this.#db.prepare("PRAGMA user_version").get()!.user_version as number;
    if (version > VERSION) {
      const reason = `its version is ${version}, newer than this program's; use a newer program`;
      throw new IpvlanError("store-unusable", { folder: this.#folder, reason });
    }
    if (version === 0) this.#db.exec(TABLES);
    if (version === 1) this.#db.exec(FROM_VERSION_1);
    if (version === 2) this.#db.exec(FROM_VERSION_2);
    if (version === 3) this.#db.exec(FROM_VERSION_3);
    if (version < VERSION) this.#db.exec(`PRAGMA user_version = ${VERSION}`);
    this.#db.exec(INDEXES);
  }

  transaction<T>(run: () => T): T {
    this.#exec("BEGIN IMMEDIATE");
    const logged = this.addressLog.length;
    try {
      const result = run();
      this.#exec("COMMIT");
      return result;
    } catch (error) {
      // Somebody may already have read these addresses in the log.
      if (this.addressLog.length > logged) this.#changes++;
      // SQLite itself ends a transaction when the disk is full.
      if (this.#db.isTransaction) this.#exec("ROLLBACK");
      throw error;
    }
  }

  networks({ parent, owned, shared, unready }: NetworkFilter = {}): Stated<Network>[] {
    return this.#all("network", "name", {
      [`${PARENT} = ?`]: parent,
      [OWNED]: owned,
      [SHARED]: shared,
      [UNREADY]: unready,
    }).map(withDefaults);
  }

  network(name: string): Stated<Network> | undefined {
    return this.#all("network", "name", { "name = ?": name }).map(withDefaults)[0];
  }

  networkById(id: string): Stated<Network> | undefined {
    return this.#all("network", "name", { "id = ?": id }).map(withDefaults)[0];
  }

  putNetwork(network: Network, state: State): void {
    if (state === "making") this.#changes++;
    this.#run(
      `INSERT INTO network (id, name, state, record) VALUES (?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET state = excluded.state, record = excluded.record`,
      network.id,
      network.name,
      state,
      JSON.stringify(network),
    );
  }

  deleteNetwork(id: string): void {
    this.#changes++;
    this.#run("DELETE FROM network WHERE id = ?", id);
  }

  links({ on }: { on?: string } = {}): LinkSpec[] {
    return this.#links({ [`${BELOW} = ?`]: on });
  }

  link(name: string): LinkSpec | undefined {
    return this.#links({ "name = ?": name })[0];
  }

  #links(conditions: Conditions): LinkSpec[] {
    return this.#select("SELECT name, record FROM link", "rowid", conditions)
      .map(({ name, record }) => this.#check("link", name, { ...parsed(record), name }));
  }

  putLink(link: LinkSpec): void {
    this.#run(
      "INSERT OR REPLACE INTO link (name, record) VALUES (?, ?)",
      link.name,
      JSON.stringify(link),
    );
  }

  deleteLink(name: string): void {
    this.#run("DELETE FROM link WHERE name = ?", name);
  }

  sandboxes({ unready, withHosts }: SandboxFilter = {}): Stated<Sandbox>[] {
    return this.#all("sandbox", "name", { [UNREADY]: unready, [WITH_HOSTS]: withHosts });
  }

  sandbox(name: string): Stated<Sandbox> | undefined {
    return this.#all("sandbox", "name", { "name = ?": name })[0];
  }

  sandboxById(id: string): Stated<Sandbox> | undefined {
    return this.#all("sandbox", "name", { [`${ID} = ?`]: id })[0];
  }

  putSandbox(sandbox: Sandbox, state: State): void {
    this.#run(
      `INSERT INTO sandbox (name, state, record) VALUES (?, ?, ?)
       ON CONFLICT (name) DO UPDATE SET state = excluded.state, record = excluded.record`,
      sandbox.name,
      state,
      JSON.stringify(sandbox),
    );
  }

  deleteSandbox(name: string): void {
    this.#run("DELETE FROM sandbox WHERE name = ?", name);
  }

  endpoints(filter: EndpointFilter = {}): Stated<EndpointRecord>[] {
    const { network, sandbox, address, unready } = filter;
    const family = address !== undefined && familyOf(address) === 6 ? "ip6" : "ip";
    return this.#select(SELECT_ENDPOINTS, "sandbox, ordinal", {
      "network = ?": network,
      "sandbox = ?": sandbox,
      [`${family} = ?`]: address,
      [UNREADY]: unready,
    }).map((row) => this.#readEndpoint(row));
  }

  namedEndpoints(network: string, names: readonly string[]): Stated<EndpointRecord>[] {
    const sql = `${SELECT_ENDPOINTS} WHERE network = ? AND
      (aliases <> '[]' OR sandbox COLLATE NOCASE IN (SELECT value FROM json_each(?)))`;
    return this.#rows(sql, network, JSON.stringify(names)).map((row) => this.#readEndpoint(row));
  }

  hostEntries(): HostEntry[] {
    return this.#select(SELECT_HOST_ENTRIES, "endpoint.rowid").map(({ ip, ip6, ...row }) => {
      const aliases = parsed(row.aliases);
      // Says which record is damaged.
      if (row.networkName === null || !Array.isArray(aliases)) this.endpoints();
      return {
        ...row,
        ip: ip ?? undefined,
        ip6: ip6 ?? undefined,
        aliases,
      } as unknown as HostEntry;
    });
  }

  putEndpoint(endpoint: EndpointRecord, state: State): void {
    const { id, network, sandbox, ifname, ordinal, ip, ip6, aliases } = endpoint;
    this.addressLog.add(...endpointAddresses(endpoint));
    this.#run(
      `INSERT INTO endpoint
         (id, state, network, sandbox, ifname, ordinal, ip, ip6, aliases, record)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET state = excluded.state`,
      id,
      state,
      network,
      sandbox,
      ifname,
      ordinal,
      ip ?? null,
      ip6 ?? null,
      JSON.stringify(aliases),
      JSON.stringify(detailsOf(endpoint)),
    );
  }

  deleteEndpoint(id: string): void {
    const rows = this.#rows("DELETE FROM endpoint WHERE id = ? RETURNING ip, ip6", id);
    for (const { ip, ip6 } of rows) {
      this.addressLog.add(...[ip, ip6].filter((address) => typeof address === "string"));
    }
  }

  pools(): AddressPool[] {
    return this.#pools({});
  }

  pool(id: string): AddressPool | undefined {
    return this.#pools({ "id = ?": id })[0];
  }

  #pools(conditions: Conditions): AddressPool[] {
    return this.#select("SELECT id, record FROM pool", "id", conditions)
      .map(({ id, record }) => this.#check("pool", id, { ...parsed(record), id }));
  }

  putPool(pool: AddressPool): void {
    this.#changes++;
    this.#run(
      `INSERT INTO pool (id, record) VALUES (?, ?)
       ON CONFLICT (id) DO UPDATE SET record = excluded.record`,
      pool.id,
      JSON.stringify(pool),
    );
  }

  deletePool(id: string): void {
    this.#changes++;
    this.#run("DELETE FROM pool WHERE id = ?", id);
  }

  claims(pool: string, holder?: string): PoolClaim[] {
    return this.#readClaims({ "pool = ?": pool, "holder = ?": holder });
  }

  hasClaims(pool: string, except: string): boolean {
    const sql = "SELECT 1 FROM claim WHERE pool = ? AND holder <> ? LIMIT 1";
    return this.#rows(sql, pool, except).length > 0;
  }

  claimsOf(address: string): PoolClaim[] {
    return this.#readClaims({ "address = ?": address });
  }

  #readClaims(conditions: Conditions): PoolClaim[] {
    return this.#select("SELECT pool, address, holder FROM claim", "address", conditions)
      .map((row) => ({ ...row }) as unknown as PoolClaim);
  }

  putClaim({ pool, address, holder }: PoolClaim): void {
    this.addressLog.add(address);
    this.#run("INSERT INTO claim (pool, address, holder) VALUES (?, ?, ?)", pool, address, holder);
  }

  deleteClaim({ pool, address }: Pick<PoolClaim, "pool" | "address">): void {
    this.addressLog.add(address);
    this.#run("DELETE FROM claim WHERE pool = ? AND address = ?", pool, address);
  }

  sharedNames(prefix: string, network?: string): SharedName[] {
    return this.#select("SELECT prefix, network, address, names FROM shared_name", "rowid", {
      "prefix = ?": prefix,
      "network = ?": network,
    }).map(({ names, ...row }) => {
      // A damaged record has no names, until etcd tells them again.
      const list = parsed(names);
      return { ...row, names: Array.isArray(list) ? list : [] } as unknown as SharedName;
    }).filter(({ names }) => names.length > 0);
  }

  putSharedName({ prefix, network, address, names }: SharedName): void {
    this.#run(
      "INSERT OR REPLACE INTO shared_name (prefix, network, address, names) VALUES (?, ?, ?, ?)",
      prefix,
      network,
      address,
      JSON.stringify(names),
    );
  }

  deleteSharedNames(prefix: string, which: { address?: string; network?: string } = {}): string[] {
    const given = Object.entries({ prefix, ...which });
    const conditions = given.map(([column]) => `${column} = ?`).join(" AND ");
    const rows = this.#rows(
      `DELETE FROM shared_name WHERE ${conditions} RETURNING network`,
      ...given.map(([, value]) => value),
    );
    return [...new Set(rows.map(({ network }) => network as string))];
  }

  version(): string {
    const [row] = this.#rows("PRAGMA data_version");
    return `${row!.data_version} ${this.#changes}`;
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }

  #all<Kind extends "network" | "sandbox">(
    kind: Kind,
    order: string,
    conditions: Conditions,
  ): Stated<RecordKinds[Kind]>[] {
    return this.#select(`SELECT name, state, record FROM ${kind}`, order, conditions)
      .map(({ name, state, record }) => {
        // A sandbox that an earlier version recorded has no id.
        const id = kind === "sandbox" && { id: name };
        return this.#check(kind, name, { ...id, ...parsed(record), name, state: state as State });
      });
  }

  /** Reads the rows that meet all conditions. */
  #select(
    select: string,
    order: string,
    conditions: Conditions = {},
  ): Record<string, SQLOutputValue>[] {
    const given = Object.entries(conditions).filter(([, value]) => value !== undefined);
    const where = given.length > 0 ? ` WHERE ${given.map(([text]) => text).join(" AND ")}` : "";
    const values = given.map(([, value]) => value).filter((value) => typeof value === "string");
    return this.#rows(`${select}${where} ORDER BY ${order}`, ...values);
  }

  #rows(sql: string, ...values: (string | number)[]): Record<string, SQLOutputValue>[] {
    return this.#explain(() => this.#prepared(sql).all(...values));
  }

  /** Returns a record. @throws {"store-unusable"} It is damaged. */
  #check<Kind extends keyof RecordKinds, T>(
    kind: Kind,
    name: unknown,
    value: T,
  ): T & RecordKinds[Kind] {
    if (isRecord(kind, value)) return value;
    const reason =
      `its record of the ${kind} ${JSON.stringify(name)} is damaged: put back a copy ` +
      "of the folder, or remove it to start anew";
    throw new IpvlanError("store-unusable", { folder: this.#folder, reason });
  }

  #readEndpoint(row: Record<string, SQLOutputValue>): Stated<EndpointRecord> {
    const { ip, ip6, aliases, record, ...rest } = row as unknown as EndpointRow;
    return this.#check("endpoint", rest.id, {
      ...parsed(record),
      ...rest,
      ...(ip !== null && { ip }),
      ...(ip6 !== null && { ip6 }),
      aliases: parsed(aliases),
    });
  }

  #run(sql: string, ...values: (string | number | null)[]): number {
    return this.#explain(() => Number(this.#prepared(sql).run(...values).changes));
  }

  /** Prepares a statement once: that takes longer than running it. */
  #prepared(sql: string): StatementSync {
    const statement = this.#statements.get(sql) ?? this.#db.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }

  #exec(sql: string): void {
    this.#explain(() => this.#db.exec(sql));
  }

  /** Runs a statement. @throws {"store-unusable"} It fails. */
  #explain<T>(run: () => T): T {
    try {
      return run();
    } catch (error) {
      // For example, the disk is full. A constraint that fails is a bug, and gets the same error.
      throw new IpvlanError("store-unusable", {
        folder: this.#folder,
        reason: (error as Error).message,
      }, { cause: error });
    }
  }
}

/** Requires that the store, if it exists, is a regular file. Opening a FIFO would block. */
function requireFile(folder: string): void {
  try {
    if (!Deno.statSync(`${folder}/${STORE_FILE}`).isFile) {
      throw new Error(`${STORE_FILE} is not a file`);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Makes the error for a store that cannot be opened. */
function openError(folder: string, error: unknown): IpvlanError {
  const { message } = error as Error;
  if (error instanceof Deno.errors.PermissionDenied) {
    return new IpvlanError("missing-rights", { reason: message });
  }
  return new IpvlanError("store-unusable", { folder, reason: message }, { cause: error });
}

/** Parses a record's JSON. Damaged JSON gives an empty object, which is no valid record. */
function parsed(json: unknown): Record<string, unknown> {
  try {
    return JSON.parse(json as string);
  } catch {
    return {};
  }
}

/** The details of an endpoint. */
function detailsOf(endpoint: EndpointRecord): EndpointDetails {
  return Object.fromEntries(DETAIL_NAMES.map((name) => [name, endpoint[name]]));
}

/** Fills in options that an earlier version did not record. */
function withDefaults(network: Stated<Network>): Stated<Network> {
  return { ...settleOptions({}).options, ...network };
}

/** Whether a folder's disk is full: SQLite then says only "disk I/O error". */
function isFull(folder: string): boolean {
  try {
    tryToWriteIn(folder);
    return false;
  } catch (error) {
    return (error as { code?: string }).code === "ENOSPC";
  }
}
