// Reserves addresses of a network for sandboxes that need not exist.
import {
  accept,
  invalidOption,
  type IpvlanError,
  throwProblems,
  unlessError,
} from "../../base/errors.ts";
import { type Addresses, addressFields, endpointAddresses, familyOf } from "../../ipam/address.ts";
import { globalAddrs } from "../../iproute2/addr.ts";
import { holderElsewhere } from "../addresses/claims.ts";
import type { Parts } from "../addresses/parts.ts";
import { HeldAddresses } from "../addresses/held_addresses.ts";
import {
  giveBack,
  hasShared,
  inPools,
  isShared,
  lookUpReservations,
  tell,
} from "../addresses/shared/pools.ts";
import { OUT_OF_REACH } from "../../claims/local.ts";
import { unreserve } from "../../claims/reservations.ts";
import { nameProblem } from "../model/names.ts";
import type { Network, ReservedAddress } from "../model/types.ts";
import { findSettled } from "../store/find.ts";
import { isReady } from "../store/store.ts";
import { reservationProblems, reservedFor } from "./attach_request.ts";
import { takeShared } from "./take.ts";
import { decideEndpoint } from "./decide.ts";

/** The longest time to an end, in seconds. etcd takes no lease of more than some 285 years. */
const LONGEST = 100 * 366 * 86_400;

/**
 * Reserves an address: the given one, or those of the sandbox, or the next one of each family. In etcd, it
 * may have an end, in seconds from now.
 */
export async function reserveAddress(
  parts: Parts<"store" | "pools" | "namespaces" | "openShared">,
  networkName: string,
  name: string,
  given?: string,
  seconds?: number,
): Promise<ReservedAddress[]> {
  const { store, pools: known, namespaces } = parts;
  const addrs = await namespaces.host().addr.show();
  const choose = (asked: Addresses) => {
    const network = findSettled(store, networkName);
    const { id, parent, subnets } = network;
    const problems = isShared(network) ? [] : reservationProblems(network);
    const wrongEnd = endProblems(network, seconds);
    throwProblems([nameProblem("sandbox", name) ?? [], problems, wrongEnd].flat());
    const texts = given === undefined ? subnets.map(({ subnet }) => subnet) : [given];
    const families = [...new Set(texts.map(familyOf))];
    const old = reservedFor(network, name).find((each) => families.includes(familyOf(each)));
    if (old !== undefined) {
      throw invalidOption("name", name, `${old} is reserved for it: release that first`);
    }
    const [user] = store.endpoints({ network: id, sandbox: name });
    const own = user ? endpointAddresses(user) : [];
    const had = given === undefined ? own : own.filter((each) => each === given);
    const chosen = had.length > 0 ? had : endpointAddresses(
      accept(decideEndpoint(asked, "", {
        network,
        pools: known.of(network),
        sandbox: name,
        parentAddresses: globalAddrs(parent, addrs).map(({ address }) => address),
        holderElsewhere: (address) => holderElsewhere(store, network, address, name),
      })).endpoint,
    );
    const made = chosen.filter((address) => families.includes(familyOf(address)))
      .map((address) => ({ name, address }));
    return { network, made, missing: had.length > 0 ? [] : families };
  };
  const asked = addressFields(given === undefined ? [] : [given]);
  const { value: { network, made }, pools, taken } = await takeShared(
    parts,
    { name, connections: [{ network: networkName, ...asked }] },
    { addrs },
    new HeldAddresses(namespaces, undefined),
    () => choose(asked).missing,
    ([connection = asked]) =>
      store.transaction(() => {
        const chosen = choose(connection);
        const { network, made } = chosen;
        const reservations = [...network.reservations ?? [], ...made];
        if (!isShared(network)) store.putNetwork({ ...network, reservations }, "ready");
        return chosen;
      }),
  );
  if (!pools || !isShared(network)) return made;
  try {
    await tell(pools);
    const places = inPools(network, made.map(({ address }) => address));
    const user = { sandbox: name, network: network.name };
    await pools.reserve(network.ipam.access, user, places, seconds);
    await unlessError(OUT_OF_REACH, () => lookUpReservations(parts, pools));
    return made;
  } finally {
    // They stay reserved.
    giveBack(parts, pools, taken);
    await tell(pools);
  }
}

function endProblems(network: Network, seconds: number | undefined): IpvlanError[] {
  if (seconds === undefined) return [];
  const rules = [
    ...isShared(network) ? [] : ["only a network with its addresses in etcd has such an end"],
    ...seconds > 0 && seconds <= LONGEST ? [] : ["give a time of up to 100 years"],
  ];
  return rules.map((rule) => invalidOption("end of a reservation", `${seconds} s`, rule));
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
export async function releaseReservations(
  parts: Parts<"store" | "openShared">,
  networkName: string,
  name: string,
): Promise<ReservedAddress[]> {
  const { store } = parts;
  const { name: network, ipam } = findSettled(store, networkName);
  const pools = ipam && await parts.openShared();
  if (pools) await lookUpReservations(parts, pools);
  const gone = store.transaction(() => {
    const { reservations = [], ...network } = findSettled(store, networkName);
    const gone = reservations.filter((each) => each.name === name);
    const left = reservations.filter((each) => each.name !== name);
    if (gone.length === 0) {
      throw invalidOption("name", name, `"${network.name}" has no address reserved for it`);
    }
    store.putNetwork({ ...network, ...left.length > 0 && { reservations: left } }, "ready");
    return gone;
  });
  if (pools) await unreserve(pools.reader(ipam!.access), network, name);
  return gone;
}

/** Lists what is reserved on networks, given by name, or on all. */
export async function listReservations(
  parts: Parts<"store" | "openShared">,
  names: readonly string[],
): Promise<(ReservedAddress & { network: string })[]> {
  const { store } = parts;
  const pools = hasShared(store) ? await parts.openShared() : undefined;
  if (pools) await lookUpReservations(parts, pools);
  const networks = names.length > 0
    ? names.map((name) => findSettled(store, name))
    : store.networks().filter(isReady);
  return networks.flatMap(({ name: network, reservations = [] }) =>
    reservations.map((each) => ({ network, ...each }))
  );
}
