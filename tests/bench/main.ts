/**
 * `deno task bench`: measures the driver, as ratios to shell scripts and to the CNI plugins, all in
 * one run in the lab. The plugins are fetched into the lab's cache.
 *
 * @module
 */
import { LabError } from "../../lab/errors.ts";
import { readCommandLine } from "../../lib/base/command_line.ts";
import { benchHosts } from "./hosts.ts";
import { fetchPlugins, measureInLab } from "./lab.ts";
import { render, type Report } from "./results.ts";

const HELP = `Measure the driver against scripts and the CNI plugins.

Usage:
  deno task bench [N…]   make N endpoints; default: 1, 10, 100 and 1000
  deno task bench hosts  pools that hosts share, with a real etcd on this machine
  deno task bench cni [N…]
                         attach and detach N containers at once, against CNI's ipvlan and
                         host-local; default: 1, 20 and 200
  deno task bench docker what a network adds to "docker run --rm", against Docker's own ipvlan

Options:
  --quick          a short run: 10 and 100 endpoints, or 1 and 20 containers, each once
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
  /** Whether it is to be a short run. */
  isQuick: boolean;
  /** The numbers that were given. */
  given: number[];
  engine?: string;
  json?: string;
}

/** Measures the CNI plugin. */
async function measureCni({ given, isQuick, engine }: Request): Promise<Report> {
  const plugins = await fetchPlugins();
  const sizes = given.length > 0 ? given : isQuick ? [1, 20] : [1, 20, 200];
  return await measureInLab({
    inside: new URL("cni/inside.ts", import.meta.url),
    args: [plugins, isQuick ? 1 : 5, ...sizes],
    folder: plugins,
    engine,
  });
}

/** Measures `docker run`. */
async function measureDocker({ isQuick, engine }: Request): Promise<Report> {
  return await measureInLab({
    inside: new URL("docker/inside.ts", import.meta.url),
    args: [isQuick ? 1 : 10],
    bundle: "docker26",
    engine,
  });
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
    isQuick,
    given: given.toSorted((a, b) => a - b),
    networks: isQuick ? [50, 200] : [250, 1000, 4000],
    sandboxes: isQuick ? [50, 100] : [250, 1000],
    engine: line.value("engine"),
    json: line.value("json"),
  };
}

async function measure(request: Request): Promise<Report> {
  const { repetitions, removed, networks, sandboxes, sizes, engine } = request;
  const plugins = await fetchPlugins();
  return await measureInLab({
    inside: new URL("inside.ts", import.meta.url),
    args: [plugins, repetitions, removed, networks.join(), sandboxes.join(), ...sizes],
    folder: plugins,
    engine,
  });
}

/** Prints a report, and writes it to a file if one is named. */
async function show(report: Report, json: string | undefined): Promise<void> {
  console.log(render(report));
  if (json !== undefined) await Deno.writeTextFile(json, `${JSON.stringify(report, null, 2)}\n`);
}

if (Deno.args[0] === "hosts" && Deno.args.length === 1) {
  console.log(await benchHosts());
  Deno.exit(0);
}
try {
  const [room, ...words] = Deno.args;
  const request = parse(room === "cni" || room === "docker" ? words : Deno.args);
  if (!request) console.log(HELP.trimEnd());
  else if (room === "cni") await show(await measureCni(request), request.json);
  else if (room === "docker") await show(await measureDocker(request), request.json);
  else await show(await measure(request), request.json);
} catch (error) {
  if (!(error instanceof LabError)) throw error;
  console.error(`bench: ${error.message}`);
  Deno.exit(1);
}
