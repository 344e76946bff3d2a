/**
 * The lab's command line, from words to a validated value.
 *
 * @module
 */
import { resolve } from "node:path";
import { readCommandLine } from "../lib/command_line.ts";
import { AFTERWARDS, type Afterwards, ENGINE_NAMES, type EngineName } from "./engine.ts";
import { UsageError } from "./errors.ts";
import { DEBIAN_KERNELS, type KernelChoice, kindOfFile } from "./kernels.ts";
import { exists } from "./machine.ts";

/** What `--help` prints. */
export const HELP = `Run any command in a kernel that has ipvlan, whatever the machine.

Usage:
  deno task lab [NAME…] [--json FILE]   run all scenarios, or some
  deno task lab --list                  list the scenarios
  deno task lab -- COMMAND…             run a command; its exit status is passed on
  deno task lab --shell                 an interactive shell
  deno task lab --kernels               list the kernels, and whether they start here

Options:
  --engine ENGINE  native (this kernel), uml (User-Mode Linux), qemu (a kernel as Debian ships it) or
                   vagrant (a virtual machine); without it, the first of them that works here
  --kernel KERNEL  5.10, 6.1, 6.12 or 7.2 of Debian 11, 12, 13 or forky; a file, linux.uml or bzImage;
                   or all, for a table of the scenarios on each of them
  --modules DIR    the folder of that file's modules, with modules.dep
  --needs MODULE   a kernel module that the command needs; may be said more than once
  --halt           halt the virtual machine afterwards (vagrant)
  --destroy        destroy it afterwards, with all that was made for it (vagrant)
  --json FILE      write the scenarios' report to FILE
  -h, --help       print this

Exit status: the command's own; 2 for a wrong command line, 125 when the lab itself fails.
`;

const OPTIONS = [
  { name: "engine", value: "ENGINE" },
  { name: "kernel", value: "KERNEL" },
  { name: "modules", value: "DIR" },
  { name: "needs", value: "MODULE" },
  { name: "json", value: "FILE" },
  { name: "list" },
  { name: "kernels" },
  { name: "shell" },
  ...AFTERWARDS.map((name) => ({ name })),
  { name: "help", short: "h" },
] as const;

/** What the words on the command line ask for. */
export type Request =
  | { kind: "help" }
  | { kind: "list" }
  | { kind: "kernels" }
  | { kind: "scenarios"; names: string[]; json?: string } & Where
  | { kind: "command"; command: string[] } & Where
  | { kind: "shell" } & Where;

/** Where it is to run. */
export interface Where {
  /** The kernel modules that it needs. */
  modules: string[];
  /** The kernel. */
  kernel?: KernelChoice | "all";
  /** The engine; the first that works without one. */
  engine?: EngineName;
  /** What becomes of the virtual machine. */
  afterwards?: Afterwards;
}

/**
 * Reads the words of the command line.
 *
 * @throws {UsageError} if they make no sense, with all that is wrong with them.
 */
export function parseRequest(words: string[]): Request {
  const line = readCommandLine(OPTIONS, words);
  if (line.on("help")) return { kind: "help" };
  const wrong = [...line.problems];
  const names = line.words;
  const command = line.behind;
  const fates = AFTERWARDS.filter((name) => line.on(name));
  const afterwards = fates[0];
  const named = line.value("engine");
  // These are the virtual machine's alone, so they ask for it.
  const wanted = named ?? (afterwards && "vagrant");
  const engine = ENGINE_NAMES.find((name) => name === wanted);
  if (named !== undefined && !engine) {
    wrong.push(`Unknown engine "${named}": the engines are ${ENGINE_NAMES.join(", ")}`);
  }
  if (fates.length > 1) wrong.push("Choose one of --halt and --destroy");
  if (afterwards && engine && engine !== "vagrant") {
    wrong.push(`Option --${afterwards} goes with --engine vagrant only`);
  }
  const [list, kernels, shell] = [line.on("list"), line.on("kernels"), line.on("shell")];
  if (afterwards && list) wrong.push(`Option --${afterwards} does not go with --list`);
  const needed = line.values("needs");
  const modules = needed.map((name) => name.replaceAll("-", "_"));
  for (const [index, name] of modules.entries()) {
    if (!/^\w+$/.test(name)) wrong.push(`"${needed[index]}" is no name of a kernel module`);
  }
  const kernel = readKernel(line.value("kernel"), line.value("modules"), wrong);
  const json = line.value("json");
  if (command?.length === 0) wrong.push("No command after --");

  const asked = [
    ...(names.length > 0 ? [`the scenario "${names[0]}"`] : []),
    ...(list ? ["--list"] : []),
    ...(kernels ? ["--kernels"] : []),
    ...(shell ? ["--shell"] : []),
    ...(command ? ["a command after --"] : []),
  ];
  if (asked.length > 1) wrong.push(`Choose one of ${asked.join(" and ")}`);
  if (kernel === "all" && (shell || list || kernels || command)) {
    wrong.push("Option --kernel all goes with scenarios only");
  }
  if (json !== undefined && (shell || list || kernels || command)) {
    wrong.push("Option --json goes with scenarios only");
  }
  if (wrong.length > 0) throw new UsageError(`${wrong.join("; ")} (see --help)`);

  if (list) return { kind: "list" };
  if (kernels) return { kind: "kernels" };
  const where: Where = { modules, kernel, engine, afterwards };
  if (command) return { kind: "command", command, ...where };
  if (shell) return { kind: "shell", ...where };
  return { kind: "scenarios", names, json, ...where };
}

/** Reads `--kernel` and `--modules`; says what is wrong with them. */
function readKernel(
  word: string | undefined,
  modules: string | undefined,
  wrong: string[],
): KernelChoice | "all" | undefined {
  const kernel = DEBIAN_KERNELS.find(({ version }) => version === word);
  if (modules !== undefined && (word === undefined || word === "all" || kernel)) {
    wrong.push("Option --modules goes with --kernel FILE only");
  }
  if (modules !== undefined && !exists(`${modules}/modules.dep`)) {
    wrong.push(`"${modules}" is no folder of modules: it has no modules.dep`);
  }
  if (word === undefined) return undefined;
  if (word === "all") return word;
  if (kernel) return { kind: "debian", kernel };
  const path = resolve(word);
  if (kindOfFile(path) === undefined) {
    const known = DEBIAN_KERNELS.map(({ version }) => version).join(", ");
    wrong.push(
      `"${word}" is neither ${known} or all nor the file of a kernel, linux.uml or bzImage`,
    );
  }
  return { kind: "file", path, modules: modules === undefined ? undefined : resolve(modules) };
}
