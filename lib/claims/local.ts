// Decides from the records alone. Each function runs inside a transaction of the store.
import { randomHex } from "../base/random.ts";
import { attempt, IpvlanError, type IpvlanErrorOf, isIpvlanError } from "../base/errors.ts";
import { formatAddress, parseAddress } from "../ipam/address.ts";
import { contains, parsePrefix, type Prefix } from "../ipam/prefix.ts";
import { readAddress, readRange } from "../ipam/subnet.ts";
import { addressOf, bitsOf, blockOf, blockSize, hexOf, insideOf, textOf } from "./keys.ts";
import type { LastToken } from "./last_token.ts";
import type {
  AddressRecord,
  BlockRecord,
  ClaimRecords,
  HostRecord,
  PoolRecord,
} from "./records.ts";
import { type Holder, isOwn, type SharedPool, type Wanted } from "./types.ts";
import { isFor } from "./values.ts";

/** A request for an address, checked. */
export interface Request {
  holder: Holder;
  /** The address, in hexadecimal digits. */
  address?: string;
  range?: Prefix;
  since: string;
}

/** A pool on record. @throws {"shared-pool-not-found"} There is none. */
export function poolOf(records: ClaimRecords, id: string): PoolRecord {
  const pool = records.pool(id);
  if (!pool) throw new IpvlanError("shared-pool-not-found", { pool: id });
  return pool;
}

/** A pool on record that this host is not leaving. @throws {"shared-pool-not-found"} There is none. */
export function joinedPool(records: ClaimRecords, id: string): PoolRecord {
  const pool = poolOf(records, id);
  if (pool.leaving) throw new IpvlanError("shared-pool-not-found", { pool: id });
  return pool;
}

/** The errors when etcd, or the turn to ask it, could not be waited for. */
export const OUT_OF_REACH = ["etcd-unreachable", "host-busy"] as const;

export function isOutOfReach(error: unknown): boolean {
  return isIpvlanError(error, ...OUT_OF_REACH);
}

export function prefixOfPool({ subnet }: SharedPool): Prefix {
  return parsePrefix(subnet).prefix;
}

/** The first address of the block that an address is in, both in hexadecimal digits. */
export function blockWith(pool: SharedPool, address: string): string {
  const { family, bits } = addressOf(address);
  return hexOf({ family, bits: blockOf(prefixOfPool(pool), bits) });
}

/** The last address of a block, in hexadecimal digits. */
export function lastOf(pool: SharedPool, first: string): string {
  const { family, bits } = addressOf(first);
  return hexOf({ family, bits: bits + blockSize(prefixOfPool(pool)) - 1n });
}

/** Makes the error for an address that is held on a host, or on this one if none is given. */
export function sharedAddressHeld(
  address: string,
  sandbox: string,
  host?: string,
): IpvlanErrorOf<"shared-address-held"> {
  const user = isOwn({ sandbox }) ? undefined : sandbox;
  return new IpvlanError("shared-address-held", { address: textOf(address), sandbox: user, host });
}

/** Makes the error for an address that is reserved for another sandbox. */
export function addressReserved(address: string, sandbox: string): IpvlanErrorOf<"address-held"> {
  const holder = `the reservation for ${JSON.stringify(sandbox)}`;
  return new IpvlanError("address-held", { address: textOf(address), holder });
}

/** Checks a wanted address or range. @throws {IpvlanError} No endpoint of the pool can have it. */
export function checkWanted(pool: SharedPool, wanted: Wanted): Pick<Request, "address" | "range"> {
  const prefix = prefixOfPool(pool);
  const { subnet, reserved } = pool;
  if (wanted.address === undefined) {
    return wanted.range === undefined ? {} : { range: readRange(wanted.range, prefix) };
  }
  const parsed = readAddress("address", wanted.address, prefix);
  const address = formatAddress(parsed);
  const owner = reserved[address];
  if (owner === undefined) return { address: hexOf(parsed) };
  throw new IpvlanError("reserved-address", { role: "address", address, subnet, owner });
}

/** The value of `refused` for an error that stops new addresses; `undefined` for other errors. */
export function refusalOf(error: unknown): string | undefined {
  if (isIpvlanError(error, "host-removed")) return "removed";
  if (isIpvlanError(error, "etcd-older")) return "older";
  return isIpvlanError(error, "host-replaced") ? `replaced ${error.host}` : undefined;
}

/**
 * Records that no address may be given away, if an error means that. If another host uses this one's
 * id, it may have given away the addresses that etcd does not know yet, so they are lost.
 */
export function refuse(records: ClaimRecords, prefix: string, error: unknown): void {
  const refusal = refusalOf(error);
  if (refusal === undefined) return;
  records.setRefused(prefix, refusal);
  if (!isIpvlanError(error, "host-replaced")) return;
  const untold = records.pools(prefix).flatMap(({ id }) => records.untold(id));
  for (const record of untold.filter(({ state, told }) => state === "used" && told === 0)) {
    records.putAddress({ ...record, state: "lost", host: error.host });
  }
}

/** Makes the error for a host that etcd refuses, by its record; `undefined` if it does not. */
export function whyRefused({ prefix, id, refused }: HostRecord): IpvlanError | undefined {
  if (refused === undefined) return undefined;
  const [kind, ...name] = refused.split(" ");
  if (kind === "removed") return new IpvlanError("host-removed", { prefix });
  if (kind === "older") return new IpvlanError("etcd-older", { prefix });
  return new IpvlanError("host-replaced", { prefix, id, host: name.join(" ") });
}

/** Whether the record of a host is the newest: neither a copy of the state folder nor a backup. */
export function isCurrent({ id, token, asked }: HostRecord, lastToken: LastToken): boolean {
  const [last] = lastToken.read(id);
  return last !== undefined && (last === token || last === asked);
}

/** The addresses of a pool that the host's links (at boot still none) or etcd's members have. */
export function ownAddresses(
  pool: SharedPool,
  addresses: readonly string[],
): { wanted: string[]; isComplete: boolean } {
  const inPool = (address: string) => {
    const checked = attempt(() => checkWanted(pool, { address }).address!);
    return checked.ok ? [checked.value] : [];
  };
  const own = addresses.flatMap(inPool);
  // An endpoint may have a host name in place of an address.
  const members = pool.access.endpoints.map((endpoint) => new URL(endpoint).hostname)
    .flatMap((host) => inPool(host.replace(/^\[(.*)\]$/, "$1")));
  return { wanted: [...new Set([...own, ...members])], isComplete: own.length > 0 };
}

/** Takes a kept or freed address; `undefined` if etcd has to be asked, as for a copied record. */
export function takeKept(
  records: ClaimRecords,
  pool: PoolRecord,
  request: Request,
  lastToken?: LastToken,
): string | undefined {
  const host = records.host(pool.prefix);
  if (!host) return undefined;
  const refusal = whyRefused(host);
  if (refusal) throw refusal;
  if (lastToken && !isCurrent(host, lastToken)) return undefined;
  if (request.address !== undefined) return takeWanted(records, pool, request.address, request);
  const prefix = prefixOfPool(pool);
  for (const block of records.blocks(pool.id, "free")) {
    if (block.state !== "held") continue;
    const { family, bits } = addressOf(block.first);
    const [bit] = bitsOf(block.free & insideOf(prefix, bits, request.range));
    if (bit !== undefined) return use(records, block, hexOf({ family, bits: bits + bit }), request);
  }
  const freed = records.untold(pool.id).find(({ state, address, holder }) =>
    state === "freed" && isFor(holder, request.holder) &&
    (!request.range || contains(request.range, addressOf(address)))
  );
  return freed && useAgain(records, freed, request);
}

function takeWanted(
  records: ClaimRecords,
  pool: PoolRecord,
  address: string,
  request: Request,
): string | undefined {
  const record = records.address(pool.id, address);
  if (record?.state === "giving") return undefined;
  if (record?.state === "freed") {
    const { holder } = record;
    if (!isFor(holder, request.holder)) throw addressReserved(address, holder.sandbox);
    return useAgain(records, record, request);
  }
  if (record) throw sharedAddressHeld(address, record.holder.sandbox, record.host);
  const block = freeBlock(records, pool, address);
  return block && use(records, block, address, request);
}

/** The block of this host in which an address is free. */
export function freeBlock(
  records: ClaimRecords,
  pool: PoolRecord,
  address: string,
): BlockRecord | undefined {
  const block = records.block(pool.id, blockWith(pool, address));
  const isFree = block?.state === "held" && (block.free & bitOf(block.first, address)) !== 0n;
  return isFree ? block : undefined;
}

export function newUse(pool: string, address: string, { holder, since }: Request): AddressRecord {
  return {
    pool,
    address,
    state: "used",
    block: undefined,
    token: randomHex(8),
    holder,
    since,
    version: 1,
    told: 0,
    revision: 0,
    host: undefined,
  };
}

function use(
  records: ClaimRecords,
  block: BlockRecord,
  address: string,
  request: Request,
): string {
  records.putBlock({ ...block, free: block.free & ~bitOf(block.first, address) });
  records.putAddress({ ...newUse(block.pool, address, request), block: block.first });
  return address;
}

function useAgain(records: ClaimRecords, freed: AddressRecord, request: Request): string {
  const { pool, address, block, revision, holder: { reserved } } = freed;
  const use = newUse(pool, address, request);
  records.putAddress({ ...use, holder: { ...use.holder, reserved }, block, revision });
  return address;
}

/** Frees an address in use. This host keeps it until etcd knows. */
export function free(records: ClaimRecords, pool: string, address: string): void {
  const hex = hexOf(parseAddress(address));
  const record = records.address(pool, hex);
  if (record?.state === "used") records.putAddress({ ...record, state: "freed" });
  if (record?.state === "lost") records.deleteAddress(pool, hex);
}

/** Changes the holder of an address, if it is in use. */
export function describe(
  records: ClaimRecords,
  pool: string,
  address: string,
  holder: Holder,
): void {
  const record = records.address(pool, hexOf(parseAddress(address)));
  if (record?.state !== "used") return;
  if (JSON.stringify(record.holder) === JSON.stringify(holder)) return;
  records.putAddress({ ...record, holder, version: record.version + 1 });
}

/** The addresses of a block that are in use or freed. */
export function addressesOf(
  records: ClaimRecords,
  pool: PoolRecord,
  { first }: BlockRecord,
): AddressRecord[] {
  return records.addresses(pool.id, { first, last: lastOf(pool, first) })
    .filter(({ block }) => block === first);
}

export function bitOf(first: string, address: string): bigint {
  return 1n << (addressOf(address).bits - addressOf(first).bits);
}

/** Records that an address is not kept. If it is in use, it needs a claim of its own. */
export function dropKept(records: ClaimRecords, record: AddressRecord): void {
  const isUsed = record.state === "used" || record.state === "lost";
  if (!isUsed) records.deleteAddress(record.pool, record.address);
  else records.putAddress({ ...record, block: undefined, told: 0, revision: 0 });
}
