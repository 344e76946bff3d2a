/**
 * The functions of `@std/assert` that tests here use, for machines that do not reach JSR. The same
 * names, types and behaviour; the messages differ where values are printed.
 *
 * @module
 */
import nodeAssert from "node:assert";
import { equal } from "./equal.ts";
import { matches } from "./match.ts";

export { equal };

// deno-lint-ignore no-explicit-any
type AnyClass<T> = abstract new (...args: any[]) => T;

/** Error thrown when an assertion does not hold. */
export class AssertionError extends Error {
  /** Makes the error with its message. */
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "AssertionError";
  }
}

/** Throws unless the assertion holds, with the sentence and what the caller says. */
function ensure(holds: boolean, sentence: () => string, msg?: string): void {
  if (!holds) throw new AssertionError(sentence() + (msg ? `: ${msg}` : "."));
}

function show(value: unknown): string {
  return Deno.inspect(value, { depth: Infinity, strAbbreviateSize: Infinity });
}

/** What differs between two values. */
function difference(actual: unknown, expected: unknown): string {
  return new nodeAssert.AssertionError({ actual, expected, operator: "deepStrictEqual" }).message;
}

/** Makes an assertion: throws {@linkcode AssertionError} if `expr` is falsy. */
export function assert(expr: unknown, msg = ""): asserts expr {
  if (!expr) throw new AssertionError(msg);
}

/** Asserts that `expr` is falsy. */
export function assertFalse(
  expr: unknown,
  msg = "",
): asserts expr is false | 0 | 0n | "" | null | undefined {
  if (expr) throw new AssertionError(msg);
}

/** Fails. */
export function fail(msg?: string): never {
  throw new AssertionError(`Failed assertion${msg ? `: ${msg}` : "."}`);
}

/** Asserts that `actual` and `expected` are deeply equal. */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void {
  if (equal(actual, expected)) return;
  const suffix = msg ? `: ${msg}` : ".";
  throw new AssertionError(`Values are not equal${suffix}\n${difference(actual, expected)}`);
}

/** Asserts that `actual` and `expected` are not deeply equal. */
export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void {
  ensure(!equal(actual, expected), () => `Expected actual: ${show(actual)} to be another`, msg);
}

/** Asserts that `actual` and `expected` are the same, as `Object.is` has it. */
export function assertStrictEquals<T>(
  actual: unknown,
  expected: T,
  msg?: string,
): asserts actual is T {
  if (Object.is(actual, expected)) return;
  const suffix = msg ? `: ${msg}` : ".";
  throw new AssertionError(`Values are not the same${suffix}\n${difference(actual, expected)}`);
}

/**
 * Asserts that `actual` has all that `expected` has: the properties of objects, and the first
 * elements of arrays, at every depth.
 */
export function assertObjectMatch(
  // deno-lint-ignore no-explicit-any
  actual: Record<PropertyKey, any>,
  expected: Record<PropertyKey, unknown>,
  msg?: string,
): void {
  if (matches(actual, expected)) return;
  const suffix = msg ? `: ${msg}` : ".";
  throw new AssertionError(`Values do not match${suffix}\n${difference(actual, expected)}`);
}

/** Asserts that `actual` is neither `null` nor `undefined`. */
export function assertExists<T>(actual: T, msg?: string): asserts actual is NonNullable<T> {
  const isThere = actual !== undefined && actual !== null;
  ensure(isThere, () => `Expected actual: "${actual}" to not be null or undefined`, msg);
}

/** Asserts that `actual` is an instance of `expectedType`. */
export function assertInstanceOf<T extends AnyClass<unknown>>(
  actual: unknown,
  expectedType: T,
  msg = "",
): asserts actual is InstanceType<T> {
  const sentence = () => `Expected ${show(actual)} to be an instance of "${expectedType.name}"`;
  ensure(actual instanceof expectedType, sentence, msg);
}

/** Asserts that `actual` contains `expected`. */
export function assertStringIncludes(actual: string, expected: string, msg?: string): void {
  const sentence = () => `Expected actual: "${actual}" to contain: "${expected}"`;
  ensure(actual.includes(expected), sentence, msg);
}

/** Asserts that each element of `expected` equals one of `actual`. */
export function assertArrayIncludes<T>(
  actual: ArrayLike<T> & object,
  expected: ArrayLike<T> & object,
  msg?: string,
): void {
  const all = Array.from(actual);
  const missing = Array.from(expected).filter((each) => !all.some((other) => equal(each, other)));
  const sentence = () => `Expected actual: ${show(actual)} to include: ${show(missing)}`;
  ensure(missing.length === 0, sentence, msg);
}

/** Asserts that `actual` matches `expected`. */
export function assertMatch(actual: string, expected: RegExp, msg?: string): void {
  const sentence = () => `Expected actual: "${actual}" to match: "${expected}"`;
  ensure(expected.test(actual), sentence, msg);
}

/** Asserts that `actual` does not match `expected`. */
export function assertNotMatch(actual: string, expected: RegExp, msg?: string): void {
  const sentence = () => `Expected actual: "${actual}" to not match: "${expected}"`;
  ensure(!expected.test(actual), sentence, msg);
}

/** Asserts that `actual` is greater than `expected`. */
export function assertGreater<T>(actual: T, expected: T, msg?: string): void {
  assert(actual > expected, msg ?? `Expect ${show(actual)} > ${show(expected)}`);
}

/** Asserts that `actual` is greater than `expected`, or equal. */
export function assertGreaterOrEqual<T>(actual: T, expected: T, msg?: string): void {
  assert(actual >= expected, msg ?? `Expect ${show(actual)} >= ${show(expected)}`);
}

/** Asserts that `actual` is less than `expected`. */
export function assertLess<T>(actual: T, expected: T, msg?: string): void {
  assert(actual < expected, msg ?? `Expect ${show(actual)} < ${show(expected)}`);
}

/** Asserts that `actual` is less than `expected`, or equal. */
export function assertLessOrEqual<T>(actual: T, expected: T, msg?: string): void {
  assert(actual <= expected, msg ?? `Expect ${show(actual)} <= ${show(expected)}`);
}

/** Asserts that `error` is an error: of this class, and with this in its message. */
export function assertIsError<E extends Error = Error>(
  error: unknown,
  ErrorClass?: AnyClass<E>,
  msgMatches?: string | RegExp,
  msg?: string,
): asserts error is E {
  ensure(error instanceof Error, () => `Expected "error" to be an Error object`, msg);
  const { message, constructor } = error as Error;
  ensure(
    !ErrorClass || error instanceof ErrorClass,
    () => `Expected error to be instance of "${ErrorClass!.name}", but was "${constructor.name}"`,
    msg,
  );
  const isSaid = msgMatches instanceof RegExp
    ? msgMatches.test(message)
    : message.includes(msgMatches ?? "");
  ensure(
    isSaid,
    () => `Expected error message to include ${show(msgMatches)}, but got ${show(message)}`,
    msg,
  );
}

/** Runs `fn`, and expects it to throw. */
export function assertThrows(fn: () => unknown, msg?: string): unknown;
/** Runs `fn`, expects it to throw an error of this class, and returns that. */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  ErrorClass: AnyClass<E>,
  msgIncludes?: string,
  msg?: string,
): E;
export function assertThrows(
  fn: () => unknown,
  classOrMsg?: AnyClass<Error> | string,
  msgIncludes?: string,
  msg?: string,
): unknown {
  try {
    fn();
  } catch (error) {
    if (typeof classOrMsg === "function") assertIsError(error, classOrMsg, msgIncludes, msg);
    return error;
  }
  throw notThrown("Expected function to throw", classOrMsg, msg);
}

/** Runs `fn`, and expects its promise to be rejected. */
export function assertRejects(fn: () => PromiseLike<unknown>, msg?: string): Promise<unknown>;
/** Runs `fn`, expects its promise to be rejected with an error of this class, and resolves to that. */
export function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  ErrorClass: AnyClass<E>,
  msgIncludes?: string,
  msg?: string,
): Promise<E>;
export async function assertRejects(
  fn: () => PromiseLike<unknown>,
  classOrMsg?: AnyClass<Error> | string,
  msgIncludes?: string,
  msg?: string,
): Promise<unknown> {
  let promise: PromiseLike<unknown> | undefined;
  try {
    promise = fn();
    if (typeof promise?.then !== "function") throw new TypeError("Not a promise");
  } catch {
    throw notThrown("Function throws when expected to reject", classOrMsg, msg);
  }
  try {
    await promise;
  } catch (error) {
    if (typeof classOrMsg === "function") assertIsError(error, classOrMsg, msgIncludes, msg);
    return error;
  }
  throw notThrown("Expected function to reject", classOrMsg, msg);
}

/** The error for what did not throw, though a test expected it. */
function notThrown(sentence: string, classOrMsg: unknown, msg?: string): AssertionError {
  const said = typeof classOrMsg === "string" ? classOrMsg : msg;
  return new AssertionError(sentence + (said ? `: ${said}` : "."));
}
