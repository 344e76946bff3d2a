/**
 * `parseArgs` of `@std/cli`, for machines that do not reach JSR.
 *
 * @module
 */
import minimist from "minimist";

/** The options of {@linkcode parseArgs} that this project uses. */
export interface ParseOptions {
  /** With `true`, what follows `--` is put in the key `--`. */
  "--"?: boolean;
  /** Other names of an option. */
  alias?: Record<string, string | string[]>;
  /** Options that take no value. */
  boolean?: string[];
  /** Options that may be given several times; their value is always a list. */
  collect?: string[];
  /** Options that are always strings. */
  string?: string[];
  /** With `true`, everything after the first word that is no option is left alone. */
  stopEarly?: boolean;
  /** Called with each option that was not declared; `false` leaves it out of the result. */
  unknown?: (arg: string, key?: string, value?: unknown) => unknown;
}

/** What {@linkcode parseArgs} returns: the words that are no options, and the options by name. */
// deno-lint-ignore no-explicit-any
export type Args = Record<string, any> & { _: string[]; "--"?: string[] };

/** Parses the words of a command line. */
export function parseArgs(args: string[], options: ParseOptions = {}): Args {
  const { collect = [], unknown, ...rest } = options;
  const parsed = minimist(args, {
    ...rest,
    // minimist calls back with the word alone; `@std/cli` names the key and value too.
    unknown: unknown && ((arg: string) => {
      const option = /^--?([^=]+)(?:=(.*))?$/s.exec(arg);
      const result = option ? unknown(arg, option[1], option[2]) : unknown(arg);
      return result !== false;
    }),
  }) as Args;
  parsed._ = parsed._.map(String);
  for (const [key, value] of Object.entries(parsed)) {
    if (key === "_" || key === "--") continue;
    if (collect.includes(key)) {
      parsed[key] = value === undefined ? [] : Array.isArray(value) ? value : [value];
    } else if (Array.isArray(value)) {
      parsed[key] = value.at(-1);
    }
  }
  for (const key of collect) parsed[key] ??= [];
  return parsed;
}
