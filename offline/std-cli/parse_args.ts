/**
 * `parseArgs` of `@std/cli`, for machines that do not reach JSR: the part that this project uses,
 * with the same types and behaviour. It throws on what that part does not have, so that no one can
 * come to depend on a difference.
 *
 * @module
 */

/** The options of {@linkcode parseArgs} that this project uses. */
export interface ParseOptions<
  TBooleans extends string = string,
  TStrings extends string = string,
  TCollectable extends string = string,
> {
  /** Options that are on or off; off by default. */
  boolean?: readonly TBooleans[];
  /** Options whose value is a string. */
  string?: readonly TStrings[];
  /** Those among the strings that may be given several times: their value is a list. */
  collect?: readonly TCollectable[];
}

/** What {@linkcode parseArgs} returns: the options by name. */
export type Args<
  TBooleans extends string,
  TStrings extends string,
  TCollectable extends string,
> =
  & Record<string, unknown>
  & { _: (string | number)[] }
  & { [Name in TBooleans]: boolean }
  & { [Name in Exclude<TStrings, TCollectable>]?: string }
  & { [Name in TStrings & TCollectable]: string[] };

/**
 * Parses words of the forms `--name` and `--name=VALUE`.
 *
 * @throws {TypeError} A word has another form, or names an option that was not declared. The real
 * `parseArgs` reads it in some way or other.
 */
export function parseArgs<
  TBooleans extends string = never,
  TStrings extends string = never,
  TCollectable extends string = never,
>(
  args: readonly string[],
  options: ParseOptions<TBooleans, TStrings, TCollectable> = {},
): Args<TBooleans, TStrings, TCollectable> {
  const booleans: readonly string[] = options.boolean ?? [];
  const strings: readonly string[] = options.string ?? [];
  const lists = Object.fromEntries((options.collect ?? []).map((name) => [name, [] as string[]]));
  const parsed: Record<string, unknown> = {
    _: [],
    ...Object.fromEntries(booleans.map((name) => [name, false])),
    ...lists,
  };
  for (const word of args) {
    const [, name = "", value] = /^--([^=]+)(?:=(.*))?$/s.exec(word) ?? [];
    if (value === undefined && booleans.includes(name)) parsed[name] = true;
    else if (value !== undefined && strings.includes(name)) {
      if (lists[name]) lists[name].push(value);
      else parsed[name] = value;
    } else throw new TypeError(`The stand-in for parseArgs cannot read ${JSON.stringify(word)}`);
  }
  return parsed as Args<TBooleans, TStrings, TCollectable>;
}
