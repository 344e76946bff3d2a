/**
 * `deno task test:hosts`: hosts that share a pool in etcd, with faults of all kinds.
 *
 * @module
 */
import { readCommandLine } from "../../lib/base/command_line.ts";
import { type EndingSignal, exitStatusOf, onSignals } from "../../lib/base/signals.ts";
import { rows, run } from "./run.ts";
import { showProgress } from "../../scenarios/kit/report/progress.ts";

const HELP =
  `Have five hosts share a pool in a real etcd with three members, with partitions between hosts and
members and among members, lost and late answers, kills and pauses.

Usage:
  deno task test:hosts [--minutes N] [--seed N]

The last line has the counts, also when a signal ends it. The exit status is 1 if there are defects:
two holders of one address at one time, or something lost or left at the end.

Options:
  --minutes N    how long; default: 1
  --seed N       the seed of the faults and of what the hosts do; default: 1
  --history DIR  an empty folder for the history, a line of JSON for each event and each fault;
                 default: a temporary one, which stays if there are defects
  -h, --help     print this
`;

const OPTIONS = [
  { name: "minutes", value: "N" },
  { name: "seed", value: "N" },
  { name: "history", value: "DIR" },
  { name: "help", short: "h" },
] as const;

const line = readCommandLine(OPTIONS, Deno.args);
const minutes = Number(line.value("minutes") ?? 1);
const seed = Number(line.value("seed") ?? 1);
const problems = [...line.problems];
if (!(minutes > 0)) problems.push("The option --minutes takes a number above 0");
if (!Number.isInteger(seed)) problems.push("The option --seed takes a whole number");
if (line.words.length > 0) {
  problems.push(`The word ${JSON.stringify(line.words[0])} is not expected`);
}
if (line.on("help")) {
  console.log(HELP.trimEnd());
  Deno.exit(0);
}
if (problems.length > 0) {
  for (const problem of problems) console.error(`hosts: ${problem}`);
  Deno.exit(2);
}

const given = line.value("history");
if (given !== undefined) Deno.mkdirSync(given, { recursive: true });
const folder = given ?? Deno.makeTempDirSync({ prefix: "ipvlan-hosts-" });
let ended: EndingSignal | undefined;
const stop = new AbortController();
using _signals = onSignals(["SIGINT", "SIGTERM", "SIGHUP"], (signal) => {
  ended ??= signal;
  stop.abort();
});
const { signal } = stop;
const result = await run({ folder, seed, seconds: minutes * 60, say: showProgress, signal });
showProgress("");
for (const defect of result.defects) console.log(`defect: ${defect}`);
const { operations, defects } = result;
for (const row of rows(result)) console.log(row);
if (defects.length > 0) console.log(`The history is in ${folder}/history`);
else if (given === undefined) Deno.removeSync(folder, { recursive: true });
console.log(`${operations} operations, ${defects.length} defects (seed ${seed})`);
Deno.exit(ended ? exitStatusOf(ended) : defects.length > 0 ? 1 : 0);
