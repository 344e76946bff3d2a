// Tests of several processes of one host that share its records.
import { listClaims } from "../../lib/claims/hosts.ts";
import { assert, assertEquals } from "@std/assert";
import { succeed } from "../kit/processes.ts";
import { openHost, release } from "./host.ts";
import { kindOf, test } from "./kit.ts";

const SUBNET = "10.7.0.0/24";

test("20 processes of a host at once share its blocks", ["a"], async ([a], access) => {
  const child = new URL("child.ts", import.meta.url).pathname;
  const args = [a.folder, access.prefix!, SUBNET, access.endpoints[0]!];
  const printed = await Promise.all(
    Array.from(
      { length: 20 },
      () => succeed(Deno.execPath(), "run", "-A", "--no-check", "--cached-only", child, ...args),
    ),
  );
  const addresses = printed.map((text) => text.trim()).sort();
  assertEquals(new Set(addresses).size, 20);
  // One that waited long for its turn has left the telling to others.
  assertEquals(await a.pools.settle(), { untold: 0, lost: [] });
  assertEquals(
    (await listClaims(a.pools.reader(access))).map(({ address }) => address).sort(),
    addresses,
  );
  assertEquals((await kindOf(access, "blocks")).length, 2);
  assertEquals((await kindOf(access, "hosts")).length, 1);
});

test("two processes of a host that was removed register it anew at once", ["a", "b"], async (
  [a, b],
  access,
) => {
  const { id } = await a.pools.join(access, SUBNET, {});
  const address = await a.pools.take(id, { sandbox: "c1" });
  await a.pools.settle();
  const { id: gone } = a.store.shared.host(access.prefix!)!;
  await b.pools.removeHost(access, gone, true);
  const other = new URL("recovering.ts", import.meta.url).pathname;
  const args = ["run", "-A", "--no-check", "--cached-only", other, a.folder];
  // Whenever a call has had its turn, another process recovers before this one goes on.
  using slow = openHost("a", a.folder, {
    unlocked() {
      const { success, stderr } = new Deno.Command(Deno.execPath(), { args }).outputSync();
      assert(success, new TextDecoder().decode(stderr));
    },
  });
  await slow.pools.recover();
  assertEquals(await a.pools.settle(), { untold: 0, lost: [] });
  assertEquals((await listClaims(a.pools.reader(access))).map(({ address }) => address), [address]);
  await release(a, id, address);
  assertEquals(await kindOf(access, "claims"), []);
});
