/**
 * The lab's command line, from words to a validated value.
 *
 * @module
 */
import { resolve } from "node:path";
import { readCommandLine } from "../lib/base/command_line.ts";
import { BUNDLE_NAMES, bundleConflict, type BundleName, BUNDLES } from "./fetch/bundles.ts";
import { AFTERWARDS, type Afterwards, ENGINE_NAMES, type EngineName } from "./engine.ts";
import { UsageError } from "./errors.ts";
import { DEBIAN_KERNELS, type KernelChoice, kindOfFile } from "./kernels.ts";
import { exists } from "./machine.ts";
import { GUEST_SUITES, type GuestSuite, type ReportFiles } from "./scenarios.ts";

/** Describes a bundle in a line of the help. */
function describeBundle(name: BundleName): string {
  const { what, megabytes } = BUNDLES[name];
  return `  ${name.padEnd(15)}${what} (${megabytes} MB)`;
}

/** The text of `--help`. */
export const HELP = `Run any command in a kernel that has ipvlan, whatever the machine.

Usage:
  deno task lab [NAME…] [--json FILE]   run all scenarios, or some
  deno task lab engines [NAME…]         run the scenarios of Docker, containerd and Podman
  deno task lab hosts [NAME…]           run the scenarios of several hosts, with etcd and FRR;
                                        two-kernels runs in two guests with a wire between them
  deno task lab beyond [NAME…]          run the scenarios of what users ask for beyond the guide
  deno task lab --list                  list the scenarios
  deno task lab -- COMMAND…             run a command; its exit status is passed on
  deno task lab --playground            a shell with eth0, a router, a PC and ipvlan to play with
  deno task lab --shell                 a shell without a network
  deno task lab --kernels               list the kernels, and whether they start here

Options:
  --engine ENGINE  native (this kernel), uml (User-Mode Linux), qemu (a kernel as Debian ships it) or
                   vagrant (a virtual machine); default: the first of them that works here
  --kernel KERNEL  5.10, 6.1, 6.12 or 7.2, from Debian 11, 12, 13 or forky; the file of a kernel,
                   linux.uml or bzImage; or all, for a table of the scenarios on all four
  --modules DIR    the folder of that file's modules, with modules.dep
  --needs MODULE   a kernel module that the command needs; may be given more than once
  --with PROGRAMS  programs to fetch and bring along, such as docker26,etcd; see below
  --halt           halt the virtual machine afterwards (vagrant)
  --destroy        destroy the virtual machine and its files afterwards (vagrant)
  --json FILE      write the scenarios' report to FILE
  --report FILE    write it as an HTML page to FILE: the statements, each scenario's tour with its
                   evidence, a picture of what it built, and who reaches whom there
  -h, --help       print this

Programs for --with:
${BUNDLE_NAMES.map(describeBundle).join("\n")}

Exit status: the command's own, or of scenarios 1 if a statement did not hold; 2 for a wrong command
line, 125 when the lab itself fails.
`;

const OPTIONS = [
  { name: "engine", value: "ENGINE" },
  { name: "kernel", value: "KERNEL" },
  { name: "modules", value: "DIR" },
  { name: "needs", value: "MODULE" },
  { name: "with", value: "PROGRAMS" },
  { name: "json", value: "FILE" },
  { name: "report", value: "FILE" },
  { name: "list" },
  { name: "kernels" },
  { name: "playground" },
  { name: "shell" },
  ...AFTERWARDS.map((name) => ({ name })),
  { name: "help", short: "h" },
] as const;

/** A request from the command line. */
export type Request =
  | { kind: "help" }
  | { kind: "list" }
  | { kind: "kernels" }
  | { kind: "scenarios"; names: string[] } & ReportFiles & Where
  | { kind: "guest scenarios"; suite: GuestSuite; names: string[] } & ReportFiles & Where
  | { kind: "command"; command: string[] } & Where
  | { kind: "playground" | "shell" } & Where;

/** The environment of the scenarios, the command or the shell. */
export interface Where {
  /** The kernel modules that they need. */
  modules: string[];
  /** The programs that the lab brings along. */
  bundles: BundleName[];
  /** The kernel. @default {undefined} The fastest that has the modules. */
  kernel?: KernelChoice | "all";
  /** The engine. @default {undefined} The first that works here. */
  engine?: EngineName;
  /** Halt or destroy the virtual machine afterwards. @default {undefined} Leave it running. */
  afterwards?: Afterwards;
}

/**
 * Reads the words of the command line.
 *
 * @throws {UsageError} with every problem that the words have.
 */
export function parseRequest(words: string[]): Request {
  const line = readCommandLine(OPTIONS, words);
  if (line.on("help")) return { kind: "help" };
  const problems = [...line.problems];
  const names = line.words;
  const command = line.behind;
  const endOptions = AFTERWARDS.filter((name) => line.on(name));
  const afterwards = endOptions[0];
  const named = line.value("engine");
  // Only the engine `vagrant` has these options, so they choose it.
  const wanted = named ?? (afterwards && "vagrant");
  const engine = ENGINE_NAMES.find((name) => name === wanted);
  if (named !== undefined && !engine) {
    problems.push(`Unknown engine "${named}": the engines are ${ENGINE_NAMES.join(", ")}`);
  }
  if (endOptions.length > 1) problems.push("Choose one of --halt and --destroy");
  if (afterwards && engine && engine !== "vagrant") {
    problems.push(`Option --${afterwards} works with --engine vagrant only`);
  }
  const [list, kernels] = [line.on("list"), line.on("kernels")];
  const [playground, shell] = [line.on("playground"), line.on("shell")];
  const runsScenarios = !(list || kernels || playground || shell || command);
  if (afterwards && list) problems.push(`Option --${afterwards} cannot be used with --list`);
  const needed = line.values("needs");
  const modules = needed.map((name) => name.replaceAll("-", "_"));
  for (const [index, name] of modules.entries()) {
    if (!/^\w+$/.test(name)) problems.push(`"${needed[index]}" is not a name of a kernel module`);
  }
  const bundles = readBundles(line.values("with"), problems);
  if (bundles.length > 0 && engine && engine !== "uml" && engine !== "qemu") {
    problems.push("Option --with works with --engine uml and qemu only");
  }
  const kernel = readKernel(line.value("kernel"), line.value("modules"), problems);
  const files: ReportFiles = { json: line.value("json"), report: line.value("report") };
  const suite = GUEST_SUITES.find((name) => name === names[0]);
  if (suite && bundles.length > 0) {
    problems.push(`Option --with does not go with ${suite}: each scenario brings its own programs`);
  }
  if (suite && engine && engine !== "uml" && engine !== "qemu") {
    problems.push(`The scenarios of ${suite} run with --engine uml and qemu only`);
  }
  if (suite && kernel === "all") {
    problems.push(`Option --kernel all does not go with ${suite}: give one kernel, or none`);
  }
  if (command?.length === 0) problems.push("No command after --");

  const actions = [
    ...(names.length > 0 ? [`the scenario "${names[0]}"`] : []),
    ...(list ? ["--list"] : []),
    ...(kernels ? ["--kernels"] : []),
    ...(playground ? ["--playground"] : []),
    ...(shell ? ["--shell"] : []),
    ...(command ? ["a command after --"] : []),
  ];
  if (actions.length > 1) problems.push(`Choose one of ${actions.join(" and ")}`);
  if (kernel === "all" && !runsScenarios) {
    problems.push("Option --kernel all works with scenarios only");
  }
  for (const name of ["json", "report"] as const) {
    if (files[name] !== undefined && !runsScenarios) {
      problems.push(`Option --${name} works with scenarios only`);
    }
  }
  if (kernel === "all" && files.report !== undefined) {
    problems.push("Option --report does not go with --kernel all: give one kernel, or none");
  }
  if (problems.length > 0) throw new UsageError(`${problems.join("; ")} (see --help)`);

  if (list) return { kind: "list" };
  if (kernels) return { kind: "kernels" };
  const where: Where = { modules, bundles, kernel, engine, afterwards };
  if (command) return { kind: "command", command, ...where };
  if (playground) return { kind: "playground", ...where };
  if (shell) return { kind: "shell", ...where };
  if (suite) return { kind: "guest scenarios", suite, names: names.slice(1), ...files, ...where };
  return { kind: "scenarios", names, ...files, ...where };
}

/** Reads the values of `--with`. Adds their errors to `problems`. */
function readBundles(values: readonly string[], problems: string[]): BundleName[] {
  const words = new Set(values.flatMap((value) => value.split(",")));
  const known = BUNDLE_NAMES.filter((name) => words.has(name));
  for (const word of words) {
    if (!known.some((name) => name === word)) {
      problems.push(`Unknown programs "${word}": --with takes ${BUNDLE_NAMES.join(", ")}`);
    }
  }
  const conflict = bundleConflict(known);
  if (conflict !== undefined) problems.push(conflict);
  return known;
}

/** Reads `--kernel` and `--modules`. Adds their errors to `problems`. */
function readKernel(
  word: string | undefined,
  modules: string | undefined,
  problems: string[],
): KernelChoice | "all" | undefined {
  const kernel = DEBIAN_KERNELS.find(({ version }) => version === word);
  if (modules !== undefined && (word === undefined || word === "all" || kernel)) {
    problems.push("Option --modules works with --kernel FILE only");
  }
  if (modules !== undefined && !exists(`${modules}/modules.dep`)) {
    problems.push(`"${modules}" is not a folder of kernel modules: it has no modules.dep`);
  }
  if (word === undefined) return undefined;
  if (word === "all") return word;
  if (kernel) return { kind: "debian", kernel };
  const path = resolve(word);
  if (kindOfFile(path) === undefined) {
    const known = DEBIAN_KERNELS.map(({ version }) => version).join(", ");
    problems.push(
      `Unknown kernel "${word}": give ${known}, all, or the file of a kernel, linux.uml or bzImage`,
    );
  }
  return { kind: "file", path, modules: modules === undefined ? undefined : resolve(modules) };
}
