/**
 * Makes random calls in a process of its own, and prints a line after each:
 * `worker.ts HOST STATE_DIR SEED CALLS`.
 *
 * @module
 */
import { Driver } from "../../mod.ts";
import { Random } from "./random.ts";
import { isAlarming, randomCall } from "./workload.ts";

const [host, stateDir, seed, calls] = Deno.args;
await using driver = await Driver.open({ host, stateDir });
const random = new Random(Number(seed));
for (let left = Number(calls); left > 0; left--) {
  const error = await randomCall(driver, random);
  if (error && isAlarming(error)) throw error;
  console.log(error?.code ?? "done");
}
