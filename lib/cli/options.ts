import { parseArgs } from "@std/cli/parse-args";
import type { Command, Option, Words } from "./command.ts";
import { UsageError } from "./errors.ts";
import { didYouMean } from "../suggest.ts";

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
  const options = optionsOf(command);
  const withValue = options.filter(({ value }) => value !== undefined);
  const problems: string[] = [];
  const known = new Set(options.flatMap(({ name, short }) => short ? [name, short] : [name]));
  const parsed = parseArgs([...typed], {
    // "_" is the words that are no options: they stay as typed, also when they look like numbers.
    string: [...withValue.map(({ name }) => name), "_"],
    boolean: options.filter(({ value }) => value === undefined).map(({ name }) => name),
    collect: withValue.map(({ name }) => name),
    alias: Object.fromEntries(
      options.flatMap(({ name, short }) => short ? [[name, short]] : []),
    ),
    stopEarly: command.stopEarly ?? false,
    "--": true,
    unknown: (word, key) => {
      if (key === undefined || known.has(key)) return true;
      const dashed = key.length === 1 ? `-${key}` : `--${key}`;
      const names = options.map(({ name }) => name);
      problems.push(
        `There is no option ${dashed}${didYouMean(key, names).replace('"', '"--')}` +
          (word === dashed ? "" : `, as in ${JSON.stringify(word)}`),
      );
      return false;
    },
  });
  const rest = parsed["--"] ?? [];
  // Behind the first word of a command's own, "--" is one of its words too.
  const isOwn = command.stopEarly && parsed._.length > 0 && typed.includes("--");
  const words = [...parsed._.map(String), ...(isOwn ? ["--"] : []), ...rest];
  for (const { name, value } of withValue) {
    if ((parsed[name] as string[]).includes("")) {
      problems.push(`The option --${name} needs a value: ${value}`);
    }
  }
  const [least, most] = command.words;
  // An option that is not known may have taken a word as its value, so words are not counted then.
  if (!parsed.help && problems.length === 0) {
    if (words.length < least) {
      problems.push(`Something is missing: ${name} ${command.usage}`);
    }
    if (words.length > most) {
      problems.push(`Too many words, from ${JSON.stringify(words[most])} on`);
    }
  }
  if (problems.length > 0) throw new UsageError(name, problems, command.misuse);
  return {
    words,
    value: (option) => (parsed[option] as string[]).at(-1),
    values: (option) => parsed[option] as string[],
    on: (option) => parsed[option] === true,
  };
}
