/**
 * The lab's command line, from words to a validated value.
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { ENGINE_NAMES, type EngineName } from "./engine.ts";
import { UsageError } from "./errors.ts";

/** What `--help` prints. */
export const HELP = `Run any command in a kernel that has ipvlan, whatever the machine.

Usage:
  deno task lab [NAME…] [--json FILE]   run all scenarios, or some
  deno task lab --list                  list the scenarios
  deno task lab -- COMMAND…             run a command; its exit status is passed on
  deno task lab --shell                 an interactive shell

Options:
  --engine ENGINE  native (this kernel), uml (User-Mode Linux) or vagrant (a virtual machine);
                   without it, the first of them that works here
  --json FILE      write the scenarios' report to FILE
  -h, --help       print this

Exit status: the command's own; 2 for a wrong command line, 125 when the lab itself fails.
`;

/** What the words on the command line ask for. */
export type Request =
  | { kind: "help" }
  | { kind: "list" }
  | { kind: "scenarios"; names: string[]; json?: string; engine?: EngineName }
  | { kind: "command"; command: string[]; engine?: EngineName }
  | { kind: "shell"; engine?: EngineName };

/**
 * Reads the words of the command line.
 *
 * @throws {UsageError} if they make no sense, with all that is wrong with them.
 */
export function parseRequest(words: string[]): Request {
  const wrong: string[] = [];
  const args = parseArgs(words, {
    "--": true,
    boolean: ["help", "list", "shell"],
    string: ["engine", "json"],
    alias: { help: "h" },
    unknown: (word) => {
      if (word.startsWith("-")) wrong.push(`Unknown option "${word}"`);
    },
  });
  const names = args._;
  const command = words.includes("--") ? args["--"] ?? [] : undefined;
  const engine = ENGINE_NAMES.find((name) => name === args.engine);
  if (args.engine !== undefined && !engine) {
    wrong.push(`Unknown engine "${args.engine}": the engines are ${ENGINE_NAMES.join(", ")}`);
  }
  if (args.json === "") wrong.push("Option --json needs a file");
  if (command?.length === 0) wrong.push("No command after --");

  const asked = [
    ...(names.length > 0 ? [`the scenario "${names[0]}"`] : []),
    ...(args.list ? ["--list"] : []),
    ...(args.shell ? ["--shell"] : []),
    ...(command ? ["a command after --"] : []),
  ];
  if (asked.length > 1) wrong.push(`Choose one of ${asked.join(" and ")}`);
  if (args.json !== undefined && (args.shell || args.list || command)) {
    wrong.push("Option --json goes with scenarios only");
  }
  if (args.help) return { kind: "help" };
  if (wrong.length > 0) throw new UsageError(`${wrong.join("; ")} (see --help)`);

  if (args.list) return { kind: "list" };
  if (command) return { kind: "command", command, engine };
  if (args.shell) return { kind: "shell", engine };
  return { kind: "scenarios", names, json: args.json, engine };
}
