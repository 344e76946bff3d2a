// Addresses that are reserved in etcd for a sandbox by its name, whichever host it runs on. A reservation
// is a key. Besides, the address always has a claim: of the host where the sandbox runs, or of no host.
// This program heeds claims in all its versions, so no other sandbox gets the address.
import { invalidOption } from "../base/errors.ts";
import { parseAddress } from "../ipam/address.ts";
import { type Reader, type Step, under } from "./etcd.ts";
import { hexOf, type Keys, partsOf, textOf } from "./keys.ts";
import { describe } from "./local.ts";
import type { Session } from "./session.ts";
import type { Holder, Reserved } from "./types.ts";
import { addressIn, type ClaimValue, type KeyValue, NO_HOST, readReserved } from "./values.ts";

/** The claim of a reserved address that no sandbox uses. It is the same on all hosts. */
function unused({ sandbox, network, reserved }: Holder): string {
  const rest = { names: undefined, reserved, since: "", token: "" };
  const value: ClaimValue = { host: NO_HOST, sandbox, network, ...rest };
  return JSON.stringify(value);
}

/** Ends the use of an address, by the key of its claim. It stays reserved if it is that still. */
export function endOfUse(keys: Keys, key: string, holder: Holder): Step {
  const { sandbox, network, reserved } = holder;
  const end = { delete: { key } };
  if (!reserved) return end;
  return {
    when: { key: keys.reservation(network, sandbox, key), value: JSON.stringify(reserved) },
    // Both end with the lease.
    step: { put: { key, value: unused(holder), lease: reserved.lease } },
    otherwise: end,
  };
}

/** An address that is reserved for a sandbox by its name. */
export interface SharedReservation extends Required<Omit<Holder, "names">> {
  subnet: string;
  address: string;
}

function reservationOf(pair: KeyValue): SharedReservation {
  const [network, sandbox] = pair.key.split("/").slice(-4) as [string, string];
  const { subnet } = partsOf(pair.key);
  const address = textOf(addressIn(pair));
  return { network, sandbox, subnet, address, reserved: readReserved(pair) };
}

/** Lists the reservations for a name, on a network, or all under the prefix. */
export async function listReservations(
  { etcd, keys, options }: Reader,
  network?: string,
  sandbox?: string,
): Promise<SharedReservation[]> {
  const values = etcd.values(under(keys.reservation(network, sandbox)), reservationOf, options);
  return (await Array.fromAsync(values)).map(({ value }) => value);
}

/** Reserves addresses that a sandbox of this host has: all of them, or none. */
export async function reserve(
  session: Session,
  { sandbox, network }: Holder,
  places: readonly { pool: string; address: string }[],
  since: string,
  seconds?: number,
): Promise<void> {
  const { keys, etcd, records, options } = session;
  const reserved: Reserved = seconds === undefined ? {} : {
    lease: await etcd.grant(Math.ceil(seconds), options()),
    until: new Date(Date.parse(since) + 1000 * seconds).toISOString(),
  };
  const value = JSON.stringify(reserved);
  try {
    const isMade = await session.change(() => {
      const wanted = places.map(({ pool, address }) => {
        const record = records.address(pool, hexOf(parseAddress(address)));
        if (record?.state !== "used" || record.told === 0 || record.holder.sandbox !== sandbox) {
          throw invalidOption("address", address, "etcd has to say first whose it is");
        }
        // It is on record before it is in etcd, so that it outlives the use.
        describe(records, pool, address, { ...record.holder, reserved });
        const claim = keys.claim(records.pool(pool)!.subnet, record.address);
        return keys.reservation(network, sandbox, claim);
      });
      return {
        // The name has none there.
        compare: wanted.map((key) => ({ ...under(key.replace(/[^/]+$/, "")), revision: 0 })),
        success: wanted.map((key) => ({ put: { key, value, lease: reserved.lease } })),
        failure: wanted.map((key) => ({ key })),
      };
      // An earlier attempt took effect if they are there.
    }, ({ succeeded, ranges }) => succeeded || ranges.every(([pair]) => pair?.value === value));
    if (isMade) return;
    throw invalidOption("name", sandbox, "an address is reserved for it: release that first");
  } catch (error) {
    if (reserved.lease !== undefined) await etcd.revoke(reserved.lease, options()).catch(() => {});
    throw error;
  }
}

/** Releases what is reserved for a name, or on a network. A sandbox that has such an address keeps it. */
export async function unreserve(reader: Reader, network: string, sandbox?: string): Promise<void> {
  const { etcd, keys, options } = reader;
  for (const each of await listReservations(reader, network, sandbox)) {
    const key = keys.claim(each.subnet, hexOf(parseAddress(each.address)));
    await etcd.transact({
      success: [
        { delete: { key: keys.reservation(network, each.sandbox, key) } },
        { when: { key, value: unused(each) }, step: { delete: { key } } },
      ],
    }, options());
  }
}
