// Reserves addresses of a network for sandboxes that need not exist.
import { accept, invalidOption, type IpvlanError, throwProblems } from "../../base/errors.ts";
import { endpointAddresses, familyOf } from "../../ipam/address.ts";
import { globalAddrs } from "../../iproute2/addr.ts";
import { holderElsewhere } from "../addresses/claims.ts";
import type { Parts } from "../addresses/parts.ts";
import { nameProblem } from "../model/names.ts";
import type { Network, ReservedAddress } from "../model/types.ts";
import { findSettled } from "../store/find.ts";
import type { Store } from "../store/store.ts";
import { decideEndpoint } from "./decide.ts";

/** Reserves an address: the given one, or those of the sandbox, or the next one of each family. */
export async function reserveAddress(
  { store, pools, namespaces }: Parts<"store" | "pools" | "namespaces">,
  networkName: string,
  name: string,
  given?: string,
): Promise<ReservedAddress[]> {
  const addrs = await namespaces.host().addr.show();
  return store.transaction(() => {
    const network = findSettled(store, networkName);
    const { id, parent, subnets, reservations = [] } = network;
    throwProblems([nameProblem("sandbox", name) ?? [], reservationProblems(network)].flat());
    const texts = given === undefined ? subnets.map(({ subnet }) => subnet) : [given];
    const families = [...new Set(texts.map(familyOf))];
    const known = reservedFor(network, name).find((each) => families.includes(familyOf(each)));
    if (known !== undefined) {
      throw invalidOption("name", name, `${known} is reserved for it: release that first`);
    }
    const asked = given === undefined ? {} : { [families[0] === 6 ? "ip6" : "ip"]: given };
    const [user] = store.endpoints({ network: id, sandbox: name });
    const own = user ? endpointAddresses(user) : [];
    const had = given === undefined ? own : own.filter((each) => each === given);
    const chosen = had.length > 0 ? had : endpointAddresses(
      accept(decideEndpoint(asked, "", {
        network,
        pools: pools.of(network),
        sandbox: name,
        parentAddresses: globalAddrs(parent, addrs).map(({ address }) => address),
        holderElsewhere: (address) => holderElsewhere(store, network, address, name),
      })).endpoint,
    );
    const made = chosen.filter((address) => families.includes(familyOf(address)))
      .map((address) => ({ name, address }));
    store.putNetwork({ ...network, reservations: [...reservations, ...made] }, "ready");
    return made;
  });
}

/** Finds why a network cannot reserve addresses. */
export function reservationProblems({ name, ipam, foreignAddresses }: Network): IpvlanError[] {
  if (!ipam && !foreignAddresses) return [];
  const rule = "its addresses are not this host's alone: reserve them where they come from";
  return [invalidOption("network", name, rule)];
}

/** Lists the addresses that a network reserves for a name. */
export function reservedFor({ reservations = [] }: Network, name: string): string[] {
  return reservations.filter((each) => each.name === name).map(({ address }) => address);
}

/** Reserves addresses of an endpoint for a name, but of each family only if it has none. */
export function reserveMore(network: Network, name: string, addresses: readonly string[]): Network {
  const families = reservedFor(network, name).map(familyOf);
  const more = addresses.filter((address) => !families.includes(familyOf(address)))
    .map((address) => ({ name, address }));
  if (more.length === 0) return network;
  return { ...network, reservations: [...network.reservations ?? [], ...more] };
}

/** Releases what is reserved for a name. Returns it. */
export function releaseReservations(
  store: Store,
  networkName: string,
  name: string,
): ReservedAddress[] {
  return store.transaction(() => {
    const { reservations = [], ...network } = findSettled(store, networkName);
    const gone = reservations.filter((each) => each.name === name);
    const left = reservations.filter((each) => each.name !== name);
    if (gone.length === 0) {
      throw invalidOption("name", name, `"${network.name}" has no address reserved for it`);
    }
    store.putNetwork({ ...network, ...left.length > 0 && { reservations: left } }, "ready");
    return gone;
  });
}
