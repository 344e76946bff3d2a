import { DatabaseSync, type SQLOutputValue, type StatementSync } from "node:sqlite";
import { lstatOf, tryToWriteIn, unlessMissing } from "../../base/files.ts";
import { Coalescer } from "../../base/waiting.ts";
import { quoted } from "../../base/printable.ts";
import { IpvlanError, type IpvlanErrorOf, isIpvlanError } from "../../base/errors.ts";
import { STATE_FOLDER, STORE_FILE, storeFile } from "../model/state_folder.ts";
import { INDEXES, MIGRATIONS, TABLE_NAMES, VERSION } from "./tables.ts";

/** How long a process waits while another one writes, in milliseconds. */
const PATIENCE = 30_000;

/** How often it tries to set WAL mode meanwhile, in milliseconds. */
const INTERVAL = 10;

const MEMORY = ":memory:";

type SqlValue = string | number | null;

export type Row = Record<string, SQLOutputValue>;

/** The text that each of these must be, or `true` for a condition; `undefined` selects all. */
export type Selection = Record<string, string | true | undefined>;

/** The store's SQLite file, `ipvlan.db` in the state folder. Its errors name that folder. */
export class Database implements Disposable {
  readonly #db: DatabaseSync;
  /** Whether SQLite waits for the disk at the end of a transaction. */
  #waits = true;
  /** How many transactions did not wait for the disk, and how many of them it has. */
  #ahead = { made: 0, synced: 0 };
  readonly #syncs = new Coalescer(() => this.#syncNow());
  readonly #statements = new Map<string, StatementSync>();

  private constructor(private readonly folder: string, private readonly file: string) {
    this.#db = this.#explain(() => new DatabaseSync(file));
    // Several processes may write. A process waits for the other one before it fails.
    this.exec(`PRAGMA busy_timeout = ${PATIENCE}`);
  }

  /** Opens the file in a folder. Makes the folder and the file if they do not exist. */
  static open(folder: string): Database {
    const file = storeFile(folder);
    try {
      Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
      requireFile(file);
      // Open it here first, because SQLite does not say why it cannot open a file.
      Deno.openSync(file, { write: true, create: true, mode: 0o600 }).close();
    } catch (error) {
      throw openError(folder, error);
    }
    const database = new Database(folder, file);
    try {
      database.#useWal();
      // A build of SQLite may have another default.
      database.#db.exec("PRAGMA synchronous = FULL");
      database.transaction(() => database.#requireTables());
      return database;
    } catch (error) {
      database[Symbol.dispose]();
      if (isIpvlanError(error, "store-unusable")) throw error;
      throw unusable(folder, error, isFull(folder) ? "its disk is full: make room" : undefined);
    }
  }

  static copy(folder: string): Database {
    const copy = new Database(folder, MEMORY);
    copy.#requireTables();
    const file = storeFile(folder);
    try {
      requireFile(file);
      Deno.openSync(file).close();
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return copy;
      throw openError(folder, error);
    }
    // Row by row: Deno allows ATTACH only with all permissions.
    using original = Database.open(folder);
    original.transaction(() => {
      for (const table of TABLE_NAMES) {
        for (const row of original.rows(`SELECT * FROM ${table} ORDER BY rowid`)) {
          copy.insert(`INSERT INTO ${table}`, row as Record<string, SqlValue>);
        }
      }
    });
    return copy;
  }

  /** Sets WAL mode, which lasts. When two processes set it at once, one fails and does not wait. */
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

  #requireTables(): void {
    const version = this.#db.prepare("PRAGMA user_version").get()!.user_version as number;
    if (version > VERSION) {
      const reason = `its version is ${version}, newer than this program's; use a newer program`;
      throw unusable(this.folder, undefined, reason);
    }
    const changes = MIGRATIONS[version];
    if (changes !== undefined) this.#db.exec(`${changes} PRAGMA user_version = ${VERSION}`);
    this.#db.exec(INDEXES);
  }

  /**
   * Runs a function as one transaction: if it throws, nothing is written.
   * @param waits Whether the disk has it then. If not, a power cut may undo it, and what came after it,
   * until {@linkcode Database.sync}. The end of this process undoes nothing.
   */
  transaction<T>(run: () => T, waits = true): T {
    if (!waits) this.#ahead.made++;
    if (waits !== this.#waits) this.exec(`PRAGMA synchronous = ${waits ? "FULL" : "NORMAL"}`);
    this.#waits = waits;
    this.exec("BEGIN IMMEDIATE");
    try {
      const result = run();
      this.exec("COMMIT");
      return result;
    } catch (error) {
      // SQLite itself ends a transaction when the disk is full.
      if (this.#db.isTransaction) this.exec("ROLLBACK");
      throw error;
    }
  }

  /** Waits until the disk has all transactions. Calls at the same time wait for it once. */
  async sync(): Promise<void> {
    const { made, synced } = this.#ahead;
    if (synced < made && this.file !== MEMORY) await this.#syncs.request();
  }

  /** With `synchronous = NORMAL`, the log alone has the transactions, and needs what FULL does to it. */
  async #syncNow(): Promise<void> {
    const { made } = this.#ahead;
    try {
      using log = await Deno.open(`${this.file}-wal`);
      await log.syncData();
      this.#ahead.synced = made;
    } catch (error) {
      throw unusable(this.folder, error);
    }
  }

  rows(sql: string, ...values: SqlValue[]): Row[] {
    return this.#explain(() => this.#prepared(sql).all(...values));
  }

  /**
   * Reads the rows that are selected.
   * @param selectors The expressions of what is selected by, if it is no column. One for a text may
   * have its own `?1`.
   */
  select(
    select: string,
    order: string,
    selection: Selection = {},
    selectors: Readonly<Record<string, string>> = {},
  ): Row[] {
    const given = Object.entries(selection).filter(([, value]) => value !== undefined);
    const conditions = given.map(([name, value]) => {
      const { [name]: expression = name } = selectors;
      return value === true || expression.includes("?") ? expression : `${expression} = ?`;
    });
    const where = given.length > 0 ? ` WHERE ${conditions.join(" AND ")}` : "";
    const values = given.map(([, value]) => value).filter((value) => typeof value === "string");
    return this.rows(`${select}${where} ORDER BY ${order}`, ...values);
  }

  /** Runs a statement that writes. Returns the number of changed rows. */
  run(sql: string, ...values: SqlValue[]): number {
    return this.#explain(() => Number(this.#prepared(sql).run(...values).changes));
  }

  /** Inserts a row. @param into The beginning of the statement: `INSERT INTO link`. */
  insert(into: string, row: Record<string, SqlValue>, onConflict = ""): void {
    const names = Object.keys(row);
    const places = names.map(() => "?").join(", ");
    const sql = `${into} (${names.join(", ")}) VALUES (${places}) ${onConflict}`;
    this.run(sql, ...Object.values(row));
  }

  exec(sql: string): void {
    this.#explain(() => this.#db.exec(sql));
  }

  damaged(reason: string): IpvlanError {
    return unusable(this.folder, undefined, reason);
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }

  /** Prepares a statement once: that takes longer than running it. */
  #prepared(sql: string): StatementSync {
    const statement = this.#statements.get(sql) ?? this.#db.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }

  #explain<T>(run: () => T): T {
    try {
      return run();
    } catch (error) {
      // For example, the disk is full. A constraint that fails is a bug, and gets the same error.
      throw unusable(this.folder, error);
    }
  }
}

function unusable(
  folder: string,
  cause: unknown,
  reason = (cause as Error).message,
): IpvlanErrorOf<"store-unusable"> {
  return new IpvlanError("store-unusable", { folder, reason }, { cause });
}

/** Requires that the store, if it exists, is a regular file. Opening a FIFO would block. */
function requireFile(path: string): void {
  if (unlessMissing(() => Deno.statSync(path).isFile) !== false) return;
  throw new Error(`${STORE_FILE} is not a file`);
}

function openError(folder: string, error: unknown): IpvlanError {
  return error instanceof Deno.errors.PermissionDenied
    ? new IpvlanError("missing-rights", { reason: error.message })
    : unusable(folder, error);
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

/** The mode of the state folder, and of the files in it: only the owner has access. */
const [FOLDER_MODE, FILE_MODE] = [0o700, 0o600];

/** The lock file that a shell opens for each `ip`. The shell would make it with its umask. */
const PROGRAM_LOCK = "ip.lock";

/** The store with the files that SQLite keeps beside it, the locks, and the output of commands. */
const OURS =
  /^(ipvlan\.db(-wal|-shm|-journal)?|((sequence|ip|hosts|claims|agent)\.)?lock(\.gate)?|output)$/;

/**
 * Makes the lock file of the programs in a state folder, and removes the access of other users: one
 * who can open a lock file can hold the lock. Returns a sentence for each mode that was too wide.
 * @param isOwn Whether the driver made the folder. Others need theirs, as they need `/tmp`.
 */
export function guardStateFolder(folder: string, isOwn = folder === STATE_FOLDER): string[] {
  const lock = `${folder}/${PROGRAM_LOCK}`;
  // Do not open an existing file: opening a FIFO would block.
  if (!lstatOf(lock)) Deno.openSync(lock, { write: true, create: true, mode: FILE_MODE }).close();
  const names = [...Deno.readDirSync(folder)].map(({ name }) => name);
  const files = names.filter((name) => OURS.test(name)).sort()
    .flatMap((name) => narrow(`${folder}/${name}`, FILE_MODE, "isFile"));
  const isOurs = isOwn && names.every((name) => OURS.test(name));
  return isOurs ? [...narrow(folder, FOLDER_MODE, "isDirectory"), ...files] : files;
}

function narrow(path: string, mode: number, kind: "isFile" | "isDirectory"): string[] {
  const stat = lstatOf(path);
  if (!stat?.[kind]) return [];
  const found = stat.mode! & 0o777;
  if ((found & ~mode) === 0) return [];
  try {
    Deno.chmodSync(path, mode);
  } catch (error) {
    // Another user owns it and has given this one access.
    if (error instanceof Deno.errors.PermissionDenied) return [];
    throw error;
  }
  const text = (bits: number) => bits.toString(8).padStart(4, "0");
  return [
    `Other users could open ${quoted(path)}: its mode was ${text(found)}, now ${text(mode)}`,
  ];
}
