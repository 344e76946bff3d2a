/** A connection through a relay. */
export interface Pair {
  client: Deno.TcpConn;
  server: Deno.TcpConn;
  /** The ends whose bytes were lost. What they send next may not pass: it would make no sense. */
  lossy: Set<Deno.TcpConn>;
  /**
   * Whether the connection to the server stays open when the client's has ended. etcd drops a request
   * whose connection ends.
   */
  outlivesClient: boolean;
}

/** A TCP proxy on the loopback that can lose bytes. */
export abstract class Relay implements AsyncDisposable {
  readonly #listener: Deno.TcpListener;
  readonly #target: number;
  readonly #pairs = new Set<Pair>();
  readonly #running = new Set<Promise<void>>();

  /** Listens, for a server that listens on a port of the loopback. */
  constructor(target: number) {
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.#target = target;
    this.#track(this.#accept());
  }

  /** The port that it listens on. */
  get port(): number {
    return (this.#listener.addr as Deno.NetAddr).port;
  }

  /** Whether bytes get lost. They wait as long as it takes to say so. */
  protected abstract isLost(
    pair: Pair,
    bytes: Uint8Array,
    isAnswer: boolean,
  ): boolean | Promise<boolean>;

  /** Closes the connections that have lost something, so that new ones take their place. */
  closeLossy(): void {
    for (const pair of this.#pairs) if (pair.lossy.size > 0) close(pair);
  }

  /** Closes all connections, and goes on with new ones. */
  closeAll(): void {
    for (const pair of this.#pairs) close(pair);
  }

  /** Closes all connections, and stops listening. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    this.closeAll();
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
    let server: Deno.TcpConn;
    try {
      server = await Deno.connect({ hostname: "127.0.0.1", port: this.#target });
    } catch {
      client.close(); // The server is down.
      return;
    }
    const pair: Pair = { client, server, lossy: new Set(), outlivesClient: false };
    this.#pairs.add(pair);
    await Promise.all([
      this.#pass(pair, client, server, false),
      this.#pass(pair, server, client, true),
    ]);
    this.#pairs.delete(pair);
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
        if (await this.isLost(pair, bytes, isAnswer)) pair.lossy.add(from);
        else if (pair.lossy.has(from)) break;
        else for (let at = 0; at < length;) at += await to.write(bytes.subarray(at));
      }
    } catch {
      // An end has closed the connection.
    }
    if (isAnswer || !pair.outlivesClient) close(pair);
  }
}

function close({ client, server }: Pair): void {
  for (const end of [client, server]) {
    try {
      end.close();
    } catch {
      // It is closed.
    }
  }
}
