// Puts the leases of a DHCP server on record, and on the links of endpoints.
import { IpvlanError } from "../../base/errors.ts";
import { addrAdd, addrDel } from "../../iproute2/addr.ts";
import { explainRights } from "../../iproute2/kernel.ts";
import { neighAsk } from "../../iproute2/neigh.ts";
import { routeChange } from "../../iproute2/route.ts";
import type { Change } from "../../iproute2/runner.ts";
import type { Parts } from "../addresses/parts.ts";
import type { Step } from "../run/plan.ts";
import { hasLease } from "../sandbox/dhcp.ts";
import type { EndpointRecord, State } from "../store/records.ts";
import { linkRoutes, type NetworkEndpoint, type Siblings } from "./routes.ts";
import { linkAddrs } from "./steps.ts";

/**
 * Obtains the leases of those endpoints whose networks have them. The links must be there. Writes each
 * lease into the given record and into the store.
 *
 * @returns A sentence for each address that has changed.
 * @throws {"no-lease"} @throws {"address-held"} Another link of the parent has the address.
 */
export async function obtainLeases(
  { store, namespaces, dhcp }: Parts<"store" | "namespaces" | "dhcp">,
  endpoints: readonly NetworkEndpoint[],
  siblings: Siblings,
  state: State,
): Promise<string[]> {
  const changes = await Promise.all(endpoints.map(async ({ network, endpoint }) => {
    const { parent, dhcp: timeout } = network;
    if (timeout === undefined) return [];
    const { lease, server } = await dhcp.obtain(endpoint, network, timeout);
    if (!lease || hasLease(endpoint, lease)) return [];
    const ofParent = await namespaces.host().addr.show({ dev: parent });
    const before = { ...endpoint };
    const { id, sandbox, ifname } = Object.assign(endpoint, { gateway: undefined }, lease);
    const user = store.endpoints({ address: lease.ip }).find((other) =>
      other.id !== id && store.networkById(other.network)!.parent === parent
    );
    if (user) {
      const holder = `the sandbox "${user.sandbox}"`;
      throw new IpvlanError("address-held", { address: lease.ip, holder });
    }
    // ipvlan would take from the host what is for its own address.
    if (ofParent.some(({ address }) => address === lease.ip)) {
      const reason =
        `the server gives ${lease.ip}, which the parent "${parent}" has: check its range`;
      throw new IpvlanError("no-lease", { sandbox, network: network.name, reason });
    }
    store.transaction(() => {
      store.deleteEndpoint(id);
      store.putEndpoint(endpoint, state);
    });
    await namespaces.apply(leaseSteps({ network, endpoint }, before, siblings, server));
    return before.ip === undefined ? [] : [
      `The DHCP server has given ${ifname} of "${sandbox}" the address ${lease.ip} ` +
      `instead of ${before.ip}`,
    ];
  }));
  return changes.flat();
}

/** The steps that put a new lease on a link in place of the one before. */
export function leaseSteps(
  { network, endpoint }: NetworkEndpoint,
  before: EndpointRecord,
  siblings: Siblings,
  server: string | undefined,
): Step[] {
  const { sandbox: netns, ifname } = endpoint;
  const inside = (change: Change): Step => ({ netns, ...change });
  const old = linkAddrs(network, { ...before, linkLocalAddresses: [] });
  const holder = `an ipvlan link on "${network.parent}" that cannot be found`;
  return [
    ...old.map(({ dev, address }) => inside(addrDel({ dev, address }))),
    ...linkAddrs(network, { ...endpoint, linkLocalAddresses: [] }).map((addr) =>
      inside(addrAdd(addr))
    ),
    ...linkRoutes(network, endpoint, siblings).map((route) =>
      inside(routeChange("replace", route))
    ),
    // The client gives the lease back just before its link goes, too late to ask for the server's MAC.
    ...server === undefined ? [] : [inside(neighAsk(server, ifname, "replace"))],
  ].map((step) => ({
    ...step,
    explain: (error) =>
      error.errno === "EADDRINUSE"
        ? new IpvlanError("address-held", { address: endpoint.ip!, holder })
        : explainRights(error),
  }));
}
