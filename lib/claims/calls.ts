// Calls to etcd: one session at a time, with a deadline, and what failures mean for the record.
import { IpvlanError, isIpvlanError } from "../base/errors.ts";
import { orAbort, type WaitOptions } from "../base/waiting.ts";
import { prefixOf } from "./access.ts";
import { Etcd, type Reader } from "./etcd.ts";
import type { CallOptions } from "./gateway.ts";
import { Keys } from "./keys.ts";
import { refuse } from "./local.ts";
import { type Check, Session, type SharedPoolsOptions } from "./session.ts";
import type { EtcdAccess } from "./types.ts";
import type { HostValue } from "./values.ts";

/** How long a call may take before it says that etcd is out of reach, in milliseconds. */
const TIMEOUT = 4000;

/** How long a background report to etcd may take, in milliseconds. */
export const REPORT_TIMEOUT = 2000;

/** How long to wait for other processes of this host that ask etcd, in milliseconds. */
const TURN_TIMEOUT = 30_000;

/** The signals of calls, and a callback for a long wait. */
export interface CallSignals extends WaitOptions {
  reports?: AbortSignal;
}

export class Calls implements Disposable {
  /** What copies with other signals share. */
  readonly #shared: { clients: Map<string, Etcd>; lastTurn: Promise<void> };

  /** Makes calls; those of an original use its connections, and wait in the same queue. */
  constructor(
    protected readonly options: SharedPoolsOptions,
    readonly signals: CallSignals = {},
    original?: Calls,
  ) {
    this.#shared = original
      ? original.#shared
      : { clients: new Map(), lastTurn: Promise.resolve() };
  }

  /** A sentence for each damaged key that was skipped, and has not been reported before. */
  damaged(): string[] {
    return [...this.#shared.clients.values()].flatMap(({ damage }) => damage.name());
  }

  [Symbol.dispose](): void {
    for (const client of this.#shared.clients.values()) client[Symbol.dispose]();
    this.#shared.clients.clear();
  }

  client(access: EtcdAccess): Etcd {
    const { clients } = this.#shared;
    const key = JSON.stringify(access);
    const client = clients.get(key) ?? new Etcd(access);
    clients.set(key, client);
    return client;
  }

  /** The client for an access and its keys, for a call without a session. */
  reader(access: EtcdAccess, patience: number = TIMEOUT): Reader {
    const keys = new Keys(prefixOf(access));
    return { etcd: this.client(access), keys, options: () => this.#within(patience) };
  }

  /** Runs a function with a session, in its turn. @param isReport Nobody needs the answer. */
  async run<T>(
    access: EtcdAccess,
    run: (session: Session) => Promise<T>,
    { isReport = false, check = "none" }: { isReport?: boolean; check?: Check } = {},
  ): Promise<T> {
    const [turn, signal] = isReport
      ? [REPORT_TIMEOUT, this.signals.reports]
      : [TURN_TIMEOUT, this.signals.signal];
    const client = this.client(access);
    const { store } = this.options;
    const key = JSON.stringify(access);
    const asked = Date.now();
    return await this.#inTurn(turn, signal, async () => {
      // If the call before this one, maybe of another process, got no answer from etcd, this one
      // fails at once. If the clock was set back meanwhile, it asks again.
      const outage = store.transaction(() => store.shared.outage(key));
      const isKnown = outage !== undefined && outage.at > asked && outage.at <= Date.now();
      if (isKnown) throw new IpvlanError("etcd-unreachable", { reasons: outage.reasons });
      // A look before this call may have waited for etcd already.
      const patience = isReport || client.isSilent ? REPORT_TIMEOUT : TIMEOUT;
      const options = () => this.#within(patience, signal);
      try {
        const session = await Session.begin(this.options, client, access, options, check);
        return await run(session);
      } catch (error) {
        if (isIpvlanError(error, "host-replaced")) await this.#tellCopy(access, options());
        // Record it before the next call runs, which may mend it.
        store.transaction(() => {
          refuse(store.shared, prefixOf(access), error);
          if (isIpvlanError(error, "etcd-unreachable") && !isReport) {
            store.shared.putOutage(key, { at: Date.now(), reasons: error.reasons });
          }
        });
        throw error;
      }
    });
  }

  /** Tells etcd something that it can do without: a call to etcd that may fail. */
  async tell(
    access: EtcdAccess,
    tell: (etcd: Etcd, options: CallOptions) => Promise<unknown>,
    options: CallOptions = this.#within(REPORT_TIMEOUT),
  ): Promise<void> {
    try {
      await tell(this.client(access), options);
    } catch (error) {
      if (!(error instanceof IpvlanError) && !options.signal?.aborted) throw error;
    }
  }

  #within(patience: number, signal = this.signals.signal): CallOptions {
    return { deadline: performance.now() + patience, signal, waiting: this.signals.waiting };
  }

  /** Runs a function when no other call of this host runs in any process. @throws {"host-busy"} */
  async #inTurn<T>(
    patience: number,
    signal: AbortSignal | undefined,
    run: () => Promise<T>,
  ): Promise<T> {
    const { lastTurn } = this.#shared;
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    this.#shared.lastTurn = lastTurn.then(() => ended);
    try {
      await orAbort(lastTurn, signal);
      using _lock = await this.#lock(patience, signal);
      return await run();
    } finally {
      end();
    }
  }

  async #lock(patience: number, signal: AbortSignal | undefined): Promise<Disposable> {
    const limit = AbortSignal.timeout(patience);
    try {
      return await this.options.lock(signal ? AbortSignal.any([limit, signal]) : limit);
    } catch (error) {
      signal?.throwIfAborted();
      if (limit.aborted) throw new IpvlanError("host-busy");
      throw error;
    }
  }

  /** Tells etcd, the first time, that this host is a copy and was refused. */
  async #tellCopy(access: EtcdAccess, options: CallOptions): Promise<void> {
    const { store, hostname } = this.options;
    const keys = new Keys(prefixOf(access));
    const host = store.transaction(() => store.shared.host(keys.prefix)!);
    if (host.refused !== undefined) return;
    const { id, number, token } = host;
    const value: HostValue = { name: hostname, number, token, agent: undefined };
    const put = { key: keys.copy(id, token), value: JSON.stringify(value) };
    await this.tell(access, (etcd) => etcd.transact({ success: [{ put }] }, options), options);
  }
}
