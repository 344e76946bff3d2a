import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { dirname } from "node:path";
import { HostsWriter } from "../../../../lib/driver/sandbox/hosts_file.ts";
import { HostsFiles } from "../../../../lib/driver/sandbox/hosts.ts";
import { HEAD } from "../../../../lib/driver/sandbox/hosts_plan.ts";
import { Store } from "../../../../lib/driver/store/store.ts";
import { openFiles } from "../../../kit/processes.ts";
import { endpointRecord, network, sandboxRecord } from "../../../kit/values.ts";
import { removeResolvConf, writeResolvConf } from "../../../../lib/driver/sandbox/settings.ts";

const ONE = `${HEAD}\n10.0.0.2 c1 c1.a # ipvlan\n`;
const TWO = `${ONE}10.0.0.3 c2 c2.a # ipvlan\n`;

/** A folder in place of `/etc/netns`, with a writer and a lock. */
function world() {
  const base = Deno.makeTempDirSync();
  const folder = `${base}/netns`;
  const lock = `${base}/lock`;
  Deno.writeTextFileSync(lock, "");
  const place = (sandbox: string) => `${folder}/${sandbox}/hosts`;
  const writer = new HostsWriter(folder);
  writer.begin(lock);
  return {
    folder,
    lock,
    writer,
    place,
    own: (sandbox: string) => `${folder}/.ipvlan-kit/@${sandbox}`,
    text: (sandbox: string) => Deno.readTextFileSync(place(sandbox)),
    modes: (...paths: string[]) => paths.map((path) => Deno.lstatSync(path).mode! & 0o777),
    [Symbol.dispose]: () => {
      writer[Symbol.dispose]();
      Deno.removeSync(base, { recursive: true });
    },
  };
}

const names = (folder: string) => [...Deno.readDirSync(folder)].map(({ name }) => name).sort();

Deno.test("a hosts file is made for all to read, grows in place, and goes with its folders", () => {
  const before = Deno.umask(0o077);
  try {
    using at = world();
    const { writer, folder, place, own } = at;
    writer.write("c1", ONE);
    assertEquals(at.text("c1"), ONE);
    const folders = [folder, `${folder}/c1`, `${folder}/.ipvlan-kit`];
    assertEquals(at.modes(...folders, place("c1")), [0o755, 0o755, 0o755, 0o644]);
    const { ino } = Deno.lstatSync(place("c1"));
    writer.write("c1", TWO);
    assertEquals([at.text("c1"), Deno.lstatSync(own("c1")).ino], [TWO, ino]);
    writer.write("c1", ONE);
    assertEquals([at.text("c1"), Deno.lstatSync(place("c1")).ino], [ONE, ino]);
    // A line that changes in the middle.
    for (const name of ["c9", "longer", "c1"]) {
      const changed = TWO.replace("c1 c1.a", `${name} ${name}.a`);
      writer.write("c1", changed);
      assertEquals(at.text("c1"), changed);
    }
    writer.write("c2", ONE);
    writer.remove("c1");
    assertEquals(names(folder), [".ipvlan-kit", "c2"]);
    writer.remove("c2");
    writer.remove("c2");
    assertEquals(names(folder), []);
  } finally {
    Deno.umask(before);
  }
});

Deno.test("the lines of root in a sandbox stay, also those written between two of the driver's", () => {
  using at = world();
  const { writer, place } = at;
  writer.write("c1", ONE);
  Deno.writeTextFileSync(place("c1"), "10.9.9.9 bank\n", { append: true });
  writer.write("c1", TWO);
  assertEquals(at.text("c1"), `${ONE}10.9.9.9 bank\n${TWO.slice(ONE.length)}`);
  // As many bytes as before, and an order that only a new reading finds.
  writer.write("c1", ONE);
  assertEquals(at.text("c1"), `${ONE}10.9.9.9 bank\n`);
  Deno.writeFileSync(place("c1"), new Uint8Array([0xff, 0xfe, 10]), { append: true });
  writer.write("c1", TWO);
  const bytes = Deno.readFileSync(place("c1"));
  assertEquals(bytes.includes(0xff) && bytes.includes(0xfe), true);
});

Deno.test("a file whose mode, links or place root in a sandbox has changed is put right", () => {
  using at = world();
  const { writer, place, own, folder } = at;
  const outside = `${folder}/outside`;
  const changes: (() => void)[] = [
    () => Deno.chmodSync(place("c1"), 0o600),
    () => Deno.removeSync(place("c1")),
    () => Deno.removeSync(own("c1")),
    () => Deno.removeSync(`${folder}/c1`, { recursive: true }),
    () => {
      Deno.removeSync(own("c1"));
      Deno.symlinkSync(outside, own("c1"));
    },
    () => {
      Deno.removeSync(place("c1"));
      // A killed driver may have written only the beginning of its first line.
      Deno.writeTextFileSync(place("c1"), "# Written by");
      Deno.writeTextFileSync(`${folder}/.ipvlan-kit/new@c1`, "left");
    },
    () => {
      Deno.removeSync(place("c1"));
      Deno.writeTextFileSync(place("c1"), "");
    },
  ];
  for (const [index, change] of changes.entries()) {
    writer.write("c1", index % 2 === 0 ? ONE : TWO);
    change();
    writer.write("c1", TWO);
    assertEquals(at.text("c1"), TWO, `${index}`);
    assertEquals(at.modes(place("c1")), [0o644], `${index}`);
    assertEquals(Deno.lstatSync(own("c1")).ino, Deno.lstatSync(place("c1")).ino, `${index}`);
  }
  assertEquals(names(folder), [".ipvlan-kit", "c1"]);
  assertEquals(openFiles(folder), [own("c1")]);
});

Deno.test("a file that is as long as after the last write is not read again, until others write", () => {
  using at = world();
  const { writer, lock, place } = at;
  writer.write("c1", ONE);
  const changed = ONE.replace("10.0.0.2", "10.0.0.9");
  Deno.writeTextFileSync(place("c1"), changed);
  writer.begin(lock);
  writer.write("c1", TWO);
  assertEquals(at.text("c1"), TWO.replace("10.0.0.2", "10.0.0.9"));
  Deno.writeTextFileSync(lock, "another");
  writer.begin(lock);
  writer.write("c1", TWO);
  assertEquals(at.text("c1"), TWO);
});

Deno.test("a file that the driver did not make is neither written nor removed", () => {
  using at = world();
  const { writer, place, folder } = at;
  Deno.mkdirSync(`${folder}/c1`, { recursive: true });
  Deno.writeTextFileSync(place("c1"), "10.9.9.9 bank\n");
  writer.write("c1", ONE);
  writer.remove("c1");
  assertEquals(at.text("c1"), "10.9.9.9 bank\n");
  Deno.removeSync(place("c1"));
  Deno.symlinkSync("/etc/hosts", place("c1"));
  writer.write("c1", ONE);
  writer.remove("c1");
  assertEquals(Deno.readLinkSync(place("c1")), "/etc/hosts");
  assertEquals(names(folder), ["c1"]);
});

Deno.test("a file of the driver's is removed wherever it lies, and an empty folder with it", () => {
  using at = world();
  const { writer, place, own, folder } = at;
  writer.write("c1", ONE);
  // Root in the sandbox has replaced the text: its inode tells.
  Deno.writeTextFileSync(place("c1"), "evil\n");
  writer.remove("c1");
  assertEquals(names(folder), []);
  writer.write("c1", ONE);
  Deno.removeSync(own("c1"));
  writer.remove("c1");
  assertEquals(names(folder), []);
  writer.write("c1", ONE);
  Deno.removeSync(place("c1"));
  Deno.writeTextFileSync(`${folder}/c1/resolv.conf`, "");
  writer.remove("c1");
  assertEquals(names(folder), ["c1"]);
});

Deno.test("a writer forgets what it has written when another one was at work", () => {
  using at = world();
  const { writer, folder, lock } = at;
  using other = new HostsWriter(folder);
  writer.write("c1", ONE);
  other.begin(lock);
  other.write("c1", TWO);
  writer.begin(lock);
  writer.write("c1", ONE);
  assertEquals(at.text("c1"), ONE);
  // As long as the text of this writer, which it would take for its own.
  other.begin(lock);
  const same = ONE.replace("10.0.0.2", "10.0.0.9");
  other.write("c1", same);
  writer.begin(lock);
  writer.write("c1", TWO);
  assertEquals(at.text("c1"), TWO);
});

Deno.test("a file with more bytes than any has is an error, and stays", () => {
  using at = world();
  const { writer, place } = at;
  writer.write("c1", ONE);
  Deno.truncateSync(place("c1"), 16 * 1024 * 1024);
  writer.write("c1", TWO);
  Deno.truncateSync(place("c1"), 16 * 1024 * 1024 + 1);
  assertThrows(() => writer.write("c1", TWO), Error, "has 16777217 bytes, more than 16777216");
  assertEquals(Deno.statSync(place("c1")).size, 16777217);
  assertEquals(openFiles(at.folder), []);
});

Deno.test("only some files stay open", () => {
  using at = world();
  using writer = new HostsWriter(at.folder, 2);
  for (const sandbox of ["c1", "c2", "c3"]) writer.write(sandbox, ONE);
  assertEquals(openFiles(at.folder), ["c1", "c2"].map(at.own));
  assertEquals(at.text("c3"), ONE);
});

Deno.test("a resolv.conf is for all to read, replaced and removed, and another's is left alone", () => {
  using at = world();
  const [folder, path] = [`${at.folder}/c1`, `${at.folder}/c1/resolv.conf`];
  const text = "# Written by ipvlan-kit; changes will be lost\nnameserver 192.0.2.1\n";
  const before = Deno.umask(0o077);
  try {
    removeResolvConf(folder);
    for (const written of [text, `${text}options edns0\n`]) {
      writeResolvConf(folder, written);
      assertEquals([Deno.readTextFileSync(path), at.modes(path)], [written, [0o644]]);
    }
    removeResolvConf(folder);
    assertEquals(names(folder), []);
    Deno.writeTextFileSync(path, "mine");
    writeResolvConf(folder, text);
    removeResolvConf(folder);
    assertEquals(Deno.readTextFileSync(path), "mine");
  } finally {
    Deno.umask(before);
  }
});

/** A store with two sandboxes on a network. */
function storeWithTwo(folder: string): Store {
  const store = Store.open(folder);
  const lan = network("lan");
  store.putNetwork(lan, "ready");
  for (const [index, name] of ["c1", "c2"].entries()) {
    store.putSandbox(sandboxRecord(name, { id: name }), "ready");
    const endpoint = endpointRecord(name, lan, { id: name, ip: `192.168.1.${index + 2}` });
    store.putEndpoint(endpoint, "ready");
  }
  return store;
}

Deno.test("the files on a network are written together, and one that fails is tried again", async () => {
  using at = world();
  using store = storeWithTwo(`${at.folder}-state`);
  const hosts = new HostsFiles(store, () => [], at.lock, at.writer);
  const lan = network("lan").id;
  Deno.mkdirSync(at.place("c1"), { recursive: true });
  // Two calls share one refresh.
  const [failures, same] = await Promise.all([hosts.refresh([lan]), hosts.refresh([], ["c2"])]);
  assertEquals(failures, same);
  assertEquals([...failures.keys()], ["c1"]);
  assertEquals(at.text("c2").split("\n").filter((line) => line.startsWith("192")), [
    "192.168.1.2 c1 c1.lan # ipvlan",
    "192.168.1.3 c2 c2.lan # ipvlan",
  ]);
  Deno.removeSync(at.place("c1"));
  assertEquals((await hosts.refresh([])).size, 0);
  assertEquals(at.text("c1"), at.text("c2"));
  store.deleteEndpoint("c1");
  store.putSandbox(sandboxRecord("c1", { id: "c1" }), "removing");
  assertEquals((await hosts.refresh([lan], ["c1", "never-made"])).size, 0);
  assertEquals(names(at.folder), [".ipvlan-kit", "c2"]);
  assertEquals(openFiles(at.folder), [at.own("c2")]);
  hosts[Symbol.dispose]();
  assertEquals(openFiles(at.folder), []);
});

Deno.test("what could not be read of the store is written by the next refresh", async () => {
  using at = world();
  using store = storeWithTwo(`${at.folder}-state`);
  let failure: Error | undefined = new Error("on purpose");
  const remote = () => {
    if (failure) throw failure;
    return [];
  };
  using hosts = new HostsFiles(store, remote, at.lock, at.writer);
  await assertRejects(() => hosts.refresh([network("lan").id], ["c1"]), Error, "on purpose");
  failure = undefined;
  assertEquals((await hosts.refresh([])).size, 0);
  assertEquals(at.text("c1"), at.text("c2"));
});

Deno.test("a call that is aborted waits no longer, and without a lock nothing is written", async () => {
  using at = world();
  using store = storeWithTwo(`${at.folder}-state`);
  const lan = network("lan").id;
  using rehearsed = new HostsFiles(store, () => [], undefined, at.writer);
  assertEquals((await rehearsed.refresh([lan])).size, 0);
  using hosts = new HostsFiles(store, () => [], at.lock, at.writer);
  const control = new AbortController();
  {
    using file = Deno.openSync(at.lock, { write: true });
    file.lockSync(true);
    const refreshed = hosts.refresh([lan], [], { signal: control.signal });
    control.abort(new Error("stopped"));
    await assertRejects(() => refreshed, Error, "stopped");
    // Nobody waits for the lock any more: only this test has the file open.
    while (openFiles(dirname(at.lock)).filter((path) => path === at.lock).length > 1) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
  assertEquals(names(at.folder.replace("/netns", "")).includes("netns"), false);
  assertEquals((await hosts.refresh([])).size, 0);
  assertEquals(at.text("c1"), at.text("c2"));
});
