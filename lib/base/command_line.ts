// Reads a command line as Docker's does (https://pkg.go.dev/github.com/spf13/pflag): options of one
// letter and of several, with and without a value.
import { parseArgs } from "@std/cli/parse-args";
import { quoted } from "./printable.ts";
import { closest } from "./suggest.ts";

export interface OptionForm<Name extends string = string> {
  /** Its long name, without dashes: small letters, digits and dashes. */
  name: Name;
  /** Its one-letter name, without the dash. */
  short?: string;
  /** The name of its value, in capitals; an option without one is on or off. */
  value?: string;
  /** The names of the values, by `NAME`, of an option with a short name and values `NAME=VALUE`. */
  keys?: Readonly<Record<string, string>>;
  /** Why the option is refused, and what to do instead; `undefined` if it is not refused. */
  refused?: string;
}

/** The options that were typed. An option that the command does not have counts as not typed. */
export interface OptionValues<Name extends string = string> {
  /** The value of an option; the last where it was given several times. */
  value(name: Name): string | undefined;
  /** All values of an option, in the order given. */
  values(name: Name): string[];
  /** Whether an option without a value is on; `otherwise` if it was not typed, which is off. */
  on(name: Name, otherwise?: boolean): boolean;
}

export interface CommandLine<Name extends string = string> extends OptionValues<Name> {
  words: string[];
  /** The words after `--`; `undefined` without a `--`. */
  behind: string[] | undefined;
  problems: string[];
}

/** Reads a command line. With `stopEarly`, all from its first word on are words, `--` too. */
export function readCommandLine<Name extends string>(
  options: readonly OptionForm<Name>[],
  typed: readonly string[],
  stopEarly = false,
): CommandLine<Name> {
  const { given, words, behind } = sortWords(options, typed, stopEarly);
  const problems = given.flatMap((each) => problemWith(each, options) ?? []);
  const withValue = options.filter(takesValue).map(({ name }) => name as string);
  const switches = options.filter((each) => !takesValue(each)).map(({ name }) => name as string);
  const parsed: Record<string, unknown> = parseArgs(
    options.flatMap((option) => spellOut(option, given)),
    { string: withValue, collect: withValue, boolean: switches },
  );
  const values = (name: Name) => (parsed[name] ?? []) as string[];
  return {
    words,
    behind,
    problems: [...new Set(problems)],
    value: (name) => values(name).at(-1),
    values,
    on: (name, otherwise = false) =>
      given.some(({ option }) => option?.name === name) ? parsed[name] === true : otherwise,
  };
}

interface GivenOption {
  word: string;
  /** The option without its value: `--name` or `-n`. */
  dashed: string;
  option: OptionForm | undefined;
  value: string | undefined;
}

/** Tells options from words, and finds the value of each option. */
function sortWords(options: readonly OptionForm[], typed: readonly string[], stopEarly: boolean) {
  const given: GivenOption[] = [];
  const words: string[] = [];
  for (let index = 0; index < typed.length; index++) {
    const word = typed[index]!;
    if (word === "--") return { given, words, behind: typed.slice(index + 1) };
    if (looksLikeOption(word)) {
      const found = optionsIn(word, options);
      given.push(...found);
      const last = found.at(-1)!;
      const next = typed[index + 1];
      // Docker takes any word. One that looks like an option is a sign that the value was forgotten.
      if (last.value === undefined && next !== undefined && !looksLikeOption(next)) {
        last.value = next;
        // An option that does not exist may take no value: then the next word is one by itself.
        if (last.option) index++;
      }
    } else if (stopEarly) {
      return { given, words: typed.slice(index), behind: undefined };
    } else {
      words.push(word);
    }
  }
  return { given, words, behind: undefined };
}

/** The options in a word: `--name`, `--name=VALUE`, `-n`, `-nVALUE`, `-n=VALUE` or `-abc`. */
function optionsIn(word: string, options: readonly OptionForm[]): GivenOption[] {
  const [, long, attached] = /^--([^=]*)(?:=(.*))?$/s.exec(word) ?? [];
  if (long !== undefined) {
    const option = options.find(({ name }) => name === long);
    return [{ word, dashed: `--${long}`, option, value: attached ?? implied(option) }];
  }
  const found: GivenOption[] = [];
  const letters = [...word.slice(1)];
  for (const [index, letter] of letters.entries()) {
    const option = options.find(({ short }) => short === letter);
    const given: GivenOption = { word, dashed: `-${letter}`, option, value: implied(option) };
    found.push(given);
    const rest = letters.slice(index + 1).join("");
    if (!option) break;
    if (rest.startsWith("=") || (takesValue(option) && rest !== "")) {
      given.value = rest.replace(/^=/, "");
      break;
    }
  }
  return found;
}

/** The value of an option that was typed without one. */
function implied(option: OptionForm | undefined): string | undefined {
  return option && !takesValue(option) ? "true" : undefined;
}

function takesValue(option: OptionForm): boolean {
  return option.value !== undefined;
}

function looksLikeOption(word: string): boolean {
  return word.startsWith("-") && word !== "-";
}

function problemWith(given: GivenOption, options: readonly OptionForm[]): string | undefined {
  const { word, dashed, option, value } = given;
  if (!option) {
    const [, typed = "", attached = value ?? ""] = /^-+([^=]*)(?:=(.*))?$/s.exec(word)!;
    // From a typed name to the form of its option. `--parent eth0` may be meant for `-o parent=eth0`.
    const written = new Map(options.flatMap(({ name, short, keys = {} }) => [
      [name, `--${name}`] as const,
      ...Object.keys(keys).map((key) => [key, `-${short} ${key}=${attached}`] as const),
    ]));
    const close = closest(typed, [...written.keys()]);
    return `There is no option ${quoted(dashed)}` +
      (close === undefined ? "" : ` (did you mean "${written.get(close)}"?)`) +
      (word === dashed ? "" : `, as in ${JSON.stringify(word)}`);
  }
  if (option.refused !== undefined) {
    return `The option ${dashed} has no use here: ${option.refused}`;
  }
  if (takesValue(option)) {
    return value ? undefined : `The option --${option.name} needs a value: ${option.value}`;
  }
  return parseBool(value) === undefined
    ? `The option --${option.name} takes true or false, not ${JSON.stringify(value)}`
    : undefined;
}

/**
 * Writes an option in the one way that no parser misreads: `--name=VALUE` for each of its values, or
 * `--name` where it takes none and is on. Other rules of `parseArgs` would surprise users: in
 * `run --rm true` it takes the word `true` for the value of `--rm`, and of `-eA=1` it keeps `1`.
 */
function spellOut(option: OptionForm, given: readonly GivenOption[]): string[] {
  const values = given.filter((each) => each.option === option).map(({ value }) => value);
  if (!takesValue(option)) return parseBool(values.at(-1)) ? [`--${option.name}`] : [];
  return values.filter((value) => value).map((value) => `--${option.name}=${value}`);
}

const TRUE: readonly unknown[] = ["1", "t", "T", "true", "True", "TRUE"];
const FALSE: readonly unknown[] = ["0", "f", "F", "false", "False", "FALSE"];

/** Reads a truth value as Go's `strconv.ParseBool` does, and so Docker; `undefined` if it is none. */
export function parseBool(word: string | undefined): boolean | undefined {
  if (TRUE.includes(word)) return true;
  return FALSE.includes(word) ? false : undefined;
}
