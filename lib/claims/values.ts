// The values of keys in etcd, as this program writes them.
import { familyOf } from "../ipam/address.ts";
import { partsOf } from "./keys.ts";
import type { Holder, Reserved, SharedSettings } from "./types.ts";
import { IpvlanError, isIpvlanError } from "../base/errors.ts";
import {
  type Fields,
  fits,
  flag,
  isObject,
  kind,
  list,
  object,
  optional,
  record,
  text,
  textLike,
  whole,
} from "../base/reader.ts";

export interface KeyValue {
  key: string;
  /** The value; empty if only keys were asked for. */
  value: string;
  modRevision: number;
}

/** Makes a function that reads the values with these fields. It throws `damaged-key`. */
function valueReader<Value extends object>(fields: Fields<Value>): (pair: KeyValue) => Value {
  const reader = object(fields);
  return ({ key, value }) => {
    const json = parseJson(value);
    if (!fits(reader, json)) throw new IpvlanError("damaged-key", { key });
    return json;
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const readPresentHost = valueReader({
  name: text,
  number: whole,
  token: text,
  agent: optional(flag),
});

/** Reads a host. An earlier version had an epoch and a nonce. @throws {"damaged-key"} */
export function readHost(pair: KeyValue): ReturnType<typeof readPresentHost> {
  const value = pair.value.replace('"epoch":', '"number":').replace('"nonce":', '"token":');
  return readPresentHost({ ...pair, value });
}

export const readPool = valueReader({ reserved: record(text) });

const RESERVED: Fields<Reserved> = { lease: optional(text), until: optional(text) };

export const readReserved = valueReader(RESERVED);

export const readClaim = valueReader({
  host: text,
  sandbox: text,
  network: optional(text),
  names: optional<readonly string[]>(list(text)),
  reserved: optional(object(RESERVED)),
  since: text,
  token: text,
});

/** In place of a host's id, in the claim of a reserved address that no sandbox uses. */
export const NO_HOST = "reserved";

/** Whether an address that was a holder's is for another one: both are the same, or it is not reserved. */
export function isFor(one: Holder, other: Holder): boolean {
  return !one.reserved || one.sandbox === other.sandbox && one.network === other.network;
}

export const readNetwork = valueReader({
  settings: kind<SharedSettings>("an object", isObject),
  hosts: list(text),
});

/** Reads a wish: for one address, in hexadecimal digits, or for any. */
export const readWish = valueReader({
  address: optional(textLike("an address in hexadecimal digits", /^[0-9a-f]{8,32}$/)),
});

const readBlockValue = valueReader({
  host: text,
  token: text,
  kept: textLike("a set in hexadecimal digits", /^[0-9a-f]{1,16}$/),
});

/** Reads a block: its host, and the set of addresses that only this host gives away. */
export function readBlock(pair: KeyValue): BlockValue & { set: bigint } {
  const value = readBlockValue(pair);
  return { ...value, set: BigInt(`0x${value.kept}`) };
}

/** The values of keys, to write. */
export type BlockValue = ReturnType<typeof readBlockValue>;
export type ClaimValue = ReturnType<typeof readClaim>;
export type HostValue = ReturnType<typeof readHost>;
export type NetworkValue = ReturnType<typeof readNetwork>;
export type WishValue = ReturnType<typeof readWish>;

/** The address in the key of a block or a claim, in hexadecimal. @throws {"damaged-key"} */
export function addressIn({ key }: Pick<KeyValue, "key">): string {
  const { subnet, last } = partsOf(key);
  const digits = familyOf(subnet) === 4 ? 8 : 32;
  if (last.length !== digits || !/^[0-9a-f]+$/.test(last)) {
    throw new IpvlanError("damaged-key", { key });
  }
  return last;
}

/** The damaged keys of an etcd, which are skipped. Each is reported once. */
export class Damage {
  readonly #known = new Set<string>();
  #unnamed: string[] = [];

  /** Reads the value of a key; `undefined` if there is none, or if it is damaged. */
  read<T>(read: (pair: KeyValue) => T, pair: KeyValue | undefined): T | undefined {
    try {
      return pair && read(pair);
    } catch (error) {
      this.pass(error);
    }
  }

  /** Reads the addresses in the keys of blocks or claims, in hexadecimal digits. */
  addresses(pairs: readonly KeyValue[]): string[] {
    return pairs.flatMap((pair) => this.read(addressIn, pair) ?? []);
  }

  /** Skips the damaged key that an error is about. @throws Any other error. */
  pass(error: unknown): void {
    if (!isIpvlanError(error, "damaged-key")) throw error;
    if (!this.#known.has(error.key)) this.#unnamed.push(error.message);
    this.#known.add(error.key);
  }

  name(): string[] {
    return this.#unnamed.splice(0);
  }
}
