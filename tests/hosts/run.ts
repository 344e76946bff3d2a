/**
 * One run: processes of several hosts take and release addresses while faults come and go; then all is
 * calm, and the history and what is left are checked.
 *
 * @module
 */
import { Random } from "../attack/random.ts";
import {
  brokenReservations,
  countCalls,
  differences,
  doubleHolds,
  type HostState,
} from "./checker.ts";
import { historyFault, hostFault, memberFault, sleep } from "./faults.ts";
import { readHistory } from "./history.ts";
import { keysOf } from "./host.ts";
import { listClaims } from "../../lib/claims/hosts.ts";
import { listReservations, unreserve } from "../../lib/claims/reservations.ts";
import { NO_HOST } from "../../lib/claims/values.ts";
import { World } from "./world.ts";

/** Few addresses, so that hosts get in each other's way. */
const SUBNET = "10.9.0.0/25";

/** What a run came to. */
export interface Result {
  /** How many calls took or released an address. */
  operations: number;
  /** How many calls there were of each kind, and how they ended. */
  calls: Record<string, number>;
  /** How many faults there were of each kind. */
  faults: Record<string, number>;
  /** What must not have happened. */
  defects: string[];
}

/** How to run. */
export interface RunOptions {
  /** An empty folder. The history is in `history` in it afterwards. */
  folder: string;
  /** The seed of the faults, and of what the hosts do. */
  seed: number;
  /** How long, in seconds. */
  seconds: number;
  /** Prints a line about the progress. */
  say: (line: string) => void;
  /** Ends the faults early. All is checked even so. */
  signal?: AbortSignal;
}

/** Runs, and checks. */
export async function run(options: RunOptions): Promise<Result> {
  const { folder, seed, seconds, say, signal } = options;
  await using world = await World.start(folder, SUBNET, new Random(seed));
  const faults: Record<string, number> = {};
  const end = performance.now() + seconds * 1000;
  const goesOn = () => performance.now() < end && world.defects.length === 0 && !signal?.aborted;
  const makeFault = async (make: typeof hostFault, random: Random) => {
    const name = await make(world, random);
    faults[name] = (faults[name] ?? 0) + 1;
    say(`${Math.round((end - performance.now()) / 1000)} s to go; last fault: ${name}`);
  };
  const randoms = [1, 2, 3].map((more) => new Random(seed + more)) as [Random, Random, Random];
  while (goesOn()) {
    const pause = performance.now() + 2000 + randoms[2].below(8000);
    const makeFaults = async (make: typeof hostFault, random: Random) => {
      while (goesOn() && performance.now() < pause) {
        await sleep(random.below(1000));
        await makeFault(make, random);
      }
    };
    // The hosts' faults and the members' come and go by themselves, so that some meet.
    await Promise.all([makeFaults(hostFault, randoms[0]), makeFaults(memberFault, randoms[1])]);
    // What makes history fork or go back comes by itself.
    if (goesOn()) await makeFault(historyFault, randoms[2]);
  }
  await world.calm();
  const history = readHistory(world.histories);
  const defects = [
    ...world.defects,
    ...doubleHolds(history),
    ...brokenReservations(history),
    ...await checkRest(world),
  ];
  const calls = countCalls(history);
  const operations =
    history.filter(({ call, kind }) => kind !== "begin" && (call === "take" || call === "release"))
      .length;
  return { operations, calls, faults, defects };
}

/** Checks what is left in etcd and on record; and then that nothing is left when all is released. */
async function checkRest(world: World): Promise<string[]> {
  const { cluster, hosts } = world;
  const access = { endpoints: cluster.endpoints };
  const withHost = world.withHost.bind(world);
  const defects: string[] = [];
  const states: HostState[] = [];
  for (const host of hosts) {
    await withHost(host, async ({ pools, store }) => {
      // Nothing is mended, as nothing gets lost: what a kill left half done is on record.
      for (const mended of await pools.recover(world.linked(host))) {
        defects.push(`${host.name}: ${mended}`);
      }
      const left = await pools.settle();
      if (left.untold > 0 || left.lost.length > 0) {
        defects.push(`${host.name} is not settled: ${JSON.stringify(left)}`);
      }
      const { id } = store.shared.host("/ipvlan")!;
      states.push({ id, name: host.name, held: pools.held().map(({ address }) => address) });
    });
  }
  await withHost(hosts[0]!, async ({ pools }) => {
    const claims = await listClaims(pools.reader(access));
    defects.push(...differences(states, claims.filter(({ host }) => host !== NO_HOST)));
    const reserved = await listReservations(pools.reader(access));
    for (const { address, sandbox } of reserved) {
      const claim = claims.find((each) => each.address === address);
      // Another process of a host may take what one of its own has freed just now.
      if (claim && (claim.host !== NO_HOST || claim.sandbox === sandbox)) continue;
      defects.push(`${address}, reserved for ${sandbox}, is claimed for ${claim?.sandbox}`);
    }
    for (const { address, sandbox, host } of claims) {
      if (host !== NO_HOST || reserved.some((each) => each.address === address)) continue;
      defects.push(`The claim of ${address} for ${sandbox} has no reservation`);
    }
  });
  for (const host of hosts) {
    await withHost(host, async ({ pools, store }) => {
      const [pool] = pools.pools();
      store.transaction(() => {
        for (const { address } of pools.held()) pools.release(pool!.id, address);
      });
      await pools.settle();
    });
  }
  await withHost(hosts[0]!, async ({ pools }) => {
    for (const each of await listReservations(pools.reader(access))) {
      await unreserve(pools.reader(access), each.network, each.sandbox);
    }
  });
  for (const key of (await keysOf(access)).keys()) {
    if (/^(claims|blocks|reservations)\//.test(key)) defects.push(`${key} is left`);
  }
  return defects;
}

/** The counts in rows, for people. */
export function rows({ operations, calls, faults }: Result): string[] {
  const list = (counts: Record<string, number>) =>
    Object.entries(counts).sort().map(([name, count]) => `  ${name}: ${count}`);
  return [
    "calls, and how they ended:",
    ...list(calls),
    "faults:",
    ...list(faults),
    `${operations} takes and releases`,
  ];
}
