import { findHolders, type HeldAddress, heldByHost } from "./holders.ts";
import { IN_SANDBOX } from "../model/names.ts";
import type { Namespaces } from "../run/namespaces.ts";
import type { HostFacts } from "../model/facts.ts";
import { IpvlanError } from "../../base/errors.ts";

/** The held addresses that a call knows: at first those of the host's and the sandbox's links. */
export class HeldAddresses {
  #namespaces: Namespaces;
  #facts: HostFacts | undefined;
  #known: HeldAddress[];

  /** @param facts The facts about the host; without them, no holder is found. */
  constructor(namespaces: Namespaces, facts: HostFacts | undefined) {
    this.#namespaces = namespaces;
    this.#facts = facts;
    this.#known = facts ? [...heldByHost(facts), ...heldInside(facts)] : [];
  }

  /** The held addresses on a parent. */
  on(parent: string): readonly HeldAddress[] {
    return this.#known.filter((each) => each.parent === parent);
  }

  /** Adds held addresses that were found. */
  add(found: readonly HeldAddress[]): void {
    const isNew = ({ address, parent }: HeldAddress) =>
      !this.on(parent).some((each) => each.address === address);
    this.#known.push(...found.filter(isNew));
  }

  /** Looks for the holder of an address that the kernel has refused. @throws {"address-held"} */
  async lookFor(address: string, parent: string, sandbox: string): Promise<void> {
    const { run, hostName } = this.#namespaces;
    const found = await findHolders(run, hostName, this.#facts?.links ?? []);
    // The sandbox's other addresses are those that this call gave it.
    this.add(found.filter((each) => each.address === address || !each.names.includes(sandbox)));
    const holder = this.on(parent).find((each) => each.address === address);
    if (holder) throw new IpvlanError("address-held", { address, holder: holder.holder });
  }
}

/** The addresses of the sandbox's own links, one of which becomes a parent. */
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
