import { prefixOf } from "../../../claims/access.ts";
import { contains, parseAddress } from "../../../ipam/mod.ts";
import { prefixesOf } from "../../../ipam/prefix.ts";
import type { RemoteName } from "../../sandbox/hosts_plan.ts";
import type { SharedName, Store } from "../../store/store.ts";
import { hexOf } from "../../../claims/keys.ts";
import { isShared, sharedPoolId } from "./pools.ts";
import { nameOf } from "./names.ts";

/**
 * The names on a network besides those of its endpoints: of other hosts' sandboxes, and of users of
 * this host's claims. Empty if this host does not share the network.
 */
export function remoteNames(store: Store, id: string): readonly RemoteName[] {
  const { ipam, name = "", subnets = [] } = store.networkById(id) ?? {};
  if (!ipam) return [];
  const prefix = prefixOf(ipam.access);
  const own = prefixesOf(subnets);
  return [...store.sharedNames(prefix, name), ...ownClaimNames(store, prefix, name)]
    .filter(({ address }) => own.some((each) => contains(each, parseAddress(address))));
}

/** The names of this host's own claims on a network. */
export function ownClaimNames(store: Store, prefix: string, network: string): SharedName[] {
  return store.pools().filter(isShared)
    .filter(({ ipam }) => prefixOf(ipam.access) === prefix)
    .flatMap(({ id, ipam, subnet }) =>
      store.claims(id).flatMap(({ address }) => {
        const hex = hexOf(parseAddress(address));
        const record = store.shared.address(sharedPoolId(ipam, subnet), hex);
        if (record?.state !== "used" || record.holder.network !== network) return [];
        return nameOf(prefix, { ...record.holder, address }) ?? [];
      })
    );
}
