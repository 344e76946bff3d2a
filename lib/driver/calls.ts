// The ground that the calls of `Driver` and `EngineDriver` share: the driver's
// parts, its locks, and the work that both ask for.
import type { AttachRequest } from "./endpoint/attach_request.ts";
import { attach, type Attached, takenNamespace } from "./endpoint/attach.ts";
import { isUnused, removeTransient } from "./endpoint/remove.ts";
import { lookForParents } from "./endpoint/sandbox_parent.ts";
import { createNetwork, hostFacts, linkFacts, newIdentity } from "./network/create.ts";
import { type DecidedNetwork, decideNetwork } from "./network/decide.ts";
import { besideOthers, type Settlement } from "./network/settle.ts";
import { inTheWay, recover, type Recovery, removeStale } from "./restore/leftovers.ts";
import { reported, type WrapRunner } from "./run/namespaces.ts";
import { lateSignal } from "./run/programs.ts";
import { isReady, withoutState } from "./store/store.ts";
import type { DriverParts } from "./addresses/parts.ts";
import { hasShared, reconcile } from "./addresses/shared/pools.ts";
import { type DriverBase, type DriverOptions, makeParts, openBase } from "./open.ts";
import { type Decision, type IpvlanError, isIpvlanError } from "../base/errors.ts";
import type { WaitOptions } from "../base/waiting.ts";
import type { MadeSandbox, Network, Outcome, Sandbox } from "./model/types.ts";

/** The ground of a driver's calls. Calls with different signals share the base. */
export class Calls {
  readonly base: DriverBase;
  readonly parts: DriverParts;
  /** Aborts background reports to etcd. */
  readonly #telling: AbortSignal | undefined;

  private constructor(base: DriverBase, wait: WaitOptions, telling: AbortSignal | undefined) {
    this.base = base;
    this.parts = makeParts(base, wait, telling);
    this.#telling = telling;
  }

  /** Opens the state folder. @param wrap Wraps the runner of each namespace. */
  static open(options: DriverOptions, wrap: WrapRunner | undefined = wrapOf(options)): Calls {
    const { signal, waiting } = options;
    return new Calls(openBase(options, wrap), { signal, waiting }, signal);
  }

  /** The same with another signal, or with none. */
  withSignal(signal: AbortSignal | undefined): Calls {
    // The rollback of an interrupted call must not wait long for etcd, either.
    return new Calls(
      this.base,
      { ...this.parts.wait, signal },
      signal ?? lateSignal(this.#telling),
    );
  }

  /** Removes what a crash left half done, then runs a function, both under the exclusive lock. */
  async exclusive<T>(run: (parts: DriverParts, recovery: Recovery) => Promise<T>): Promise<T> {
    const { wait } = this.parts;
    return await this.base.lock.exclusive(async () => {
      const recovery = await recover(this.parts);
      wait.signal?.throwIfAborted();
      return await run(this.parts, recovery);
    }, wait);
  }

  /**
   * Runs a function with the shared lock. If it needs something that is half done, it runs again with
   * the exclusive lock: then other calls have ended, and what a crash left is removed.
   */
  async shared<T>(run: () => Promise<T>): Promise<T> {
    const result = await this.base.lock.shared(run, this.parts.wait).catch((error) => {
      if (!isIpvlanError(error, "half-done")) throw error;
      return this.exclusive(run);
    });
    // Once for all calls that end together.
    await this.parts.store.sync();
    return result;
  }

  /** Reconciles this host's record of shared pools with etcd, if etcd answers. */
  async reconcile(): Promise<string[]> {
    const { store, openShared } = this.parts;
    const pools = hasShared(store) ? await openShared() : undefined;
    return pools ? await reconcile(this.parts, pools) : [];
  }

  /** All networks, by name. */
  networks(): Network[] {
    return this.parts.store.networks().filter(isReady).map(withoutState);
  }

  /** Decides on settled networks that will exist together. Changes nothing. */
  async decide(settled: readonly Settlement[]): Promise<Decision<DecidedNetwork>[]> {
    if (settled.length === 0) return [];
    const networks = this.networks();
    const facts = await hostFacts(this.parts, settled.map(({ network }) => network));
    return besideOthers(settled, networks)
      .map((each) => decideNetwork(each, newIdentity(), networks, facts));
  }

  /** Finds the problems of settled networks that will exist together. */
  async problems(settled: readonly Settlement[]): Promise<readonly IpvlanError[]> {
    const decisions = await this.decide(settled);
    return decisions.flatMap((decision) => decision.ok ? [] : decision.problems);
  }

  async createNetwork(settled: Settlement): Promise<Outcome<Network>> {
    return await this.exclusive((parts) => createNetwork(parts, settled));
  }

  async createSandbox(
    spec: Omit<AttachRequest, "connections"> & Partial<Pick<AttachRequest, "connections">>,
    namespace: Sandbox["namespace"],
  ): Promise<Outcome<MadeSandbox>> {
    const request = { ...spec, connections: spec.connections ?? [], namespace };
    const { sandbox, endpoints, notices } = await this.attach(request);
    return { value: { ...sandbox, endpoints }, notices };
  }

  /** Makes endpoints, and their sandbox if the request says the origin of its namespace. */
  async attach(request: AttachRequest): Promise<Attached> {
    return await this.shared(async () => {
      const { store, borrowed, unstoppable } = this.parts;
      const { name, connections } = request;
      const others = [...inTheWay(store, name, connections)].flatMap((each) =>
        (request.namespace === undefined && each === name) ? [] : store.sandbox(each) ?? []
      );
      await removeStale(unstoppable, others);
      const path = request.path ?? store.sandbox(name)?.path;
      const taken = takenNamespace(request);
      const [namespaceId, isHost, facts] = await Promise.all([
        path === undefined ? undefined : borrowed.identify(path),
        taken === undefined ? false : borrowed.isHost(taken),
        connections.length > 0 ? linkFacts(this.parts) : undefined,
      ]);
      // This enters a namespace only after it was identified.
      const seen = facts && { ...facts, ...await lookForParents(this.parts, connections, path) };
      return await attach(this.parts, { ...request, namespaceId, isHost }, seen);
    });
  }

  /** Removes the transient ones of some networks if they are unused. */
  async removeTransient(networks: readonly Network[]): Promise<void> {
    const { store } = this.parts;
    const isLeft = ({ id }: Network) => {
      const network = store.networkById(id);
      return network?.transient && isUnused(store, network);
    };
    if (!networks.some(isLeft)) return;
    await this.exclusive(({ unstoppable }) => removeTransient(unstoppable, networks));
  }
}

function wrapOf({ verbose, dryRun }: DriverOptions): WrapRunner | undefined {
  const report = dryRun ?? verbose;
  return report && reported(report, dryRun !== undefined);
}
