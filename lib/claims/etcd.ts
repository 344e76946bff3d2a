// A client of etcd's JSON gateway: keys and values in Base64, numbers as texts (`rpc.proto`).
import { type CallOptions, Gateway, readAnswer } from "./gateway.ts";
import type { Keys } from "./keys.ts";
import { Damage, type KeyValue } from "./values.ts";

const PAGE = 1000;

interface KeyRange {
  /** The key, or the first one. */
  key: string;
  /** The end of the range, exclusive. */
  end?: string;
}

/** A condition of a transaction, on one key or on all keys of a range. */
export type Compare =
  & KeyRange
  & (
    | { value: string }
    /** The revision of its last change; 0 if it does not exist. Left out, `is` is `EQUAL`. */
    | { revision: number; is?: "EQUAL" | "GREATER" | "LESS" }
  );

export function exists(key: string): Compare {
  return { key, revision: 0, is: "GREATER" };
}

export interface Range extends KeyRange {
  limit?: number;
  keysOnly?: boolean;
}

/** The range of all keys with a prefix: its end is the prefix with its last byte plus one. */
export function under(prefix: string): { key: string; end: string } {
  const last = prefix.charCodeAt(prefix.length - 1);
  return { key: prefix, end: prefix.slice(0, -1) + String.fromCharCode(last + 1) };
}

export type Step =
  | { put: { key: string; value: string; lease?: string } }
  | { delete: KeyRange }
  | { range: Range }
  /** One step if a condition holds, and maybe another one if not. */
  | { when: Compare; step: Step; otherwise?: Step };

/** A transaction. Its steps are done if all conditions hold; otherwise the ranges are read. */
export interface Transaction {
  compare?: readonly Compare[];
  success: readonly Step[];
  failure?: readonly Range[];
}

/** How many keys are deleted at a time. Each is a condition and a step; etcd allows 128 of each. */
const DELETED_AT_ONCE = 60;

/** Deletes keys, or ends claims, some at a time, unless something has changed since they were read. */
export function* deletions(
  pairs: readonly KeyValue[],
  end: (pair: KeyValue) => Step = ({ key }) => ({ delete: { key } }),
): Generator<Required<Pick<Transaction, "compare" | "success">>> {
  for (let from = 0; from < pairs.length; from += DELETED_AT_ONCE) {
    const batch = pairs.slice(from, from + DELETED_AT_ONCE);
    yield {
      compare: batch.map(({ key, modRevision }) => ({ key, revision: modRevision })),
      success: batch.map(end),
    };
  }
}

export interface Outcome {
  succeeded: boolean;
  revision: number;
  /** The keys of each range, in the order of the steps of `success`, or of `failure`. */
  ranges: KeyValue[][];
  /** Whether an unanswered attempt may still take effect. It is idempotent, so the answer holds. */
  mayRepeat: boolean;
}

export interface WatchEvent {
  /** The key; if it was deleted, without its value. */
  pair: KeyValue;
  isDeleted: boolean;
}

/** A client of etcd, for the endpoints of one access. */
export class Etcd extends Gateway {
  /** The damaged keys that were read here. */
  readonly damage: Damage = new Damage();

  async transact(
    { compare = [], success, failure = [] }: Transaction,
    options: CallOptions,
  ): Promise<Outcome> {
    const body = {
      compare: compare.map(compareBody),
      success: success.map(stepBody),
      failure: failure.map((range) => stepBody({ range })),
    };
    const { answer, mayRepeat } = await this.call("kv/txn", body, options);
    const { header, succeeded = false, responses = [] } = answer as Answer<{
      succeeded?: boolean;
      responses?: { response_range?: { kvs?: RawPair[] } }[];
    }>;
    const ranges = responses.flatMap(({ response_range: range }) =>
      range ? [(range.kvs ?? []).map(readPair)] : []
    );
    return { succeeded, revision: Number(header.revision), ranges, mayRepeat };
  }

  async read(ranges: readonly Range[], options: CallOptions): Promise<Outcome> {
    return await this.transact({ success: ranges.map((range) => ({ range })) }, options);
  }

  /** Reads all keys of a range in pages, all at one revision. */
  async *pages(
    { key, end }: Range,
    options: () => CallOptions,
  ): AsyncGenerator<{ pairs: KeyValue[]; revision: number }> {
    let revision: string | undefined;
    for (let from = key;;) {
      const body = { ...rangeBody({ key: from, end, limit: PAGE }), revision };
      const { answer } = await this.call("kv/range", body, options());
      const { header, kvs = [], more } = answer as Answer<{ kvs?: RawPair[]; more?: boolean }>;
      revision ??= header.revision;
      const pairs = kvs.map(readPair);
      yield { pairs, revision: Number(revision) };
      if (!more) return;
      from = `${pairs.at(-1)!.key}\0`;
    }
  }

  /** Reads the values of all keys of a range. Skips damaged ones. */
  async *values<T>(
    range: Range,
    read: (pair: KeyValue) => T,
    options: () => CallOptions,
  ): AsyncGenerator<{ value: T; pair: KeyValue }> {
    for await (const { pairs } of this.pages(range, options)) {
      for (const pair of pairs) {
        const value = this.damage.read(read, pair);
        if (value !== undefined) yield { value, pair };
      }
    }
  }

  async grant(seconds: number, options: CallOptions): Promise<string> {
    const { answer } = await this.call("lease/grant", { TTL: String(seconds) }, options);
    return (answer as { ID: string }).ID;
  }

  /** Renews a lease. Resolves to whether it still exists. */
  async keepAlive(lease: string, options: CallOptions): Promise<boolean> {
    const { answer } = await this.call("lease/keepalive", { ID: lease }, options);
    return Number((answer as { result?: { TTL?: string } }).result?.TTL ?? 0) > 0;
  }

  /** Revokes a lease. etcd deletes the keys that are attached to it. */
  async revoke(lease: string, options: CallOptions): Promise<void> {
    await this.call("lease/revoke", { ID: lease }, options);
  }

  /** Watches a range from a revision on, until the connection breaks or etcd has compacted that. */
  async *watch(
    range: Range,
    revision: number,
    { signal, deadline }: CallOptions & { signal: AbortSignal },
  ): AsyncGenerator<WatchEvent[]> {
    const body = { create_request: { ...rangeBody(range), start_revision: String(revision) } };
    const stop = new AbortController();
    const options = { deadline, signal: AbortSignal.any([signal, stop.signal]) };
    // The answer has no end, so only its beginning has a deadline.
    const begun = async (endpoint: string, response: Response) =>
      response.ok ? response : await readAnswer(endpoint, response);
    try {
      const { answer } = await this.call("watch", body, options, begun);
      for await (const line of linesOf(answer as Response)) {
        const { result: { canceled, events = [] } = {}, error } = JSON.parse(line) as WatchAnswer;
        if (error || canceled) return;
        if (events.length === 0) continue;
        yield events.map(({ type, kv }) => ({ pair: readPair(kv), isDeleted: type === "DELETE" }));
      }
    } finally {
      stop.abort();
    }
  }
}

/** etcd, with the keys under a prefix. */
export interface Reader {
  etcd: Etcd;
  keys: Keys;
  options: () => CallOptions;
}

/** Reads an answer line by line, until it ends or its connection breaks. */
async function* linesOf(response: Response): AsyncGenerator<string> {
  let rest = "";
  try {
    for await (const text of response.body!.pipeThrough(new TextDecoderStream())) {
      const parts = (rest + text).split("\n");
      rest = parts.pop()!;
      yield* parts;
    }
  } catch {
    // The caller looks whether etcd is within reach.
  }
}

interface RawPair {
  key: string;
  value?: string;
  mod_revision: string;
}

type Answer<Body> = Body & { header: { revision: string } };

interface WatchAnswer {
  result?: {
    canceled?: boolean;
    events?: { type?: "DELETE"; kv: RawPair }[];
  };
  error?: unknown;
}

function readPair({ key, value = "", mod_revision }: RawPair): KeyValue {
  return { key: decode(key), value: decode(value), modRevision: Number(mod_revision) };
}

// In a body, JSON leaves out what is undefined.

function compareBody(compare: Compare): unknown {
  const range = rangeBody(compare);
  if ("value" in compare) {
    return { ...range, target: "VALUE", result: "EQUAL", value: encode(compare.value) };
  }
  const { revision, is: result = "EQUAL" } = compare;
  return { ...range, target: "MOD", result, mod_revision: String(revision) };
}

function stepBody(step: Step): unknown {
  if ("delete" in step) return { request_delete_range: rangeBody(step.delete) };
  if ("range" in step) return { request_range: rangeBody(step.range) };
  if ("when" in step) {
    const [success, failure] = [step.step, step.otherwise].map((each) => each && [stepBody(each)]);
    return { request_txn: { compare: [compareBody(step.when)], success, failure } };
  }
  const { key, value, lease } = step.put;
  return { request_put: { key: encode(key), value: encode(value), lease } };
}

function rangeBody({ key, end, limit, keysOnly }: Range): object {
  return {
    key: encode(key),
    range_end: end === undefined ? undefined : encode(end),
    limit,
    keys_only: keysOnly,
  };
}

/** A text in Base64, as the gateway takes all keys and values. */
export function encode(text: string): string {
  return new TextEncoder().encode(text).toBase64();
}

function decode(base64: string): string {
  return new TextDecoder().decode(Uint8Array.fromBase64(base64));
}
