import { NO_GATEWAY, type Subnet } from "../../ipam/subnet.ts";
import { isOwned } from "../model/names.ts";
import { endpointAddresses } from "../../ipam/address.ts";
import { attempt, type IpvlanError } from "../../base/errors.ts";
import { prefixOf } from "../../claims/access.ts";
import { type AddressUse, Pools, type PoolUsage } from "../../ipam/pools.ts";
import { overlaps, parsePrefix, type Prefix, prefixesOf } from "../../ipam/prefix.ts";
import type { Route } from "../../iproute2/route_types.ts";
import { reservingSubnets, subnetsOf } from "../model/subnets.ts";
import type { Store } from "../store/store.ts";
import type { AddressPool, Network } from "../model/types.ts";

/** Cached pools, and the state of their sources when they were filled. */
interface Filled {
  pools: Pools;
  /** The gateways and auxiliary addresses of other networks, which are in no log. */
  reserved: ReadonlySet<string>;
  /** The length of the store's log of addresses. */
  logged: number;
}

/** The source from which the pools of a network or an address pool are filled and refreshed. */
interface Source {
  id: string;
  subnets: readonly Subnet[];
  taken(): string[];
  /** Its own addresses that are never chosen as the next one. */
  reserved: readonly string[];
  /** The networks that its addresses must differ from, besides all address pools. */
  others(): readonly Network[];
  /** Whether a network that has one of its addresses counts. */
  isNear(network: Network): boolean;
}

/**
 * The addresses that networks and address pools can give away: none that was given away or is reserved
 * elsewhere. For a network, that is each address pool, and each other network on its parent; for an
 * address pool, each network and each other pool. They are cached, and refreshed from the log of what
 * this process has given away and freed, so that their number costs nothing. They are filled again
 * after another process has written to the store.
 */
export class KnownPools {
  #known = new Map<string, Filled>();
  /** The store's version when the pools were filled. */
  #version = "";

  constructor(private readonly store: Store) {}

  of(network: Network): Pools {
    return this.#upToDate(this.#sourceOf(network));
  }

  /** Counts the addresses of each subnet, in their order. What is given elsewhere is not free. */
  usage(network: Network): PoolUsage[] {
    if (network.foreignAddresses) return [];
    const pools = this.of(network);
    const { ipam, name } = network;
    if (!ipam) return pools.usage();
    return this.store.sharedNames(prefixOf(ipam.access), name)
      .filter(({ address }) => pools.contains(address))
      .reduce((all, { address }) => all.mark(address, "elsewhere"), pools).usage();
  }

  /** Finds why an endpoint would get no address on a network, which need not be on record. */
  problems(network: Network): readonly IpvlanError[] {
    // Only etcd or an engine's IPAM knows which of these addresses are free.
    if (network.foreignAddresses || network.ipam) return [];
    const { pools } = this.#fill(this.#sourceOf(network));
    const families = new Set(subnetsOf(network).map(({ prefix }) => prefix.family));
    return [...families].flatMap((family) => {
      const next = attempt(() => pools.takeNext(family));
      return next.ok ? [] : next.problems;
    });
  }

  #sourceOf(network: Network): Source {
    const store = this.store;
    const { id, name, parent } = network;
    // Two subnets on a parent overlap only if an engine has one of them, or both have a range.
    const others = () =>
      isOwned(name) ? store.networks({ parent }) : [
        ...store.networks({ parent, owned: true }),
        ...network.subnets.some(({ ipRange }) => ipRange !== undefined)
          ? store.networks({ parent, ranged: true })
          : [],
      ];
    return {
      id,
      subnets: subnetsOf(network),
      // Without subnets, there is no pool that foreign addresses could be of.
      taken: () => network.foreignAddresses ? [] : this.#givenBy(network),
      reserved: reservationsOf(network),
      others: () => others().filter((other) => other.id !== id),
      isNear: (user) => user.parent === parent,
    };
  }

  ofPool(pool: AddressPool): Pools {
    return this.#upToDate({
      id: pool.id,
      subnets: [subnetOf(pool)],
      taken: () => this.#givenBy(pool),
      reserved: pool.kept ?? [],
      others: () => this.store.networks(),
      isNear: () => true,
    });
  }

  #upToDate(source: Source): Pools {
    const { addressLog } = this.store;
    const version = this.store.version();
    if (version !== this.#version) this.#known.clear();
    this.#version = version;
    const known = this.#known.get(source.id);
    const changed = known && addressLog.since(known.logged);
    const filled = changed ? this.#refreshed(known!, changed, source) : this.#fill(source);
    this.#known.set(source.id, { ...filled, logged: addressLog.length });
    return filled.pools;
  }

  /** Marks the addresses again that were given away or freed since the pools were filled. */
  #refreshed(
    { pools, reserved }: Filled,
    changed: readonly string[],
    source: Source,
  ): Pick<Filled, "pools" | "reserved"> {
    for (const address of changed) {
      if (!pools.contains(address)) continue;
      const use = this.#useOf(address, source);
      pools = pools.mark(address, use === "free" && reserved.has(address) ? "elsewhere" : use);
    }
    return { pools, reserved };
  }

  /** The addresses that a network or an address pool has given away. */
  #givenBy({ id }: Network | AddressPool): string[] {
    return [
      ...this.store.endpoints({ network: id }).flatMap(endpointAddresses),
      ...this.store.claims({ pool: id }).map(({ address }) => address),
    ];
  }

  #useOf(address: string, { id, isNear }: Source): AddressUse {
    const store = this.store;
    // The store keeps a network as long as it has endpoints.
    const users = store.endpoints({ address }).map(({ network }) => store.networkById(network)!);
    const ids = [
      ...users.filter(isNear).map(({ id }) => id),
      ...store.claims({ address }).map(({ pool }) => pool),
    ];
    return ids.includes(id) ? "taken" : ids.length > 0 ? "elsewhere" : "free";
  }

  #fill({ id, subnets, taken, reserved: own, others }: Source): Pick<Filled, "pools" | "reserved"> {
    const isNear = (others: readonly { subnet: string }[]) =>
      prefixesOf(others).some((other) => subnets.some(({ prefix }) => overlaps(prefix, other)));
    const networks = others().filter((each) => each.foreignAddresses || isNear(each.subnets));
    const pools = this.store.pools().filter((each) => each.id !== id && isNear([each]));
    const reserved = [
      ...own,
      ...networks.flatMap(reservedAddresses),
      ...pools.flatMap(({ kept = [] }) => kept),
    ];
    const given = [...networks, ...pools].flatMap((each) => this.#givenBy(each));
    return {
      pools: Pools.of(subnets, taken(), [...reserved, ...given]),
      reserved: new Set(reserved),
    };
  }
}

/** The addresses that a network gives to no endpoint, or to one only. */
function reservedAddresses(network: Network): string[] {
  const kept = reservingSubnets(network).flatMap(({ gateway, auxAddresses }) => [
    ...gateway === undefined || gateway === NO_GATEWAY ? [] : [gateway],
    ...Object.values(auxAddresses),
  ]);
  return [...kept, ...reservationsOf(network)];
}

function reservationsOf({ reservations = [] }: Network): string[] {
  return reservations.map(({ address }) => address);
}

/** The subnet of an address pool. It reserves no gateway, as the gateway is a claim. */
function subnetOf({ subnet, ipRange }: AddressPool): Subnet {
  return {
    prefix: parsePrefix(subnet).prefix,
    ...(ipRange !== undefined && { range: parsePrefix(ipRange).prefix }),
    reserved: new Map(),
  };
}

/** The IPv4 prefixes that a default pool must not overlap. */
export function usedPrefixes(
  networks: readonly Network[],
  pools: readonly AddressPool[],
  routes: readonly Route[],
): Prefix[] {
  return [
    ...networks.flatMap(({ subnets }) => subnets.map(({ subnet }) => subnet)),
    ...pools.map(({ subnet }) => subnet),
    // All default pools are IPv4. `ip` prints a route to a single address without a length.
    ...routes.flatMap(({ family, dst }) => family === 6 || dst === "default" ? [] : [dst]),
  ].map((text) => parsePrefix(text.includes("/") ? text : `${text}/32`).prefix);
}
