/**
 * `deno task test:why`: compares what the kernel does with packets in random worlds, and what a model of
 * it says.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { readCommandLine } from "../../lib/base/command_line.ts";

const HELP =
  `Compare a model of who reaches whom with the kernel, in the lab: everybody pings everybody in random worlds.

Usage:
  deno task test:why [--worlds N] [--seed SEED]

A world of which the two differ is made smaller and printed. The exit status is then 1.

Options:
  --worlds N       how many worlds; default: 1000
  --seed SEED      the seed that they are drawn with; default: 1
  --engine ENGINE  the lab's engine
  -h, --help       print this
`;

const OPTIONS = [
  { name: "worlds", value: "N" },
  { name: "seed", value: "SEED" },
  { name: "engine", value: "ENGINE" },
  { name: "help", short: "h" },
] as const;

const line = readCommandLine(OPTIONS, Deno.args);
const numbers = [line.value("worlds") ?? "1000", line.value("seed") ?? "1"];
const problems = [...line.problems, ...line.words.map((word) => `There is nothing called ${word}`)];
if (!numbers.every((number) => /^\d+$/.test(number))) {
  problems.push("The options --worlds and --seed take a whole number");
}
if (line.on("help")) {
  console.log(HELP.trimEnd());
  Deno.exit(0);
}
if (problems.length > 0) {
  for (const problem of problems) console.error(`test:why: ${problem}`);
  Deno.exit(2);
}

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
const inside = path("inside.ts");
const engine = line.value("engine");
const deno = (...args: string[]) => new Deno.Command(Deno.execPath(), { args, stdin: "null" });
// The lab has no network, so cache the imports first.
const { code } = await deno("cache", "--quiet", inside).spawn().status;
if (code !== 0) Deno.exit(code);
const lab = deno(
  ...["run", "-A", path("../../lab/main.ts")],
  ...(engine === undefined ? [] : ["--engine", engine]),
  ...["--", "deno", "run", "-A", "--no-check", "--cached-only", inside, ...numbers],
);
Deno.exit((await lab.spawn().status).code);
