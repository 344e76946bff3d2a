/**
 * The part of `deno task bench` that runs in the lab. It says on standard error how it goes on, and prints
 * each figure as a line of JSON as soon as it has it, after a line with the kernel.
 *
 *     inside.ts PART JOB
 *
 * @module
 */
import { cniFigures } from "./cni.ts";
import { dataPathFigures, isEmulated } from "./datapath.ts";
import { dockerFigures, podmanFigures } from "./engines.ts";
import type { Figure } from "./figures.ts";
import { growthFigures } from "./growth.ts";
import { optionFigures } from "./options.ts";
import { sandboxFigures } from "./sandboxes.ts";
import { say } from "./turns.ts";

/** How much to measure. */
export interface Job {
  /** How often each way has its turn. */
  turns: number;
  /** How many sandboxes to make, or containers to attach. */
  sizes: readonly number[];
  /** How many sandboxes to remove, or links to make; twice as many sandboxes are looked at. */
  many: number;
  /** At how many networks a call is measured, few and many. */
  networks: readonly [number, number];
  /** At how many sandboxes of one network making another is measured, few and many. */
  sandboxes: readonly [number, number];
  /** The folder of CNI's own plugins. */
  plugins?: string;
}

/** What can be measured in the lab. */
const PARTS: Readonly<Record<string, (job: Job) => AsyncGenerator<Figure>>> = {
  lab: sandboxFigures,
  growth: growthFigures,
  options: optionFigures,
  cni: cniFigures,
  docker: dockerFigures,
  podman: podmanFigures,
  datapath: dataPathFigures,
};

if (import.meta.main) {
  const [part = "", job = ""] = Deno.args;
  const engine = Deno.env.get("IPVLAN_LAB");
  const measure = PARTS[part];
  if (!measure || !engine) {
    // Never run this outside the lab: it deletes every namespace that it finds.
    say("This program runs only in the lab: run `deno task bench`");
    Deno.exit(2);
  }
  const isWeak = part === "datapath" && isEmulated(Deno.readTextFileSync("/proc/cpuinfo"));
  // Such a kernel takes most of the time for copying, whatever the link.
  const remark = isWeak ? " (emulated, so these ratios mean little)" : "";
  console.log(JSON.stringify(`${engine}, Linux ${Deno.osRelease()}${remark}`));
  for await (const figure of measure(JSON.parse(job))) console.log(JSON.stringify(figure));
}
