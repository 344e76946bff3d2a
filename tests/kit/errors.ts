import { assert, assertEquals, assertStringIncludes, fail } from "@std/assert";
import type { ErrorCode, IpvlanErrorOf } from "../../lib/base/errors.ts";

/** Asserts that a value is an error with a code, and that its message includes a text. */
export function assertError<Code extends ErrorCode>(
  error: unknown,
  code: Code,
  includes = "",
  message?: string,
): asserts error is IpvlanErrorOf<Code> {
  assert(error instanceof Error, `This is no error: ${String(error)}`);
  assertEquals((error as { code?: unknown }).code, code, message ?? error.stack);
  assertStringIncludes(error.message, includes, message);
}

/** Asserts that a function throws an error with a code. Returns it. */
export function assertThrowsError<Code extends ErrorCode>(
  run: () => unknown,
  code: Code,
  includes?: string,
  message?: string,
): IpvlanErrorOf<Code> {
  try {
    run();
  } catch (error) {
    assertError(error, code, includes, message);
    return error;
  }
  fail(`It did not throw an error ${code}: ${message ?? ""}`);
}

/** Asserts that a promise is rejected with an error with a code. Resolves to it. */
export async function assertRejectsError<Code extends ErrorCode>(
  run: () => Promise<unknown>,
  code: Code,
  includes?: string,
  message?: string,
): Promise<IpvlanErrorOf<Code>> {
  try {
    await run();
  } catch (error) {
    assertError(error, code, includes, message);
    return error;
  }
  fail(`It was not rejected with an error ${code}: ${message ?? ""}`);
}
