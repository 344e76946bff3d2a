/**
 * The network between the members of etcd: a proxy before each member's port for the others, which can
 * lose what one member says to another.
 *
 * @module
 */
import { type Pair, Relay } from "./relay.ts";

/** The network between members, by their places in the cluster. */
export class Peers implements AsyncDisposable {
  readonly #ways: WayToMember[] = [];
  readonly #cuts = new Set<string>();
  #places = new Map<string, number>();

  /** Goes before the next member's port. Returns the port at which the others reach the member. */
  before(port: number): number {
    const target = this.#ways.length;
    const way = new WayToMember(port, (id, isAnswer) => {
      const sender = this.#places.get(id);
      const [from, to] = isAnswer ? [target, sender] : [sender, target];
      return this.#cuts.has(`${from} ${to}`);
    });
    this.#ways.push(way);
    return way.port;
  }

  /** Says which ids the members have. */
  know(ids: readonly string[]): void {
    this.#places = new Map(ids.map((id, place) => [id, place]));
  }

  /** Loses what one member says to another from now on. What the other one says still arrives. */
  cut(from: number, to: number): void {
    this.#cuts.add(`${from} ${to}`);
  }

  /** Loses nothing any more. */
  heal(): void {
    this.#cuts.clear();
    for (const way of this.#ways) way.closeLossy();
  }

  /** Closes all connections. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#ways.map((way) => way[Symbol.asyncDispose]()));
  }
}

/** The way of the others to a member. */
class WayToMember extends Relay {
  readonly #isCut: (sender: string, isAnswer: boolean) => boolean;
  /** The ids of the members that have opened the connections. */
  readonly #senders = new WeakMap<Pair, string>();

  constructor(port: number, isCut: (sender: string, isAnswer: boolean) => boolean) {
    super(port);
    this.#isCut = isCut;
  }

  protected override isLost(pair: Pair, bytes: Uint8Array, isAnswer: boolean): boolean {
    let sender = this.#senders.get(pair);
    if (sender === undefined && !isAnswer) {
      // Raft's requests have it. Others only ask for the version, or whether the member is there.
      const [, id] = /^X-Server-From: (\w+)/im.exec(new TextDecoder().decode(bytes)) ?? [];
      if (id !== undefined) this.#senders.set(pair, sender = id);
    }
    return sender !== undefined && this.#isCut(sender, isAnswer);
  }
}
