// Tests of hosts and etcd whose history forks or goes back: snapshots, copies, backups.
import { listClaims } from "../../lib/claims/hosts.ts";
import { assert, assertEquals } from "@std/assert";
import { type Cluster, copySync } from "../kit/etcd.ts";
import { cluster, kindOf, newLink, test } from "./kit.ts";
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
  const etcd = cluster as Cluster;
  await etcd.whileDown((folder) => copySync(folder, snapshot = `${folder}-snapshot`));
  const put = () =>
    etcd.whileDown((folder) => {
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
  const claims = await listClaims(b.pools.reader(access));
  const claimed = claims.map(({ address, sandbox }) => `${address} ${sandbox}`);
  assert(claimed.includes(`${second} c2`), claimed.join());
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
