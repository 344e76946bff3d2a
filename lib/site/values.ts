/** A mapping of a site file, by the main names of its keys. */
export type Values = ReadonlyMap<string, unknown>;

/** The mappings under a key, by name. */
export function entries(values: Values, key: string): [string, Values][] {
  return [...values.get(key) as Map<string, Values> ?? []];
}

/** The texts of the list under a key, without wrong items. */
export function list(values: Values, key: string): string[] {
  return (values.get(key) as (string | undefined)[] ?? []).filter((text) => text !== undefined);
}

/** The mapping of texts under a key. */
export function record(values: Values, key: string): Record<string, string> {
  return Object.fromEntries(values.get(key) as Map<string, string> ?? []);
}

/** The object without its undefined fields. */
export function defined<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as T;
}

/** The key of a field: `ip_range` for `ipRange`. */
export function keyOf(field: string): string {
  return field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
