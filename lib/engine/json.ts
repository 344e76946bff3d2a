// Reads the JSON that an engine sends, and says which field of it is wrong.
import { IpvlanError, throwProblems } from "../base/errors.ts";
import {
  list as someList,
  placeOf,
  read,
  type Reader,
  record as someRecord,
  show,
} from "../base/reader.ts";

/** The longest request in bytes. Most have a few thousand; CNI's GC has 100 for each container. */
export const MAX_REQUEST = 2 ** 20;

/** The greatest number of values in a request, and their greatest depth. */
const [MAX_VALUES, MAX_DEPTH] = [2 ** 15, 64];

/** Reads a request to its end, and keeps only the beginning of one that is too long. */
export async function readRequest(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let [text, bytes] = ["", 0];
  for await (const chunk of chunks) {
    if (bytes <= MAX_REQUEST) text += decoder.decode(chunk, { stream: true });
    bytes += chunk.length;
  }
  return text + decoder.decode();
}

/** Parses a request within the bounds above, or says what is wrong: `is not JSON: it is empty`. */
export function parseRequest(text: string): { value: unknown } | { reason: string } {
  if (new TextEncoder().encode(text).length > MAX_REQUEST) {
    return { reason: `is longer than ${MAX_REQUEST} bytes` };
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { reason: `is not JSON: ${text.trim() ? (error as Error).message : "it is empty"}` };
  }
  let [level, values]: [unknown[], number] = [[value], 0];
  for (let depth = 0; level.length > 0; depth++) {
    values += level.length;
    if (values > MAX_VALUES) return { reason: `has more than ${MAX_VALUES} values` };
    if (depth > MAX_DEPTH) return { reason: `is nested more than ${MAX_DEPTH} times` };
    level = level.flatMap((each) => typeof each === "object" ? Object.values(each ?? {}) : []);
  }
  return { value };
}

/** Parses a request and reads it. @throws {"invalid-request"} It is no JSON, or has other fields. */
export function readJson<T>(reader: Reader<T>, text: string): T {
  const parsed = parseRequest(text);
  if ("value" in parsed) return readMessage(reader, parsed.value);
  throw new IpvlanError("invalid-request", { place: "it", reason: parsed.reason });
}

/** Reads a message of an engine. @throws {IpvlanError} All that is wrong with it. */
export function readMessage<T>(reader: Reader<T>, message: unknown): T {
  const { value, misfits } = read(reader, message);
  throwProblems(misfits.map(({ path, value, wanted }) => {
    if (path.length === 0 && value === undefined) return new IpvlanError("missing-request");
    const place = path.length === 0 ? "it" : JSON.stringify(placeOf(path));
    const reason = `is ${show(value)}, and should be ${wanted}`;
    return new IpvlanError("invalid-request", { place, reason }).at(...path);
  }));
  return value;
}

/*
 * Engines write `null` for a missing value, and for a list or a map that was never made. Both count
 * as left out.
 */

export function optional<T>(reader: Reader<T>): Reader<T | undefined> {
  return (value, reading) =>
    value === undefined || value === null ? undefined : reader(value, reading);
}

export function list<T>(of: Reader<T>): Reader<T[]> {
  return (value, reading) => someList(of)(value ?? [], reading);
}

export function record<T>(of: Reader<T>): Reader<Record<string, T>> {
  return (value, reading) => someRecord(of)(value ?? {}, reading);
}
