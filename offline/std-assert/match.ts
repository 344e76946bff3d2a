import { equal } from "./equal.ts";

/**
 * Whether `actual` has all that `expected` has: properties of objects, entries of maps, members of
 * sets, and the first elements of arrays.
 */
export function matches(actual: unknown, expected: unknown): boolean {
  if (!isObject(actual) || !isObject(expected)) return equal(actual, expected);
  if ([actual, expected].some((each) => each instanceof Date || each instanceof RegExp)) {
    return equal(actual, expected);
  }
  if (Array.isArray(expected)) {
    return Array.isArray(actual) && expected.length <= actual.length &&
      expected.every((each, index) => matches(actual[index], each));
  }
  if (expected instanceof Set) {
    return actual instanceof Set && [...expected].every((each) => actual.has(each));
  }
  if (expected instanceof Map) {
    return actual instanceof Map &&
      [...expected].every(([key, value]) => actual.has(key) && matches(actual.get(key), value));
  }
  return Reflect.ownKeys(expected).every((key) =>
    Object.hasOwn(actual, key) && matches(actual[key], expected[key])
  );
}

function isObject(value: unknown): value is Record<PropertyKey, unknown> {
  return typeof value === "object" && value !== null;
}
