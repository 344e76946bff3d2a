import type { Driver } from "../../mod.ts";
import { assertConsistent } from "../kit/look.ts";
import { type TestHost, withHost } from "../kit/worlds.ts";
import type { Attack, Tally } from "./attack.ts";
import type { Random } from "./random.ts";
import { isAlarming, randomCall } from "./workload.ts";

const WORKER = new URL("worker.ts", import.meta.url).pathname;

/** A {@linkcode WORKER} that runs. */
interface Worker {
  /** Resolves when it has made so many calls, or has ended. */
  made(calls: number): Promise<void>;
  /** Kills it. */
  kill(): void;
  /** Resolves when it has ended, to its standard error, and whether it was killed. */
  ended: Promise<{ err: string; killed: boolean }>;
}

function startWorker(host: TestHost, seed: number, calls: number, tally: Tally): Worker {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-A", "--no-check", "--cached-only", WORKER],
      ...[host.ns.name, host.stateDir, String(seed), String(calls)],
    ],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let lines = 0;
  let wake = Promise.withResolvers<void>();
  let hasEnded = false;
  const err = new Response(child.stderr).text();
  const follow = async () => {
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
      const more = text.split("\n").length - 1;
      lines += more;
      tally.calls += more;
      wake.resolve();
      wake = Promise.withResolvers();
    }
    const { success, signal } = await child.status;
    hasEnded = true;
    wake.resolve();
    const killed = signal === "SIGKILL";
    return { err: success || killed ? "" : await err, killed };
  };
  const ended = follow();
  return {
    made: async (calls) => {
      while (lines < calls && !hasEnded) await wake.promise;
    },
    kill: () => {
      if (!hasEnded) child.kill("SIGKILL");
    },
    ended,
  };
}

/** Makes random calls with a driver of this process. */
async function callInProcess(
  driver: Driver,
  random: Random,
  calls: number,
  tally: Tally,
): Promise<void> {
  for (let left = calls; left > 0; left--) {
    const error = await randomCall(driver, random);
    tally.calls++;
    if (error && isAlarming(error)) throw error;
  }
}

/** Several processes, and several drivers in one, call at once. Afterwards, all must fit together. */
export const CONCURRENCY: Attack = {
  name: "concurrency",
  round: (random, tally) =>
    withHost(async (host) => {
      const seeds = [1, 2].map(() => random.below(2 ** 31));
      const workers = seeds.map((seed) => startWorker(host, seed, 25, tally));
      const drivers = [await host.driver(), await host.driver()];
      const own = await Promise.allSettled(
        [0, 1, 0].map((which) => callInProcess(drivers[which]!, random, 15, tally)),
      );
      const ends = await Promise.all(workers.map(({ ended }) => ended));
      for (const { err } of ends) if (err !== "") throw new Error(err);
      for (const each of own) if (each.status === "rejected") throw each.reason;
      await assertConsistent(host);
    }),
};

/** Processes are killed in the middle of calls. Afterwards, `restore` must bring all together. */
export const KILLS: Attack = {
  name: "kills",
  round: (random, tally) =>
    withHost(async (host) => {
      const [victim, other] = [1, 2].map(() =>
        startWorker(host, random.below(2 ** 31), 30, tally)
      ) as [Worker, Worker];
      await victim.made(3 + random.below(25));
      await new Promise((resolve) => setTimeout(resolve, random.below(60)));
      victim.kill();
      const { err, killed } = await victim.ended;
      if (killed) tally.kills++;
      const rest = await other.ended;
      if (err + rest.err !== "") throw new Error(err + rest.err);
      const driver = await host.driver();
      const { missing } = await driver.restore();
      if (missing.length > 0) throw new Error(`restore: ${JSON.stringify(missing)}`);
      await assertConsistent(host);
    }),
};
