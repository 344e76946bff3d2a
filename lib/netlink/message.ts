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

export type Value = Uint8Array | ((writer: Writer) => void);

/** Writes a message. It grows as needed. */
export class Writer {
  #bytes = new Uint8Array(256);
  #view = new DataView(this.#bytes.buffer);
  #length = HEADER_LENGTH;

  bytes(bytes: ArrayLike<number>): this {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
    return this;
  }

  u8(value: number): this {
    return this.bytes([value]);
  }

  u16(value: number): this {
    this.#reserve(2);
    this.#view.setUint16(this.#length, value, true);
    this.#length += 2;
    return this;
  }

  u32(value: number): this {
    this.#reserve(4);
    this.#view.setUint32(this.#length, value, true);
    this.#length += 4;
    return this;
  }

  /** Writes an attribute (`struct nlattr`): its length, its type, and its value, to a multiple of 4. */
  attribute(type: number, value: Value): this {
    const start = this.#length;
    this.u16(0).u16(typeof value === "function" ? type | NESTED : type);
    if (typeof value === "function") value(this);
    else this.bytes(value);
    this.#view.setUint16(start, this.#length - start, true);
    while (this.#length % 4 !== 0) this.u8(0);
    return this;
  }

  finish(type: number, flags: number, sequence: number): Uint8Array<ArrayBuffer> {
    this.#view.setUint32(0, this.#length, true);
    this.#view.setUint16(4, type, true);
    this.#view.setUint16(6, flags, true);
    this.#view.setUint32(8, sequence, true);
    return this.#bytes.subarray(0, this.#length);
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const bytes = new Uint8Array(2 * (this.#length + count));
    bytes.set(this.#bytes);
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
  }
}

/** A number of 8 bits as the value of an attribute. */
export function u8(value: number): Uint8Array {
  return Uint8Array.of(value);
}

export function u16(value: number): Uint8Array {
  return Uint8Array.of(value, value >>> 8);
}

/** A number of 16 bits in the byte order of the network. */
export function be16(value: number): Uint8Array {
  return Uint8Array.of(value >>> 8, value);
}

export function u32(value: number): Uint8Array {
  return Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24);
}

/** A part of a message that is read: its fixed fields by offset, then its attributes by type. */
export class Reader {
  readonly #view: DataView;
  readonly #start: number;
  readonly #end: number;
  readonly #firstAttribute: number;
  #attributes: Map<number, Reader> | undefined;

  /** Reads from `start` to `end`, with attributes after some bytes of fixed fields. */
  constructor(view: DataView, start: number, end: number, fixed = 0) {
    this.#view = view;
    this.#start = start;
    this.#end = end;
    this.#firstAttribute = start + fixed;
  }

  get length(): number {
    return this.#end - this.#start;
  }

  u8(offset = 0): number {
    return this.#view.getUint8(this.#start + offset);
  }

  u16(offset = 0): number {
    return this.#view.getUint16(this.#start + offset, true);
  }

  /** A number of 16 bits in the byte order of the network. */
  be16(offset = 0): number {
    return this.#view.getUint16(this.#start + offset);
  }

  u32(offset = 0): number {
    return this.#view.getUint32(this.#start + offset, true);
  }

  /** A number of 32 bits with a sign. */
  i32(offset = 0): number {
    return this.#view.getInt32(this.#start + offset, true);
  }

  /** A copy of the bytes. */
  bytes(offset = 0): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#view.buffer as ArrayBuffer, this.#view.byteOffset)
      .slice(this.#start + offset, this.#end);
  }

  /** The text before the first NUL. */
  text(offset = 0): string {
    const bytes = this.bytes(offset);
    const end = bytes.indexOf(0);
    return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
  }

  /** The bytes as an IP address. */
  ip(offset = 0): string {
    return addressText(this.bytes(offset));
  }

  /** The same part, with its attributes after some bytes of fixed fields. */
  after(fixed: number): Reader {
    return new Reader(this.#view, this.#start, this.#end, fixed);
  }

  part(offset: number, length: number): Reader {
    return new Reader(this.#view, this.#start + offset, this.#start + offset + length);
  }

  /** An attribute by its type; `undefined` if there is none. Of several, the last. */
  get(type: number): Reader | undefined {
    if (!this.#attributes) {
      this.#attributes = new Map();
      for (const [type, value] of this.all()) this.#attributes.set(type, value);
    }
    return this.#attributes.get(type);
  }

  /** All attributes, each with its type. */
  *all(): Generator<[type: number, value: Reader]> {
    for (let at = this.#firstAttribute; at + 4 <= this.#end;) {
      const length = this.#view.getUint16(at, true);
      if (length < 4 || at + length > this.#end) return;
      yield [
        this.#view.getUint16(at + 2, true) & 0x3fff,
        new Reader(this.#view, at + 4, at + length),
      ];
      at += (length + 3) & ~3;
    }
  }
}
