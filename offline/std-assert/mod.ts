/**
 * The few functions of `@std/assert` that this project uses, over `node:assert`,
 * for machines that do not reach JSR. Same names, signatures and behaviour.
 *
 * @module
 */
import nodeAssert from "node:assert";

/** Error thrown when an assertion does not hold. */
export class AssertionError extends Error {
  /** Makes the error with its message. */
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "AssertionError";
  }
}

// deno-lint-ignore no-explicit-any
type AnyConstructor = new (...args: any[]) => any;

function holds(check: () => void, message?: string): void {
  try {
    check();
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    throw new AssertionError(message === undefined ? text : `${text}: ${message}`);
  }
}

/** Makes an assertion: throws {@linkcode AssertionError} if `expr` is falsy. */
export function assert(expr: unknown, msg = ""): asserts expr {
  if (!expr) throw new AssertionError(msg);
}

/** Asserts that `actual` and `expected` are deeply equal. */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void {
  holds(() => nodeAssert.deepStrictEqual(actual, expected), msg);
}

/** Asserts that `actual` and `expected` are not deeply equal. */
export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void {
  holds(() => nodeAssert.notDeepStrictEqual(actual, expected), msg);
}

/** Asserts that `actual` is neither `null` nor `undefined`. */
export function assertExists<T>(actual: T, msg?: string): asserts actual is NonNullable<T> {
  if (actual === undefined || actual === null) {
    throw new AssertionError(
      `Expected actual: "${actual}" to not be null or undefined${msg ? `: ${msg}` : "."}`,
    );
  }
}

/** Asserts that `actual` is an instance of `type`. */
export function assertInstanceOf<T extends AnyConstructor>(
  actual: unknown,
  expectedType: T,
  msg?: string,
): asserts actual is InstanceType<T> {
  holds(() => nodeAssert.ok(actual instanceof expectedType), msg ?? `not a ${expectedType.name}`);
}

/** Asserts that `actual` contains `expected`. */
export function assertStringIncludes(actual: string, expected: string, msg?: string): void {
  if (!actual.includes(expected)) {
    throw new AssertionError(
      `Expected actual: "${actual}" to contain: "${expected}"${msg ? `: ${msg}` : "."}`,
    );
  }
}

/** Asserts that `actual` matches `expected`. */
export function assertMatch(actual: string, expected: RegExp, msg?: string): void {
  if (!expected.test(actual)) {
    throw new AssertionError(
      `Expected actual: "${actual}" to match: "${expected}"${msg ? `: ${msg}` : "."}`,
    );
  }
}

function fits<E extends Error>(
  error: unknown,
  // deno-lint-ignore no-explicit-any
  ErrorClass?: abstract new (...args: any[]) => E,
  msgIncludes?: string,
  msg?: string,
): E {
  const suffix = msg ? `: ${msg}` : ".";
  if (!(error instanceof Error)) {
    throw new AssertionError(`A non-Error object was thrown or rejected${suffix}`);
  }
  if (ErrorClass && !(error instanceof ErrorClass)) {
    throw new AssertionError(
      `Expected error to be instance of "${ErrorClass.name}", but was "${error.constructor.name}"` +
        ` ("${error.message}")${suffix}`,
    );
  }
  if (msgIncludes && !error.message.includes(msgIncludes)) {
    throw new AssertionError(
      `Expected error message to include "${msgIncludes}", but got "${error.message}"${suffix}`,
    );
  }
  return error as E;
}

/** Runs `fn`, expects it to throw, and returns the error. */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  // deno-lint-ignore no-explicit-any
  ErrorClass?: abstract new (...args: any[]) => E,
  msgIncludes?: string,
  msg?: string,
): E {
  let thrown: unknown;
  try {
    fn();
  } catch (error) {
    thrown = error;
    return fits(thrown, ErrorClass, msgIncludes, msg);
  }
  throw new AssertionError(`Expected function to throw${msg ? `: ${msg}` : "."}`);
}

/** Runs `fn`, expects its promise to reject, and resolves to the error. */
export async function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  // deno-lint-ignore no-explicit-any
  ErrorClass?: abstract new (...args: any[]) => E,
  msgIncludes?: string,
  msg?: string,
): Promise<E> {
  try {
    await fn();
  } catch (error) {
    return fits(error, ErrorClass, msgIncludes, msg);
  }
  throw new AssertionError(`Expected function to reject${msg ? `: ${msg}` : "."}`);
}
