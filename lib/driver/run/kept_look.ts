import { KeptProcess } from "../../iproute2/transport.ts";
import { Session } from "../../iproute2/session.ts";
import type { Runner } from "../../iproute2/runner.ts";
import { IpvlanError, isIpvlanError } from "../../base/errors.ts";

/** A kept `ip`, with the names that it may remember by the indexes of the links. */
interface Kept {
  session: Session;
  names: Map<unknown, unknown>;
}

/**
 * Answers queries in one namespace with one long-lived `ip` process. The process changes nothing, so
 * no call waits for its end. It is replaced when it has ended or a link was renamed: `ip` would still
 * print the old name as the parent of another link or the link of a route.
 */
export class KeptLook implements Runner, AsyncDisposable {
  #netns: string | undefined;
  #kept: Kept | undefined;

  /** Starts nothing yet. @param netns The namespace; by default that of this process. */
  constructor(netns?: string) {
    this.#netns = netns;
  }

  change(line: string): Promise<void> {
    return Promise.reject(new TypeError(`Not a query: ${line}`));
  }

  async query(line: string): Promise<Record<string, unknown>[]> {
    const kept = this.#kept ??= this.#start();
    try {
      return await ask(kept, line);
    } catch (error) {
      if (!isIpvlanError(error, "session-closed")) throw error;
      if (this.#kept === kept) {
        this.#kept = this.#start();
        await kept.session.close();
      }
      return await ask(this.#kept ??= this.#start(), line);
    }
  }

  #start(): Kept {
    const transport = new KeptProcess({ program: "ip", netns: this.#netns, force: true });
    return { session: new Session(transport), names: new Map() };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#kept?.session.close();
  }
}

/** Runs a query. @throws {"session-closed"} It has ended, or remembers an old name of a link. */
async function ask({ session, names }: Kept, line: string): Promise<Record<string, unknown>[]> {
  // Both run in one burst. Two equal queries share one answer.
  const [links, rows] = await Promise.all([session.query("link show"), session.query(line)]);
  for (const { ifindex, ifname } of links) {
    if ((names.get(ifindex) ?? ifname) !== ifname) {
      const reason = `it remembers an old name of ${ifname}`;
      throw new IpvlanError("session-closed", { session: session.command, reason });
    }
    names.set(ifindex, ifname);
  }
  return rows;
}
