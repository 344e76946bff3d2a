// Tests of hosts whose state folder is a copy or a backup.
import { listClaims, listHosts } from "../../lib/claims/hosts.ts";
import { assert, assertEquals } from "@std/assert";
import { openHost, release } from "./host.ts";
import { copyFiles, copyHost } from "./copy.ts";
import { elsewhere, test } from "./kit.ts";
import { assertRejectsError } from "../kit/errors.ts";

const SUBNET = "10.7.0.0/24";

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
      (await listClaims(a.pools.reader(access))).map(({ address }) => address).sort(),
      [kept, mine].sort(),
    );
    const [host] = await listHosts(a.pools.reader(access));
    assertEquals(host!.copies, ["copy"]);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

test("a backup of the state folder gives nothing away before etcd was asked", ["b"], async (
  [b],
  access,
) => {
  await b.pools.join(access, SUBNET, {});
  const [folder, backup] = [Deno.makeTempDirSync(), Deno.makeTempDirSync()];
  let [id, stays, single] = ["", "", ""];
  try {
    {
      using a = openHost("a", folder);
      id = (await a.pools.join(access, SUBNET, {})).id;
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
    await assertRejectsError(() => a.pools.take(id, { sandbox: "c4" }), "host-replaced");
    const mended = await a.pools.recover();
    assertEquals(mended[0], `The record of this host was older than etcd under ${access.prefix}`);
    assertEquals((await a.pools.settle()).lost.map(({ address }) => address), [stays]);
    const claims = await listClaims(b.pools.reader(access));
    assert(claims.some(({ address, sandbox }) => address === stays && sandbox === "c2"));
    const another = await a.pools.take(id, { sandbox: "c5" });
    assert(another !== stays, another);
    assertEquals((await listHosts(b.pools.reader(access))).flatMap(({ copies }) => copies), []);
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
    assertEquals((await listHosts(a.pools.reader(access)))[0]!.copies, []);
    await copy.pools.join(access, SUBNET, {});
    const own = await copy.pools.take(id, { sandbox: "c3" });
    assert(own !== kept, own);
    assertEquals((await listHosts(a.pools.reader(access))).map(({ name }) => name), ["a", "copy"]);
    assertEquals((await a.pools.settle()).lost, []);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});
