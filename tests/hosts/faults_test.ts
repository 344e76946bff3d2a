// Tests of shared pools when the network between a host and etcd loses or holds back something.
import { listClaims, listHosts } from "../../lib/claims/hosts.ts";
import { assert, assertEquals } from "@std/assert";
import { freePorts } from "../kit/etcd.ts";
import { openHost, release } from "./host.ts";
import { copyFiles } from "./copy.ts";
import { elsewhere, kindOf, newLink, test } from "./kit.ts";
import { assertRejectsError } from "../kit/errors.ts";

const SUBNET = "10.7.0.0/24";

test(
  "without etcd, addresses come from the block, and the rest waits",
  ["a"],
  async ([a], access) => {
    await using link = newLink();
    const { id } = await a.pools.join({ ...access, endpoints: [link.endpoint] }, SUBNET, {});
    const taken = [await a.pools.take(id, { sandbox: "c0" })];
    link.trouble = { kind: "partition" };
    // A block has 16 addresses. The first one of the pool is no address, and so is the last.
    const [block] = await kindOf(access, "blocks");
    const kept = [...BigInt(`0x${(block![1] as { kept: string }).kept}`).toString(2)]
      .filter((bit) => bit === "1").length;
    while (taken.length < kept) {
      taken.push(await a.pools.take(id, { sandbox: `c${taken.length}` }));
    }
    assertEquals(new Set(taken).size, kept);
    const error = await assertRejectsError(
      () => a.pools.take(id, { sandbox: "more" }),
      "etcd-unreachable",
    );
    assertEquals(
      error.message,
      `etcd is out of reach (${link.endpoint}: no answer): start it, or check the endpoints`,
    );
    a.store.transaction(() => a.pools.release(id, taken[0]!));
    const { untold, reason } = await a.pools.settle();
    assertEquals(untold, kept);
    assert(reason?.startsWith("etcd is out of reach"));
    link.trouble = { kind: "none" };
    assertEquals(await a.pools.settle(), { untold: 0, lost: [] });
    assertEquals((await listClaims(a.pools.reader(access))).length, kept - 1);
  },
);

test("a process that waited while another one's etcd was out of reach does not wait again", [
  "a",
], async ([a], access) => {
  await using link = newLink();
  const { id } = await a.pools.join({ ...access, endpoints: [link.endpoint] }, SUBNET, {});
  using other = openHost("a", a.folder);
  link.trouble = { kind: "partition" };
  const takes = [a, other].map(({ pools }, index) =>
    assertRejectsError(
      () => pools.take(id, { sandbox: "c" }, { address: `10.7.0.${77 + index}` }),
      "etcd-unreachable",
    )
  );
  await Promise.race(takes);
  // If the other one asked etcd now, it would get its address.
  link.trouble = { kind: "none" };
  const errors = await Promise.all(takes);
  assertEquals(new Set(errors.map(({ message }) => message)).size, 1);
  assertEquals(await a.pools.settle(), { untold: 0, lost: [] });
  assertEquals(await kindOf(access, "claims"), []);
});

test("a claim whose answer is lost goes when etcd answers again", ["a"], async ([a], access) => {
  await using link = newLink();
  const { id } = await a.pools.join({ ...access, endpoints: [link.endpoint] }, SUBNET, {});
  link.trouble = { kind: "mute" };
  // The first request only reads, and has no answer either: so nothing is claimed yet.
  await assertRejectsError(
    () => a.pools.take(id, { sandbox: "c1" }, { address: "10.7.0.77" }),
    "etcd-unreachable",
  );
  assertEquals(await kindOf(access, "claims"), []);
  // The block is asked for by the first request.
  await assertRejectsError(() => a.pools.take(id, { sandbox: "c1" }), "etcd-unreachable");
  assertEquals((await kindOf(access, "blocks")).length, 1);
  link.trouble = { kind: "none" };
  assertEquals(await a.pools.settle(), { untold: 0, lost: [] });
  assertEquals(await kindOf(access, "blocks"), []);
  assertEquals(a.pools.held(), []);
  const [host] = await kindOf(access, "hosts");
  // It registered, made the pool, asked for the block, and gave it back.
  assertEquals((host![1] as { number: number }).number, 4);
});

for (const kind of ["block", "claim"]) {
  test(
    `a ${kind} whose first answer is lost is read back elsewhere`,
    ["a"],
    async ([a], access) => {
      await using muted = newLink();
      await using good = newLink();
      const endpoints = [muted.endpoint, good.endpoint];
      const { id } = await a.pools.join({ ...access, endpoints }, SUBNET, {});
      // A wanted address is looked at first, and then claimed.
      const wanted = kind === "claim" ? { address: "10.7.0.77" } : {};
      muted.trouble = { kind: "mute", after: kind === "claim" ? 1 : 0 };
      const address = await a.pools.take(id, { sandbox: "c1" }, wanted);
      assertEquals((await kindOf(access, `${kind}s`)).length, 1);
      muted.trouble = { kind: "none" };
      await release(a, id, address);
      assertEquals(await kindOf(access, "blocks"), []);
      assertEquals(await kindOf(access, "claims"), []);
    },
  );
}

test(
  "a request that etcd gets when nobody waits for it has no effect",
  ["a"],
  async ([a], access) => {
    await using link = newLink();
    const late = { ...access, endpoints: [link.endpoint] };
    const { id } = await a.pools.join(late, SUBNET, {});
    // It lasts until the trouble ends.
    link.trouble = { kind: "late", milliseconds: 1e6 };
    await assertRejectsError(() => a.pools.take(id, { sandbox: "c1" }), "etcd-unreachable");
    await a.pools.join(access, SUBNET, {});
    const { untold } = await a.pools.settle();
    assertEquals(untold, 0);
    const [before] = await kindOf(access, "hosts");
    link.trouble = { kind: "none" };
    // A request on the same link comes behind those that were late.
    await listHosts(a.pools.reader(late));
    assertEquals(await kindOf(access, "blocks"), []);
    // The pool, a number to end what was late, and the block that is given back.
    assertEquals((before![1] as { number: number }).number, 4);
  },
);

test(
  "an address given up without an answer can be another host's",
  ["a", "b"],
  async ([a, b], access) => {
    await using link = newLink();
    const { id } = await a.pools.join({ ...access, endpoints: [link.endpoint] }, SUBNET, {});
    await b.pools.join(access, SUBNET, {});
    const [stays, moves] = [
      await a.pools.take(id, { sandbox: "c1" }),
      await a.pools.take(id, { sandbox: "c2" }),
    ];
    await a.pools.settle();
    link.trouble = { kind: "mute" };
    a.store.transaction(() => a.pools.release(id, moves));
    assertEquals((await a.pools.settle()).untold, 1);
    assertEquals(await b.pools.take(id, { sandbox: "c2" }, { address: moves }), moves);
    link.trouble = { kind: "none" };
    assertEquals(await a.pools.settle(), { untold: 0, lost: [] });
    const claims = await listClaims(b.pools.reader(access));
    assertEquals(
      claims.map(({ address, sandbox }) => [address, sandbox]).sort(),
      [
        [stays, "c1"],
        [moves, "c2"],
      ].sort(),
    );
  },
);

test(
  "of two hosts with copies of one state folder, etcd refuses one",
  ["a"],
  async ([a], access) => {
    const { id } = await a.pools.join(access, SUBNET, {});
    const taken = await a.pools.take(id, { sandbox: "c1" });
    const address = elsewhere(taken);
    await a.pools.settle();
    const folder = Deno.makeTempDirSync();
    try {
      copyFiles(a.folder, folder);
      using copy = openHost("copy", folder);
      assertEquals(await copy.pools.take(id, { sandbox: "c2" }, { address }), address);
      await assertRejectsError(
        () => a.pools.take(id, { sandbox: "c3" }, { address: address.replace(/0$/, "1") }),
        "host-replaced",
        'The host "copy" has gone on',
      );
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  },
);

test("an etcd that does not run is named with the reason", ["a"], async ([a], access) => {
  const [port] = freePorts(1);
  const endpoints = [`http://127.0.0.1:${port}/`];
  const error = await assertRejectsError(
    () => a.pools.join({ ...access, endpoints }, SUBNET, {}),
    "etcd-unreachable",
  );
  assertEquals(
    error.message,
    `etcd is out of reach (http://127.0.0.1:${port}: tcp connect error: Connection refused ` +
      "(os error 111)): start it, or check the endpoints",
  );
});

test("a pool is left without etcd, and goes from it later", ["a"], async ([a], access) => {
  await using link = newLink();
  const { id } = await a.pools.join({ ...access, endpoints: [link.endpoint] }, SUBNET, {});
  const address = await a.pools.take(id, { sandbox: "c1" });
  await a.pools.settle();
  link.trouble = { kind: "partition" };
  a.store.transaction(() => a.pools.release(id, address));
  await a.pools.leave(id);
  assertEquals(a.pools.pools(), []);
  await assertRejectsError(() => a.pools.take(id, { sandbox: "c2" }), "shared-pool-not-found");
  link.trouble = { kind: "none" };
  assertEquals(await a.pools.settle(), { untold: 0, lost: [] });
  for (const kind of ["pools", "blocks", "claims"]) assertEquals(await kindOf(access, kind), []);
  assertEquals(a.store.shared.pools(), []);
});
