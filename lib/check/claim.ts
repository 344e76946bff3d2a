import { isDeepStrictEqual } from "node:util";
import { IpvlanError } from "../errors.ts";
import type { Finding } from "./finding.ts";

/**
 * Checks that an attempt fails with an error of this class.
 *
 * @param what A name for the attempt: `a network on lo`.
 * @param attempt Makes the attempt. An error that is not an {@linkcode IpvlanError} is thrown again,
 * because it is a bug and not a refusal.
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
  return { sentence, held: false, evidence: [{ command: what, output: "It was not refused" }] };
}

/**
 * Checks that a value is deeply equal to another one.
 *
 * @param what A name for the value: `the address of c1`.
 */
export function isEqual<T>(what: string, actual: T, expected: T): Finding {
  return {
    sentence: `${what} is ${JSON.stringify(expected)}`,
    held: isDeepStrictEqual(actual, expected),
    evidence: [{ command: what, output: JSON.stringify(actual, undefined, 2) ?? "undefined" }],
  };
}
