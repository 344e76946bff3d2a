import { invalidOption, type IpvlanErrorOf } from "../base/errors.ts";

/** A check of a site file: a sandbox must reach a target, or must not. */
export interface Check {
  /** The sentence, as it is in the file. */
  sentence: string;
  /** The network to ask on. @default {undefined} The one that the routes lead to. */
  network?: string;
  /** The asking sandbox. */
  from: string;
  /** Whether the target must answer; if not, it must not. */
  reaches: boolean;
  /** The target: a sandbox, an alias, or an address. */
  target: string;
  /** The family of the target's address. */
  family?: 4 | 6;
}

const PARTS = /^(?:(\S+) )?(\S+) (reaches|does not reach) (\S+)(?: by (ip6?))?$/;

/** A regular expression that every check matches, for editors. */
export const CHECK_PATTERN: string = PARTS.source;

/**
 * Reads a check, `[NETWORK] FROM reaches|does not reach TARGET [by ip|ip6]`; `undefined` if it is
 * none.
 */
export function parseCheck(sentence: string): Check | undefined {
  const parts = PARTS.exec(sentence);
  if (!parts) return undefined;
  const [, network, from = "", verb, target = "", by] = parts;
  return {
    sentence,
    from,
    reaches: verb === "reaches",
    target,
    ...(network !== undefined && { network }),
    ...(by !== undefined && { family: by === "ip" ? 4 : 6 }),
  };
}

/** The problem of a sentence that is no check. */
export function checkProblem(sentence: string): IpvlanErrorOf<"invalid-option"> | undefined {
  const rule = "write [NETWORK] FROM reaches|does not reach TARGET [by ip|ip6]";
  return parseCheck(sentence) ? undefined : invalidOption("check", sentence, rule);
}
