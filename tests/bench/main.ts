/**
 * `deno task bench`: measures the driver, as ratios to shell scripts and to the CNI plugins, all in
 * one run in the lab. The plugins are fetched into the lab's cache.
 *
 * @module
 */
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { LabError } from "../../lab/errors.ts";
import { fetchPackages } from "../../lab/fetch.ts";
import { readCommandLine } from "../../lib/command_line.ts";
import { benchHosts } from "./hosts.ts";
import { type Measured, render, type Report } from "./results.ts";

const HELP = `Measure the driver against scripts and the CNI plugins.

Usage:
  deno task bench [N…]   make N endpoints; default: 1, 10, 100 and 1000
  deno task bench hosts  pools that hosts share, with a real etcd on this machine

Options:
  --quick          a short run: 10 and 100 endpoints, each once
  --growth         only how the time of a call grows with the number of networks and sandboxes
  --engine ENGINE  the lab's engine
  --json FILE      also write all measurements to FILE
  -h, --help       print this

For address pools: deno bench tests/bench/ipam_bench.ts
`;

const OPTIONS = [
  { name: "quick" },
  { name: "growth" },
  { name: "engine", value: "ENGINE" },
  { name: "json", value: "FILE" },
  { name: "help", short: "h" },
] as const;

/** What to measure, as the command line says. */
interface Request {
  /** The numbers of endpoints to make. */
  sizes: number[];
  /** How often to repeat each way. */
  repetitions: number;
  /** The number of endpoints to remove. */
  removed: number;
  /** The numbers of networks at which to measure how calls slow down. */
  networks: number[];
  /** The numbers of sandboxes on one network at which to measure that. */
  sandboxes: number[];
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
    // The subnet has no more addresses.
    if (Number.isInteger(size) && size >= 1 && size <= 65000) continue;
    wrong.push(`Invalid number "${typed[index]}": give one from 1 to 65000`);
  }
  if (wrong.length > 0) throw new LabError(`${wrong.join("; ")} (see --help)`);
  const isQuick = line.on("quick");
  const standard = isQuick ? [10, 100] : [1, 10, 100, 1000];
  const making = line.on("growth") ? { sizes: [], repetitions: 0, removed: 0 } : {
    sizes: given.length > 0 ? given.toSorted((a, b) => a - b) : standard,
    repetitions: isQuick ? 1 : 5,
    removed: isQuick ? 100 : 500,
  };
  return {
    ...making,
    networks: isQuick ? [50, 200] : [250, 1000, 4000],
    sandboxes: isQuick ? [50, 100] : [250, 1000],
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
  // The lab has no network, so cache the imports first.
  const cached = new Deno.Command(Deno.execPath(), { args: ["cache", "--quiet", inside, command] });
  if (!(await cached.spawn().status).success) {
    throw new LabError("Cannot load the bench; see above");
  }
  const { repetitions, removed, networks, sandboxes, sizes, engine } = request;
  const before = Deno.loadavg()[0]!;
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-A", path("../../lab/main.ts")],
      ...(engine === undefined ? [] : ["--engine", engine]),
      ...["--", "deno", "run", "-A", "--no-check", "--cached-only", inside],
      ...[plugins, repetitions, removed, networks, sandboxes, ...sizes].map(String),
    ],
    // The lab shows its working folder inside, so the plugins are visible there.
    cwd: plugins,
    stderr: "inherit",
  }).output();
  if (code !== 0) throw new LabError(`The bench failed with exit status ${code}; see above`);
  const measured: Measured = JSON.parse(new TextDecoder().decode(stdout));
  // Read the machine's load average here: inside, the lab shows only its own.
  return { ...measured, load: [before, Deno.loadavg()[0]!] };
}

if (Deno.args[0] === "hosts" && Deno.args.length === 1) {
  console.log(await benchHosts());
  Deno.exit(0);
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
