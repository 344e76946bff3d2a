/**
 * `deno task bench hosts`: measures pools that hosts share, with a real etcd on this machine that writes
 * to its disk as it does in use. All hosts are in one process, each with a state folder of its own.
 *
 * @module
 */
import { listClaims } from "../../lib/claims/hosts.ts";
import type { EtcdAccess } from "../../lib/claims/types.ts";
import { Etcd, under } from "../../lib/claims/etcd.ts";
import { hexOf, Keys } from "../../lib/claims/keys.ts";
import { formatAddress, parseAddress } from "../../lib/ipam/address.ts";
import { type Host, openHost, release } from "../hosts/host.ts";
import { Cluster } from "../kit/etcd.ts";
import { startAgent, timeOn } from "./agent.ts";
import { columns, type Figure, median } from "./figures.ts";

/** The pool: 131072 addresses. */
const SUBNET = "10.0.0.0/15";
const FIRST = parseAddress("10.0.0.0").bits;

/** How many endpoints each measurement makes. */
const ENDPOINTS = 400;

/** How many endpoints a host makes whose time is measured. */
const EACH = 100;

/** How often that is measured. */
const RUNS = 15;

/** How many endpoints a burst makes at once. */
const BURST = 50;

/** How many requests this process has sent. */
let requests = 0;

/** Counts the requests of this process from now on. */
function countRequests(): void {
  const { fetch } = globalThis;
  globalThis.fetch = (...args) => {
    requests++;
    return fetch(...args);
  };
}

/** A prefix that nothing is under yet. */
let prefixes = 0;
function freshAccess(cluster: Cluster): EtcdAccess {
  return { endpoints: cluster.endpoints, prefix: `/bench-${prefixes++}` };
}

/** Runs a function with hosts that have joined the pool. */
async function withHosts<T>(
  count: number,
  access: EtcdAccess,
  use: (hosts: Host[], pool: string) => Promise<T>,
): Promise<T> {
  using stack = new DisposableStack();
  const hosts: Host[] = [];
  let pool = "";
  for (let index = 0; index < count; index++) {
    const joined = await openJoined(stack, access, `h${index}`);
    hosts.push(joined.host);
    pool = joined.pool;
  }
  return await use(hosts, pool);
}

/** Opens a new host that has joined the pool, until the stack is disposed of. */
async function openJoined(
  stack: DisposableStack,
  access: EtcdAccess,
  name: string,
): Promise<{ host: Host; pool: string }> {
  const folder = Deno.makeTempDirSync();
  stack.defer(() => Deno.removeSync(folder, { recursive: true }));
  const host = stack.use(openHost(name, folder));
  const { id } = await host.pools.join(access, SUBNET, {});
  return { host, pool: id };
}

/** Takes an address and tells etcd, as for one endpoint. Returns the address. */
async function make(host: Host, pool: string, sandbox: string): Promise<string> {
  const address = await host.pools.take(pool, { sandbox, network: "net", names: [sandbox, "web"] });
  const { untold, reason } = await host.pools.settle();
  if (untold > 0) throw new Error(reason);
  return address;
}

/** Endpoints per second of some hosts, each of which makes one after another, or several at once. */
async function rate(cluster: Cluster, count: number, burst: number): Promise<number> {
  return await withHosts(count, freshAccess(cluster), async (hosts, pool) => {
    const each = ENDPOINTS / count;
    const start = performance.now();
    await Promise.all(hosts.map(async (host) => {
      for (let made = 0; made < each; made += burst) {
        const now = Math.min(burst, each - made);
        await Promise.all(
          Array.from(
            { length: now },
            (_, index) =>
              host.pools.take(pool, {
                sandbox: `c${made + index}`,
                network: "net",
                names: ["web"],
              }),
          ),
        );
        await host.pools.settle();
      }
    }));
    return ENDPOINTS / (performance.now() - start) * 1000;
  });
}

/** Requests per endpoint, for different ways to make one. */
async function roundTrips(cluster: Cluster): Promise<string[][]> {
  return await withHosts(1, freshAccess(cluster), async ([host], pool) => {
    const rows: string[][] = [];
    const count = async (what: string, endpoints: number, run: () => Promise<unknown>) => {
      const before = requests;
      await run();
      rows.push([what, ((requests - before) / endpoints).toFixed(2)]);
    };
    const taken: string[] = [];
    await make(host!, pool, "first");
    await count("an address of a block, before the endpoint is made", 20, async () => {
      for (let left = 20; left > 0; left--) {
        taken.push(await host!.pools.take(pool, { sandbox: "c" }));
      }
    });
    await count("telling etcd of these 20", 20, () => host!.pools.settle());
    await count("one after another, all requests, 320 endpoints", 320, async () => {
      for (let left = 320; left > 0; left--) taken.push(await make(host!, pool, "c"));
    });
    await count("in bursts of 50, all requests, 300 endpoints", 300, async () => {
      for (let burst = 0; burst < 6; burst++) {
        const all = Array.from({ length: BURST }, () => host!.pools.take(pool, { sandbox: "c" }));
        taken.push(...await Promise.all(all));
        await host!.pools.settle();
      }
    });
    await count("removed one after another, 100 endpoints", 100, async () => {
      for (const address of taken.splice(0, 100)) await release(host!, pool, address);
    });
    return rows;
  });
}

/** Requests for an address that is asked for by itself. */
async function wantedTrips(cluster: Cluster): Promise<string[]> {
  return await withHosts(1, freshAccess(cluster), async ([host], pool) => {
    const before = requests;
    for (let index = 0; index < 20; index++) {
      const address = formatAddress({ family: 4, bits: FIRST + BigInt(1 + index * 100) });
      await host!.pools.take(pool, { sandbox: "c" }, { address });
      await host!.pools.settle();
    }
    return ["a wanted address that no host keeps", ((requests - before) / 20).toFixed(2)];
  });
}

/** Sends a request to the JSON gateway. */
async function ask(
  cluster: Cluster,
  path: string,
  body: unknown,
): Promise<Record<string, unknown>> {
  const response = await fetch(`${cluster.endpoints[0]}/v3/${path}`, {
    method: "POST",
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(await response.text());
  return await response.json();
}

/** How many blocks the pool has, of 64 addresses each. */
const BLOCKS = 2048;

/** The block that is taken after some others: hosts begin at places that look random. */
function blockAfter(others: number): number {
  return others * 1237 % BLOCKS;
}

/** The address of a claim that is put straight into etcd. */
function addressAt(index: number): string {
  const first = BigInt(blockAfter(Math.floor(index / 64)) * 64);
  return hexOf({ family: 4, bits: FIRST + first + BigInt(index % 64) });
}

/** A step that puts a claim of another host straight into etcd. */
function putClaim(access: EtcdAccess, index: number, name = `web-${index}`): unknown {
  const host = Math.floor(index / 128).toString(16).padStart(16, "0");
  return putStep(new Keys(access.prefix!).claim(SUBNET, addressAt(index)), {
    host,
    sandbox: name,
    network: "net",
    names: [name, "web"],
    since: new Date(0).toISOString(),
    token: host,
  });
}

function putStep(key: string, value: unknown): unknown {
  return { request_put: { key: btoa(key), value: btoa(JSON.stringify(value)) } };
}

/** Puts claims of other hosts, which have two full blocks each, straight into etcd. */
async function fill(cluster: Cluster, access: EtcdAccess, to: number): Promise<void> {
  const keys = new Keys(access.prefix!);
  for (let from = 0; from < to; from += 64) {
    const host = Math.floor(from / 128).toString(16).padStart(16, "0");
    const block = keys.block(SUBNET, addressAt(from));
    const success = Array.from(
      { length: Math.min(64, to - from) },
      (_, offset) => putClaim(access, from + offset),
    );
    success.push(putStep(block, { host, token: host, kept: "ffffffffffffffff" }));
    await ask(cluster, "kv/txn", { success });
  }
}

/** An etcd that has some claims. */
interface Filled {
  cluster: Cluster;
  access: EtcdAccess;
  size: number;
  /** The mean time of an endpoint in each run, in milliseconds. */
  runs: number[];
}

/**
 * Measures the time of an endpoint of a new host with each of several etcds, with the search for its
 * blocks. Each endpoint is made with all of them by turns, so that what else the machine does is the same
 * for all. The first run warms up.
 */
async function measureEach(filled: readonly Filled[]): Promise<void> {
  for (let run = 0; run <= RUNS; run++) {
    using stack = new DisposableStack();
    const measured = [];
    for (const { access, runs } of filled) {
      const { host, pool } = await openJoined(stack, access, `h${run}`);
      measured.push({ host, pool, runs, taken: [] as string[], time: 0 });
    }
    for (let index = 0; index < EACH; index++) {
      for (const each of measured) {
        const start = performance.now();
        each.taken.push(await make(each.host, each.pool, `c${index}`));
        each.time += performance.now() - start;
      }
      // None comes always first.
      measured.push(measured.shift()!);
    }
    for (const { host, pool, runs, taken, time } of measured) {
      await release(host, pool, ...taken);
      if (run > 0) runs.push(time / EACH);
    }
  }
}

/** How many claims change one after another while an agent is measured, and how many alone. */
const [CHANGES, ALONE] = [1000, 5];

/** Measures an agent while claims change: many one after another, and some of which each is waited for. */
async function measureAgent({ cluster, access, size }: Filled): Promise<string[]> {
  const begun = performance.now();
  await using agent = await startAgent(access, SUBNET);
  await agent.untilNamed(`web-${size - 1}`);
  const listed = performance.now() - begun;
  const change = async (index: number) => {
    await ask(cluster, "kv/txn", { success: [putClaim(access, index % size, `new-${index}`)] });
  };
  const perChange = async (count: number, run: () => Promise<void>) => {
    const before = agent.time();
    await run();
    return ((agent.time() - before) / count).toFixed(2);
  };
  const many = await perChange(CHANGES, async () => {
    for (let index = 0; index < CHANGES; index++) await change(index);
    await agent.untilNamed(`new-${CHANGES - 1}`);
  });
  const alone = await perChange(ALONE, async () => {
    for (let index = CHANGES; index < CHANGES + ALONE; index++) {
      await change(index);
      await agent.untilNamed(`new-${index}`);
    }
  });
  const longest = String(await agent.longest());
  return [String(size), (listed / 1000).toFixed(1), many, alone, longest];
}

/** Measures agents with more and more claims. */
async function benchAgent(): Promise<string[]> {
  const rows: string[][] = [];
  for (const size of [1000, 10_000, 50_000]) {
    await using stack = new AsyncDisposableStack();
    const [filled] = await startFilled(stack, [size]);
    rows.push(await measureAgent(filled!));
  }
  const many = `a change of ${CHANGES}, ms of CPU`;
  const titles = ["an agent's claims", "start, s", many, "a change alone", "longest step, ms"];
  return columns(titles, rows);
}

/** Starts an etcd for each number of claims, and fills it. */
async function startFilled(stack: AsyncDisposableStack, sizes: number[]): Promise<Filled[]> {
  const all: Filled[] = [];
  for (const size of sizes) {
    const cluster = stack.use(await Cluster.start({ isDurable: true }));
    const access = freshAccess(cluster);
    await fill(cluster, access, size);
    all.push({ cluster, access, size, runs: [] });
  }
  return all;
}

/** How many watch all claims at once, and how many claims they see come. */
const [WATCHES, SEEN] = [20, 2560];

/** Measures what an event of a watch costs etcd. */
async function measureEvents(): Promise<string> {
  await using cluster = await Cluster.start({ isDurable: true });
  const access = freshAccess(cluster);
  const { pid } = cluster.members[0]!.daemon;
  const timeOf = async (watches: number) => {
    using etcd = new Etcd(access);
    const deadline = performance.now() + 60_000;
    const { revision } = await etcd.read([{ key: "/" }], { deadline });
    const stop = new AbortController();
    const key = new Keys(access.prefix!).claim();
    const before = timeOn(pid);
    const watching = Array.from({ length: watches }, async () => {
      let seen = 0;
      const range = under(key);
      const options = { deadline, signal: stop.signal };
      for await (const events of etcd.watch(range, revision + 1, options)) {
        if ((seen += events.length) >= SEEN) return;
      }
    });
    await fill(cluster, access, SEEN);
    await Promise.all(watching);
    stop.abort();
    return timeOn(pid) - before;
  };
  const [without, withThem] = [await timeOf(0), await timeOf(WATCHES)];
  const each = (withThem - without) / WATCHES / SEEN * 1000;
  return `an event of a watch takes etcd ${each.toFixed(0)} µs of CPU (${WATCHES} watches)`;
}

/** Measures all. Prints what has no peer as tables, and resolves to the figure that has one. */
export async function hostFigures(): Promise<Figure[]> {
  countRequests();
  await using cluster = await Cluster.start({ isDurable: true });
  const rates: string[][] = [];
  for (const burst of [1, BURST]) {
    for (const count of [1, 5, 20]) {
      const runs = [];
      for (let run = 0; run < 3; run++) runs.push(await rate(cluster, count, burst));
      const way = burst === 1 ? "one after another" : `${BURST} at once`;
      rates.push([way, String(count), median(runs).toFixed(0)]);
    }
  }
  const trips = [...await roundTrips(cluster), await wantedTrips(cluster)];
  await using stack = new AsyncDisposableStack();
  const filled = await startFilled(stack, [1024, 10_240, 102_400]);
  await measureEach(filled);
  const [few, many] = [filled[0]!, filled.at(-1)!];
  const sizes = await Promise.all(filled.map(async ({ cluster, size, runs }) => {
    const status = await ask(cluster, "maintenance/status", {});
    const mib = (Number(status.dbSizeInUse) / 2 ** 20).toFixed(1);
    return [String(size), median(runs).toFixed(2), mib];
  }));
  const start = performance.now();
  const listed = await withHosts(
    1,
    many.access,
    ([host]) => listClaims(host!.pools.reader(many.access)),
  );
  const listing = (performance.now() - start) / 1000;
  const text = [
    `etcd with one member and fsync; load average ${Deno.loadavg()[0]!.toFixed(2)}`,
    "",
    ...columns(["endpoints", "hosts", "per second, all hosts"], rates),
    "",
    ...columns(["requests to etcd per endpoint", ""], trips),
    "",
    ...columns(["claims of others", "an endpoint, ms", "etcd's data, MiB"], sizes),
    "",
    `all ${listed.length} claims read in ${listing.toFixed(1)} s`,
    "",
    ...await benchAgent(),
    await measureEvents(),
    "",
  ];
  console.log(text.join("\n"));
  const at = ({ size }: Filled) => `at ${size.toLocaleString("en")}`;
  return [{
    work: `claim an address, ${at(many)} claims`,
    peer: at(few),
    ours: many.runs,
    theirs: few.runs,
    aim: 1.2,
  }];
}
