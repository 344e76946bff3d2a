// Reserves addresses of a network for sandboxes that need not exist.
import { accept, invalidOption } from "../../base/errors.ts";
import { endpointAddresses, familyOf } from "../../ipam/address.ts";
import { globalAddrs } from "../../iproute2/addr.ts";
import { holderElsewhere } from "../addresses/claims.ts";
import type { Parts } from "../addresses/parts.ts";
import { nameProblem } from "../model/names.ts";
import type { ReservedAddress } from "../model/types.ts";
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
    const { id, parent, subnets, ipam, foreignAddresses, reservations = [] } = network;
    const wrong = nameProblem("sandbox", name);
    if (wrong) throw wrong;
    if (ipam || foreignAddresses) {
      const rule = "its addresses are not this host's alone: reserve them where they come from";
      throw invalidOption("network", network.name, rule);
    }
    const texts = given === undefined ? subnets.map(({ subnet }) => subnet) : [given];
    const families = [...new Set(texts.map(familyOf))];
    const known = reservations.find((each) =>
      each.name === name && families.includes(familyOf(each.address))
    );
    if (known) {
      throw invalidOption("name", name, `${known.address} is reserved for it: release that first`);
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
