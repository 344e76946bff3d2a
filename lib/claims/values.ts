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

/** A host: its name, the number of its last transaction, and a random text that only that one wrote. */
export interface HostValue {
  name: string;
  number: number;
  token: string;
  /** Whether its agent has ever run. */
  agent?: boolean;
}

/** A pool: the addresses that nobody gets. */
export interface PoolValue {
  reserved: Record<string, string>;
}

/** A block: whose it is, and the addresses that only this host gives away, as a hexadecimal set. */
export interface BlockValue {
  host: string;
  token: string;
  kept: string;
}

/** A claim: who uses the address. */
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

type Rules<Value> = { readonly [Name in keyof Value]-?: (value: unknown) => boolean };

const isText = (value: unknown) => typeof value === "string";
const isObject = (value: unknown) =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isTexts = (value: unknown) => Array.isArray(value) && value.every(isText);
const isTextOrNone = (value: unknown) => value === undefined || isText(value);

const HOST: Rules<HostValue> = {
  name: isText,
  number: (value) => Number.isSafeInteger(value),
  token: isText,
  agent: (value) => value === undefined || typeof value === "boolean",
};
const POOL: Rules<PoolValue> = {
  reserved: (value) => isObject(value) && Object.values(value as object).every(isText),
};
const BLOCK: Rules<BlockValue> = {
  host: isText,
  token: isText,
  kept: (value) => isText(value) && /^[0-9a-f]{1,16}$/.test(value as string),
};
const CLAIM: Rules<ClaimValue> = {
  host: isText,
  sandbox: isText,
  network: isTextOrNone,
  names: (value) => value === undefined || isTexts(value),
  since: isText,
  token: isText,
};
const NETWORK: Rules<NetworkValue> = { settings: isObject, hosts: isTexts };
const WISH: Rules<WishValue> = {
  address: (value) =>
    value === undefined || isText(value) && /^[0-9a-f]{8,32}$/.test(value as string),
};

/** Reads a host; also one of an earlier version, which had an epoch and a nonce. @throws {"damaged-key"} It is none. */
export const readHost = (pair: KeyValue): HostValue =>
  read({
    ...pair,
    value: pair.value.replace('"epoch":', '"number":').replace('"nonce":', '"token":'),
  }, HOST);
/** Reads a pool. @throws {"damaged-key"} It is none. */
export const readPool = (pair: KeyValue): PoolValue => read(pair, POOL);
/** Reads a claim. @throws {"damaged-key"} It is none. */
export const readClaim = (pair: KeyValue): ClaimValue => read(pair, CLAIM);
/** Reads a network. @throws {"damaged-key"} It is none. */
export const readNetwork = (pair: KeyValue): NetworkValue => read(pair, NETWORK);
/** Reads a wish. @throws {"damaged-key"} It is none. */
export const readWish = (pair: KeyValue): WishValue => read(pair, WISH);

/** Reads a block, and the set of the addresses that its host keeps. */
export function readBlock(pair: KeyValue): BlockValue & { set: bigint } {
  const value = read(pair, BLOCK);
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

function read<Value>({ key, value }: KeyValue, rules: Rules<Value>): Value {
  let parsed: unknown;
  try {
    parsed = JSON.parse(value);
  } catch {
    throw new IpvlanError("damaged-key", { key });
  }
  const entries = Object.entries(rules) as [keyof Value, (value: unknown) => boolean][];
  const isRight = isObject(parsed) &&
    entries.every(([name, rule]) => rule((parsed as Value)[name]));
  if (!isRight) throw new IpvlanError("damaged-key", { key });
  return parsed as Value;
}
