/**
 * The network between one host and one member of etcd: a TCP proxy that can lose, hold back, and cut.
 *
 * @module
 */
import { type Pair, Relay } from "./relay.ts";

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

/** A link between a host and a member. */
export class Link extends Relay {
  readonly #timers = new Set<() => void>();
  #trouble: Trouble = { kind: "none" };
  /** How many answers there were since it began. */
  #answers = 0;
  /** Resolves when the trouble hits a request. */
  #hit = Promise.withResolvers<void>();

  /** The endpoint for the host. */
  get endpoint(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Begins a trouble, or ends it. */
  set trouble(trouble: Trouble) {
    this.#trouble = trouble;
    this.#answers = 0;
    this.#hit = Promise.withResolvers();
    if (trouble.kind !== "none") return;
    this.#wakeAll();
    this.closeLossy();
  }

  /** Resolves when the trouble has lost or held back a request. */
  async untilHit(): Promise<void> {
    await this.#hit.promise;
  }

  /** Closes all connections, and stops listening. */
  override async [Symbol.asyncDispose](): Promise<void> {
    this.#wakeAll();
    await super[Symbol.asyncDispose]();
  }

  protected override async isLost(
    pair: Pair,
    bytes: Uint8Array,
    isAnswer: boolean,
  ): Promise<boolean> {
    const trouble = this.#trouble;
    if (trouble.kind === "late" && !isAnswer && hasText(bytes, trouble.only)) {
      pair.outlivesClient = true;
      this.#hit.resolve();
      await this.#sleep(trouble.milliseconds);
    }
    if (trouble.kind === "partition" && !isAnswer) this.#hit.resolve();
    return trouble.kind === "partition" || isAnswer && this.#isMuted();
  }

  /** Whether an answer is lost. */
  #isMuted(): boolean {
    if (this.#trouble.kind !== "mute") return false;
    return this.#answers++ >= (this.#trouble.after ?? 0);
  }

  #wakeAll(): void {
    for (const wake of this.#timers) wake();
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
