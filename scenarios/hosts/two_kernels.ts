/**
 * Two hosts with kernels of their own, which a wire connects.
 *
 * @module
 */
import type { Scenario } from "../kit/mod.ts";
import { twoKernelScenario } from "../kit/machines/second_kernel.ts";
import { shareNames } from "./names.ts";
import { announce } from "./routes.ts";

const twoKernels: Scenario[] = twoKernelScenario(
  "two-kernels",
  "Two kernels and a wire: names across hosts with etcd, and routes by BGP with FRR",
  [["etcd"], ["frr"]],
  async (tour, bundles, second) => {
    await tour.holds("HOSTS-8", await second.isAnother());
    if (bundles.includes("etcd")) await shareNames(tour, "HOSTS-8", second);
    else await announce(tour, 4, "HOSTS-8", "frr", second);
  },
);

export default twoKernels;
