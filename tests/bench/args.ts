/**
 * The bench's command line, from words to a validated value.
 *
 * @module
 */
import { dirname } from "node:path";
import { ENGINE_NAMES } from "../../lab/engine.ts";
import type { BundleName } from "../../lab/fetch/bundles.ts";
import { readCommandLine } from "../../lib/base/command_line.ts";
import { quoted } from "../../lib/base/printable.ts";
import { didYouMean } from "../../lib/base/suggest.ts";
import type { Job } from "./inside.ts";

/** What can be measured, with the programs of each guest, and with the numbers of a full run. */
export const PARTS: Readonly<Record<string, PartForm>> = {
  lab: {
    what: "make, remove and look at sandboxes, against scripts of ip",
    sizes: [1, 10, 100, 1000],
  },
  growth: { what: "how much longer a call takes with thousands of networks and sandboxes" },
  options: { what: "what each option of a network adds to the making of a sandbox" },
  cni: {
    what: "attach and detach containers, against ipvlan and host-local of CNI",
    sizes: [1, 20, 200],
  },
  docker: { what: "docker run --rm, against Docker's own ipvlan", bundle: "docker26", turns: 10 },
  podman: { what: "podman run --rm, against netavark's own ipvlan", bundle: "podman5", turns: 10 },
  hosts: { what: "pools that hosts share, with a real etcd on this machine" },
  datapath: {
    what: "packets on each kind of link, against veth and a bridge; only if named",
    bundle: "iperf3",
    program: "iperf3",
    onlyIfNamed: true,
  },
};

/** A part of the bench. */
export interface PartForm {
  /** What it measures, for the help. */
  what: string;
  /** The programs that the lab brings along for it. */
  bundle?: BundleName;
  /** The program of the bundle, if the machine's own does as well where the lab brings none. */
  program?: string;
  /** Whether it is left out when no part is named. */
  onlyIfNamed?: boolean;
  /** The numbers of sandboxes or containers; none if they cannot be chosen. */
  sizes?: readonly number[];
  /** How often each way has its turn. @default {5} */
  turns?: number;
}

/** The text of `--help`. */
export const HELP =
  `Measure this project against its peers, in turns, and print all figures as one table.

Usage:
  deno task bench [PART…] [N…]   measure the parts; default: all but datapath

Parts:
${Object.entries(PARTS).map(([name, { what }]) => `  ${name.padEnd(15)}${what}`).join("\n")}

With N, lab makes only these numbers of sandboxes, and cni attaches only these numbers of containers.

Options:
  --quick          a short run: each way once, with small numbers
  --engine ENGINE  the lab's engine: ${ENGINE_NAMES.join(", ")}
  --json FILE      write all samples to FILE
  --svg FILE       draw the figures to FILE
  -h, --help       print this

For address pools: deno bench tests/bench/ipam_bench.ts
`;

const OPTIONS = [
  { name: "quick" },
  { name: "engine", value: "ENGINE" },
  { name: "json", value: "FILE" },
  { name: "svg", value: "FILE" },
  { name: "help", short: "h" },
] as const;

/** What to measure, as the command line says. */
export interface Request {
  /** The names of the parts. */
  parts: string[];
  /** How much of each to measure. */
  job: (part: string) => Job;
  engine?: string;
  json?: string;
  svg?: string;
}

/** Reads a command line. Returns all that is wrong with it, one sentence each; nothing for `--help`. */
export function parse(words: readonly string[]): Request | { problems: string[] } | undefined {
  const line = readCommandLine(OPTIONS, words);
  if (line.on("help")) return undefined;
  const typed = [...line.words, ...line.behind ?? []];
  const numbers = typed.filter((word) => /^[\d.+-]/.test(word));
  const names = [...new Set(typed)].filter((word) => !numbers.includes(word));
  const parts = Object.keys(PARTS).filter((name) =>
    names.length === 0 ? !PARTS[name]!.onlyIfNamed : names.includes(name)
  );
  const [engine, json, svg] = [line.value("engine"), line.value("json"), line.value("svg")];
  const problems = [
    ...line.problems,
    ...names.filter((name) => !Object.hasOwn(PARTS, name)).map((name) => {
      const known = Object.keys(PARTS);
      return `There is no part ${quoted(name)}${didYouMean(name, known)}: give ${known.join(", ")}`;
    }),
    // The subnet has no more addresses.
    ...numbers.filter((word) => !/^[1-9]\d*$/.test(word) || Number(word) > 65_000).map((word) =>
      `Invalid number ${quoted(word)}: give one from 1 to 65000`
    ),
    ...numbers.length > 0 && parts.length > 0 && !parts.some((name) => PARTS[name]!.sizes)
      ? [`The numbers have no use for ${parts.join(", ")}: they are for lab and cni`]
      : [],
    ...engine !== undefined && !ENGINE_NAMES.some((name) => name === engine)
      ? [`There is no engine ${quoted(engine)}: give ${ENGINE_NAMES.join(", ")}`]
      : [],
    ...json !== undefined && json === svg ? ["--json and --svg name the same file"] : [],
    ...[json, svg].flatMap((file) => file === undefined ? [] : fileProblem(file)),
  ];
  if (problems.length > 0) return { problems };
  const sizes = [...new Set(numbers.map(Number))].sort((a, b) => a - b);
  const isQuick = line.on("quick");
  const job = (part: string) => jobOf(PARTS[part]!, sizes, isQuick);
  return { parts, job, engine, json, svg };
}

function jobOf(
  { sizes = [], turns = 5 }: PartForm,
  given: readonly number[],
  isQuick: boolean,
): Job {
  return {
    turns: isQuick ? 1 : turns,
    sizes: given.length > 0 ? given : isQuick ? sizes.filter((size) => size <= 100) : sizes,
    many: isQuick ? 100 : 500,
    networks: isQuick ? [50, 200] : [250, 4000],
    sandboxes: isQuick ? [50, 100] : [250, 1000],
  };
}

/** Says before the bench runs for minutes that a file cannot be written. */
function fileProblem(file: string): string[] {
  const is = (path: string) => {
    try {
      return Deno.statSync(path).isDirectory ? "folder" : "file";
    } catch {
      return undefined;
    }
  };
  if (is(file) === "folder") return [`${quoted(file)} is a folder: give a file`];
  return is(dirname(file)) === "folder" ? [] : [`There is no folder ${quoted(dirname(file))}`];
}
