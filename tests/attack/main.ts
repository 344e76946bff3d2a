/**
 * `deno task test:attack`: attacks the driver and the command in the lab for some minutes.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { readCommandLine } from "../../lib/base/command_line.ts";
import { linesOf } from "../../lib/iproute2/shell.ts";
import { type EndingSignal, exitStatusOf, onSignals } from "../../lib/base/signals.ts";
import { countRows, readCounts } from "./counts.ts";

const HELP = `Attack the driver and the command, in the lab.

Usage:
  deno task test:attack [--minutes N] [NAME…]

The last line has the counts, also when a signal ends it. The exit status is 1 if there are defects. Each defect names its
attack and its seed: "--seed SEED --minutes 0 NAME" repeats it.

Options:
  --minutes N      how long; default: 1, and 0 is one round of each attack
  --seed SEED      the seed of the first round; default: 1
  --engine ENGINE  the lab's engine
  -h, --help       print this
`;

const OPTIONS = [
  { name: "minutes", value: "N" },
  { name: "seed", value: "SEED" },
  { name: "engine", value: "ENGINE" },
  { name: "help", short: "h" },
] as const;

const line = readCommandLine(OPTIONS, Deno.args);
const minutes = Number(line.value("minutes") ?? 1);
const seed = Number(line.value("seed") ?? 1);
const problems = [...line.problems];
if (!(minutes >= 0)) problems.push("The option --minutes takes a number");
if (!Number.isInteger(seed)) problems.push("The option --seed takes a whole number");
if (line.on("help")) {
  console.log(HELP.trimEnd());
  Deno.exit(0);
}
if (problems.length > 0) {
  for (const problem of problems) console.error(`attack: ${problem}`);
  Deno.exit(2);
}

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
const inside = path("inside.ts");
// The lab has no network, so cache the imports first.
const cached = new Deno.Command(Deno.execPath(), {
  args: ["cache", "--quiet", inside, path("worker.ts")],
});
if (!(await cached.output()).success) {
  console.error("attack: The attacks cannot be loaded");
  Deno.exit(1);
}
const engine = line.value("engine");
const child = new Deno.Command(Deno.execPath(), {
  args: [
    ...["run", "-A", path("../../lab/main.ts")],
    ...(engine === undefined ? [] : ["--engine", engine]),
    ...["--", "deno", "run", "-A", "--no-check", "--cached-only", inside],
    ...[minutes, seed, ...line.words, ...line.behind ?? []].map(String),
  ],
  stdin: "null",
  stdout: "piped",
}).spawn();
let ended: EndingSignal | undefined;
using _signals = onSignals(["SIGINT", "SIGTERM", "SIGHUP"], (signal) => {
  ended ??= signal;
  // The lab ends what runs in it. From a terminal, it has got the signal already.
  if (!Deno.stdin.isTerminal()) child.kill(signal);
});
let counts: ReturnType<typeof readCounts>;
for await (const line of linesOf(child.stdout)) {
  const read = readCounts(line);
  if (read) counts = read;
  else console.log(line);
}
const { code } = await child.status;
countRows(counts ?? []).forEach((row) => console.log(row));
Deno.exit(ended ? exitStatusOf(ended) : code);
