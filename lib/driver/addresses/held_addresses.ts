import { findHolders, type HeldAddress, heldByHost } from "./holders.ts";
import { IN_SANDBOX } from "../model/names.ts";
import type { Namespaces } from "../run/namespaces.ts";
import type { HostFacts } from "../model/facts.ts";
import { IpvlanError } from "../../base/errors.ts";

/** The addresses that one call knows to be held: at first those of the host's own links, and of the sandbox's. */
export class HeldAddresses {
  #namespaces: Namespaces;
  #facts: HostFacts | undefined;
  #known: HeldAddress[];

  /** @param facts What the host has; without it, nothing is found. */
  constructor(namespaces: Namespaces, facts: HostFacts | undefined) {
    this.#namespaces = namespaces;
    this.#facts = facts;
    this.#known = facts ? [...heldByHost(facts), ...heldInside(facts)] : [];
  }

  /** Those on a parent. */
  on(parent: string): readonly HeldAddress[] {
    return this.#known.filter((each) => each.parent === parent);
  }

  /** Adds some that were found. */
  add(found: readonly HeldAddress[]): void {
    const isNew = ({ address, parent }: HeldAddress) =>
      !this.on(parent).some((each) => each.address === address);
    this.#known.push(...found.filter(isNew));
  }

  /** Looks for the holder of an address that the kernel has refused. @throws {"address-held"} */
  async lookFor(address: string, parent: string, sandbox: string): Promise<void> {
    const { run, hostName } = this.#namespaces;
    const found = await findHolders(run, hostName, this.#facts?.links ?? []);
    // Other addresses in the sandbox are those that it was given just now.
    this.add(found.filter((each) => each.address === address || !each.names.includes(sandbox)));
    const holder = this.on(parent).find((each) => each.address === address);
    if (holder) throw new IpvlanError("address-held", { address, holder: holder.holder });
  }
}

/** The addresses that links of the sandbox have, as one of them is to be a parent. */
function heldInside({ inside }: HostFacts): HeldAddress[] {
  return (inside?.addrs ?? []).map(({ dev, address }) => ({
    address,
    holder: `the link "${dev}" of the sandbox`,
    parent: IN_SANDBOX,
    names: [],
  }));
}

/** The addresses of the ipvlan links on the host's links, in all namespaces that can be found. */
export async function linkedAddresses(namespaces: Namespaces): Promise<ReadonlySet<string>> {
  const { run, hostName } = namespaces;
  const held = await findHolders(run, hostName, await namespaces.host().link.show());
  return new Set(held.map(({ address }) => address));
}
