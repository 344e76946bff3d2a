import { parsePrefix } from "../../ipam/mod.ts";
import { PrefixIndex } from "../../ipam/prefix_index.ts";
import type { SettledNetwork } from "./types.ts";

interface UsedSubnet {
  network: SettledNetwork;
  subnet: string;
}

interface ParentUse {
  byMode: Map<string, SettledNetwork[]>;
  subnets: PrefixIndex<UsedSubnet>;
}

/**
 * Networks, by what another one may conflict with. To compare one network with a thousand takes as
 * long as with ten, unless there are conflicts.
 */
export class NetworkIndex {
  readonly #names = new Set<string>();
  readonly #parents = new Map<string, ParentUse>();
  readonly #advertised = new PrefixIndex<UsedSubnet>();

  constructor(networks: readonly SettledNetwork[] = []) {
    for (const network of networks) this.add(network);
  }

  add(network: SettledNetwork): void {
    const { name, parent } = network;
    this.#names.add(name);
    if (parent === undefined) return;
    const use = this.#parents.get(parent) ?? { byMode: new Map(), subnets: new PrefixIndex() };
    this.#parents.set(parent, use);
    const mode = modeOf(network);
    const alike = use.byMode.get(mode);
    if (alike) alike.push(network);
    else use.byMode.set(mode, [network]);
    for (const { subnet } of network.subnets) {
      const { prefix } = parsePrefix(subnet);
      use.subnets.add(prefix, { network, subnet });
      if (network.advertise !== undefined) this.#advertised.add(prefix, { network, subnet });
    }
  }

  has(name: string): boolean {
    return this.#names.has(name);
  }

  /** The networks on a parent that have another mode or flag; of those that were added first, first. */
  unlike(parent: string, asked: Pick<SettledNetwork, "mode" | "flag">): SettledNetwork[] {
    const { byMode = new Map<string, SettledNetwork[]>() } = this.#parents.get(parent) ?? {};
    return [...byMode].flatMap(([mode, networks]) => mode === modeOf(asked) ? [] : networks);
  }

  /** The subnets on a parent that overlap a subnet, in the order added. */
  overlapping(parent: string, subnet: string): UsedSubnet[] {
    return this.#parents.get(parent)?.subnets.overlapping(parsePrefix(subnet).prefix) ?? [];
  }

  /** The advertised subnets that overlap a subnet, in the order added. */
  advertised(subnet: string): UsedSubnet[] {
    return this.#advertised.overlapping(parsePrefix(subnet).prefix);
  }
}

function modeOf({ mode, flag }: Pick<SettledNetwork, "mode" | "flag">): string {
  return `${mode} ${flag}`;
}
