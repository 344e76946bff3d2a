import { invalidOption, type IpvlanErrorOf } from "../base/errors.ts";

/** What a check of a site file says: who must reach whom, or must not. */
export interface Check {
  /** The sentence, as it is in the file. */
  sentence: string;
  /** The network that it is asked on; the one that the routes lead to where there is none given. */
  network?: string;
  /** The sandbox that asks. */
  from: string;
  /** Whether the target has to answer, or must not. */
  reaches: boolean;
  /** Who is asked: a sandbox, an alias, or an address. */
  target: string;
  /** The family of the target's address. */
  family?: 4 | 6;
}

const PARTS = /^(?:(\S+) )?(\S+) (reaches|does not reach) (\S+)(?: by (ip6?))?$/;

/** A regular expression that every check matches, for editors. */
export const CHECK_PATTERN: string = PARTS.source;

/**
 * Reads a check, `[NETWORK] FROM reaches|does not reach TARGET [by ip|ip6]`; `undefined` for none.
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

/** What is wrong with a check as a sentence. */
export function checkProblem(sentence: string): IpvlanErrorOf<"invalid-option"> | undefined {
  const rule = "write [NETWORK] FROM reaches|does not reach TARGET [by ip|ip6]";
  return parseCheck(sentence) ? undefined : invalidOption("check", sentence, rule);
}
