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
  const parsed = parseArgs(spellOut(command, typed), {
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

/**
 * Spells out the options without a value that stand before a word `true` or `false`, which
 * `parseArgs` would take for their value: `run --rm true` is to run `true`.
 */
function spellOut(command: Command, typed: readonly string[]): string[] {
  const options = optionsOf(command);
  const words: string[] = [];
  const named = (word: string) =>
    options.find(({ name, short }) => word === `--${name}` || word === `-${short}`);
  for (const [index, word] of typed.entries()) {
    const isValue = named(typed[index - 1] ?? "")?.value !== undefined;
    if (word === "--" || (command.stopEarly && !word.startsWith("-") && !isValue)) {
      return [...words, ...typed.slice(index)];
    }
    const letters = /^-[^-=]+$/.test(word) ? [...word.slice(1)].map((letter) => `-${letter}`) : [];
    const switches = letters.length > 0 ? letters : [word];
    const isSpelt = /^(true|false)$/.test(typed[index + 1] ?? "") && !isValue &&
      switches.every((each) => named(each) && named(each)!.value === undefined);
    words.push(...isSpelt ? switches.map((each) => `--${named(each)!.name}=true`) : [word]);
  }
  return words;
}
