// Netlink messages as bytes: written and read. The byte order is that of the machine, which is
// little endian wherever Deno runs.

import { addressText } from "./address.ts";

/** The header of a message (`struct nlmsghdr` in `include/uapi/linux/netlink.h`). */
export const HEADER_LENGTH = 16;

/** The flags of requests (`NLM_F_*` in `include/uapi/linux/netlink.h`). */
export const FLAG = {
  REQUEST: 1,
  ACK: 4,
  DUMP: 0x300,
  REPLACE: 0x100,
  EXCL: 0x200,
  CREATE: 0x400,
} as const;

/** The flags of a request by what it does to an object. */
export const VERB_FLAGS = {
  add: FLAG.CREATE | FLAG.EXCL,
  replace: FLAG.CREATE | FLAG.REPLACE,
  del: 0,
} as const;

/** Marks an attribute as one that has others in it. */
const NESTED = 0x8000;

/** Bytes to send: one, some, or lists of them. What is `undefined` or `false` is left out. */
export type Bytes = number | Uint8Array | readonly Bytes[] | undefined | false;

function flat(bytes: Bytes): number[] {
  if (bytes === undefined || bytes === false) return [];
  if (typeof bytes === "number") return [bytes];
  return bytes instanceof Uint8Array ? [...bytes] : bytes.flatMap(flat);
}

/** Writes a whole message. */
export function message(
  type: number,
  flags: number,
  sequence: number,
  body: Bytes,
): Uint8Array<ArrayBuffer> {
  const bytes = flat(body);
  const length = HEADER_LENGTH + bytes.length;
  // A byte is the lowest 8 bits of its number.
  return Uint8Array.from(
    flat([u32(length), u16(type), u16(flags), u32(sequence), u32(0), bytes]),
  );
}

/** Writes an attribute (`struct nlattr`): its length, its type, and its value, to a multiple of 4. */
export function attribute(type: number, value: Bytes): Bytes {
  const bytes = flat(value);
  return [u16(4 + bytes.length), u16(type), bytes, Array<number>(-bytes.length & 3).fill(0)];
}

/** Writes an attribute that has others in it. */
export function nested(type: number, ...attributes: Bytes[]): Bytes {
  return attribute(type | NESTED, attributes);
}

export function u16(value: number): number[] {
  return [value, value >>> 8];
}

/** A number of 16 bits in the byte order of the network. */
export function be16(value: number): number[] {
  return [value >>> 8, value];
}

export function u32(value: number): number[] {
  return [value, value >>> 8, value >>> 16, value >>> 24];
}

/** A part of a message that is read: fixed fields by their offset, or attributes by their type. */
export class Reader {
  #attributes: Map<number, Reader> | undefined;

  constructor(private readonly view: DataView<ArrayBuffer>) {}

  get length(): number {
    return this.view.byteLength;
  }

  u8(offset = 0): number {
    return this.view.getUint8(offset);
  }

  u16(offset = 0): number {
    return this.view.getUint16(offset, true);
  }

  /** A number of 16 bits in the byte order of the network. */
  be16(offset = 0): number {
    return this.view.getUint16(offset);
  }

  u32(offset = 0): number {
    return this.view.getUint32(offset, true);
  }

  i32(offset = 0): number {
    return this.view.getInt32(offset, true);
  }

  bytes(offset = 0): Uint8Array<ArrayBuffer> {
    const { buffer, byteOffset, byteLength } = this.view;
    return new Uint8Array(buffer, byteOffset, byteLength).slice(offset);
  }

  /** The text before the first NUL. */
  text(offset = 0): string {
    const bytes = this.bytes(offset);
    const end = bytes.indexOf(0);
    return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
  }

  ip(offset = 0): string {
    return addressText(this.bytes(offset));
  }

  /** The part from an offset on: the attributes behind fixed fields. */
  part(offset: number, end: number = Math.max(offset, this.length)): Reader {
    const { buffer, byteOffset } = this.view;
    return new Reader(new DataView(buffer, byteOffset + offset, end - offset));
  }

  /** An attribute by its type; `undefined` if there is none. Of several, the last. */
  get(type: number): Reader | undefined {
    this.#attributes ??= new Map(this.all());
    return this.#attributes.get(type);
  }

  /** All attributes, each with its type. */
  *all(): Generator<[type: number, value: Reader]> {
    for (let at = 0; at + 4 <= this.length;) {
      const length = this.u16(at);
      if (length < 4 || at + length > this.length) return;
      yield [this.u16(at + 2) & 0x3fff, this.part(at + 4, at + length)];
      at += (length + 3) & ~3;
    }
  }
}
