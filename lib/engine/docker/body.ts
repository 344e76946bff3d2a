/**
 * Reads the bodies of Docker's calls. A reader checks one value, and notes everything that is wrong
 * with it; what it returns then is not used.
 *
 * @module
 */
import { IpvlanError, throwProblems } from "../../base/errors.ts";
import { isObject, show } from "../json.ts";

/** Makes the error for a value of the body, from its place and what it should be. */
function invalidBody(place: string, value: unknown, wanted: string): IpvlanError {
  if (place === "" && value === undefined) return new IpvlanError("docker-body-missing");
  const found = value === undefined ? "missing" : show(value);
  return new IpvlanError("docker-body", { place, found, wanted });
}

/** Where a value is in the body, and where its problems go. */
interface Place {
  /** The steps from the body to the value. */
  path: readonly (string | number)[];
  /** Everything that is wrong so far. */
  problems: IpvlanError[];
}

/** Reads one value. Go writes a list or a map that was never made as `null`: it counts as missing. */
export type Reader<T> = (value: unknown, place: Place) => T;

/** Reads a body. @throws {IpvlanError} All that is wrong with it. */
export function readBody<T>(reader: Reader<T>, body: unknown): T {
  const problems: IpvlanError[] = [];
  const value = reader(body, { path: [], problems });
  throwProblems(problems);
  return value;
}

/** Reads a value that a function recognizes. */
function kind<T>(wanted: string, fits: (value: unknown) => value is T): Reader<T> {
  return (value, { path, problems }) => {
    if (!fits(value)) {
      problems.push(invalidBody(path.join("."), value, wanted).at(...path));
    }
    return value as T;
  };
}

/** Reads a text. */
export const text: Reader<string> = kind("a text", (value) => typeof value === "string");

/** Reads `true` or `false`. */
export const flag: Reader<boolean> = kind("true or false", (value) => typeof value === "boolean");

/** Reads a text that matches a pattern, or that another test finds good. */
export function textLike(wanted: string, pattern: Pick<RegExp, "test">): Reader<string> {
  const fits = (value: unknown) => typeof value === "string" && pattern.test(value);
  return kind(wanted, (value): value is string => fits(value));
}

/** Reads a value that may be missing. */
export function optional<T>(reader: Reader<T>): Reader<T | undefined> {
  return (value, place) => value === undefined || value === null ? undefined : reader(value, place);
}

const anyList = kind("a list", (value) => Array.isArray(value));
const anyObject = kind<Record<string, unknown>>("an object", isObject);

/** Reads a list; a missing one is empty. */
export function list<T>(of: Reader<T>): Reader<T[]> {
  return (value, place) => {
    const items = anyList(value ?? [], place);
    if (!Array.isArray(items)) return [];
    return items.map((item, index) => of(item, { ...place, path: [...place.path, index] }));
  };
}

/** Reads an object whose names are not known before; a missing one is empty. */
export function record<T>(of: Reader<T>): Reader<Record<string, T>> {
  return (value, place) => {
    const found = anyObject(value ?? {}, place);
    if (!isObject(found)) return {};
    return Object.fromEntries(
      Object.entries(found)
        .map(([name, item]) => [name, of(item, { ...place, path: [...place.path, name] })]),
    );
  };
}

/** Reads an object with these fields. Others are left alone: a later Docker may have more. */
export function object<T extends Record<string, unknown>>(
  fields: { readonly [Name in keyof T]: Reader<T[Name]> },
): Reader<T> {
  return (value, place) => {
    const found = anyObject(value, place);
    if (!isObject(found)) return {} as T;
    return Object.fromEntries(
      Object.entries(fields).map(([name, reader]) => {
        const item = Object.hasOwn(found, name) ? found[name] : undefined;
        return [name, reader(item, { ...place, path: [...place.path, name] })];
      }),
    ) as T;
  };
}
