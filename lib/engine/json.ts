/**
 * Reads the JSON that an engine sends, and says which field of it is wrong.
 *
 * @module
 */
import { IpvlanError } from "../base/errors.ts";
import { isObject } from "../base/reader.ts";

/** The longest request in bytes. Most have some thousand, and CNI's GC has 100 for each container. */
export const MAX_REQUEST = 2 ** 20;

/** The most values that a request may have in all, and how often one may be inside another. */
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

/** Parses a request, or says why not: `is not JSON: it is empty`. What follows can rely on its bounds. */
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
    level = level.flatMap((each) =>
      typeof each === "object" && each !== null ? Object.values(each) : []
    );
  }
  return { value };
}

/** An object of a JSON text. A field that is `null` counts as missing, as engines write both. */
export class JsonObject {
  /** The object itself, with all fields. */
  readonly value: Readonly<Record<string, unknown>>;
  readonly #place: string;

  private constructor(value: unknown, place: string) {
    if (!isObject(value)) {
      throw new IpvlanError("invalid-request", { place, reason: "is not an object" });
    }
    this.value = value;
    this.#place = place;
  }

  /** Reads a text. @throws {"invalid-request"} It is not the JSON of an object. */
  static parse(text: string): JsonObject {
    const parsed = parseRequest(text);
    if ("reason" in parsed) {
      throw new IpvlanError("invalid-request", { place: "", reason: parsed.reason });
    }
    return new JsonObject(parsed.value, "");
  }

  /** A text that has to be there. @throws {"invalid-request"} It is missing or no text. */
  text(name: string): string {
    return this.optionalText(name) ?? this.#wrong(name, "is missing");
  }

  /** A text. @throws {"invalid-request"} It is no text. */
  optionalText(name: string): string | undefined {
    const value = this.#field(name);
    if (value === undefined || typeof value === "string") return value;
    return this.#wrong(name, "is not a text");
  }

  /** Whether a field is true; a missing one is not. @throws {"invalid-request"} It is neither. */
  flag(name: string): boolean {
    const value = this.#field(name) ?? false;
    return typeof value === "boolean" ? value : this.#wrong(name, "is neither true nor false");
  }

  /** A list of texts; a missing one is empty. @throws {"invalid-request"} It is no such list. */
  texts(name: string): string[] {
    return this.#list(name).map((item, index) =>
      typeof item === "string" ? item : this.#wrong(`${name}[${index}]`, "is not a text")
    );
  }

  /** Texts by name; a missing object has none. @throws {"invalid-request"} It is no such object. */
  textByName(name: string): Record<string, string> {
    const object = this.optionalObject(name);
    if (object === undefined) return {};
    return Object.fromEntries(Object.keys(object.value).map((key) => [key, object.text(key)]));
  }

  /** An object that has to be there. @throws {"invalid-request"} It is missing or no object. */
  object(name: string): JsonObject {
    return this.optionalObject(name) ?? this.#wrong(name, "is missing");
  }

  /** An object. @throws {"invalid-request"} It is no object. */
  optionalObject(name: string): JsonObject | undefined {
    const value = this.#field(name);
    return value === undefined ? undefined : new JsonObject(value, this.#placeOf(name));
  }

  /** A list of objects; a missing one is empty. @throws {"invalid-request"} It is no such list. */
  objects(name: string): JsonObject[] {
    return this.#list(name).map((item, index) =>
      new JsonObject(item, this.#placeOf(`${name}[${index}]`))
    );
  }

  /** Whether a field is there. */
  has(name: string): boolean {
    return this.#field(name) !== undefined;
  }

  #field(name: string): unknown {
    return Object.hasOwn(this.value, name) ? this.value[name] ?? undefined : undefined;
  }

  #list(name: string): unknown[] {
    const value = this.#field(name) ?? [];
    return Array.isArray(value) ? value : this.#wrong(name, "is not a list");
  }

  #placeOf(name: string): string {
    return this.#place === "" ? name : `${this.#place}.${name}`;
  }

  #wrong(name: string, reason: string): never {
    throw new IpvlanError("invalid-request", { place: this.#placeOf(name), reason });
  }
}
