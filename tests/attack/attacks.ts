import { assertEquals } from "@std/assert";
import type { Attack } from "./attack.ts";
import { BROKEN_IP } from "./broken_ip.ts";
import { FUZZERS } from "./fuzz.ts";
import { HOSTILE } from "./hostile.ts";
import { CONCURRENCY, KILLS } from "./processes.ts";
import { HELD_NAMESPACE, USER } from "./user.ts";

/** How many inputs of each kind a round of the fuzz tries. */
const INPUTS = 500;

const FUZZ: Attack = {
  name: "fuzz",
  round: async (random, tally) => {
    for (const start of Object.values(FUZZERS)) {
      await using fuzzer = start(random);
      for (let left = INPUTS; left > 0; left--) {
        tally.calls++;
        assertEquals(await fuzzer.next(), undefined);
      }
    }
  },
};

/** All attacks. */
export const ATTACKS: readonly Attack[] = [
  FUZZ,
  CONCURRENCY,
  KILLS,
  BROKEN_IP,
  USER,
  HELD_NAMESPACE,
  HOSTILE,
];
