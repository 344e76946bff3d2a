// Tests of the networks and hosts that etcd has, and of what an agent sees.
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { hostNames, listClaims, listHosts } from "../../lib/claims/hosts.ts";
import type { SharedChange } from "../../lib/claims/types.ts";
import { hexOf } from "../../lib/claims/keys.ts";
import { bitOf } from "../../lib/claims/local.ts";
import { lookUpNames } from "../../lib/driver/addresses/shared/names.ts";
import type { SharedNetwork } from "../../lib/driver/addresses/shared/pools.ts";
import { IpvlanError } from "../../lib/base/errors.ts";
import { parseAddress } from "../../lib/ipam/address.ts";
import { release } from "./host.ts";
import { deleteKey, deleteKeys, elsewhere, kindOf, newLink, put, putText, test } from "./kit.ts";
import { assertRejectsError } from "../kit/errors.ts";

const SUBNET = "10.7.0.0/24";

const L2 = { mode: "l2", parent: "eth0", subnets: [{ subnet: SUBNET, gateway: "10.7.0.1" }] };

test("a network is taken over, and what differs is named", ["a", "b"], async ([a, b], access) => {
  assertEquals(await a.pools.network(access, "net"), undefined);
  assertEquals(await a.pools.defineNetwork(access, "net", L2), L2);
  assertEquals(await b.pools.defineNetwork(access, "net", { mode: "l2" }), L2);
  // The order of fields is no difference.
  const turned = { subnets: [{ gateway: "10.7.0.1", subnet: SUBNET }] };
  assertEquals(await b.pools.defineNetwork(access, "net", turned), L2);
  const error = await assertRejectsError(
    () => b.pools.defineNetwork(access, "net", { mode: "l3", parent: "eth0", mtu: 1400 }),
    "shared-network-differs",
  );
  assertEquals(error.differences, [
    'mode is "l3" here, and "l2" there',
    "mtu is 1400 here, and not set there",
  ]);
  await a.pools.forgetNetwork(access, "net");
  assertEquals(await b.pools.network(access, "net"), L2);
  await b.pools.forgetNetwork(access, "net");
  assertEquals(await b.pools.network(access, "net"), undefined);
  await a.pools.forgetNetwork(access, "net");
});

test("hosts and what they hold", ["a", "b"], async ([a, b], access) => {
  const { id } = await a.pools.join(access, SUBNET, {});
  await b.pools.join(access, SUBNET, {});
  const address = elsewhere(await a.pools.take(id, { sandbox: "c1" }));
  await b.pools.take(id, { sandbox: "c2" }, { address });
  await a.pools.settle();
  const hosts = await listHosts(b.pools.reader(access));
  assertEquals(hosts.map(({ name, isAlive, claims }) => ({ name, isAlive, claims })), [
    { name: "a", isAlive: false, claims: { [SUBNET]: 1 } },
    { name: "b", isAlive: false, claims: { [SUBNET]: 1 } },
  ]);
  assert(hosts[0]!.kept[SUBNET]! >= 14);
  assertEquals(hosts[1]!.kept, {});
  assertEquals((await hostNames(b.pools.reader(access))).sort(), ["a", "b"]);
});

test("names are looked up on the networks that are asked for alone", ["a", "b"], async (
  [a, b],
  access,
) => {
  const subnets = { lan: "10.7.0.0/24", back: "10.8.0.0/24" };
  const pools = new Map<string, string>();
  for (const [network, subnet] of Object.entries(subnets)) {
    const { id } = await b.pools.join(access, subnet, {});
    pools.set(network, id);
    await b.pools.take(id, { sandbox: "c1", network, names: ["c1"] });
  }
  await b.pools.settle();
  const lookUp = (name: keyof typeof subnets) => {
    const network = {
      name,
      ipam: { driver: "etcd", access },
      subnets: [{ subnet: subnets[name] }],
    };
    return lookUpNames({ store: a.store, wait: {} }, a.pools, [
      network as unknown as SharedNetwork,
    ]);
  };
  const known = () =>
    ["lan", "back"].map((network) =>
      a.store.sharedNames(access.prefix!, network).flatMap(({ names }) => names)
    );
  await lookUp("lan");
  assertEquals(known(), [["c1"], []]);
  await lookUp("back");
  assertEquals(known(), [["c1"], ["c1"]]);
  await b.pools.take(pools.get("lan")!, { sandbox: "c2", network: "lan", names: ["c2"] });
  await b.pools.take(pools.get("back")!, { sandbox: "c2", network: "back", names: ["c2"] });
  await b.pools.settle();
  await lookUp("back");
  assertEquals(known().map((names) => names.sort()), [["c1"], ["c1", "c2"]]);
});

test("a host that is gone is removed, comes back, and keeps what is still free", ["a", "b"], async (
  [a, b],
  access,
) => {
  const { id } = await a.pools.join(access, SUBNET, {});
  await b.pools.join(access, SUBNET, {});
  await a.pools.defineNetwork(access, "net", L2);
  const addresses: string[] = [];
  for (const sandbox of ["c1", "c2", "c3"]) {
    addresses.push(await a.pools.take(id, { sandbox }));
  }
  const single = elsewhere(addresses[0]!);
  await a.pools.take(id, { sandbox: "c4" }, { address: single });
  await a.pools.settle();
  await assertRejectsError(() => a.pools.removeHost(access, "a"), "own-host");
  await assertRejectsError(() => b.pools.removeHost(access, "c"), "host-not-found", 'no host "c"');
  const stop = new AbortController();
  const changes = a.pools.watch(access, stop.signal);
  await changes.next();
  await assertRejectsError(() => b.pools.removeHost(access, "a", true), "host-alive");
  stop.abort();
  await changes.return(undefined);
  const removed = await b.pools.removeHost(access, "a", true);
  assertEquals(removed.freed.toSorted(), [...addresses, single].sort());
  assertEquals(await listClaims(b.pools.reader(access)), []);
  assertEquals(await kindOf(access, "networks"), []);
  assertEquals(await kindOf(access, "blocks"), []);
  // Another host uses two of its addresses now.
  for (const address of [addresses[0]!, single]) {
    assertEquals(await b.pools.take(id, { sandbox: "d" }, { address }), address);
  }
  a.store.transaction(() => a.pools.describe(id, addresses[1]!, { sandbox: "c2", names: ["x"] }));
  const { reason } = await a.pools.settle();
  assert(reason?.startsWith("This host is not in etcd"), reason);
  // It gives nothing away, also not what it keeps on record.
  await assertRejectsError(() => a.pools.take(id, { sandbox: "c5" }), "host-removed");
  const mended = await a.pools.recover();
  assertEquals(
    mended.at(0),
    `This host was not in etcd under ${access.prefix}, and has registered anew`,
  );
  const { untold, lost } = await a.pools.settle();
  assertEquals(untold, 0);
  assertEquals(
    lost.map(({ address, host }) => [address, host]).sort(),
    [
      [single, "b"],
      [addresses[0], "b"],
    ].sort(),
  );
  const claims = await listClaims(b.pools.reader(access));
  assertEquals(
    claims.map(({ address, sandbox }) => [address, sandbox]).sort(),
    [
      [addresses[0], "d"],
      [addresses[1], "c2"],
      [addresses[2], "c3"],
      [single, "d"],
    ].sort(),
  );
  // What is free again is this host's again.
  await release(b, id, addresses[0]!);
  await a.pools.recover();
  assertEquals((await a.pools.settle()).lost.map(({ address }) => address), [single]);
  assertEquals((await listClaims(b.pools.reader(access))).map(({ sandbox }) => sandbox).sort(), [
    ...["c1", "c2", "c3", "d"],
  ]);
  // What is lost is not freed for others when it is released here.
  await release(a, id, ...addresses, single);
  assertEquals((await listClaims(b.pools.reader(access))).map(({ sandbox }) => sandbox), ["d"]);
});

test("a host that holds addresses and may run is removed only by force", ["a"], async (
  [a],
  access,
) => {
  await a.pools.join(access, SUBNET, {});
  const at = (key: string) => `${access.prefix}/${key}`;
  const [address, key] = ["10.7.0.9", `claims/10.7.0.0-24/0a070009`];
  /** Puts a host there, which holds an address unless it is idle, and counts its keys. */
  const other = async (
    is: { agent?: boolean; heard?: boolean; alive?: boolean; idle?: boolean },
  ) => {
    const { agent, heard, alive, idle } = is;
    await deleteKeys(at("heard/"));
    await put(at("hosts/beef"), { name: "rack3", number: 1, token: "n", ...agent && { agent } });
    if (heard) await put(at("heard/beef"), {});
    if (alive) await put(at("alive/beef"), {});
    if (!idle) await put(at(key), { host: "beef", sandbox: "c1", since: "", token: "t" });
  };
  const keys = async () =>
    (await kindOf(access, "")).map(([key]) => key).filter((each) => /beef|claims/.test(each));
  for (
    const [is, why] of [
      [{ agent: true, heard: true }, "was heard from within 10 minutes: wait, or"],
      [{ heard: true }, "was heard from within 10 minutes: wait, or"],
      [{}, "never ran an agent, so it may run:"],
    ] as const
  ) {
    await other(is);
    const before = await keys();
    const error = await assertRejectsError(() => a.pools.removeHost(access, "rack3"), "host-alive");
    assertStringIncludes(
      error.message,
      `The host "rack3" holds addresses and ${why} remove its sandboxes there`,
    );
    assertEquals(await keys(), before);
  }
  const removed = { id: "beef", name: "rack3", freed: [address] };
  assertEquals(await a.pools.removeHost(access, "rack3", true), removed);
  await other({ agent: true });
  assertEquals(await a.pools.removeHost(access, "rack3"), removed);
  assertEquals(await keys(), []);
  await other({ heard: true, idle: true });
  assertEquals(await a.pools.removeHost(access, "rack3"), { ...removed, freed: [] });
  await other({ agent: true, alive: true });
  await assertRejectsError(() => a.pools.removeHost(access, "rack3", true), "host-alive");
});

test("recover releases claims without a record, and claims records without a claim", ["a"], async (
  [a],
  access,
) => {
  const { id } = await a.pools.join(access, SUBNET, {});
  const kept = await a.pools.take(id, { sandbox: "c1" });
  const single = "10.7.0.3";
  await a.pools.take(id, { sandbox: "c2" }, { address: single });
  await a.pools.settle();
  const before = (await listClaims(a.pools.reader(access))).map(({ address }) => address).sort();
  assertEquals(before, [kept, single].sort());
  const [claim] = await kindOf(access, "claims");
  await deleteKeys(`${access.prefix}/claims/`);
  await put(`${access.prefix}/claims/10.7.0.0-24/0a070009`, claim![1]);
  assertEquals(await a.pools.recover(), [
    "The claim of 10.7.0.9 had no record, and is released",
  ]);
  assertEquals(
    (await listClaims(a.pools.reader(access))).map(({ address }) => address).sort(),
    before,
  );
});

test("recover keeps a claim without a record while a link has the address", ["a", "b"], async (
  [a, b],
  access,
) => {
  const { id } = await a.pools.join(access, SUBNET, {});
  await b.pools.join(access, SUBNET, {});
  const address = await a.pools.take(id, { sandbox: "c1" });
  await a.pools.take(id, { sandbox: "c2" });
  await a.pools.settle();
  // The records of before are put back.
  const { shared } = a.store;
  a.store.transaction(() => {
    const { block: first, address: hex } = shared.address(id, hexOf(parseAddress(address)))!;
    shared.deleteAddress(id, hex);
    const block = shared.block(id, first!)!;
    shared.putBlock({ ...block, free: block.free | bitOf(first!, hex) });
  });
  const held = { address, sandbox: "c1" };
  const claims = async () =>
    (await listClaims(b.pools.reader(access))).map(({ address, sandbox }) => ({ address, sandbox }))
      .filter(({ sandbox }) => sandbox !== "c2");
  assertEquals(await a.pools.recover(() => Promise.resolve(new Set([address]))), [
    `The claim of ${address} is kept: the sandbox "c1" is not on record and runs`,
  ]);
  assertEquals(await claims(), [held]);
  for (const [{ pools }, host] of [[a, undefined], [b, "a"]] as const) {
    const error = await assertRejectsError(
      () => pools.take(id, { sandbox: "d" }, { address }),
      "shared-address-held",
    );
    assertEquals([error.sandbox, error.host], ["c1", host]);
  }
  // Nor is it given away by chance.
  const all = Array.from({ length: 20 }, () => a.pools.take(id, { sandbox: "c2" }));
  assert(!(await Promise.all(all)).includes(address));
  assertEquals(await a.pools.settle(), { untold: 0, lost: [] });
  assertEquals(await claims(), [held]);
  assertEquals(await a.pools.recover(), [`The claim of ${address} had no record, and is released`]);
  assertEquals(await claims(), []);
});

test(
  "a damaged key is named once and passed over, and only its own address fails",
  ["a", "b"],
  async ([a, b], access) => {
    const { id } = await a.pools.join(access, SUBNET, {});
    await b.pools.join(access, SUBNET, {});
    const single = "10.7.0.3";
    await a.pools.take(id, { sandbox: "c1" }, { address: single });
    const kept = await a.pools.take(id, { sandbox: "c2" }, { range: "10.7.0.128/25" });
    await a.pools.settle();
    const damaged = [
      ...["claims/10.7.0.0-24/0a070003", "claims/10.7.0.0-24/0a070009", "claims/10.7.0.0-24/zz"],
      ...["blocks/10.7.0.0-24/0a070020", "blocks/10.7.0.0-24/0a0700"],
      ...["hosts/0", "pools/junk", "pools/10.99.0.1-24", "networks/bad"],
    ].map((key) => `${access.prefix}/${key}`);
    for (const key of damaged) await putText(key, "{ no JSON");
    const claimed = async () =>
      (await listClaims(a.pools.reader(access))).map(({ address }) => address).sort();
    assertEquals(await claimed(), [kept]);
    // One host that cannot be read has its id for a name, and can be removed by that.
    assertEquals((await listHosts(b.pools.reader(access))).map(({ name }) => name), [
      "0",
      "a",
      "b",
    ]);
    assertEquals((await b.pools.removeHost(access, "0")).freed, []);
    assertEquals(await a.pools.recover(), []);
    assertEquals(await a.pools.settle(), { untold: 1, lost: [] });
    await a.pools.take(id, { sandbox: "c3" }, { range: "10.7.0.128/25" });
    assertEquals((await a.pools.settle()).untold, 1);
    assertEquals((await claimed()).length, 2);
    // Other hosts get none of its addresses, and all others.
    await b.pools.join(access, "10.8.0.0/24", {});
    const taken: string[] = [];
    for (let left = 200; left > 0; left--) taken.push(await b.pools.take(id, { sandbox: "d" }));
    await b.pools.settle();
    for (const address of ["10.7.0.3", "10.7.0.9", "10.7.0.33"]) {
      assert(!taken.includes(address), address);
      const take = () => b.pools.take(id, { sandbox: "d" }, { address });
      await assertRejectsError(take, "damaged-key", `${access.prefix}/`);
    }
    const names = (pools: typeof a.pools) =>
      pools.damaged().map((text) => text.split('"')[1]).sort();
    const named = { a: names(a.pools), b: names(b.pools) };
    assertEquals([...new Set([...named.a, ...named.b])].sort(), damaged.toSorted());
    assertEquals(new Set(named.a).size, named.a.length);
    await a.pools.recover();
    await listHosts(a.pools.reader(access));
    assertEquals(names(a.pools), []);
    // An agent goes on, and does not keep what a claim said before.
    const stop = new AbortController();
    const changes = b.pools.watch(access, stop.signal);
    const next = async () => (await changes.next()).value as SharedChange;
    assertEquals((await next()).kind, "listed");
    const key = `${access.prefix}/claims/10.7.0.0-24/0a0700${
      Number(kept.split(".")[3]).toString(16)
    }`;
    await put(key, 7);
    assertEquals(await next(), { kind: "freed", address: kept });
    // The host that keeps the address writes its claim anew.
    a.store.transaction(() => a.pools.describe(id, kept, { sandbox: "c2", names: ["db"] }));
    await a.pools.settle();
    assertEquals((await next()).kind, "claimed");
    stop.abort();
    await changes.return(undefined);
    for (const key of damaged) await deleteKey(key);
    assertEquals(await a.pools.settle(), { untold: 0, lost: [] });
    assert((await claimed()).includes(single));
  },
);

test(
  "an agent sees claims come, change their names, and go",
  ["a", "b"],
  async ([a, b], access) => {
    const { id } = await a.pools.join(access, SUBNET, {});
    await b.pools.join(access, SUBNET, {});
    const first = await a.pools.take(id, { sandbox: "c1" });
    await a.pools.settle();
    const stop = new AbortController();
    const changes = b.pools.watch(access, stop.signal);
    const next = async () => (await changes.next()).value as SharedChange;
    const listed = await next();
    assert(listed.kind === "listed");
    assertEquals(listed.claims.map(({ sandbox }) => sandbox), ["c1"]);
    a.store.transaction(() => a.pools.describe(id, first, { sandbox: "c1", names: ["c1", "db"] }));
    await a.pools.settle();
    const changed = await next();
    assert(changed.kind === "claimed");
    assertEquals(changed.claim.names, ["c1", "db"]);
    await release(a, id, first);
    assertEquals(await next(), { kind: "freed", address: first });
    stop.abort();
    assertEquals((await changes.next()).done, true);
  },
);

test("an agent whose connection breaks lists the claims again", ["a", "b"], async (
  [a, b],
  access,
) => {
  await using link = newLink();
  const { id } = await a.pools.join(access, SUBNET, {});
  await b.pools.join(access, SUBNET, {});
  const stop = new AbortController();
  const changes = b.pools.watch({ ...access, endpoints: [link.endpoint] }, stop.signal);
  assertEquals((await changes.next()).value, { kind: "listed", claims: [] });
  const address = await a.pools.take(id, { sandbox: "c1" });
  await a.pools.settle();
  // It watches by now.
  const claimed = (await changes.next()).value as SharedChange;
  assertEquals(claimed.kind === "claimed" && claimed.claim.address, address);
  const next = changes.next();
  link.closeAll();
  const again = (await next).value as SharedChange;
  assertEquals(again.kind === "listed" && again.claims.map(({ address }) => address), [address]);
  stop.abort();
  assertEquals((await changes.next()).done, true);
});

test("a host that is heard of again says so once in a minute, also when its clock is set back", [
  "a",
], async ([a], access) => {
  const { id } = await a.pools.join(access, SUBNET, {});
  const prefix = access.prefix!;
  const host = () => a.store.shared.host(prefix)!;
  /** Claims an address, as if the host had been heard of so long ago; tells whether it said so now. */
  const saysSo = async (
    ago: number,
    last: number,
    changes: Partial<ReturnType<typeof host>> = {},
  ) => {
    const before = Date.now() - ago;
    a.store.transaction(() => a.store.shared.putHost({ ...host(), heard: before, ...changes }));
    await a.pools.take(id, { sandbox: "c" }, { address: `10.7.0.${last}` });
    return host().heard !== before;
  };
  const { lease } = host();
  assertEquals(await saysSo(30_000, 201), false);
  assertEquals(await saysSo(61_000, 202), true);
  assertEquals(await saysSo(-3_600_000, 203), true);
  assertEquals(host().lease, lease);
  // A lease that has ended is made anew.
  await deleteKeys(`${prefix}/heard/`);
  assertEquals(await saysSo(61_000, 204, { lease: "999999" }), true);
  assertEquals((await kindOf(access, "heard")).length, 1);
});

test("etcd loses all of its data, and the hosts put it back", ["a", "b"], async (hosts, access) => {
  const taken: string[] = [];
  let pool = "";
  for (const { pools } of hosts) {
    pool = (await pools.join(access, SUBNET, { "10.7.0.1": "gateway" })).id;
    for (let left = 20; left > 0; left--) taken.push(await pools.take(pool, { sandbox: "c" }));
    await pools.settle();
  }
  await deleteKeys(`${access.prefix}/`);
  await assertRejectsError(
    () => hosts[0].pools.take(pool, { sandbox: "c" }, { address: taken.at(-1) }),
    "host-removed",
  );
  for (const { pools } of hosts) {
    const [renewal, ...mended] = await pools.recover();
    assertStringIncludes(renewal!, "This host was not in etcd");
    assert(mended.length > 0);
    for (const text of mended) {
      assertMatch(
        text,
        /^The block at 10\.7\.0\.\d+ in 10\.7\.0\.0\/24 is not this host's in etcd: its addresses are claimed again$/,
      );
    }
    assertEquals(await pools.settle(), { untold: 0, lost: [] });
  }
  const claims = await listClaims(hosts[0].pools.reader(access));
  assertEquals(claims.map(({ address }) => address).sort(), taken.sort());
  assertEquals((await kindOf(access, "pools")).length, 1);
  const more = await Promise.all(hosts.map(({ pools }) => pools.take(pool, { sandbox: "d" })));
  assertEquals(new Set([...taken, ...more]).size, 42);
});

test(
  "a host that was removed gives nothing away until all of its pools are recovered",
  ["a", "b"],
  async (
    [a, b],
    access,
  ) => {
    const { shared } = a.store;
    const host = () => shared.host(access.prefix!)!;
    const subnets = [SUBNET, "10.8.0.0/24"];
    for (const subnet of subnets) await a.pools.join(access, subnet, {});
    await b.pools.join(access, SUBNET, {});
    await b.pools.removeHost(access, host().id, true);
    await assertRejectsError(() => a.pools.defineNetwork(access, "net", L2), "host-removed");
    for (const [index, last] of ["0a070009", "0a080009"].entries()) {
      const key = `${access.prefix}/claims/${subnets[index]!.replace("/", "-")}/${last}`;
      await put(key, { host: host().id, sandbox: "c", since: "", token: "t" });
    }
    const refused: unknown[] = [];
    const mended = await a.pools.recover(() => {
      refused.push(host().refused);
      return Promise.resolve(new Set());
    });
    assertEquals(refused, ["removed", "removed"]);
    assertEquals(host().refused, undefined);
    assertEquals(mended.length, 3);
  },
);

test("of two hosts with one name, the id says which", ["a", "a"], async ([a, b], access) => {
  const { id } = await a.pools.join(access, SUBNET, {});
  await b.pools.join(access, SUBNET, {});
  const address = await b.pools.take(id, { sandbox: "c1" });
  await b.pools.settle();
  await assertRejectsError(
    () => a.pools.removeHost(access, "a"),
    "host-not-found",
    'Several hosts are named "a": give an id',
  );
  const other = b.store.shared.host(access.prefix!)!.id;
  const ids = [a.store.shared.host(access.prefix!)!.id, other];
  assertEquals((await hostNames(a.pools.reader(access))).sort(), ids.sort());
  assertEquals(await a.pools.removeHost(access, other, true), {
    id: other,
    name: "a",
    freed: [address],
  });
  assertEquals((await listHosts(a.pools.reader(access))).length, 1);
});

test("nonsense in etcd is refused with its key", ["a", "b"], async ([a, b], access) => {
  const { id } = await a.pools.join(access, SUBNET, {});
  await b.pools.join(access, SUBNET, {});
  await b.pools.defineNetwork(access, "net", L2);
  const address = await a.pools.take(id, { sandbox: "c1" });
  await a.pools.settle();
  const keys = [
    ...["hosts/0", "networks/net", "pools/10.7.0.0-24", "blocks/10.7.0.0-24/0a0700"],
    ...["blocks/10.7.0.0-24/0a070030", "claims/10.7.0.0-24/zz", "claims/10.7.0.0-24/0a070031"],
    ...["claims/10.7.0.0-24/0a07003100000000", "wishes/10.7.0.0-24/0"],
  ];
  // A value that is right for a block, a claim and a host, so that only the key is wrong.
  const one = { host: "x", token: "y", kept: "ff", sandbox: "c", since: "" };
  const right = { ...one, name: "x", number: 1, token: "z" };
  const before = await kindOf(access, "");
  const calls = (): Promise<unknown>[] => [
    listHosts(a.pools.reader(access)),
    listClaims(a.pools.reader(access)),
    a.pools.recover(),
    a.pools.settle(),
    b.pools.network(access, "net"),
    b.pools.defineNetwork(access, "net", L2),
    b.pools.take(id, { sandbox: "c2" }),
    b.pools.take(id, { sandbox: "c2" }, { address: elsewhere(address) }),
    b.pools.removeHost(access, "none"),
    b.pools.join({ ...access, endpoints: [`${access.endpoints[0]}/`] }, SUBNET, {}),
  ];
  for (const key of keys) {
    for (const value of [7, { ...right, kept: "-1" }, right]) {
      await put(`${access.prefix}/${key}`, value);
      for (const end of await Promise.allSettled(calls())) {
        if (end.status === "rejected") assert(end.reason instanceof IpvlanError, end.reason?.stack);
      }
      for (const address of b.pools.held(id)) await release(b, id, address.address);
    }
    const old = before.find(([name]) => name === key);
    if (old) await put(`${access.prefix}/${key}`, old[1]);
    else await deleteKey(`${access.prefix}/${key}`);
  }
  await a.pools.recover();
  assertEquals(await a.pools.settle(), { untold: 0, lost: [] });
  assertEquals(a.pools.held().map(({ address }) => address), [address]);
});
