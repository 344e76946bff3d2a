/**
 * The tables of the pools that several hosts share.
 *
 * @module
 */

/** The names of the tables. Each comes after those that it refers to. */
export const CLAIM_TABLE_NAMES = [
  "shared_host",
  "shared_silence",
  "shared_pool",
  "shared_block",
  "shared_address",
];

/**
 * The tables of the pools that several hosts share: see `records.ts`. Addresses are
 * hexadecimal digits, as many as the family has, so that they sort; sets of addresses are hexadecimal
 * numbers.
 */
export const CLAIM_TABLES = `
  CREATE TABLE shared_host (
    prefix TEXT PRIMARY KEY,
    id TEXT NOT NULL,
    number INTEGER NOT NULL,
    token TEXT NOT NULL,
    value TEXT NOT NULL,
    asked TEXT,
    unsure INTEGER NOT NULL,
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

/** The condition for a shared address that is out of sync with etcd. */
export const UNTOLD_ADDRESS = "state NOT IN ('used', 'lost') OR state = 'used' AND told < version";

/** The condition for a shared address that a host uses itself: see `ownHolder`. */
export const OWN_ADDRESS = `substr(holder, 1, 17) = '{"sandbox":"host '`;

/** The condition for a shared block that is out of sync with etcd. */
export const UNTOLD_BLOCK = "state <> 'held' OR dirty = 1";

/** Their indexes: see `INDEXES` of `lib/driver/store/tables.ts`. */
export const CLAIM_INDEXES = `
  CREATE INDEX IF NOT EXISTS shared_block_free ON shared_block (pool, first) WHERE free <> '0';
  CREATE INDEX IF NOT EXISTS shared_block_untold ON shared_block (pool, first)
    WHERE ${UNTOLD_BLOCK};
  CREATE INDEX IF NOT EXISTS shared_address_lost ON shared_address (pool, address)
    WHERE state = 'lost';
  CREATE INDEX IF NOT EXISTS shared_address_own ON shared_address (pool, address)
    WHERE ${OWN_ADDRESS};
  CREATE INDEX IF NOT EXISTS shared_address_untold ON shared_address (pool, address)
    WHERE ${UNTOLD_ADDRESS};
`;
