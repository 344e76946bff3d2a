import { assert, assertEquals, assertMatch, assertNotEquals, assertThrows } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { AddressLog } from "../../../../lib/driver/store/address_log.ts";
import { Database } from "../../../../lib/driver/store/database.ts";
import { isOwnedSql } from "../../../../lib/driver/model/names.ts";
import type { EndpointRecord } from "../../../../lib/driver/store/records.ts";
import { stateFolder } from "../../../../lib/driver/model/state_folder.ts";
import { Store } from "../../../../lib/driver/store/store.ts";
import { SELECTORS } from "../../../../lib/driver/store/tables.ts";
import type { AddressPool, Network } from "../../../../lib/driver/model/types.ts";
import { IDENTITY, network, sandboxRecord } from "../../../kit/values.ts";
import { assertRejectsError, assertThrowsError } from "../../../kit/errors.ts";
import { until } from "../../../kit/lab.ts";
import { openFiles } from "../../../kit/processes.ts";

/** A folder that is gone when the test is through. */
function folder(): Disposable & { path: string } {
  const path = Deno.makeTempDirSync();
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

const NET = network("db");
const VLAN = { type: "vlan" as const, name: "eth0.20", link: "eth0", id: 20 };

const SANDBOX = sandboxRecord("c1");
const ENDPOINT: EndpointRecord & { ip: string } = {
  id: "e1e2e3e4e5e6",
  network: NET.id,
  sandbox: "c1",
  ifname: "eth0",
  ordinal: 0,
  ip: "192.168.1.2",
  aliases: ["db"],
  routes: [{ dst: "10.0.0.0/8", via: "192.168.1.1" }],
};

const POOL: AddressPool = {
  id: "docker:local/10.0.0.0/24",
  subnet: "10.0.0.0/24",
  owner: { engine: "docker", id: "local" },
  requests: 1,
};
const CLAIM = { pool: POOL.id, address: "10.0.0.2", holder: "c1" };

function fill(store: Store): void {
  store.transaction(() => {
    store.putNetwork(NET, "ready");
    store.putLink(VLAN);
    store.putSandbox(SANDBOX, "ready");
    store.putEndpoint(ENDPOINT, "making");
    store.putPool(POOL);
    store.putClaim(CLAIM);
  });
}

/** All that is on record. */
function content(store: Store): unknown[] {
  return [
    store.networks(),
    store.links(),
    store.sandboxes(),
    store.endpoints(),
    store.pools(),
    store.claims({ pool: POOL.id }),
  ];
}

const FILLED = [
  [{ ...NET, state: "ready" }],
  [VLAN],
  [{ ...SANDBOX, state: "ready" }],
  [{ ...ENDPOINT, state: "making" }],
  [POOL],
  [CLAIM],
];

Deno.test("records survive closing and opening the store", () => {
  using dir = folder();
  const path = `${dir.path}/made/anew`;
  {
    using store = Store.open(path);
    assertEquals(content(store), [[], [], [], [], [], []]);
    fill(store);
  }
  using store = Store.open(path);
  assertEquals(content(store), FILLED);
  assertEquals(store.network("db"), { ...NET, state: "ready" });
  assertEquals(store.network("other"), undefined);
  assertEquals(store.sandbox("c1"), { ...SANDBOX, state: "ready" });
});

Deno.test("a store is in WAL mode, so that processes read while one writes", () => {
  using dir = folder();
  using _store = Store.open(dir.path);
  using db = new DatabaseSync(`${dir.path}/ipvlan.db`);
  assertEquals(db.prepare("PRAGMA journal_mode").get()?.journal_mode, "wal");
});

Deno.test("a process that opens a new store waits for another one that does, but not for ever", () => {
  using dir = folder();
  using other = new DatabaseSync(`${dir.path}/ipvlan.db`);
  const { wait } = Atomics;
  const { now } = Date;
  let clock = 0;
  const later = [30_000, 30_001, 40_000];
  let onPause = () => {};
  let looks = 0;
  Date.now = () => {
    assert(++looks < 10, "it does not pause");
    return clock;
  };
  Atomics.wait = ((...[array, index, value]: Parameters<typeof wait>) => {
    clock = later.shift()!;
    onPause();
    const result = wait(array, index, value, 0);
    assertEquals(result, "timed-out");
    return result;
  }) as typeof wait;
  try {
    // The other process is as far as this one. SQLite itself would not wait for it.
    other.exec("BEGIN IMMEDIATE");
    assertThrowsError(() => Store.open(dir.path), "store-unusable", "database is locked");
    assertEquals(clock, 30_001);
    onPause = () => other.exec("COMMIT");
    Store.open(dir.path)[Symbol.dispose]();
    assertEquals(later, []);
  } finally {
    [Atomics.wait, Date.now] = [wait, now];
  }
});

Deno.test("a transaction is on the disk when it has ended", () => {
  using dir = folder();
  using db = Database.open(dir.path);
  assertEquals(db.rows("PRAGMA synchronous").map(({ synchronous }) => synchronous), [2]);
});

Deno.test("only the owner can read the store", () => {
  using dir = folder();
  using _store = Store.open(`${dir.path}/state`);
  assertEquals(Deno.statSync(`${dir.path}/state`).mode! & 0o777, 0o700);
  assertEquals(Deno.statSync(`${dir.path}/state/ipvlan.db`).mode! & 0o777, 0o600);
});

Deno.test("records can be changed, filtered and deleted", () => {
  using dir = folder();
  using store = Store.open(dir.path);
  fill(store);
  const web = network("web");
  store.putNetwork(web, "making");
  const other = { ...ENDPOINT, id: "other", network: web.id, ifname: "eth1", ordinal: 1 };
  store.putEndpoint({ ...other, ip6: "fd00::2" }, "ready");
  store.putEndpoint(ENDPOINT, "removing");
  const ids = (filter?: { network?: string; sandbox?: string }) =>
    store.endpoints(filter).map(({ id, state }) => `${id} ${state}`);
  assertEquals(ids(), ["e1e2e3e4e5e6 removing", "other ready"]);
  assertEquals(ids({ network: web.id }), ["other ready"]);
  assertEquals(ids({ network: web.id, sandbox: "c1" }), ["other ready"]);
  assertEquals(ids({ network: NET.id, sandbox: "c2" }), []);
  assertEquals(store.endpoints({ network: web.id })[0]?.ip6, "fd00::2");
  store.deleteEndpoint("other");
  store.deleteClaim(CLAIM);
  store.deleteNetwork(web.id);
  store.deleteLink("eth0.20");
  assertEquals(content(store), [
    [{ ...NET, state: "ready" }],
    [],
    [{ ...SANDBOX, state: "ready" }],
    [{ ...ENDPOINT, state: "removing" }],
    [POOL],
    [],
  ]);
});

Deno.test("an endpoint is found by each of its addresses, without a look at the others", () => {
  using dir = folder();
  using store = Store.open(dir.path);
  fill(store);
  const moreAddresses = ["192.168.1.7", "fd00::7"];
  const more = { ...ENDPOINT, id: "more", ifname: "eth1", ordinal: 1, ip: "192.168.1.6" };
  store.putSandbox({ ...SANDBOX, name: "c2" }, "ready");
  store.putEndpoint({ ...more, sandbox: "c2", ip6: "fd00::6", moreAddresses }, "ready");
  const found = (address: string) => store.endpoints({ address }).map(({ id }) => id);
  const own = ["192.168.1.6", "fd00::6", ...moreAddresses];
  for (const address of own) assertEquals(found(address), ["more"], address);
  assertEquals([found("192.168.1.2"), found("192.168.1.8")], [[ENDPOINT.id], []]);
  assertEquals(store.endpoints({ sandbox: "c2" })[0]?.moreAddresses, moreAddresses);
  const logged = store.addressLog.length;
  store.deleteEndpoint("more");
  assertEquals(store.addressLog.since(logged), own);
  using db = new DatabaseSync(`${dir.path}/ipvlan.db`);
  const query = `SELECT * FROM endpoint WHERE ${SELECTORS.endpoint.ip}`;
  const plan = JSON.stringify(db.prepare(`EXPLAIN QUERY PLAN ${query}`).all("10.0.0.1"));
  assertMatch(plan, /USING INDEX endpoint_ip .*USING (COVERING )?INDEX endpoint_more/);
  assertEquals(/SCAN endpoint(?! USING)/.test(plan), false, plan);
});

Deno.test("endpoints are found by a name, whatever its letters' case, and all that have aliases", () => {
  using dir = folder();
  using store = Store.open(dir.path);
  fill(store);
  for (const [index, name] of ["c2", "c3"].entries()) {
    store.putSandbox({ ...SANDBOX, name }, "ready");
    const aliases = name === "c3" ? ["db"] : [];
    const ip = `192.168.1.${100 + index}`;
    store.putEndpoint({ ...ENDPOINT, id: name, sandbox: name, ip, aliases }, "ready");
  }
  const found = (...names: string[]) =>
    store.namedEndpoints(NET.id, names).map(({ sandbox }) => sandbox).toSorted();
  // The endpoint of c1 has an alias too.
  assertEquals(found(), ["c1", "c3"]);
  assertEquals([found("C2"), found("none", "c2")], [["c1", "c2", "c3"], ["c1", "c2", "c3"]]);
  assertEquals(store.namedEndpoints("other", ["c2"]), []);
  assertEquals(store.networkById(NET.id)?.name, NET.name);
  assertEquals(store.networkById(NET.id.slice(1)), undefined);
});

Deno.test("only the records that are asked for are read", () => {
  using dir = folder();
  using store = Store.open(dir.path);
  fill(store);
  const web = network("web", { parent: "eth0.20" });
  store.putNetwork(web, "removing");
  store.putLink({ type: "vlan", name: "eth0.20.30", link: "eth0.20", id: 30 });
  const names = (records: { name: string }[]) => records.map(({ name }) => name);
  assertEquals(names(store.networks({ parent: "eth0.20" })), ["web"]);
  const owner = { engine: "docker", id: "1" } as const;
  store.putNetwork(network("docker:1", { id: "1", parent: "eth0.20", owner }), "ready");
  assertEquals(names(store.networks({ parent: "eth0.20", owned: true })), ["docker:1"]);
  assertEquals(names(store.networks({ parent: "eth0", owned: true })), []);
  assertEquals([store.networkById(NET.id)?.name], ["db"]);
  assertEquals(names(store.networks({ unready: true })), ["web"]);
  assertEquals(names(store.sandboxes({ unready: true })), []);
  assertEquals(store.endpoints({ unready: true }).map(({ id }) => id), [ENDPOINT.id]);
  assertEquals(store.endpoints({ sandbox: "c1", network: web.id }), []);
  assertEquals(names(store.links({ on: "eth0.20" })), ["eth0.20.30"]);
  assertEquals([store.link("eth0.20")?.name, store.link("eth1")], ["eth0.20", undefined]);
  store.putSharedName({ prefix: "/p", network: "db", address: "10.0.0.9", names: [] });
  assertEquals(store.sharedNames("/p"), []);
  const { network: on, sandbox, ordinal, ip, ip6, aliases } = ENDPOINT;
  assertEquals(store.hostEntries(), [
    { network: on, networkName: "db", sandbox, ordinal, ip, ip6, aliases, state: "making" },
  ]);
  store.deleteEndpoint(ENDPOINT.id);
  store.putEndpoint({ ...ENDPOINT, ip: undefined, ip6: "fd00::2" }, "ready");
  assertEquals(store.hostEntries().map(({ ip, ip6 }) => ({ ip, ip6 })), [
    { ip: undefined, ip6: "fd00::2" },
  ]);
});

Deno.test("the store itself keeps addresses, names and what they belong to in order", () => {
  using dir = folder();
  using store = Store.open(dir.path);
  fill(store);
  store.putSandbox({ ...SANDBOX, name: "c2" }, "ready");
  const again = { ...ENDPOINT, id: "again", sandbox: "c2" };
  assertThrowsError(() => store.putEndpoint(again, "making"), "store-unusable", "UNIQUE");
  assertThrowsError(
    () => store.putNetwork({ ...NET, id: "x" }, "making"),
    "store-unusable",
    "UNIQUE",
  );
  assertThrowsError(() => store.deleteNetwork(NET.id), "store-unusable", "FOREIGN KEY");
  assertThrowsError(() => store.deleteSandbox("c1"), "store-unusable", "FOREIGN KEY");
  const stray = { ...again, ip: "192.168.1.3", sandbox: "nobody" };
  assertThrowsError(() => store.putEndpoint(stray, "making"), "store-unusable", "FOREIGN KEY");
  // Endpoints without an address of a family do not stand in each other's way.
  store.putEndpoint({ ...again, ip: "192.168.1.3" }, "making");
});

Deno.test("a network on record from an earlier version is read, with defaults for newer options", () => {
  using dir = folder();
  Store.open(dir.path)[Symbol.dispose]();
  // As version 0.1.0 wrote it.
  const subnet = { subnet: "10.0.0.0/24", gateway: "10.0.0.1", auxAddresses: { ntp: "10.0.0.5" } };
  const record: Network = {
    ...IDENTITY,
    name: "old",
    parent: "eth0.20",
    isolated: false,
    internal: false,
    ipv4: true,
    mode: "l3",
    flag: "vepa",
    mtu: 1400,
    subnets: [subnet],
    labels: { a: "b" },
  };
  const { flag: _flag, internal: _internal, ...older } = { ...record, id: "x", name: "older" };
  using db = new DatabaseSync(`${dir.path}/ipvlan.db`);
  const insert = db.prepare("INSERT INTO network (id, name, state, record) VALUES (?, ?, ?, ?)");
  insert.run(record.id, record.name, "ready", JSON.stringify(record));
  insert.run(older.id, older.name, "ready", JSON.stringify(older));
  using store = Store.open(dir.path);
  assertEquals(store.networks(), [
    { ...record, state: "ready" },
    { ...older, flag: "bridge", internal: false, state: "ready" },
  ]);
  assertEquals(store.network("older")!.flag, "bridge");
});

Deno.test("a transaction that throws has written nothing", () => {
  using dir = folder();
  using store = Store.open(dir.path);
  fill(store);
  const failure = new Error("on purpose");
  const thrown = assertThrows(() =>
    store.transaction(() => {
      store.deleteEndpoint(ENDPOINT.id);
      store.deleteNetwork(NET.id);
      throw failure;
    })
  );
  assertEquals(thrown, failure);
  assertEquals(content(store), FILLED);
  assertEquals(store.transaction(() => "result"), "result");
});

Deno.test("a transaction that SQLite has ended by itself tells why", () => {
  using dir = folder();
  using store = Store.open(dir.path);
  fill(store);
  {
    // Stands for a full disk, over which SQLite ends the transaction as well.
    using db = new DatabaseSync(`${dir.path}/ipvlan.db`);
    db.exec("CREATE TRIGGER full BEFORE INSERT ON link BEGIN SELECT RAISE(ROLLBACK, 'full'); END");
  }
  const ended = () =>
    store.transaction(() => {
      store.deleteEndpoint(ENDPOINT.id);
      store.putLink({ type: "dummy", name: "di-1" });
    });
  const error = assertThrowsError(ended, "store-unusable");
  assertEquals(error.message, `The state folder "${dir.path}" cannot be used: full`);
  assertEquals(content(store), FILLED);
});

Deno.test("two connections see each other's writes, and one writes at a time", () => {
  using dir = folder();
  using one = Store.open(dir.path);
  using two = Store.open(dir.path);
  fill(one);
  assertEquals(content(two), FILLED);
  two.deleteEndpoint(ENDPOINT.id);
  assertEquals(one.endpoints(), []);
});

Deno.test("the version changes when another writes, and the log has this process's addresses", () => {
  using dir = folder();
  using one = Store.open(dir.path);
  using two = Store.open(dir.path);
  fill(one);
  const before = one.version();
  const logged = one.addressLog.length;
  one.putSandbox({ ...SANDBOX, name: "c2" }, "ready");
  one.putEndpoint(ENDPOINT, "ready");
  assertEquals(one.version(), before);
  assertEquals(one.addressLog.since(logged), [ENDPOINT.ip]);
  two.putSandbox({ ...SANDBOX, name: "c3" }, "ready");
  const after = one.version();
  assertNotEquals(after, before);
  // Within a transaction nobody else can write, so what is read there holds till its end.
  one.transaction(() => {
    one.putSandbox({ ...SANDBOX, name: "c4" }, "ready");
    assertEquals(one.version(), after);
  });
  assertEquals(one.version(), after);
  one.deleteEndpoint(ENDPOINT.id);
  assertEquals(one.version(), after);
  assertEquals(one.addressLog.since(logged), [ENDPOINT.ip, ENDPOINT.ip]);
  // What changes the pools of addresses does, too.
  const changes: (() => void)[] = [
    () => one.putNetwork(network("web"), "making"),
    () => one.deleteNetwork(network("web").id),
    () => one.putNetwork(NET, "ready"),
    () => one.putPool({ ...POOL, id: "other" }),
    () => one.deletePool("other"),
  ];
  let last = after;
  for (const change of changes) {
    change();
    assertNotEquals(one.version(), last);
    last = one.version();
  }
  const logged2 = one.addressLog.length;
  one.deleteClaim(CLAIM);
  one.putClaim(CLAIM);
  assertEquals(one.addressLog.since(logged2), [CLAIM.address, CLAIM.address]);
});

Deno.test("a log of addresses forgets the oldest ones, and says so", () => {
  const log = new AddressLog();
  const addresses = Array.from({ length: 2500 }, (_, i) => `10.0.${i >> 8}.${i & 255}`);
  addresses.forEach((address) => log.add(address));
  assertEquals(log.length, 2500);
  assertEquals(log.since(2500), []);
  assertEquals(log.since(2000), addresses.slice(2000));
  assertEquals(log.since(0), undefined);
  const another = new AddressLog();
  another.add(...addresses.slice(0, 1999));
  assertEquals(another.since(0), addresses.slice(0, 1999));
  another.add(addresses[1999]!);
  assertEquals([another.since(999), another.since(1000)], [undefined, addresses.slice(1000, 2000)]);
});

Deno.test("a store of a newer version is refused and left alone", () => {
  using dir = folder();
  Store.open(dir.path)[Symbol.dispose]();
  {
    using db = new DatabaseSync(`${dir.path}/ipvlan.db`);
    db.exec("PRAGMA user_version = 99");
  }
  const error = assertThrowsError(() => Store.open(dir.path), "store-unusable");
  assertEquals(openFiles(dir.path), []);
  assertEquals(error.folder, dir.path);
  assertEquals(
    error.message,
    `The state folder "${dir.path}" cannot be used: its version is 99, newer than this program's; ` +
      "use a newer program",
  );
  assertThrowsError(() => Store.copy(dir.path), "store-unusable", "newer");
  using db = new DatabaseSync(`${dir.path}/ipvlan.db`);
  assertEquals(db.prepare("PRAGMA user_version").get()?.user_version, 99);
});

Deno.test("a store of version 3 keeps what it shares with other hosts", () => {
  using dir = folder();
  const pool = { id: "/p 10.7.0.0/24", prefix: "/p", subnet: "10.7.0.0/24", reserved: {} };
  const rest = { access: { endpoints: ["http://10.9.9.9:2379"] }, revision: 1, leaving: false };
  {
    using store = Store.open(dir.path);
    fill(store);
    using db = new DatabaseSync(`${dir.path}/ipvlan.db`);
    db.exec(AS_VERSION_3);
    store.shared.putPool({ ...pool, ...rest, next: undefined });
    db.exec(
      `INSERT INTO shared_block VALUES ('${pool.id}', '0a070010', 'asked', 't', '1', '0', 0, 0)`,
    );
  }
  using store = Store.open(dir.path);
  assertEquals(content(store), FILLED);
  assertEquals(store.shared.pools(), [{ ...pool, ...rest, next: undefined }]);
  // What was asked for is given back, if etcd has it.
  assertEquals(store.shared.blocks(pool.id).map(({ state }) => state), ["giving"]);
  const host = { prefix: "/p", id: "id", number: 7, token: "nonce", value: "", asked: "asked" };
  assertEquals(store.shared.host("/p"), {
    ...{ ...host, refused: undefined, agent: false, lease: "", heard: 0 },
  });
  assertEquals(store.shared.host("/never")?.number, 0);
});

Deno.test("a store of version 4 keeps its hosts, and takes changes of them", () => {
  using dir = folder();
  const none = { refused: undefined, agent: false, lease: "", heard: 0, asked: undefined };
  const host = { prefix: "/p", id: "id", number: 7, token: "t", value: "", ...none };
  {
    using store = Store.open(dir.path);
    store.shared.putHost(host);
    using db = new DatabaseSync(`${dir.path}/ipvlan.db`);
    db.exec("ALTER TABLE shared_host ADD COLUMN unsure INTEGER NOT NULL DEFAULT 1");
    db.exec("PRAGMA user_version = 4");
  }
  using store = Store.open(dir.path);
  assertEquals(store.shared.host("/p"), host);
  store.shared.putHost({ ...host, prefix: "/q" });
  assertEquals(store.shared.host("/q")?.number, 7);
});

/** Makes the hosts what version 3 had. One has never registered in etcd. */
const AS_VERSION_3 = `
  DROP TABLE shared_host;
  CREATE TABLE shared_host (
    prefix TEXT PRIMARY KEY,
    id TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    nonce TEXT NOT NULL,
    asked TEXT,
    revision INTEGER NOT NULL,
    unsure INTEGER NOT NULL,
    refused TEXT,
    place TEXT NOT NULL
  ) STRICT;
  INSERT INTO shared_host VALUES ('/p', 'id', 7, 'nonce', 'asked', 12, 1, NULL, 'place');
  INSERT INTO shared_host VALUES ('/never', 'id', 1, 'nonce', NULL, 0, 0, NULL, 'place');
  PRAGMA user_version = 3;
`;

Deno.test("a store whose index asked the records for an owner asks their names", () => {
  using dir = folder();
  {
    using store = Store.open(dir.path);
    const owner = { engine: "docker", id: "1" } as const;
    store.putNetwork(network("docker:1", { owner }), "ready");
    store.putNetwork(network("own"), "ready");
  }
  const parent = "CASE WHEN json_valid(record) THEN record ->> 'parent' END";
  using earlier = new DatabaseSync(`${dir.path}/ipvlan.db`);
  earlier.exec(`
    DROP INDEX network_of_engine;
    CREATE INDEX network_owned ON network (${parent})
      WHERE CASE WHEN json_valid(record) THEN record ->> 'owner' IS NOT NULL END`);
  using store = Store.open(dir.path);
  const owned = store.networks({ parent: "eth0", owned: true });
  assertEquals(owned.map(({ name }) => name), ["docker:1"]);
  using db = new DatabaseSync(`${dir.path}/ipvlan.db`);
  const query = `SELECT * FROM network WHERE ${parent} = ? AND ${isOwnedSql("name")} ORDER BY name`;
  const plan = db.prepare(`EXPLAIN QUERY PLAN ${query}`).all("eth0");
  assertMatch(JSON.stringify(plan), /USING INDEX network_of_engine /);
  assertEquals(db.prepare("SELECT 1 FROM sqlite_master WHERE name = 'network_owned'").all(), []);
});

Deno.test("the error for an unusable state folder names the folder", () => {
  using dir = folder();
  const path = `${dir.path}/file`;
  Deno.writeTextFileSync(path, "");
  for (const used of [path, `${path}/below`]) {
    assertThrowsError(
      () => Store.open(used),
      "store-unusable",
      `The state folder "${used}" cannot be`,
    );
  }
  Deno.writeTextFileSync(`${dir.path}/ipvlan.db`, "not a database, and long enough to be none");
  const error = assertThrowsError(() => Store.open(dir.path), "store-unusable");
  assert(error.message.endsWith("file is not a database"), error.message);
});

Deno.test("a copy has all records, and changing it leaves the store unchanged", () => {
  using dir = folder();
  {
    using empty = Store.copy(`${dir.path}/nothing`);
    assertEquals(content(empty), [[], [], [], [], [], []]);
  }
  assertEquals([...Deno.readDirSync(dir.path)], []);
  using store = Store.open(dir.path);
  fill(store);
  using copy = Store.copy(dir.path);
  assertEquals(content(copy), FILLED);
  copy.deleteEndpoint(ENDPOINT.id);
  assertEquals(content(store), FILLED);
});

Deno.test("the environment names the state folder, else there is a default", () => {
  const before = Deno.env.get("IPVLAN_STATE_DIR");
  try {
    Deno.env.set("IPVLAN_STATE_DIR", "/srv/state");
    assertEquals(stateFolder(), "/srv/state");
    Deno.env.set("IPVLAN_STATE_DIR", "");
    assertEquals(stateFolder(), "/var/lib/ipvlan");
    Deno.env.delete("IPVLAN_STATE_DIR");
    assertEquals(stateFolder(), "/var/lib/ipvlan");
  } finally {
    if (before !== undefined) Deno.env.set("IPVLAN_STATE_DIR", before);
  }
});

Deno.test("a store that is no file, or damaged, is refused with an error", () => {
  using dir = folder();
  const path = `${dir.path}/ipvlan.db`;
  const refused = (reason: string) => {
    for (const use of [Store.open, Store.copy]) {
      assertThrowsError(
        () => {
          using store = use(dir.path);
          content(store);
        },
        "store-unusable",
        reason,
      );
    }
  };
  // To open a FIFO for writing would wait for whoever reads it.
  new Deno.Command("mkfifo", { args: [path] }).outputSync();
  refused("ipvlan.db is not a file");
  Deno.removeSync(path);
  Deno.mkdirSync(path);
  refused("ipvlan.db is not a file");
  Deno.removeSync(path);
  Deno.writeTextFileSync(path, "no database");
  refused("file is not a database");
  Deno.removeSync(path);
  {
    using store = Store.open(dir.path);
    fill(store);
  }
  const whole = Deno.readFileSync(path);
  Deno.writeFileSync(path, whole.fill(0xa5, 4096));
  refused("database disk image is malformed");
});

Deno.test("a damaged record is refused with its name", () => {
  using dir = folder();
  using store = Store.open(dir.path);
  fill(store);
  using raw = new DatabaseSync(`${dir.path}/ipvlan.db`, { enableForeignKeyConstraints: false });
  const settings = (settings: object): [table: string, change: string, name: string] => [
    "sandbox",
    `record = '${JSON.stringify({ ...SANDBOX, ...settings })}'`,
    'sandbox "c1"',
  ];
  const fields = (table: string, name: string, record: object, ...changes: object[]) =>
    changes.map((change): [table: string, change: string, name: string] => [
      table,
      `record = '${JSON.stringify({ ...record, ...change })}'`,
      `${table} "${name}"`,
    ]);
  const damages: [table: string, change: string, name: string][] = [
    ...fields(
      ...["network", "db", NET] as const,
      ...[{ transient: false }, { foreignAddresses: 1 }, { isolated: "no" }, { owner: {} }],
      ...[{ mode: "l4" }, { mtu: {} }, { mtu: 5 }, { labels: { a: 1 } }, { created: 5 }, {
        parent: null,
      }],
      ...[{ ipam: { driver: "dhcp", access: { endpoints: ["http://10.0.0.1:1"] } } }],
      ...[{ ipam: { driver: "etcd", access: { endpoints: ["x"] } } }],
      { subnets: [{ subnet: "10.0.0.0/33", auxAddresses: {} }] },
      { subnets: [{ subnet: "10.0.0.0/24", gateway: "10.0.0", auxAddresses: {} }] },
      { subnets: [{ subnet: "10.0.0.0/24", ipRange: "10", auxAddresses: {} }] },
      { subnets: [{ subnet: "10.0.0.0/24", auxAddresses: { a: "b" } }] },
    ),
    ...fields(
      ...["endpoint", "e1e2e3e4e5e6", {}] as const,
      ...[{ routes: {} }, { routes: [{ dst: "10" }] }, { routes: [{ dst: "::/0", via: "x" }] }],
      ...[{ handOver: false }, { linkLocalAddresses: ["x"] }, { gatewayPriority: 0.5 }],
      ...[{ prefixLengths: { ip: "24" } }, { prefixLengths: { ip6: null } }, { parent: "a/b" }],
    ),
    ...fields(
      ...["sandbox", "c1", SANDBOX] as const,
      ...[{ namespace: "lost" }, { path: 1 }, { namespaceId: 1 }, { owner: { engine: "x" } }],
      ...[{ labels: [] }, { created: 1 }],
    ),
    ...fields(
      ...["pool", POOL.id, POOL] as const,
      ...[{ requests: 0.5 }, { subnet: "x" }, { ipRange: "x" }, { owner: {} }, { ipam: {} }],
    ),
    ...fields("link", VLAN.name, VLAN, { id: 0.5 }, { link: 5 }),
    ["network", "record = '{'", 'network "db"'],
    ["network", "record = 'null'", 'network "db"'],
    ["network", "state = 'half'", 'network "db"'],
    ["network", `record = '${JSON.stringify({ ...NET, subnets: [5] })}'`, 'network "db"'],
    ["link", "record = '{}'", 'link "eth0.20"'],
    // It would be below itself.
    ["link", `record = '${JSON.stringify({ ...VLAN, link: "eth0.20" })}'`, 'link "eth0.20"'],
    ["link", `record = '${JSON.stringify({ ...VLAN, type: "bridge" })}'`, 'link "eth0.20"'],
    ["sandbox", "record = '[]'", 'sandbox "c1"'],
    settings({ hostname: 5 }),
    settings({ hosts: { db: "192.0.2.9" } }),
    settings({ hosts: [{ name: "db" }] }),
    settings({ dns: [] }),
    settings({ dns: { servers: "192.0.2.53" } }),
    settings({ sysctls: { "net.ipv4.ip_forward": 1 } }),
    // It would become part of a line for the shell.
    settings({ sysctls: { "net.ipv4.ip_forward": "1; id" } }),
    ["pool", "record = '{}'", 'pool "docker:local/10.0.0.0/24"'],
    ["pool", "record = '{'", 'pool "docker:local/10.0.0.0/24"'],
    ["endpoint", "aliases = '[5]'", 'endpoint "e1e2e3e4e5e6"'],
    ["endpoint", "network = 'gone'", 'endpoint "e1e2e3e4e5e6"'],
    ["endpoint", "ip = '1.2.3'", 'endpoint "e1e2e3e4e5e6"'],
  ];
  for (const [table, change, name] of damages) {
    const row = raw.prepare(`SELECT * FROM ${table}`).get()!;
    raw.exec(`UPDATE ${table} SET ${change}`);
    assertThrowsError(
      () => content(store),
      "store-unusable",
      `its record of the ${name} is damaged`,
      change,
    );
    raw.exec(`DELETE FROM ${table}`);
    const columns = Object.keys(row);
    raw.prepare(`INSERT INTO ${table} VALUES (${columns.map(() => "?")})`)
      .run(...Object.values(row));
  }
  assertEquals(content(store), FILLED);
});

Deno.test("host entries of a damaged endpoint are refused with its name", () => {
  for (const change of ["aliases = '{'", "network = 'gone'"]) {
    using dir = folder();
    using store = Store.open(dir.path);
    fill(store);
    using raw = new DatabaseSync(`${dir.path}/ipvlan.db`, { enableForeignKeyConstraints: false });
    raw.exec(`UPDATE endpoint SET ${change}`);
    const name = 'endpoint "e1e2e3e4e5e6"';
    assertThrowsError(() => store.hostEntries(), "store-unusable", name, change);
  }
});

Deno.test("a sandbox is found by its id, which is its name if an earlier version has recorded it", () => {
  using dir = folder();
  using store = Store.open(dir.path);
  store.putSandbox(SANDBOX, "ready");
  assertEquals(store.sandboxById(SANDBOX.id)?.name, "c1");
  assertEquals(store.sandboxById("c1"), undefined);
  using db = new DatabaseSync(`${dir.path}/ipvlan.db`);
  db.exec("UPDATE sandbox SET record = json_remove(record, '$.id')");
  assertEquals(store.sandbox("c1")?.id, "c1");
});

Deno.test("calls that do not wait for the disk by themselves wait for it together, after their own part", async () => {
  using dir = folder();
  using database = Database.open(dir.path);
  const level = () => database.rows("PRAGMA synchronous")[0]!.synchronous;
  const [NORMAL, FULL] = [1, 2];
  const { syncData } = Deno.FsFile.prototype;
  const syncs: PromiseWithResolvers<void>[] = [];
  Deno.FsFile.prototype.syncData = () => {
    syncs.push(Promise.withResolvers());
    return syncs.at(-1)!.promise;
  };
  try {
    const ended: string[] = [];
    const call = async (name: string) => {
      assertEquals(database.transaction(level, false), NORMAL);
      await database.sync();
      ended.push(name);
    };
    await database.sync();
    assertEquals(database.transaction(level), FULL);
    const first = [call("a"), call("b"), call("c")];
    await until(() => syncs.length === 1);
    const later = [call("d"), call("e"), database.sync()];
    assertEquals([...ended], []);
    syncs[0]!.resolve();
    await Promise.all(first);
    await until(() => syncs.length === 2);
    assertEquals([...ended], ["a", "b", "c"]);
    syncs[1]!.resolve();
    await Promise.all(later);
    assertEquals(ended, ["a", "b", "c", "d", "e"]);
    await database.sync();
    const failing = call("f");
    await until(() => syncs.length === 3);
    syncs[2]!.reject(new Error("Input/output error (os error 5)"));
    await assertRejectsError(() => failing, "store-unusable", "Input/output error");
    // What failed is tried again.
    const again = database.sync();
    await until(() => syncs.length === 4);
    syncs[3]!.resolve();
    await again;
    assertEquals(database.transaction(level), FULL);
  } finally {
    Deno.FsFile.prototype.syncData = syncData;
  }
  using copy = Database.copy(dir.path);
  copy.transaction(() => {}, false);
  await copy.sync();
  // The real one.
  database.transaction(() => {}, false);
  await database.sync();
});
