import { keepAddresses, listPools, requestPool } from "./addresses/claims.ts";
import {
  claimAddress,
  claimGateway,
  type ClaimPlace,
  nameClaims,
  releaseAddress,
  releaseClaims,
  releasePool,
} from "./addresses/shared/claims.ts";
import { Calls, type DriverOptions } from "./calls.ts";
import { Driver } from "./driver.ts";
import { engineOf, isOwned } from "./model/names.ts";
import { borrowSpec, engineNetworkSpec, requireSpec } from "./model/specs.ts";
import type {
  AddressPool,
  AddressPoolDetails,
  BorrowSpec,
  ClaimRequest,
  ClaimUser,
  EngineName,
  EngineNetworkSpec,
  MadeSandbox,
  Network,
  Outcome,
  PoolRequest,
  SubnetPoolRequest,
} from "./model/types.ts";
import { settle, type Settlement } from "./network/settle.ts";
import { removeStale } from "./restore/leftovers.ts";
import type { WrapRunner } from "./run/namespaces.ts";
import { findSandbox } from "./store/find.ts";
import { invalidOption, type IpvlanError } from "../base/errors.ts";

/**
 * The driver with the calls that only engines make: networks and sandboxes that belong to an engine,
 * and address pools without a network.
 */
export class EngineDriver extends Driver {
  /** @param wrap Wraps the runner of each namespace. */
  // deno-lint-ignore require-await
  static override async open(
    options: DriverOptions = {},
    wrap?: WrapRunner,
  ): Promise<EngineDriver> {
    return new EngineDriver(Calls.open(options, wrap));
  }

  override withSignal(signal?: AbortSignal): EngineDriver {
    return new EngineDriver(this.calls.withSignal(signal), false);
  }

  override async problemsOf(specs: readonly EngineNetworkSpec[]): Promise<readonly IpvlanError[]> {
    const settled = specs.map((spec) => settle(requireSpec(engineNetworkSpec, spec)));
    return await this.calls.problems(settled);
  }

  override async createNetwork(spec: EngineNetworkSpec): Promise<Outcome<Network>> {
    return await this.createSettled(settle(requireSpec(engineNetworkSpec, spec)));
  }

  async createSettled(settled: Settlement): Promise<Outcome<Network>> {
    return await this.calls.createNetwork(settled);
  }

  /** Finds the problems of a network's first endpoint, for a network that is made with it. */
  async problemsOfFirst(settled: Settlement): Promise<readonly IpvlanError[]> {
    const decision = (await this.calls.decide([settled]))[0]!;
    return decision.ok ? this.calls.parts.pools.problems(decision.network) : decision.problems;
  }

  /**
   * Makes a sandbox from an engine's namespace, and connects it to networks. If an engine's sandbox
   * whose namespace is gone has the name or a requested address, the driver removes that sandbox first.
   */
  async borrowSandbox(spec: BorrowSpec): Promise<Outcome<MadeSandbox>> {
    return await this.calls.createSandbox(requireSpec(borrowSpec, spec), "borrowed");
  }

  /**
   * Records the namespace into which an engine moves the links of a sandbox. It need not exist yet:
   * Docker makes it later.
   */
  async setSandboxPath(name: string, path: string): Promise<void> {
    await this.calls.shared(async ({ store, borrowed }) => {
      await borrowed.identify(path, true);
      store.transaction(() => {
        const { namespaceId: _, ...sandbox } = findSandbox(store, name);
        if (!isOwned(sandbox.name)) {
          throw invalidOption("sandbox", name, "it is not an engine's");
        }
        store.putSandbox({ ...sandbox, path }, "ready");
      });
    });
  }

  /**
   * Removes the sandboxes of an engine, or of all, whose namespaces are gone, and then transient networks.
   *
   * @param isForgotten Whether the engine will never take the sandbox's links from the host's namespace.
   */
  async removeStale(
    engine?: EngineName,
    isForgotten?: (sandbox: string) => boolean,
  ): Promise<string[]> {
    const { store, unstoppable } = this.calls.parts;
    const all = () =>
      store.sandboxes().filter(({ name }) => engine === undefined || engineOf(name) === engine);
    const removed = await this.calls.shared(() => removeStale(unstoppable, all(), isForgotten));
    await this.calls.removeTransient(store.networks());
    return removed;
  }

  /** Removes a transient network if nothing is connected to it, and nothing reserved on it. */
  async removeUnused(name: string): Promise<void> {
    const network = this.calls.parts.store.network(name);
    if (network) await this.calls.removeTransient([network]);
  }

  /**
   * Requests an address pool, from which an engine gives addresses to its own links. Requests of one
   * engine with the same subnet and range get the same pool. It exists until it is released as often as
   * it was requested.
   *
   * No address is given away twice. An automatic address of a network or a pool is never one that
   * another one on an overlapping subnet has given away.
   */
  async requestPool(request: PoolRequest): Promise<AddressPool> {
    if (request.subnet !== undefined) return requestPool(this.calls.parts, request);
    // This needs the lock, as a network being created might choose the same default pool.
    return await this.calls.exclusive(async (parts) => {
      const routes = await parts.namespaces.host().route.show(4);
      return requestPool(parts, request, routes);
    });
  }

  /** Releases a request for an address pool. The last one removes it. A missing pool is no error. */
  async releasePool(id: string): Promise<void> {
    await this.calls.shared((parts) => releasePool(parts, id));
  }

  /**
   * Claims an address in an address pool. If several hosts share the pool, no other host has the
   * address.
   *
   * @param pool The pool's id; or a request, for a pool that exists as long as it has claims.
   * @returns The address with its prefix length: `192.168.1.2/24`.
   */
  async claimAddress(
    pool: string | SubnetPoolRequest,
    claim: ClaimRequest,
  ): Promise<{ address: string }> {
    return await this.calls.shared((parts) => claimAddress(parts, pool, claim));
  }

  /**
   * Claims the gateway of an address pool. The claim lasts as long as the pool. Several pools may have
   * the same gateway.
   *
   * @param address The address; by default the one claimed before, or the first usable one.
   */
  async claimGateway(pool: string, address?: string): Promise<{ address: string }> {
    return await this.calls.shared((parts) => claimGateway(parts, pool, address));
  }

  /** Releases an address of an address pool. An address that is not claimed is no error. */
  async releaseAddress(pool: string, address: string): Promise<void> {
    await this.calls.shared((parts) => releaseAddress(parts, pool, address));
  }

  /**
   * Records the users of the addresses that an engine has claimed in pools that hosts share. Sandboxes
   * on networks of the same name find a user by its names, on all hosts. A claim without a user has no
   * names.
   *
   * @returns Sentences for the user, if etcd or a hosts file could not be changed.
   */
  async nameClaims(engine: EngineName, users: readonly ClaimUser[]): Promise<string[]> {
    return await this.calls.shared((parts) => nameClaims(parts, engine, users));
  }

  /**
   * Releases the unused claims of an engine, as after a crash of the engine. No other call changes a claim
   * between the check and its release.
   */
  async releaseClaims(
    engine: EngineName,
    isUnused: (claim: ClaimPlace) => boolean,
  ): Promise<ClaimPlace[]> {
    return await this.calls.shared((parts) => releaseClaims(parts, engine, isUnused));
  }

  /**
   * Records the addresses that an engine's containers ask for, also stopped ones. No pool of it chooses
   * them for another container.
   */
  keepAddresses(engine: EngineName, addresses: readonly string[]): void {
    keepAddresses(this.calls.parts.store, engine, addresses);
  }

  /** All address pools with their claims, by id. */
  listPools(): AddressPoolDetails[] {
    return listPools(this.calls.parts.store);
  }

  /**
   * Whether something is half made or half removed: another call is working on it, or a crash left it.
   * {@linkcode Driver.recover} waits for such a call, and removes what a crash left.
   *
   * @param only A sandbox with its connections, and a network; by default all.
   */
  hasUnfinished(only?: { sandbox: string; network: string }): boolean {
    const { store } = this.calls.parts;
    return store.transaction(() =>
      store.networks({ unready: true }).some(({ name }) => !only || name === only.network) ||
      store.sandboxes({ unready: true }).some(({ name }) => !only || name === only.sandbox) ||
      store.endpoints({ unready: true }).some(({ sandbox }) => !only || sandbox === only.sandbox)
    );
  }
}
