import { isOwnedSql } from "../model/names.ts";
import { CLAIM_INDEXES, CLAIM_TABLES } from "../../claims/records.ts";

/**
 * The tables, each after those that it refers to. Only an engine's sandbox, whose name has a colon, can be
 * on a network twice.
 */
const TABLES = `
  CREATE TABLE network (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL,
    record TEXT NOT NULL
  ) STRICT;
  CREATE TABLE link (name TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;
  CREATE TABLE sandbox (
    name TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    record TEXT NOT NULL
  ) STRICT;
  CREATE TABLE endpoint (
    id TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    network TEXT NOT NULL REFERENCES network (id),
    sandbox TEXT NOT NULL REFERENCES sandbox (name),
    ifname TEXT NOT NULL,
    ordinal INTEGER NOT NULL,
    ip TEXT,
    ip6 TEXT,
    aliases TEXT NOT NULL,
    record TEXT NOT NULL,
    UNIQUE (sandbox, ifname),
    UNIQUE (sandbox, ordinal),
    UNIQUE (network, ip),
    UNIQUE (network, ip6)
  ) STRICT;
  CREATE UNIQUE INDEX endpoint_once ON endpoint (network, sandbox)
    WHERE NOT (${isOwnedSql("sandbox")});
  CREATE TABLE pool (id TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;
  CREATE TABLE claim (
    pool TEXT NOT NULL REFERENCES pool (id) ON DELETE CASCADE,
    address TEXT NOT NULL,
    holder TEXT NOT NULL,
    PRIMARY KEY (pool, address)
  ) STRICT;
  ${CLAIM_TABLES}
  CREATE TABLE shared_name (
    prefix TEXT NOT NULL,
    address TEXT NOT NULL,
    network TEXT NOT NULL,
    names TEXT NOT NULL,
    PRIMARY KEY (prefix, address)
  ) STRICT;
  CREATE INDEX shared_name_network ON shared_name (prefix, network);
`;

export const TABLE_NAMES = [...TABLES.matchAll(/CREATE TABLE (\w+)/g)].map(([, name]) => name!);

/** Migrates tables from version 3 to 4. The token of an epoch was called nonce. */
const FROM_VERSION_3 = `
  ALTER TABLE shared_host RENAME COLUMN epoch TO number;
  ALTER TABLE shared_host RENAME COLUMN nonce TO token;
  ALTER TABLE shared_host ADD COLUMN value TEXT NOT NULL DEFAULT '';
  ALTER TABLE shared_host ADD COLUMN agent INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE shared_host ADD COLUMN lease TEXT NOT NULL DEFAULT '';
  ALTER TABLE shared_host ADD COLUMN heard INTEGER NOT NULL DEFAULT 0;
  UPDATE shared_host SET number = 0 WHERE revision = 0;
  ALTER TABLE shared_host DROP COLUMN revision;
  ALTER TABLE shared_host DROP COLUMN place;
`;

/** Migrates tables from version 4 to 5. What was asked of etcd, and not there for sure, is given up. */
const FROM_VERSION_4 = `
  ALTER TABLE shared_host DROP COLUMN unsure;
  UPDATE shared_block SET state = 'giving' WHERE state = 'asked';
  UPDATE shared_address SET state = 'giving' WHERE state = 'asked';
`;

/** Makes the newest tables of those of a version; 0 is an empty file, and 3 the first that was released. */
export const MIGRATIONS: Readonly<Record<number, string>> = {
  0: TABLES,
  3: FROM_VERSION_3 + FROM_VERSION_4,
  4: FROM_VERSION_4,
};

/** The newest version of the tables, kept in the database's `user_version`. */
export const VERSION = 5;

/** An expression about a record. Nothing is true of a damaged one. */
const ofRecord = (expression: string) => `CASE WHEN json_valid(record) THEN ${expression} END`;

const UNREADY = "state <> 'ready'";

const WITH_MORE = ofRecord("record ->> 'moreAddresses' IS NOT NULL");

/** Whether the first value is one of the further addresses of an endpoint. */
const IS_MORE = `id IN (SELECT id FROM endpoint WHERE ${WITH_MORE}
  AND ?1 IN (SELECT value FROM json_each(record, '$.moreAddresses')))`;

/** What records are selected by, besides their columns: expressions for texts, and conditions. */
export const SELECTORS = {
  network: {
    parent: ofRecord("record ->> 'parent'"),
    owned: isOwnedSql("name"),
    ranged: ofRecord(`record ->> 'subnets' LIKE '%"ipRange":%'`),
    shared: ofRecord("record ->> 'ipam' IS NOT NULL"),
    unready: UNREADY,
  },
  link: { on: ofRecord("record ->> 'link'") },
  sandbox: {
    /** One that an earlier version recorded has none. */
    id: ofRecord("record ->> 'id'"),
    /** Whether it has names of its own in its hosts file. */
    withHosts: ofRecord("record ->> 'hostname' IS NOT NULL OR record ->> 'hosts' IS NOT NULL"),
    unready: UNREADY,
  },
  endpoint: { ip: `(ip = ?1 OR ${IS_MORE})`, ip6: `(ip6 = ?1 OR ${IS_MORE})`, unready: UNREADY },
  pool: {},
};

const { network: NETWORK, link: LINK, sandbox: SANDBOX } = SELECTORS;

/** The indexes. SQLite uses an index of an expression only for the same expression. */
export const INDEXES = `
  CREATE INDEX IF NOT EXISTS network_parent ON network (${NETWORK.parent});
  DROP INDEX IF EXISTS network_owned;
  CREATE INDEX IF NOT EXISTS network_of_engine ON network (${NETWORK.parent}) WHERE ${NETWORK.owned};
  CREATE INDEX IF NOT EXISTS network_ranged ON network (${NETWORK.parent}) WHERE ${NETWORK.ranged};
  CREATE INDEX IF NOT EXISTS network_shared ON network (name) WHERE ${NETWORK.shared};
  CREATE INDEX IF NOT EXISTS link_below ON link (${LINK.on});
  CREATE INDEX IF NOT EXISTS network_unready ON network (name) WHERE ${UNREADY};
  CREATE INDEX IF NOT EXISTS sandbox_id ON sandbox (${SANDBOX.id});
  CREATE INDEX IF NOT EXISTS sandbox_unready ON sandbox (name) WHERE ${UNREADY};
  CREATE INDEX IF NOT EXISTS sandbox_hosts ON sandbox (name) WHERE ${SANDBOX.withHosts};
  CREATE INDEX IF NOT EXISTS endpoint_unready ON endpoint (sandbox, ordinal) WHERE ${UNREADY};
  CREATE INDEX IF NOT EXISTS endpoint_more ON endpoint (id) WHERE ${WITH_MORE};
  CREATE INDEX IF NOT EXISTS endpoint_ip ON endpoint (ip);
  CREATE INDEX IF NOT EXISTS endpoint_ip6 ON endpoint (ip6);
  CREATE INDEX IF NOT EXISTS claim_address ON claim (address);
  CREATE INDEX IF NOT EXISTS claim_holder ON claim (pool, holder);
  ${CLAIM_INDEXES}
`;
