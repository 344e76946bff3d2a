import { readCommandLine } from "../base/command_line.ts";
import { type Arguments, type Command, type Option, readOptions } from "./command.ts";
import { refusedOptions } from "./docker/refused.ts";
import { usageError } from "./errors.ts";

export const COMMON = {
  "--help": "show this help",
  "--verbose": "print each ip line as it is run, and the stack of an error",
};

export const DRY_RUN = { "--dry-run": "print the ip lines instead of running them" };

/** Lists all options of a command. Its own option replaces a common one of the same name. */
export function optionsOf({ options, keys, changes }: Command): Option[] {
  const own = readOptions({ ...options });
  const common = readOptions({ ...(changes && DRY_RUN), ...COMMON })
    .filter(({ name }) => !own.some((each) => each.name === name));
  return [...own, ...common].map((each) => each.name === "opt" ? { ...each, keys } : each);
}

/** The least and the greatest number of positionals, as the usage line has them. */
function positionalsOf({ usage }: Command): [least: number, most: number] {
  const words = usage.replace("[OPTIONS]", "").match(/\S+/g) ?? [];
  const required = words.filter((word) => !word.startsWith("["));
  return [required.length, usage.includes("...") ? Infinity : words.length];
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
  const [least, most] = positionalsOf(command);
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
