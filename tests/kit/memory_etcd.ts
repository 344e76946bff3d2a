/**
 * An etcd in memory, in a worker: the part of the JSON gateway that this project uses. The tests of
 * `tests/hosts/` that need no process, no disk and no second member run both with it, among the unit
 * tests, and with a real etcd, in `tests/hosts/`. This shows that both behave alike. A lease ends only
 * when it is revoked.
 *
 * @module
 */

/** A stored key, with the revisions that etcd gives it. */
interface Stored {
  value: string;
  created: number;
  changed: number;
  lease?: string;
}

/** The body of any request, with keys and values in Base64. */
interface Body {
  key: string;
  range_end?: string;
  value?: string;
  lease?: string;
  limit?: string;
  keys_only?: boolean;
}

interface CompareBody extends Body {
  target: "CREATE" | "MOD" | "VALUE";
  result: "EQUAL" | "GREATER" | "LESS";
  create_revision?: string;
  mod_revision?: string;
}

interface StepBody {
  request_put?: Body;
  request_delete_range?: Body;
  request_range?: Body;
  request_txn?: TransactionBody;
}

interface TransactionBody {
  compare?: CompareBody[];
  success?: StepBody[];
  failure?: StepBody[];
}

interface Event {
  revision: number;
  key: string;
  /** Its value in Base64; `undefined` if it was deleted. */
  value: string | undefined;
}

/** The most operations in a transaction (`--max-txn-ops`). */
const MOST_STEPS = 128;

/** The keys of one etcd, with their history. */
class Memory {
  readonly #keys = new Map<string, Stored>();
  readonly #history: Event[] = [];
  readonly #watchers = new Set<() => void>();
  #revision = 1;
  #leases = 0;

  get header(): { revision: string } {
    return { revision: String(this.#revision) };
  }

  transact({ compare = [], success = [], failure = [] }: TransactionBody): unknown {
    const succeeded = compare.every((each) => this.#holds(each));
    const steps = succeeded ? success : failure;
    const puts = steps.flatMap(({ request_put }) => request_put ? [request_put.key] : []);
    if (new Set(puts).size < puts.length) throw new Error("duplicate key given in txn request");
    if (Math.max(compare.length, success.length, failure.length) > MOST_STEPS) {
      throw new Error("too many operations in txn request");
    }
    const before = this.#revision;
    const carryOut = (
      { request_put, request_delete_range, request_range, request_txn }: StepBody,
    ) => {
      if (request_range) return { response_range: this.range(request_range) };
      if (request_put) this.#put(request_put, before + 1);
      if (request_delete_range) this.#delete(request_delete_range, before + 1);
      if (request_txn) this.#stepsOf(request_txn).forEach(carryOut);
      return {};
    };
    const responses = steps.map(carryOut);
    if (this.#revision > before) { for (const wake of this.#watchers) wake(); }
    return { header: this.header, ...(succeeded && { succeeded }), responses };
  }

  /** The steps of a transaction inside another one. */
  #stepsOf({ compare = [], success = [], failure = [] }: TransactionBody): readonly StepBody[] {
    return compare.every((each) => this.#holds(each)) ? success : failure;
  }

  range(body: Body): unknown {
    const found = this.#find(body);
    const limit = Number(body.limit ?? 0) || found.length;
    const kvs = found.slice(0, limit).map(([key, { value, created, changed }]) => ({
      key: btoa(key),
      ...(!body.keys_only && { value }),
      create_revision: String(created),
      mod_revision: String(changed),
    }));
    return { header: this.header, kvs, ...(found.length > limit && { more: true }) };
  }

  grant({ TTL }: { TTL: string }): unknown {
    return { header: this.header, ID: String(++this.#leases), TTL };
  }

  keepAlive({ ID }: { ID: string }): unknown {
    return { result: { ID, ...(Number(ID) <= this.#leases && { TTL: "60" }) } };
  }

  revoke({ ID }: { ID: string }): unknown {
    const keys = [...this.#keys].filter(([, { lease }]) => lease === ID).map(([key]) => key);
    return this.transact({
      success: keys.map((key) => ({ request_delete_range: { key: btoa(key) } })),
    });
  }

  /** Streams each change in a range, from a revision on, until the reader cancels. */
  watch(body: Body & { start_revision: string }): ReadableStream<Uint8Array> {
    const [first, end] = [atob(body.key), atob(body.range_end!)];
    let next = Number(body.start_revision);
    let tell: () => void;
    return new ReadableStream({
      start: (controller) => {
        const send = (result: unknown) =>
          controller.enqueue(new TextEncoder().encode(`${JSON.stringify({ result })}\n`));
        send({ header: this.header, created: true });
        tell = () => {
          const events = this.#history.filter(({ revision, key }) =>
            revision >= next && key >= first && key < end
          );
          next = Math.max(next, this.#revision + 1);
          if (events.length === 0) return;
          send({
            header: this.header,
            events: events.map(({ key, value }) => ({
              ...(value === undefined && { type: "DELETE" }),
              kv: { key: btoa(key), value },
            })),
          });
        };
        this.#watchers.add(tell);
        tell();
      },
      cancel: () => {
        this.#watchers.delete(tell);
      },
    });
  }

  #find({ key, range_end }: Body): [string, Stored][] {
    const first = atob(key);
    const stored = this.#keys.get(first);
    if (range_end === undefined) return stored ? [[first, stored]] : [];
    const end = atob(range_end);
    return [...this.#keys].filter(([key]) => key >= first && key < end)
      .sort(([a], [b]) => a < b ? -1 : 1);
  }

  /** Whether a condition holds for each key of its range; an empty range counts as one missing key. */
  #holds(body: CompareBody): boolean {
    const { target, result, create_revision, mod_revision, value = "" } = body;
    const found: (Stored | undefined)[] = this.#find(body).map(([, stored]) => stored);
    if (found.length === 0 && target === "VALUE") return false;
    return (found.length === 0 ? [undefined] : found).every((stored) => {
      const [here, wanted] = target === "VALUE"
        ? [atob(stored!.value), atob(value)]
        : target === "CREATE"
        ? [stored?.created ?? 0, Number(create_revision)]
        : [stored?.changed ?? 0, Number(mod_revision)];
      if (result === "EQUAL") return here === wanted;
      return result === "GREATER" ? here > wanted : here < wanted;
    });
  }

  #put({ key, value = "", lease }: Body, revision: number): void {
    const name = atob(key);
    const created = this.#keys.get(name)?.created ?? revision;
    this.#keys.set(name, { value, created, changed: revision, lease });
    this.#record(name, value, revision);
  }

  #delete(body: Body, revision: number): void {
    for (const [key] of this.#find(body)) {
      this.#keys.delete(key);
      this.#record(key, undefined, revision);
    }
  }

  #record(key: string, value: string | undefined, revision: number): void {
    this.#revision = revision;
    this.#history.push({ revision, key, value });
  }
}

/** Answers the requests of clients, on a port of the loopback. */
function serve(): number {
  const memory = new Memory();
  const answer = (path: string, body: unknown): unknown => {
    switch (path) {
      case "/v3/kv/txn":
        return memory.transact(body as TransactionBody);
      case "/v3/kv/range":
        return memory.range(body as Body);
      case "/v3/kv/put":
        return memory.transact({ success: [{ request_put: body as Body }] });
      case "/v3/kv/deleterange":
        return memory.transact({ success: [{ request_delete_range: body as Body }] });
      case "/v3/lease/grant":
        return memory.grant(body as { TTL: string });
      case "/v3/lease/keepalive":
        return memory.keepAlive(body as { ID: string });
      case "/v3/lease/revoke":
        return memory.revoke(body as { ID: string });
      default:
        throw new Error(`no such path: ${path}`);
    }
  };
  const options = { hostname: "127.0.0.1", port: 0, onListen() {} };
  const server = Deno.serve(options, async (request) => {
    const { pathname } = new URL(request.url);
    const body = await request.json();
    if (pathname === "/v3/watch") return new Response(memory.watch(body.create_request));
    try {
      return Response.json(answer(pathname, body));
    } catch (error) {
      const { message } = error as Error;
      return Response.json({ code: 3, message: `etcdserver: ${message}` }, { status: 400 });
    }
  });
  return (server.addr as Deno.NetAddr).port;
}

/** The global scope, typed as that of a worker. */
const worker = globalThis as unknown as { postMessage?: (message: unknown) => void; name?: string };
const NAME = "etcd in memory";
if (worker.name === NAME) worker.postMessage!(serve());

/** A running etcd in memory. */
export class MemoryEtcd {
  readonly endpoints: string[];
  readonly #worker: Worker;

  private constructor(worker: Worker, port: number) {
    this.#worker = worker;
    this.endpoints = [`http://127.0.0.1:${port}`];
  }

  /** Starts it, and waits until it serves clients. */
  static async start(): Promise<MemoryEtcd> {
    const worker = new Worker(import.meta.url, { type: "module", name: NAME });
    const port = await new Promise<number>((resolve, reject) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = ({ message }) => reject(new Error(message));
    });
    return new MemoryEtcd(worker, port);
  }

  /** Stops it. */
  killNow(): void {
    this.#worker.terminate();
  }
}
