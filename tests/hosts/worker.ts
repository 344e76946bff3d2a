/**
 * A process of a simulated host. It takes and releases addresses at random until a signal ends it:
 * `worker.ts NAME HOST FOLDER HISTORY SEED SUBNET told|untold ENDPOINT…`. With `told`, it tells etcd of each
 * address before it uses it.
 *
 * @module
 */
import { listClaims } from "../../lib/claims/hosts.ts";
import { listReservations, unreserve } from "../../lib/claims/reservations.ts";
import { textOf } from "../../lib/claims/keys.ts";
import { IpvlanError, UserError } from "../../lib/base/errors.ts";
import { Random } from "../attack/random.ts";
import { type Event, Recorder } from "./history.ts";
import { openHost, ownAddress } from "./host.ts";

/** How many addresses a process holds at most. */
const MOST_HELD = 25;

/** The names for which addresses are reserved. A sandbox of such a name runs on one host at most. */
const NAMES = ["r0", "r1", "r2", "r3", "r4", "r5"];

/** The network of all sandboxes. */
const NETWORK = "n";

/** How many calls are under way at a time. */
const AT_ONCE = 4;

const [name, hostname, folder, histories, seed, subnet, told, ...endpoints] = Deno.args as [
  ...[string, string, string, string, string, string, string],
  ...string[],
];
const random = new Random(Number(seed));
const isTold = told === "told";
/** Whether it is the process of its host that uses what is reserved for names. No copy does. */
const isFirst = /^h\d+\.0$/.test(name);
const access = { endpoints };

// The host's clock jumps. Nothing may depend on it, as it is only shown.
let jump = 0;
using host = openHost(hostname, folder, { now: () => new Date(Date.now() + jump) });
using recorder = new Recorder(histories, name);
const { pools, store } = host;

/** Records a call and its end. An error that is no answer to the call ends the process. */
async function recorded(
  call: Event["call"],
  address: string | undefined,
  run: () => Promise<string | undefined>,
  sandbox = name,
): Promise<string | undefined> {
  const number = recorder.next();
  recorder.write({ call, kind: "begin", number, address, sandbox });
  try {
    const result = await run();
    recorder.write({ call, kind: "done", number, address: result ?? address, sandbox });
    return result;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const why = error instanceof IpvlanError ? error.code : error.name;
    recorder.write({ call, kind: "failed", number, address, error: why, sandbox });
  }
}

const held: string[] = [];
const own = ownAddress(subnet, hostname);
const linked = () => Promise.resolve(new Set([own]));

/** An address that was taken and is another host's. */
class LostError extends UserError {
  override name = "LostError";
}

/**
 * Takes an address and tells etcd, as for an endpoint. One that is another host's by then is not used, nor
 * one of a host that is refused.
 */
async function take(id: string, sandbox = name, given?: string): Promise<string | undefined> {
  const last = 1 + random.below(126);
  const wanted = given !== undefined
    ? { address: given }
    : random.once(5)
    ? { address: subnet.replace(/\d+\/.*/, String(last)) }
    : {};
  const holder = { sandbox, network: NETWORK, names: [`c${random.below(1000)}`] };
  const address = await recorded("take", undefined, async () => {
    const address = await pools.take(id, holder, wanted);
    if (!isTold) return address;
    const { lost } = await pools.settle();
    if (!lost.some((each) => each.address === address)) return address;
    store.transaction(() => pools.release(id, address));
    throw new LostError(address);
  }, sandbox);
  if (address !== undefined) held.push(address);
  return address;
}

/** Keeps an address for a name, takes one that is kept, or lets it go. */
async function reserve(id: string): Promise<void> {
  const sandbox = random.pick(NAMES);
  const known = await listReservations(pools.reader(access)).catch((error) => {
    if (!(error instanceof IpvlanError)) throw error;
  });
  if (!known) return;
  const own = known.filter((each) => each.sandbox === sandbox);
  if (own.length === 0) {
    const address = await take(id, sandbox);
    if (address === undefined) return;
    await recorded("reserve", address, async () => {
      await pools.settle();
      const user = { sandbox, network: NETWORK };
      const seconds = random.once(2) ? 3600 : undefined;
      await pools.reserve(access, user, [{ pool: id, address }], seconds);
      return undefined;
    }, sandbox);
  } else if (random.once(4)) {
    for (const { address } of own) {
      await recorded("unreserve", address, async () => {
        await unreserve(pools.reader(access), NETWORK, sandbox);
        return undefined;
      }, sandbox);
    }
  } else await take(id, sandbox, random.pick(own).address);
}

async function release(id: string): Promise<void> {
  const [address] = held.splice(random.below(held.length), 1);
  await recorded("release", address, () => {
    store.transaction(() => pools.release(id, address!));
    return Promise.resolve(undefined);
  });
}

async function work(id: string): Promise<void> {
  for (;;) {
    if (random.once(200)) jump = (random.next() - 0.5) * 1e10;
    if (isFirst && random.once(10)) await reserve(id);
    if (held.length === 0 || held.length < MOST_HELD && random.once(2)) await take(id);
    else await release(id);
    if (random.once(8)) {
      await recorded("settle", undefined, async () => {
        await pools.settle();
        return undefined;
      });
    }
  }
}

/** Calls until it succeeds. Faults of the network end. */
async function persist<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof IpvlanError)) throw error;
    }
  }
}

const { id } = await persist(() => pools.join(access, subnet, {}));
// A clone does not know that it is one.
if (!isTold) {
  await recorded("recover", undefined, async () => {
    await persist(() => pools.recover(linked));
    return undefined;
  });
}
// What the host has itself, it has from when etcd knows of it. A clone of its machine has the same.
await persist(() => pools.claimOwn(id, [{ address: own }]));
const claims = await persist(() => listClaims(pools.reader(access)));
const ownId = store.shared.host("/ipvlan")!.id;
if (claims.some(({ address, host }) => address === own && host === ownId)) {
  recorder.write(
    { call: "take", kind: "done", number: 0, address: own },
    `${hostname.split("-")[0]} itself`,
  );
}
// What it held in its former life. What is another host's now is not used any more.
const others = store.shared.lost().map(({ address }) => textOf(address));
for (const { sandbox, address } of pools.held(id)) {
  if (sandbox !== name && !(isFirst && NAMES.includes(sandbox))) continue;
  if (others.includes(address)) store.transaction(() => pools.release(id, address));
  else {
    held.push(address);
    recorder.write({ call: "find", kind: "done", number: recorder.next(), address, sandbox });
  }
}
if (name.endsWith(".0")) follow();
await Promise.all(Array.from({ length: AT_ONCE }, () => work(id)));

/** Does what the host's agent does. */
async function follow(): Promise<void> {
  for await (const _ of pools.watch(access, new AbortController().signal)) {
    // It answers wishes by itself.
  }
}
