/**
 * `deno task bench`: what the driver costs, as ratios to what else one could do, all measured in one
 * run in the lab. What it compares with is fetched like the lab's other parts.
 *
 * @module
 */
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { LabError } from "../../lab/errors.ts";
import { fetchPackages } from "../../lab/fetch.ts";
import { readCommandLine } from "../../lib/command_line.ts";
import { type Measured, render, type Report } from "./results.ts";

const HELP = `Measure the driver against scripts and the CNI plugins.

Usage:
  deno task bench [N…]   make that many endpoints; without it, 1, 10, 100 and 1000

Options:
  --quick          a short run: 10 and 100 endpoints, each once
  --engine ENGINE  the lab's engine
  --json FILE      write all that was measured to FILE, too
  -h, --help       print this

The rest of the figures: deno bench tests/bench/ipam_bench.ts
`;

const OPTIONS = [
  { name: "quick" },
  { name: "engine", value: "ENGINE" },
  { name: "json", value: "FILE" },
  { name: "help", short: "h" },
] as const;

/** What the words ask for. */
interface Request {
  sizes: number[];
  repetitions: number;
  /** How many endpoints are removed. */
  removed: number;
  engine?: string;
  json?: string;
}

function parse(words: string[]): Request | undefined {
  const line = readCommandLine(OPTIONS, words);
  if (line.on("help")) return undefined;
  const wrong = [...line.problems];
  const typed = [...line.words, ...line.behind ?? []];
  const given = typed.map(Number);
  for (const [index, size] of given.entries()) {
    // More than that the subnet does not hold.
    if (Number.isInteger(size) && size >= 1 && size <= 65000) continue;
    wrong.push(`Invalid number "${typed[index]}": it is not from 1 to 65000`);
  }
  if (wrong.length > 0) throw new LabError(`${wrong.join("; ")} (see --help)`);
  const isQuick = line.on("quick");
  const standard = isQuick ? [10, 100] : [1, 10, 100, 1000];
  return {
    sizes: given.length > 0 ? given.toSorted((a, b) => a - b) : standard,
    repetitions: isQuick ? 1 : 5,
    removed: isQuick ? 100 : 500,
    engine: line.value("engine"),
    json: line.value("json"),
  };
}

async function measure(request: Request): Promise<Report> {
  const names = ["containernetworking-plugins"] as const;
  const say = (line: string) => console.error(`bench: ${line}`);
  const files = await fetchPackages(names, { say });
  const plugins = dirname(files["containernetworking-plugins"]);
  const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
  const [inside, command] = [path("inside.ts"), path("../../cli.ts")];
  // There is no network inside: what is imported has to be there before.
  const cached = new Deno.Command(Deno.execPath(), { args: ["cache", "--quiet", inside, command] });
  if (!(await cached.spawn().status).success) {
    throw new LabError("Cannot load the bench; see above");
  }
  const { repetitions, removed, sizes, engine } = request;
  const before = Deno.loadavg()[0]!;
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-A", path("../../lab/main.ts")],
      ...(engine === undefined ? [] : ["--engine", engine]),
      ...["--", "deno", "run", "-A", "--no-check", "--cached-only", inside],
      ...[plugins, repetitions, removed, ...sizes].map(String),
    ],
    // The lab keeps its working folder, wherever that is.
    cwd: plugins,
    stderr: "inherit",
  }).output();
  if (code !== 0) throw new LabError(`The bench has failed with exit status ${code}; see above`);
  const measured: Measured = JSON.parse(new TextDecoder().decode(stdout));
  // The machine's, as what the lab shows is only its own.
  return { ...measured, load: [before, Deno.loadavg()[0]!] };
}

try {
  const request = parse(Deno.args);
  if (!request) {
    console.log(HELP.trimEnd());
  } else {
    const report = await measure(request);
    console.log(render(report));
    if (request.json !== undefined) {
      await Deno.writeTextFile(request.json, `${JSON.stringify(report, null, 2)}\n`);
    }
  }
} catch (error) {
  if (!(error instanceof LabError)) throw error;
  console.error(`bench: ${error.message}`);
  Deno.exit(1);
}
