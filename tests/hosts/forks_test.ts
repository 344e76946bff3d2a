// Tests of hosts and etcd whose history forks or goes back: snapshots, copies, backups.
import { assert, assertEquals } from "@std/assert";
import { copySync } from "../kit/etcd.ts";
import { openHost, release } from "./host.ts";
import { copyFiles, copyHost } from "./copy.ts";
import { cluster, elsewhere, kindOf, newLink, test } from "./kit.ts";
import { assertRejectsError } from "../kit/errors.ts";

const SUBNET = "10.7.0.0/24";
/** A pool of one block. */
const SMALL = "10.8.0.0/30";

test("an older snapshot of etcd: no host uses what it has lost by it", ["a", "b", "c"], async (
  [a, b, c],
  access,
) => {
  const join = async ({ pools }: typeof a) => (await pools.join(access, SMALL, {})).id;
  const id = await join(a);
  for (const host of [b, c]) await join(host);
  let snapshot = "";
  await cluster.whileDown((folder) => copySync(folder, snapshot = `${folder}-snapshot`));
  const put = () =>
    cluster.whileDown((folder) => {
      Deno.removeSync(folder, { recursive: true });
      Deno.renameSync(snapshot, folder);
    });
  // Both take the one block, at the same revision of etcd.
  const first = await a.pools.take(id, { sandbox: "c1" });
  await a.pools.settle();
  await put();
  const second = await b.pools.take(id, { sandbox: "c2" });
  await b.pools.settle();
  // The first host is told, and touches nothing of the second one.
  const before = await kindOf(access, "");
  a.store.transaction(() => a.pools.describe(id, first, { sandbox: "c1", names: ["x"] }));
  const { reason } = await a.pools.settle();
  assert(reason?.startsWith("etcd has an older state under"), reason);
  assertEquals(await kindOf(access, ""), before);
  await assertRejectsError(() => a.pools.take(id, { sandbox: "c3" }), "etcd-older");
  // A host that did nothing since the snapshot goes on.
  assertEquals((await c.pools.settle()).untold, 0);
  const mended = await a.pools.recover();
  assertEquals(mended[0], `etcd was older than the record of this host under ${access.prefix}`);
  const { untold, lost } = await a.pools.settle();
  assertEquals(untold, 0);
  // Either both have another address, or the second host has the one of both.
  assertEquals(lost.map(({ address }) => address), first === second ? [first] : []);
  const claims = await b.pools.claims(access);
  const claimed = claims.map(({ address, sandbox }) => `${address} ${sandbox}`);
  assert(claimed.includes(`${second} c2`), claimed.join());
});

test("of two running copies of a host, the second one is refused", ["a"], async ([a], access) => {
  const { id } = await a.pools.join(access, SUBNET, {});
  const kept = await a.pools.take(id, { sandbox: "c1" });
  await a.pools.settle();
  // The memory is copied as well: what a reboot forgets is the same.
  const folder = Deno.makeTempDirSync();
  copyHost(a.folder, folder);
  try {
    using copy = openHost("copy", folder);
    const mine = await a.pools.take(id, { sandbox: "c2" });
    assertEquals((await a.pools.settle()).untold, 0);
    // It may give one away until its first request: addresses of a block need none.
    const since = await copy.pools.take(id, { sandbox: "c3" });
    const { reason, lost } = await copy.pools.settle();
    assert(reason?.startsWith('The host "a" has gone on'), reason);
    assertEquals(lost.map(({ address, sandbox }) => ({ address, sandbox })), [
      { address: since, sandbox: "c3" },
    ]);
    await assertRejectsError(() => copy.pools.take(id, { sandbox: "c4" }), "host-replaced");
    await assertRejectsError(() => copy.pools.recover(), "host-replaced");
    assertEquals(
      (await a.pools.claims(access)).map(({ address }) => address).sort(),
      [kept, mine].sort(),
    );
    const [host] = await a.pools.hosts(access);
    assertEquals(host!.copies, ["copy"]);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

test("a backup of the state folder gives nothing away before etcd was asked", ["b"], async (
  [b],
  access,
) => {
  await using link = newLink();
  await b.pools.join(access, SUBNET, {});
  const [folder, backup] = [Deno.makeTempDirSync(), Deno.makeTempDirSync()];
  let [id, stays, single] = ["", "", ""];
  try {
    {
      using a = openHost("a", folder);
      id = (await a.pools.join({ ...access, endpoints: [link.endpoint] }, SUBNET, {})).id;
      stays = await a.pools.take(id, { sandbox: "c1" });
      await a.pools.settle();
    }
    copyFiles(folder, backup);
    {
      using a = openHost("a", folder);
      // After the backup, its block becomes the other host's.
      await release(a, id, stays);
      await b.pools.take(id, { sandbox: "c2" }, { address: stays });
      single = elsewhere(stays);
      await a.pools.take(id, { sandbox: "c3" }, { address: single });
    }
    copyFiles(backup, folder);
    using a = openHost("a", folder);
    link.trouble = { kind: "partition" };
    await assertRejectsError(() => a.pools.take(id, { sandbox: "c4" }), "etcd-unreachable");
    link.trouble = { kind: "none" };
    await assertRejectsError(() => a.pools.take(id, { sandbox: "c4" }), "host-replaced");
    const mended = await a.pools.recover();
    assertEquals(mended[0], `The record of this host was older than etcd under ${access.prefix}`);
    assertEquals((await a.pools.settle()).lost.map(({ address }) => address), [stays]);
    const claims = await b.pools.claims(access);
    assert(claims.some(({ address, sandbox }) => address === stays && sandbox === "c2"));
    const another = await a.pools.take(id, { sandbox: "c5" });
    assert(another !== stays, another);
    assertEquals((await b.pools.hosts(access)).flatMap(({ copies }) => copies), []);
  } finally {
    for (const each of [folder, backup]) Deno.removeSync(each, { recursive: true });
  }
});

test("a copy whose networks are removed is a host of its own afterwards", ["a"], async (
  [a],
  access,
) => {
  const { id } = await a.pools.join(access, SUBNET, {});
  const kept = await a.pools.take(id, { sandbox: "c1" });
  await a.pools.settle();
  const folder = Deno.makeTempDirSync();
  copyFiles(a.folder, folder);
  try {
    await a.pools.take(id, { sandbox: "c2" }, { address: elsewhere(kept) });
    using copy = openHost("copy", folder);
    await assertRejectsError(() => copy.pools.take(id, { sandbox: "c3" }), "host-replaced");
    copy.store.transaction(() => copy.pools.release(id, kept));
    await copy.pools.leave(id);
    assertEquals((await a.pools.hosts(access))[0]!.copies, []);
    await copy.pools.join(access, SUBNET, {});
    const own = await copy.pools.take(id, { sandbox: "c3" });
    assert(own !== kept, own);
    assertEquals((await a.pools.hosts(access)).map(({ name }) => name), ["a", "copy"]);
    assertEquals((await a.pools.settle()).lost, []);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

test("after a reboot, etcd is asked before a kept address is given", ["a"], async ([a], access) => {
  await using link = newLink();
  const { id } = await a.pools.join({ ...access, endpoints: [link.endpoint] }, SUBNET, {});
  await a.pools.take(id, { sandbox: "c1" });
  await a.pools.settle();
  link.trouble = { kind: "partition" };
  await a.pools.take(id, { sandbox: "c2" });
  Deno.removeSync(`${a.folder}/run`, { recursive: true });
  await assertRejectsError(() => a.pools.take(id, { sandbox: "c3" }), "etcd-unreachable");
  assertEquals(a.pools.held().length, 2);
  link.trouble = { kind: "none" };
  await a.pools.take(id, { sandbox: "c3" });
  link.trouble = { kind: "partition" };
  await a.pools.take(id, { sandbox: "c4" });
});
