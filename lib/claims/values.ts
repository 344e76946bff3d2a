/**
 * The values of keys in etcd, as this program writes them.
 *
 * @module
 */
import { familyOf } from "../ipam/address.ts";
import { partsOf, textSet } from "./keys.ts";
import type { KeyValue } from "./etcd_wire.ts";
import type { SharedSettings } from "./types.ts";
import { IpvlanError } from "../base/errors.ts";
import {
  fits,
  flag,
  isObject,
  kind,
  list,
  object,
  optional,
  type Reader,
  record,
  text,
  textLike,
  whole,
} from "../base/reader.ts";

/** A host: its name, and the number and the random token of its last transaction. */
export interface HostValue {
  name: string;
  number: number;
  token: string;
  /** Whether its agent has ever run. */
  agent?: boolean;
}

/** A pool: its reserved addresses. */
export interface PoolValue {
  reserved: Record<string, string>;
}

/** A block: its host, and the addresses that only this host gives away, as a hexadecimal set. */
export interface BlockValue {
  host: string;
  token: string;
  kept: string;
}

/** A claim: the user of the address. */
export interface ClaimValue {
  host: string;
  sandbox: string;
  network?: string;
  names?: readonly string[];
  since: string;
  token: string;
}

/** A network: its settings, and the ids of its hosts. */
export interface NetworkValue {
  settings: SharedSettings;
  hosts: string[];
}

/** A wish: for one address, in hexadecimal digits, or for any. */
export interface WishValue {
  address?: string;
}

const HOST = object<HostValue>({ name: text, number: whole, token: text, agent: optional(flag) });
const POOL = object<PoolValue>({ reserved: record(text) });
const BLOCK = object<BlockValue>({
  host: text,
  token: text,
  kept: textLike("a set in hexadecimal digits", /^[0-9a-f]{1,16}$/),
});
const CLAIM = object<ClaimValue>({
  host: text,
  sandbox: text,
  network: optional(text),
  names: optional(list(text)),
  since: text,
  token: text,
});
const NETWORK = object<NetworkValue>({
  settings: kind("an object", isObject),
  hosts: list(text),
});
const WISH = object<WishValue>({
  address: optional(textLike("an address in hexadecimal digits", /^[0-9a-f]{8,32}$/)),
});

/** Reads a host, even of a version with an epoch and a nonce. @throws {"damaged-key"} It is not valid. */
export const readHost = (pair: KeyValue): HostValue =>
  readValue({
    ...pair,
    value: pair.value.replace('"epoch":', '"number":').replace('"nonce":', '"token":'),
  }, HOST);
/** Reads a pool. @throws {"damaged-key"} It is not valid. */
export const readPool = (pair: KeyValue): PoolValue => readValue(pair, POOL);
/** Reads a claim. @throws {"damaged-key"} It is not valid. */
export const readClaim = (pair: KeyValue): ClaimValue => readValue(pair, CLAIM);
/** Reads a network. @throws {"damaged-key"} It is not valid. */
export const readNetwork = (pair: KeyValue): NetworkValue => readValue(pair, NETWORK);
/** Reads a wish. @throws {"damaged-key"} It is not valid. */
export const readWish = (pair: KeyValue): WishValue => readValue(pair, WISH);

/** Reads a block, and the set of the addresses that its host keeps. */
export function readBlock(pair: KeyValue): BlockValue & { set: bigint } {
  const value = readValue(pair, BLOCK);
  return { ...value, set: textSet(value.kept) };
}

/** The address in the key of a block or a claim, in hexadecimal. @throws {"damaged-key"} */
export function addressIn(key: string): string {
  const { subnet, last } = partsOf(key);
  const digits = familyOf(subnet) === 4 ? 8 : 32;
  if (last.length !== digits || !/^[0-9a-f]+$/.test(last)) {
    throw new IpvlanError("damaged-key", { key });
  }
  return last;
}

function readValue<Value>({ key, value }: KeyValue, reader: Reader<Value>): Value {
  const parsed = attemptJson(value);
  if (!fits(reader, parsed)) throw new IpvlanError("damaged-key", { key });
  return parsed;
}

function attemptJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
