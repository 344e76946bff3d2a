import { ClaimRecords } from "../../claims/records.ts";
import { endpointAddresses, familyOf } from "../../ipam/address.ts";
import type { LinkSpec } from "../../iproute2/link_types.ts";
import { settleOptions } from "../model/options.ts";
import type { AddressPool, Claim, Network, Sandbox } from "../model/types.ts";
import { AddressLog } from "./address_log.ts";
import { Database, type Row, type Selection } from "./database.ts";
import { type EndpointRecord, isRecord, type RecordKinds, type State } from "./records.ts";
import { SELECTORS } from "./tables.ts";

/** A record, its state, and if that is `updating`, what the network will be. */
export type Stated<T> = T & { state: State; next?: Network };

/** Whether it is there: neither half made nor half removed. */
export function isReady({ state }: { state: State }): boolean {
  return state === "ready" || state === "updating";
}

export function withoutState<T>(
  { state: _state, next: _next, ...record }: Stated<T>,
): Omit<T, "state" | "next"> {
  return record as Omit<T, "state" | "next">;
}

/** The fields of an endpoint that go into hosts files, and the name of its network. */
export type HostEntry =
  & Stated<Pick<EndpointRecord, "network" | "sandbox" | "ordinal" | "ip" | "ip6" | "aliases">>
  & { networkName: string };

export interface PoolClaim extends Claim {
  pool: string;
}

/** The names of a sandbox of another host on a shared network. */
export interface SharedName {
  /** The prefix of the network's keys in etcd. */
  prefix: string;
  network: string;
  address: string;
  /** The names, its own first. */
  names: readonly string[];
}

type Texts<Name extends string> = { [Each in Name]?: string };
type Flags<Name extends string> = { [Each in Name]?: true };

/** Reads endpoints. A network that is not on record is NULL. */
const SELECT_ENDPOINTS = `SELECT id, state,
  (SELECT id FROM network WHERE id = endpoint.network) AS network,
  sandbox, ifname, ordinal, ip, ip6, aliases, record FROM endpoint`;

const SELECT_HOST_ENTRIES = `SELECT endpoint.state, network, name AS networkName, sandbox, ordinal,
  ip, ip6, aliases FROM endpoint LEFT JOIN network ON network.id = network`;

/** The options that a network has if its record has none: an earlier version did not record all. */
const DEFAULTS = settleOptions({}).options;

const UPDATE_RECORD = "DO UPDATE SET state = excluded.state, record = excluded.record";

/** The driver's records. All calls are synchronous, so no other call runs inside a transaction. */
export class Store implements Disposable {
  /** Counts networks and pools that this process has added or deleted, and addresses rolled back. */
  #changes = 0;
  /** The addresses that this process has given to endpoints and claims, or taken from them. */
  readonly addressLog: AddressLog = new AddressLog();
  readonly shared: ClaimRecords;

  private constructor(private readonly db: Database) {
    this.shared = new ClaimRecords(db);
  }

  /** Opens the store in a folder, or makes it. @throws {"missing-rights" | "store-unusable"} */
  static open(folder: string): Store {
    return new Store(Database.open(folder));
  }

  /** Copies the store in a folder, if any, into memory. @throws {"missing-rights"} */
  static copy(folder: string): Store {
    return new Store(Database.copy(folder));
  }

  /** Runs a function as one transaction: see {@linkcode Database.transaction}. */
  transaction<T>(run: () => T, waits = true): T {
    const logged = this.addressLog.length;
    try {
      return this.db.transaction(run, waits);
    } catch (error) {
      // Somebody may already have read these addresses in the log.
      if (this.addressLog.length > logged) this.#changes++;
      throw error;
    }
  }

  /** The same without waiting for the disk. */
  transactionAhead<T>(run: () => T): T {
    return this.transaction(run, false);
  }

  async sync(): Promise<void> {
    await this.db.sync();
  }

  /** Networks by name: all, or those on a parent, of engines, with a range, shared, half done. */
  networks(
    which: Texts<"name" | "id" | "parent"> & Flags<"owned" | "ranged" | "shared" | "unready"> = {},
  ): Stated<Network>[] {
    return this.#select("network", "name, state, record", "name", which, () => DEFAULTS);
  }

  network(name: string): Stated<Network> | undefined {
    return this.networks({ name })[0];
  }

  networkById(id: string): Stated<Network> | undefined {
    return this.networks({ id })[0];
  }

  /** @param next What the network will be, if its state is `updating`. */
  putNetwork(network: Network, state: State, next?: Network): void {
    // What it reserves may differ.
    this.#changes++;
    const { id, name } = network;
    const row = { id, name, state, record: JSON.stringify({ ...network, next }) };
    this.db.insert("INSERT INTO network", row, `ON CONFLICT (id) ${UPDATE_RECORD}`);
  }

  deleteNetwork(id: string): void {
    this.#changes++;
    this.db.run("DELETE FROM network WHERE id = ?", id);
  }

  /** The links that the driver made in the host's namespace, in order: all, or those on a link. */
  links(which: Texts<"on" | "name"> = {}): LinkSpec[] {
    return this.#select("link", "name, record", "rowid", which);
  }

  link(name: string): LinkSpec | undefined {
    return this.links({ name })[0];
  }

  /** Records a link that the driver makes. It becomes the last one. */
  putLink(link: LinkSpec): void {
    this.db.insert("REPLACE INTO link", { name: link.name, record: JSON.stringify(link) });
  }

  deleteLink(name: string): void {
    this.db.run("DELETE FROM link WHERE name = ?", name);
  }

  /** Sandboxes by name: all, or those half done, or with names of their own in their hosts file. */
  sandboxes(which: Texts<"name" | "id"> & Flags<"unready" | "withHosts"> = {}): Stated<Sandbox>[] {
    // A sandbox that an earlier version recorded has no id.
    const named = ({ name }: Row) => ({ id: name });
    return this.#select("sandbox", "name, state, record", "name", which, named);
  }

  sandbox(name: string): Stated<Sandbox> | undefined {
    return this.sandboxes({ name })[0];
  }

  sandboxById(id: string): Stated<Sandbox> | undefined {
    return this.sandboxes({ id })[0];
  }

  putSandbox(sandbox: Sandbox, state: State): void {
    const row = { name: sandbox.name, state, record: JSON.stringify(sandbox) };
    this.db.insert("INSERT INTO sandbox", row, `ON CONFLICT (name) ${UPDATE_RECORD}`);
  }

  deleteSandbox(name: string): void {
    this.db.run("DELETE FROM sandbox WHERE name = ?", name);
  }

  /** Endpoints: all, or those of a network (by id) or a sandbox, with an address, or half done. */
  endpoints(
    { address, ...which }: Texts<"network" | "sandbox" | "address"> & Flags<"unready"> = {},
  ): Stated<EndpointRecord>[] {
    const family = address !== undefined && familyOf(address) === 6 ? "ip6" : "ip";
    const selection = { [family]: address, ...which };
    return this.db.select(SELECT_ENDPOINTS, "sandbox, ordinal", selection, SELECTORS.endpoint)
      .map((row) => this.#endpoint(row));
  }

  /** The endpoints on a network (by id) with aliases, or whose sandbox has a name in any case. */
  namedEndpoints(network: string, names: readonly string[]): Stated<EndpointRecord>[] {
    const sql = `${SELECT_ENDPOINTS} WHERE network = ? AND
      (aliases <> '[]' OR sandbox COLLATE NOCASE IN (SELECT value FROM json_each(?)))`;
    return this.db.rows(sql, network, JSON.stringify(names)).map((row) => this.#endpoint(row));
  }

  #endpoint({ ip, ip6, aliases, record, ...row }: Row): Stated<EndpointRecord> {
    return this.#check("endpoint", row.id, {
      ...parsed(record),
      ...row,
      ...ip !== null && { ip },
      ...ip6 !== null && { ip6 },
      aliases: parsed(aliases),
    });
  }

  hostEntries(): HostEntry[] {
    return this.db.select(SELECT_HOST_ENTRIES, "endpoint.rowid").map(({ ip, ip6, ...row }) => {
      const aliases = parsed(row.aliases);
      // Says which record is damaged.
      if (row.networkName === null || !Array.isArray(aliases)) this.endpoints();
      const entry = { ...row, ip: ip ?? undefined, ip6: ip6 ?? undefined, aliases };
      return entry as unknown as HostEntry;
    });
  }

  /** Adds an endpoint, or changes its state. */
  putEndpoint(endpoint: EndpointRecord, state: State): void {
    this.addressLog.add(...endpointAddresses(endpoint));
    const { id, network, sandbox, ifname, ordinal, ip = null, ip6 = null, ...rest } = endpoint;
    const { aliases: names, ...details } = rest;
    const [aliases, record] = [JSON.stringify(names), JSON.stringify(details)];
    const row = { id, state, network, sandbox, ifname, ordinal, ip, ip6, aliases, record };
    const onConflict = "ON CONFLICT (id) DO UPDATE SET state = excluded.state";
    this.db.insert("INSERT INTO endpoint", row, onConflict);
  }

  deleteEndpoint(id: string): void {
    const sql = "DELETE FROM endpoint WHERE id = ? RETURNING ip, ip6, record";
    for (const { ip, ip6, record } of this.db.rows(sql, id)) {
      const all = [ip, ip6, parsed(record).moreAddresses].flat();
      this.addressLog.add(...all.filter((address) => typeof address === "string"));
    }
  }

  pools(which: Texts<"id"> = {}): AddressPool[] {
    return this.#select("pool", "id, record", "id", which);
  }

  pool(id: string): AddressPool | undefined {
    return this.pools({ id })[0];
  }

  putPool(pool: AddressPool): void {
    this.#changes++;
    const row = { id: pool.id, record: JSON.stringify(pool) };
    const onConflict = "ON CONFLICT (id) DO UPDATE SET record = excluded.record";
    this.db.insert("INSERT INTO pool", row, onConflict);
  }

  /** Deletes the record of an address pool, with its claims. */
  deletePool(id: string): void {
    this.#changes++;
    this.db.run("DELETE FROM pool WHERE id = ?", id);
  }

  claims(selection: Partial<PoolClaim>): PoolClaim[] {
    return this.db.select("SELECT pool, address, holder FROM claim", "address", selection)
      .map((row) => ({ ...row }) as unknown as PoolClaim);
  }

  hasClaims(pool: string, except: string): boolean {
    const sql = "SELECT 1 FROM claim WHERE pool = ? AND holder <> ? LIMIT 1";
    return this.db.rows(sql, pool, except).length > 0;
  }

  putClaim({ pool, address, holder }: PoolClaim): void {
    this.addressLog.add(address);
    this.db.insert("INSERT INTO claim", { pool, address, holder });
  }

  deleteClaim({ pool, address }: Pick<PoolClaim, "pool" | "address">): void {
    this.addressLog.add(address);
    this.db.run("DELETE FROM claim WHERE pool = ? AND address = ?", pool, address);
  }

  /** The names of other hosts' sandboxes on a network, or on all networks under a prefix. */
  sharedNames(prefix: string, network?: string): SharedName[] {
    return this.db.select("SELECT prefix, network, address, names FROM shared_name", "rowid", {
      prefix,
      network,
    }).map(({ names, ...row }) => {
      // A damaged record has no names, until etcd tells them again.
      const list = parsed(names);
      return { ...row, names: Array.isArray(list) ? list : [] } as unknown as SharedName;
    }).filter(({ names }) => names.length > 0);
  }

  putSharedName({ prefix, network, address, names }: SharedName): void {
    const row = { prefix, network, address, names: JSON.stringify(names) };
    this.db.insert("REPLACE INTO shared_name", row);
  }

  /** Deletes the names under a prefix, or of one network or address there. Returns their networks. */
  deleteSharedNames(prefix: string, which: { address?: string; network?: string } = {}): string[] {
    const given = Object.entries({ prefix, ...which });
    const conditions = given.map(([column]) => `${column} = ?`).join(" AND ");
    const sql = `DELETE FROM shared_name WHERE ${conditions} RETURNING network`;
    const rows = this.db.rows(sql, ...given.map(([, value]) => value));
    return [...new Set(rows.map(({ network }) => network as string))];
  }

  /** A text that changes when addresses that are not in the log may have been taken or freed. */
  version(): string {
    const [row] = this.db.rows("PRAGMA data_version");
    return `${row!.data_version} ${this.#changes}`;
  }

  [Symbol.dispose](): void {
    this.db[Symbol.dispose]();
  }

  /** Reads records. @param defaults The fields that a record may lack. */
  #select<Kind extends keyof RecordKinds>(
    kind: Kind,
    columns: string,
    order: string,
    which: Selection,
    defaults = (_row: Row): object => ({}),
  ): Stated<RecordKinds[Kind]>[] {
    const select = `SELECT ${columns} FROM ${kind}`;
    return this.db.select(select, order, which, SELECTORS[kind]).map(({ record, ...row }) =>
      this.#check(kind, row.name ?? row.id, { ...defaults(row), ...parsed(record), ...row })
    );
  }

  /** Returns a record. @throws {"store-unusable"} It is damaged. */
  #check<Kind extends keyof RecordKinds>(
    kind: Kind,
    name: unknown,
    value: object,
  ): Stated<RecordKinds[Kind]> {
    if (isRecord(kind, value)) return value as Stated<RecordKinds[Kind]>;
    const record = `its record of the ${kind} ${JSON.stringify(name)} is damaged`;
    throw this.db.damaged(`${record}: put back a copy of the folder, or remove it to start anew`);
  }
}

/** Parses a record's JSON. Damaged JSON gives an empty object, which is no valid record. */
function parsed(json: unknown): Record<string, unknown> {
  try {
    return JSON.parse(json as string);
  } catch {
    return {};
  }
}
