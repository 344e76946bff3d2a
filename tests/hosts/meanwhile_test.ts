// Tests of what happens on a host, or in etcd, while a call waits for etcd's answer.
import { assert, assertEquals } from "@std/assert";
import { listClaims } from "../../lib/claims/hosts.ts";
import type { EtcdAccess } from "../../lib/claims/types.ts";
import { encode } from "../../lib/claims/etcd.ts";
import { hexOf, Keys } from "../../lib/claims/keys.ts";
import { giveWish } from "../../lib/claims/settle.ts";
import { parseAddress } from "../../lib/ipam/address.ts";
import { deleteKeys, elsewhere, kindOf, newLink, put, test } from "./kit.ts";
import type { Link } from "./proxy.ts";
import { isIpvlanError } from "../../lib/base/errors.ts";

const SUBNET = "10.7.0.0/24";

/** Holds back the requests that have a text, from when the first one comes until a function is done. */
async function meanwhile(link: Link, only: string, run: () => Promise<void> | void): Promise<void> {
  link.trouble = { kind: "late", milliseconds: 1e6, only };
  await link.untilHit();
  await run();
  link.trouble = { kind: "none" };
}

/** The text of a key in a request. */
function inRequest({ prefix }: EtcdAccess, key: (keys: Keys) => string): string {
  return encode(key(new Keys(prefix!)));
}

function hex(address: string): string {
  return hexOf(parseAddress(address));
}

test("an address that is given up while etcd is told of its block is free for others", [
  "a",
  "b",
], async ([a, b], access) => {
  await using link = newLink();
  const { id } = await a.pools.join({ ...access, endpoints: [link.endpoint] }, SUBNET, {});
  await b.pools.join(access, SUBNET, {});
  const own = await a.pools.take(id, { sandbox: "c1" });
  const wanted = own.replace(/\d+$/, (last) => String(Number(last) + 1));
  await Promise.all([
    a.pools.settle(),
    meanwhile(link, "request_put", () => {
      const pool = a.store.shared.pool(id)!;
      const wish = { address: hex(wanted) };
      a.store.transaction(() => giveWish(a.store.shared, pool, wish));
    }),
  ]);
  assertEquals(await a.pools.settle(), { untold: 0, lost: [] });
  // The agent of "a" does not run, so it can be had only if it is not kept in etcd.
  assertEquals(await b.pools.take(id, { sandbox: "c2" }, { address: wanted }), wanted);
});

test("an address that is released while it is found to be lost is not lost", ["a", "b"], async (
  [a, b],
  access,
) => {
  await using link = newLink();
  const { id } = await a.pools.join({ ...access, endpoints: [link.endpoint] }, SUBNET, {});
  await b.pools.join(access, SUBNET, {});
  const address = "10.7.0.77";
  await a.pools.take(id, { sandbox: "c1" }, { address });
  await deleteKeys(`${access.prefix}/claims/`);
  await b.pools.take(id, { sandbox: "c2" }, { address });
  const { id: other } = b.store.shared.host(access.prefix!)!;
  const [mended] = await Promise.all([
    a.pools.recover(),
    meanwhile(link, inRequest(access, (keys) => keys.host(other)), () => {
      a.store.transaction(() => a.pools.release(id, address));
    }),
  ]);
  assertEquals(mended, []);
  assertEquals(await a.pools.settle(), { untold: 0, lost: [] });
  assertEquals(a.store.shared.addresses(id), []);
  assertEquals((await listClaims(a.pools.reader(access))).map(({ sandbox }) => sandbox), ["c2"]);
});

test("an address that changes hands while it is claimed again is claimed for the new one", [
  "a",
], async ([a], access) => {
  await using link = newLink();
  const { id } = await a.pools.join({ ...access, endpoints: [link.endpoint] }, SUBNET, {});
  const address = "10.7.0.77";
  await a.pools.take(id, { sandbox: "c1" }, { address });
  await deleteKeys(`${access.prefix}/claims/`);
  await Promise.all([
    a.pools.recover(),
    meanwhile(link, "request_put", async () => {
      a.store.transaction(() => a.pools.release(id, address));
      assertEquals(await a.pools.take(id, { sandbox: "c2" }, { address }), address);
    }),
  ]);
  assertEquals(await a.pools.settle(), { untold: 0, lost: [] });
  assertEquals((await listClaims(a.pools.reader(access))).map(({ sandbox }) => sandbox), ["c2"]);
});

test("two hosts remove a third one at once, and free nothing that was claimed anew since", [
  "a",
  "b",
], async ([a, b], access) => {
  await using link = newLink();
  const { id } = await a.pools.join(access, SUBNET, {});
  await b.pools.join(access, SUBNET, {});
  const kept = await a.pools.take(id, { sandbox: "c1" });
  const single = elsewhere(kept);
  await a.pools.take(id, { sandbox: "c1" }, { address: single });
  await a.pools.settle();
  const { id: gone } = a.store.shared.host(access.prefix!)!;
  const slow = { ...access, endpoints: [link.endpoint] };
  const claim = inRequest(access, (keys) => keys.claim(SUBNET, hex(single)));
  await Promise.all([
    b.pools.removeHost(slow, gone, true),
    meanwhile(link, claim, async () => {
      const { freed } = await b.pools.removeHost(access, gone, true);
      assertEquals(freed.toSorted(), [kept, single].sort());
      await b.pools.take(id, { sandbox: "c2" }, { address: single });
    }),
  ]);
  const claims = await listClaims(b.pools.reader(access));
  assertEquals(claims.map(({ address, sandbox }) => ({ address, sandbox })), [
    { address: single, sandbox: "c2" },
  ]);
});

test("a host that is heard of while it is being removed stays", ["a", "b"], async (
  [a, b],
  access,
) => {
  await using link = newLink();
  await b.pools.join(access, SUBNET, {});
  const at = (key: string) => `${access.prefix}/${key}`;
  await put(at("hosts/beef"), { name: "rack3", number: 1, token: "n", agent: true });
  await put(at("claims/10.7.0.0-24/0a070009"), {
    host: "beef",
    sandbox: "c",
    since: "",
    token: "t",
  });
  const slow = { ...access, endpoints: [link.endpoint] };
  const [removed] = await Promise.allSettled([
    a.pools.removeHost(slow, "rack3"),
    meanwhile(link, "request_delete_range", () => put(at("heard/beef"), {})),
  ]);
  assert(removed.status === "rejected" && isIpvlanError(removed.reason, "host-alive"));
  const hosts = await kindOf(access, "hosts");
  assert(hosts.some(([key]) => key === "hosts/beef"));
  assertEquals((await listClaims(b.pools.reader(access))).map(({ host }) => host), ["beef"]);
});

test("what a host writes while it is being removed goes as well, unless it has registered anew", [
  "a",
], async (
  [a],
  access,
) => {
  await using link = newLink();
  await a.pools.join(access, SUBNET, {});
  const at = (key: string) => `${access.prefix}/${key}`;
  const claim = at("claims/10.7.0.0-24/0a070009");
  const value = { host: "beef", sandbox: "c", since: "", token: "t" };
  const host = { name: "rack3", number: 1, token: "n", agent: true };
  const slow = { ...access, endpoints: [link.endpoint] };
  const remove = async (run: () => Promise<void>) => {
    await put(at("hosts/beef"), host);
    await put(claim, value);
    const [removed] = await Promise.allSettled([
      a.pools.removeHost(slow, "rack3", true),
      meanwhile(link, encode(claim), run),
    ]);
    const left = (await kindOf(access, "claims")).length;
    return removed.status === "fulfilled" ? [left, ...removed.value.freed] : [left, removed.reason];
  };
  assertEquals(await remove(() => put(claim, { ...value, sandbox: "c2" })), [0, "10.7.0.9"]);
  const [left, reason] = await remove(() => put(at("hosts/beef"), host));
  assertEquals(left, 1);
  assert(isIpvlanError(reason, "host-alive"));
});
