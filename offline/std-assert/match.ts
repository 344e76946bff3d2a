import { equal } from "./equal.ts";

/**
 * Whether `actual` has all that `expected` has: the properties of objects, and the first elements of
 * arrays, at every depth.
 *
 * @throws {TypeError} There is a map or a set in `expected`, which this stand-in does not look into.
 */
export function matches(actual: unknown, expected: unknown): boolean {
  if (expected instanceof Map || expected instanceof Set) {
    throw new TypeError("The stand-in for assertObjectMatch takes neither maps nor sets");
  }
  if (!isObject(actual) || !isObject(expected)) return equal(actual, expected);
  if ([actual, expected].some((each) => each instanceof Date || each instanceof RegExp)) {
    return equal(actual, expected);
  }
  if (Array.isArray(expected)) {
    return Array.isArray(actual) && expected.length <= actual.length &&
      expected.every((each, index) => matches(actual[index], each));
  }
  return Reflect.ownKeys(expected).every((key) =>
    Object.hasOwn(actual, key) && matches(actual[key], expected[key])
  );
}

function isObject(value: unknown): value is Record<PropertyKey, unknown> {
  return typeof value === "object" && value !== null;
}
