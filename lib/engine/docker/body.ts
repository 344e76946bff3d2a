/**
 * Reads the bodies of Docker's calls and answers. Go writes a list or a map that was never made as
 * `null`: it counts as missing.
 *
 * @module
 */
import { IpvlanError, throwProblems } from "../../base/errors.ts";
import {
  list as someList,
  read,
  type Reader,
  record as someRecord,
  show,
} from "../../base/reader.ts";

/** Reads a body. @throws {IpvlanError} All that is wrong with it. */
export function readBody<T>(reader: Reader<T>, body: unknown): T {
  const { value, misfits } = read(reader, body);
  throwProblems(misfits.map(({ path, value, wanted }) => {
    if (path.length === 0 && value === undefined) return new IpvlanError("docker-body-missing");
    const fields = { place: path.join("."), found: show(value), wanted };
    return new IpvlanError("docker-body", fields).at(...path);
  }));
  return value;
}

/** Reads a value that may be missing. */
export function optional<T>(reader: Reader<T>): Reader<T | undefined> {
  return (value, reading) =>
    value === undefined || value === null ? undefined : reader(value, reading);
}

/** Reads a list; a missing one is empty. */
export function list<T>(of: Reader<T>): Reader<T[]> {
  return (value, reading) => someList(of)(value ?? [], reading);
}

/** Reads an object whose names are not known before; a missing one is empty. */
export function record<T>(of: Reader<T>): Reader<Record<string, T>> {
  return (value, reading) => someRecord(of)(value ?? {}, reading);
}
