import { isDeepStrictEqual } from "node:util";
import { type ErrorCode, IpvlanError } from "../base/errors.ts";
import { type Finding, finding } from "./finding.ts";

/**
 * Checks that an attempt fails with an error of this code.
 *
 * @param what A name for the attempt: `a network on lo`.
 * @param attempt Makes the attempt. An error that is not an {@linkcode IpvlanError} is thrown again,
 * because it is a bug and not a refusal.
 *
 * @example
 * ```ts
 * import { Driver } from "@ipvlan/kit";
 * import { isRefused } from "@ipvlan/kit/check";
 *
 * await using driver = await Driver.open();
 * const { sentence } = await isRefused(
 *   "removing a network with sandboxes",
 *   () => driver.removeNetwork("ipvlan20"),
 *   "network-in-use",
 * ); // "removing a network with sandboxes is refused (network-in-use)"
 * ```
 */
export async function isRefused(
  what: string,
  attempt: () => Promise<unknown>,
  code: ErrorCode,
): Promise<Finding> {
  const sentence = `${what} is refused (${code})`;
  try {
    await attempt();
  } catch (error) {
    if (!(error instanceof IpvlanError)) throw error;
    const output = `${error.code}: ${error.message}`;
    return finding(sentence, error.code === code, { command: what, output });
  }
  return finding(sentence, false, { command: what, output: "It was not refused" });
}

/**
 * Checks that a value is deeply equal to another one.
 *
 * @param what A name for the value: `the address of c1`.
 *
 * @example
 * ```ts
 * import { Ip } from "@ipvlan/kit/ip";
 * import { isEqual } from "@ipvlan/kit/check";
 *
 * await using ip = await Ip.open({ netns: "c1" });
 * const { held } = isEqual("the MTU of c1", (await ip.link.show("eth0")).mtu, 1400);
 * ```
 */
export function isEqual<T>(what: string, actual: T, expected: T): Finding {
  const output = JSON.stringify(actual, undefined, 2) ?? "undefined";
  const sentence = `${what} is ${JSON.stringify(expected)}`;
  return finding(sentence, isDeepStrictEqual(actual, expected), { command: what, output });
}
