import { readCommandLine } from "../command_line.ts";
import type { Command, Option, Words } from "./command.ts";
import { UsageError } from "./errors.ts";

/** The options that every command has. */
export const COMMON: Option[] = [
  { name: "help", help: "show this help" },
  { name: "verbose", help: "print each ip line as it is run, and the stack of an error" },
];

/** The option of commands that change something. */
export const DRY_RUN: Option = {
  name: "dry-run",
  help: "print the ip lines instead of running them",
};

/** All options of a command. */
export function optionsOf(command: Command): Option[] {
  return [...command.options, ...(command.changes ? [DRY_RUN] : []), ...COMMON];
}

/**
 * Sorts what was typed behind a command into options and other words.
 *
 * @throws {UsageError} Everything that is wrong with it.
 */
export function parseWords(name: string, command: Command, typed: readonly string[]): Words {
  const line = readCommandLine(optionsOf(command), typed, command.stopEarly);
  const words = [...line.words, ...line.behind ?? []];
  const problems = [...line.problems];
  const [least, most] = command.words;
  // An option that is not known may have taken a word as its value, so words are not counted then.
  if (!line.on("help") && problems.length === 0) {
    if (words.length < least) {
      problems.push(`Something is missing: ${name} ${command.usage}`);
    }
    if (words.length > most) {
      problems.push(`Too many words, from ${JSON.stringify(words[most])} on`);
    }
  }
  if (problems.length > 0) throw new UsageError(name, problems, command.misuse);
  return { ...line, words };
}
