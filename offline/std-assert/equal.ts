/** Classes whose instances say all that they are in their text. */
const TEXTUAL = [RegExp, URL, URLSearchParams, Intl.Locale];

/** Whether two values are deeply equal: of one class, with equal properties, also inherited ones. */
export function equal(a: unknown, b: unknown): boolean {
  return compare(a, b, new Map());
}

/** Compares two values; `seen` has the pairs that are being compared, as values may hold themselves. */
function compare(a: unknown, b: unknown, seen: Map<unknown, unknown>): boolean {
  if (a === b || Object.is(a, b)) return true;
  if (!isObject(a) || !isObject(b)) return false;
  if (prototypeOf(a) !== prototypeOf(b)) return false;
  if (a instanceof WeakMap || a instanceof WeakSet) {
    throw new TypeError(`Cannot compare ${a.constructor.name} instances`);
  }
  if (a instanceof Date) return Object.is(a.getTime(), (b as unknown as Date).getTime());
  if (TEXTUAL.some((each) => a instanceof each)) return String(a) === String(b);
  if (a instanceof ArrayBuffer) {
    return compare(new Uint8Array(a), new Uint8Array(b as unknown as ArrayBuffer), seen);
  }
  if (ArrayBuffer.isView(a)) {
    const [one, other] = [a, b] as unknown as Uint8Array[];
    return compare(Array.from(one!), Array.from(other!), seen);
  }
  if (seen.get(a) === b) return true;
  seen.set(a, b);
  const isSame = (one: unknown, other: unknown) => compare(one, other, seen);
  if (a instanceof Set || a instanceof Map) {
    return hasSameEntries(a, b as unknown as typeof a, isSame);
  }
  return Object.keys(a).length === Object.keys(b).length &&
    [...namesOf(a).union(namesOf(b))].every((name) =>
      name in a && name in b && isSame(a[name], b[name])
    );
}

type Loose = Record<PropertyKey, unknown>;

function isObject(value: unknown): value is Loose {
  return typeof value === "object" && value !== null;
}

/** An object without a prototype is as good as one with the usual one. */
function prototypeOf(value: object): object {
  return Object.getPrototypeOf(value) ?? Object.prototype;
}

/** Whether each entry of one collection has an equal one in the other, in any order. */
function hasSameEntries(
  a: Set<unknown> | Map<unknown, unknown>,
  b: Set<unknown> | Map<unknown, unknown>,
  isSame: (a: unknown, b: unknown) => boolean,
): boolean {
  if (a.size !== b.size) return false;
  const valueOf = (key: unknown) => b instanceof Map ? b.get(key) : key;
  const others = [...b.entries()];
  return [...a.entries()].every(([key, value]) =>
    isObject(key)
      ? others.some(([otherKey, other]) => isSame(key, otherKey) && isSame(value, other))
      : b.has(key) && isSame(value, valueOf(key))
  );
}

/** The names of an object's properties; of an instance also those that its class has. */
function namesOf(value: object): Set<PropertyKey> {
  const prototype = prototypeOf(value);
  if (prototype === Object.prototype || prototype === Array.prototype) {
    return new Set(Reflect.ownKeys(value).filter((key) => isEnumerable(value, key)));
  }
  const names = new Set<PropertyKey>();
  for (let at = value; at && at !== Object.prototype; at = Object.getPrototypeOf(at)) {
    Reflect.ownKeys(at).forEach((key) => names.add(key));
  }
  return names;
}

function isEnumerable(value: object, key: PropertyKey): boolean {
  return Object.prototype.propertyIsEnumerable.call(value, key);
}
