import { InvalidOptionError } from "../driver/errors.ts";
import type { IpvlanError } from "../errors.ts";

/** Words of the form `NAME=VALUE` as a record, and what is wrong with those that are not. */
export function pairs(
  what: string,
  words: readonly string[],
  needsValue: boolean,
): { record: Record<string, string>; problems: IpvlanError[] } {
  const record: Record<string, string> = {};
  const problems: IpvlanError[] = [];
  for (const word of words) {
    const [, name, value] = /^([^=]+)(?:=(.*))?$/s.exec(word) ?? [];
    if (name === undefined || (needsValue && !value)) {
      problems.push(new InvalidOptionError(what, word, "write NAME=VALUE"));
    } else if (Object.hasOwn(record, name)) {
      problems.push(new InvalidOptionError(what, word, `"${name}" is given twice`));
    } else {
      record[name] = value ?? "";
    }
  }
  return { record, problems };
}
