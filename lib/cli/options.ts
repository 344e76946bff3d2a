import { readCommandLine } from "../base/command_line.ts";
import type { Arguments, Command, Option } from "./command.ts";
import { refusedOptions } from "./docker/refused.ts";
import { usageError } from "./errors.ts";

/** The option that shows how a command works. */
export const VERBOSE: Option = {
  name: "verbose",
  help: "print each ip line as it is run, and the stack of an error",
};

/** The options that every command has. */
export const COMMON: Option[] = [
  { name: "help", help: "show this help" },
  VERBOSE,
];

/** The option of commands that change something. */
export const DRY_RUN: Option = {
  name: "dry-run",
  help: "print the ip lines instead of running them",
};

/** Lists all options of a command. Its own option replaces a common one of the same name. */
export function optionsOf(command: Command): Option[] {
  const own = [...command.options, ...(command.changes ? [DRY_RUN] : [])];
  return [...own, ...COMMON.filter(({ name }) => !own.some((option) => option.name === name))];
}

/** Parses the arguments of a command. @throws {"usage"} With all problems. */
export function parseArguments(
  name: string,
  command: Command,
  typed: readonly string[],
): Arguments {
  const options = [...optionsOf(command), ...refusedOptions(name.replace("ipvlan ", ""))];
  const line = readCommandLine(options, typed, command.stopEarly);
  const positionals = [...line.words, ...line.behind ?? []];
  const problems = [...line.problems];
  const [least, most] = command.positionals;
  // After an unknown option, a word may be its value, so the number of positionals is not known.
  if (!line.on("help") && problems.length === 0) {
    if (positionals.length < least) {
      problems.push(`Missing argument: ${name} ${command.usage}`);
    }
    if (positionals.length > most) {
      problems.push(`Too many arguments, from ${JSON.stringify(positionals[most])} on`);
    }
  }
  if (problems.length > 0) throw usageError(name, problems, command.misuse);
  return { ...line, positionals };
}
