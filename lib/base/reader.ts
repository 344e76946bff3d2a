// Reads untrusted values: JSON of a file, a key or a request. A reader notes everything that is
// wrong with a value, each with its place.
import { attempt } from "./errors.ts";
import { didYouMean } from "./suggest.ts";

export interface Misfit {
  /** The steps to it: `["subnets", 1, "gateway"]`. */
  readonly path: readonly (string | number)[];
  readonly value: unknown;
  /** The value that it should be: `a text`. */
  readonly wanted: string;
}

/** The place of a reader in a value, and the misfits so far. */
export class Reading {
  readonly misfits: Misfit[] = [];
  readonly #path: (string | number)[] = [];

  part<T>(step: string | number, reader: Reader<T>, value: unknown): T {
    this.#path.push(step);
    const read = reader(value, this);
    this.#path.pop();
    return read;
  }

  misfit(value: unknown, wanted: string): void {
    this.misfits.push({ path: [...this.#path], value, wanted });
  }
}

/** Reads one value. If it notes a misfit, what it returns is not used. */
export type Reader<T> = (value: unknown, reading: Reading) => T;

export function read<T>(reader: Reader<T>, value: unknown): { value: T; misfits: Misfit[] } {
  const reading = new Reading();
  return { value: reader(value, reading), misfits: reading.misfits };
}

export function fits<T>(reader: Reader<T>, value: unknown): value is T {
  return read(reader, value).misfits.length === 0;
}

/** Whether a value is an object, and no list. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Shows a value in a sentence, cut where it is long; `missing` if there is none. */
export function show(value: unknown): string {
  const text = JSON.stringify(value) ?? "missing";
  return text.length > 80 ? `${text.slice(0, 79)}…` : text;
}

/** A path in a sentence: `subnets[1].gateway`. */
export function placeOf(path: Misfit["path"]): string {
  return path.reduce<string>(
    (place, step) =>
      typeof step === "number" ? `${place}[${step}]` : place === "" ? step : `${place}.${step}`,
    "",
  );
}

export function kind<T>(wanted: string, isFit: (value: unknown) => boolean): Reader<T> {
  return (value, reading) => {
    if (!isFit(value)) reading.misfit(value, wanted);
    return value as T;
  };
}

export const anything: Reader<unknown> = kind("anything", () => true);

export const text: Reader<string> = kind("a text", (value) => typeof value === "string");

export const flag: Reader<boolean> = kind("true or false", (value) => typeof value === "boolean");

export const whole: Reader<number> = kind("a whole number", Number.isSafeInteger);

export function textLike(wanted: string, pattern: Pick<RegExp, "test">): Reader<string> {
  return kind(wanted, (value) => typeof value === "string" && pattern.test(value));
}

/** Reads a text as what a function makes of it. The function throws an error if it makes nothing. */
export function parsed<T>(wanted: string, parse: (text: string) => T): Reader<T> {
  return (value, reading) => {
    const result = attempt(() => parse(String(value)));
    if (result.ok) return result.value;
    reading.misfit(value, wanted);
    return undefined as T;
  };
}

export function oneOf<const T>(...values: readonly T[]): Reader<T> {
  return kind(`one of ${values.join(", ")}`, (value) => values.includes(value as T));
}

export function optional<T>(reader: Reader<T>): Reader<T | undefined> {
  return (value, reading) => value === undefined ? undefined : reader(value, reading);
}

export function list<T>(of: Reader<T>): Reader<T[]> {
  return (value, reading) => {
    if (Array.isArray(value)) return value.map((item, index) => reading.part(index, of, item));
    reading.misfit(value, "a list");
    return [];
  };
}

/** Reads an object with any names of fields. */
export function record<T>(of: Reader<T>): Reader<Record<string, T>> {
  return (value, reading) => {
    const items = Object.entries(anObject(value, reading) ?? {});
    return Object.fromEntries(items.map(([name, item]) => [name, reading.part(name, of, item)]));
  };
}

/** The value of a reader of objects, in which what may be undefined may be left out. */
export type Loose<T> =
  & { [Name in keyof T as undefined extends T[Name] ? never : Name]: T[Name] }
  & { [Name in keyof T as undefined extends T[Name] ? Name : never]?: T[Name] };

export type Fields<T> = { readonly [Name in keyof T]-?: Reader<T[Name]> };

/**
 * Reads an object with these fields, without those that are `undefined`. Others are left alone: a
 * later version may have more.
 */
export function object<T extends object>(fields: Fields<T>): Reader<T> {
  const entries = Object.entries(fields) as [string, Reader<unknown>][];
  return (value, reading) => {
    const from = anObject(value, reading);
    const result: Record<string, unknown> = {};
    for (const [name, reader] of from ? entries : []) {
      const item = reading.part(name, reader, Object.hasOwn(from!, name) ? from![name] : undefined);
      if (item !== undefined) result[name] = item;
    }
    return result as T;
  };
}

/** Reads an object with these fields and no others. Ignores fields that are `undefined`. */
export function exactly<T extends object>(fields: Fields<T>): Reader<T> {
  const reader = object(fields);
  const names = Object.keys(fields);
  return (value, reading) => {
    for (const [name, item] of Object.entries(isObject(value) ? value : {})) {
      if (names.includes(name) || item === undefined) continue;
      const wanted = `left out${didYouMean(name, names) || ", as there is no such field"}`;
      reading.part(name, () => reading.misfit(item, wanted), item);
    }
    return reader(value, reading);
  };
}

function anObject(value: unknown, reading: Reading): Record<string, unknown> | undefined {
  if (isObject(value)) return value;
  reading.misfit(value, "an object");
}
