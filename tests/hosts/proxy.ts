/**
 * The network between one host and one member of etcd: a TCP proxy that can lose, hold back, and cut.
 *
 * @module
 */

/** What happens to the bytes on a link. */
export type Trouble =
  /** They pass. */
  | { kind: "none" }
  /** None of them arrives: a partition. */
  | { kind: "partition" }
  /** Requests arrive, answers do not, except for some first ones: the outcome of each is unknown. */
  | { kind: "mute"; after?: number }
  /**
   * Requests arrive late, also when nobody waits for the answer any more: all, or those that have a
   * text in them.
   */
  | { kind: "late"; milliseconds: number; only?: string };

/** A connection through the proxy. */
interface Pair {
  client: Deno.TcpConn;
  member: Deno.TcpConn;
  /** Whether bytes were lost. Such a connection ends when the link is healed. */
  hasLost: boolean;
  /**
   * Whether a request was held back. Then the connection to the member stays open until it answers, as
   * etcd drops a request whose connection ends.
   */
  isLate: boolean;
  /** Resolves when both connections are closed. */
  closed: Promise<void>;
}

/** A link between a host and a member. */
export class Link implements AsyncDisposable {
  readonly #listener: Deno.TcpListener;
  readonly #target: number;
  readonly #pairs = new Set<Pair>();
  readonly #running = new Set<Promise<void>>();
  readonly #timers = new Set<() => void>();
  #trouble: Trouble = { kind: "none" };
  /** How many answers there were since it began. */
  #answers = 0;
  /** Resolves when a request is held back. */
  #late = Promise.withResolvers<void>();

  /** Listens on the loopback, for a member that listens on a port of it. */
  constructor(target: number) {
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.#target = target;
    this.#track(this.#accept());
  }

  /** The endpoint for the host. */
  get endpoint(): string {
    return `http://127.0.0.1:${(this.#listener.addr as Deno.NetAddr).port}`;
  }

  /** Begins a trouble, or ends it. */
  set trouble(trouble: Trouble) {
    this.#trouble = trouble;
    this.#answers = 0;
    this.#late = Promise.withResolvers();
    if (trouble.kind !== "none") return;
    for (const wake of this.#timers) wake();
    for (const pair of this.#pairs) if (pair.hasLost) close(pair);
  }

  /** Resolves when the trouble has held back a request. */
  async untilLate(): Promise<void> {
    await this.#late.promise;
  }

  /** Resolves when etcd has answered all requests that were held back. */
  async untilAnswered(): Promise<void> {
    await Promise.all([...this.#pairs].filter(({ isLate }) => isLate).map(({ closed }) => closed));
  }

  /** Closes all connections, and stops listening. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const wake of this.#timers) wake();
    for (const pair of this.#pairs) close(pair);
    await Promise.all(this.#running);
  }

  #track(promise: Promise<void>): void {
    this.#running.add(promise);
    promise.finally(() => this.#running.delete(promise));
  }

  async #accept(): Promise<void> {
    for await (const client of this.#listener) this.#track(this.#carry(client));
  }

  async #carry(client: Deno.TcpConn): Promise<void> {
    let member: Deno.TcpConn;
    try {
      member = await Deno.connect({ hostname: "127.0.0.1", port: this.#target });
    } catch {
      client.close(); // The member is down.
      return;
    }
    const { promise: closed, resolve } = Promise.withResolvers<void>();
    const pair: Pair = { client, member, hasLost: false, isLate: false, closed };
    this.#pairs.add(pair);
    await Promise.all([
      this.#pass(pair, client, member, false),
      this.#pass(pair, member, client, true),
    ]);
    this.#pairs.delete(pair);
    resolve();
  }

  async #pass(
    pair: Pair,
    from: Deno.TcpConn,
    to: Deno.TcpConn,
    isAnswer: boolean,
  ): Promise<void> {
    const buffer = new Uint8Array(65536);
    try {
      for (;;) {
        const length = await from.read(buffer);
        if (length === null) break;
        const bytes = buffer.slice(0, length);
        const trouble = this.#trouble;
        if (trouble.kind === "late" && !isAnswer && hasText(bytes, trouble.only)) {
          pair.isLate = true;
          this.#late.resolve();
          await this.#sleep(trouble.milliseconds);
        }
        if (trouble.kind === "partition" || isAnswer && this.#isMuted()) {
          pair.hasLost = true;
        } else if (pair.hasLost) break;
        else for (let at = 0; at < length;) at += await to.write(bytes.subarray(at));
      }
    } catch {
      // An end has closed the connection.
    }
    if (isAnswer || !pair.isLate) close(pair);
  }

  /** Whether an answer is lost. */
  #isMuted(): boolean {
    if (this.#trouble.kind !== "mute") return false;
    return this.#answers++ >= (this.#trouble.after ?? 0);
  }

  async #sleep(milliseconds: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, milliseconds);
    this.#timers.add(resolve);
    await promise;
    this.#timers.delete(resolve);
    clearTimeout(timer);
  }
}

function hasText(bytes: Uint8Array, text: string | undefined): boolean {
  return text === undefined || new TextDecoder().decode(bytes).includes(text);
}

function close({ client, member }: Pair): void {
  for (const end of [client, member]) {
    try {
      end.close();
    } catch {
      // It is closed.
    }
  }
}
