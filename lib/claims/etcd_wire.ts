/**
 * Transactions and ranges as etcd's JSON gateway takes them: keys and values in Base64, numbers as texts
 * (etcd, `rpc.proto`).
 *
 * @module
 */

/** A key of etcd with its value. */
export interface KeyValue {
  /** The key. */
  key: string;
  /** The value; empty if only keys were asked for. */
  value: string;
  /** The revision of its last change. */
  modRevision: number;
}

/** A condition of a transaction, on one key or on all keys of a range. */
export type Compare =
  & {
    /** The key, or the first one. */
    key: string;
    /** The end of the range, exclusive. */
    end?: string;
    /** The comparison. */
    result: "EQUAL" | "GREATER" | "LESS";
  }
  & (
    /** The revision that created the key (0: it does not exist), or that changed it last. */
    | { target: "CREATE" | "MOD"; revision: number }
    | { target: "VALUE"; value: string }
  );

/** A range to read. */
export interface Range {
  /** The key, or the first one. */
  key: string;
  /** The end of the range, exclusive. */
  end?: string;
  /** The most keys to read. */
  limit?: number;
  /** Whether values are left out. */
  keysOnly?: boolean;
}

/** A step of a transaction. */
export type Step =
  | { put: { key: string; value: string; lease?: string } }
  | { delete: { key: string; end?: string } }
  | { range: Range };

/** A transaction. Its steps are done if all conditions hold; otherwise the ranges are read. */
export interface Transaction {
  /** The conditions. */
  compare: readonly Compare[];
  /** The steps if they hold. */
  success: readonly Step[];
  /** The ranges to read if they do not. */
  failure?: readonly Range[];
}

/** Returns the end of the range of all keys with a prefix: the prefix with its last byte plus one. */
export function endOf(prefix: string): string {
  const last = prefix.charCodeAt(prefix.length - 1);
  return prefix.slice(0, -1) + String.fromCharCode(last + 1);
}

/** A key with its value, as the gateway has it. */
interface RawPair {
  key: string;
  value?: string;
  mod_revision: string;
}

/** The answer to a transaction. */
export interface TxnAnswer {
  header: { revision: string };
  succeeded?: boolean;
  responses?: { response_range?: { kvs?: RawPair[] } }[];
}

/** The answer to a range. */
export interface RangeAnswer {
  header: { revision: string };
  kvs?: RawPair[];
  more?: boolean;
}

/** One answer of a watch. */
export interface WatchAnswer {
  result?: {
    canceled?: boolean;
    events?: { type?: "DELETE"; kv: { key: string; value?: string } }[];
  };
  error?: unknown;
}

/** Reads a key with its value. */
export function readPair({ key, value = "", mod_revision }: RawPair): KeyValue {
  return { key: decode(key), value: decode(value), modRevision: Number(mod_revision) };
}

/** A condition, as the gateway takes it. */
export function compareBody(compare: Compare): unknown {
  const { key, end, target, result } = compare;
  return {
    key: encode(key),
    ...(end !== undefined && { range_end: encode(end) }),
    target,
    result,
    ...(compare.target === "VALUE" && { value: encode(compare.value) }),
    ...(compare.target === "CREATE" && { create_revision: String(compare.revision) }),
    ...(compare.target === "MOD" && { mod_revision: String(compare.revision) }),
  };
}

/** A step, as the gateway takes it. */
export function stepBody(step: Step): unknown {
  if ("put" in step) {
    const { key, value, lease } = step.put;
    return { request_put: { key: encode(key), value: encode(value), ...(lease && { lease }) } };
  }
  if ("delete" in step) {
    const { key, end } = step.delete;
    return {
      request_delete_range: {
        key: encode(key),
        ...(end !== undefined && { range_end: encode(end) }),
      },
    };
  }
  const { key, end, limit, keysOnly } = step.range;
  return {
    request_range: {
      key: encode(key),
      ...(end !== undefined && { range_end: encode(end) }),
      ...(limit !== undefined && { limit: String(limit) }),
      ...(keysOnly && { keys_only: true }),
    },
  };
}

/** A text in Base64, as the gateway takes all keys and values. */
export function encode(text: string): string {
  return new TextEncoder().encode(text).toBase64();
}

/** The text of a key or value. */
export function decode(base64: string): string {
  return new TextDecoder().decode(Uint8Array.fromBase64(base64));
}
