import { isDeepStrictEqual } from "node:util";
import { IpvlanError } from "../errors.ts";
import type { Finding } from "./finding.ts";

/**
 * Checks that an attempt is refused with this kind of error.
 *
 * @param what What is attempted: `a network on lo`.
 * @param attempt Attempts it. An error that is no {@linkcode IpvlanError} is thrown on, as it is a
 * defect and no refusal.
 */
export async function isRefused(
  what: string,
  attempt: () => Promise<unknown>,
  // deno-lint-ignore no-explicit-any
  ErrorClass: abstract new (...args: any[]) => IpvlanError,
): Promise<Finding> {
  const sentence = `${what} is refused (${ErrorClass.name})`;
  try {
    await attempt();
  } catch (error) {
    if (!(error instanceof IpvlanError)) throw error;
    return {
      sentence,
      held: error instanceof ErrorClass,
      evidence: [{ command: what, output: `${error.name}: ${error.message}` }],
    };
  }
  return { sentence, held: false, evidence: [{ command: what, output: "Nothing was refused" }] };
}

/**
 * Checks that a value is deeply equal to another.
 *
 * @param what What the value is: `the address of c1`.
 */
export function isEqual<T>(what: string, actual: T, expected: T): Finding {
  return {
    sentence: `${what} is ${JSON.stringify(expected)}`,
    held: isDeepStrictEqual(actual, expected),
    evidence: [{ command: what, output: JSON.stringify(actual, undefined, 2) ?? "undefined" }],
  };
}
