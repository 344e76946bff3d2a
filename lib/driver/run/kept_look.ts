import { SessionClosedError } from "../../iproute2/errors.ts";
import { type Runner, Session } from "../../iproute2/session.ts";

/**
 * Answers queries in one namespace by one `ip` that is kept, and started again if it has ended. It
 * changes nothing, so nobody has to wait for its end. What it remembers of links is renewed by each
 * full `link show`: see {@linkcode Session}. So ask for that first, in the same turn.
 */
export class KeptLook implements Runner, AsyncDisposable {
  #netns: string | undefined;
  #session: Promise<Session> | undefined;

  /** Starts nothing yet. @param netns The namespace; by default that of this process. */
  constructor(netns?: string) {
    this.#netns = netns;
  }

  /** Refuses a change. */
  change(line: string): Promise<void> {
    return Promise.reject(new TypeError(`This is for queries alone: ${line}`));
  }

  /** Runs a query. */
  async query(line: string): Promise<Record<string, unknown>[]> {
    const session = this.#session ??= Session.open({ netns: this.#netns });
    try {
      return await (await session).query(line);
    } catch (error) {
      if (!(error instanceof SessionClosedError)) throw error;
      // Another program has killed it, or it was started when there was no memory.
      if (this.#session === session) this.#session = undefined;
      return await (await (this.#session ??= Session.open({ netns: this.#netns }))).query(line);
    }
  }

  /** Ends the process. */
  async [Symbol.asyncDispose](): Promise<void> {
    await (await this.#session?.catch(() => undefined))?.close();
  }
}
