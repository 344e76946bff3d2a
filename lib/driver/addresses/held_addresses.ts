import { type Addr, globalAddrs, parseAddrs } from "../../iproute2/addr.ts";
import { parseJson } from "../../iproute2/batch.ts";
import { parseLinks } from "../../iproute2/link.ts";
import type { Link } from "../../iproute2/link_types.ts";
import type { RunProgram } from "../../iproute2/shell.ts";
import { pathToEnter } from "../../iproute2/words.ts";
import { type EnterableNamespace, findEnterable, HOST } from "../sandbox/enterable.ts";
import { IpvlanError } from "../../base/errors.ts";
import { IN_SANDBOX } from "../model/names.ts";
import type { HostFacts } from "../model/facts.ts";
import type { Namespaces } from "../run/namespaces.ts";

/**
 * An address of a link. The kernel refuses it to every other ipvlan link on the same parent
 * (`ipvlan_addr_busy` in `drivers/net/ipvlan/ipvlan_core.c`).
 */
export interface HeldAddress {
  /** The address, without a prefix length. */
  address: string;
  /** The link that has it: `the link "eth0" in the namespace "web"`. */
  holder: string;
  /** The name of the parent. */
  parent: string;
  /** The names of the link's namespace; empty if it has none. */
  names: readonly string[];
}

/** Finds the addresses on the host's links, with a process for each namespace: after a failure. */
export async function findHolders(
  run: RunProgram,
  host: string | undefined,
  parents: readonly Link[],
): Promise<HeldAddress[]> {
  const held: HeldAddress[] = [];
  for (const namespace of await findEnterable(run, host)) {
    const { netns } = namespace;
    // `ip -n` needs the right to mount.
    const enter = netns === undefined ? "" : `nsenter --net=${pathToEnter(netns)} `;
    const { out } = await run(`${enter}ip -details -json addr show`, []);
    const rows = rowsOf(out);
    held.push(...heldIn(namespace, parseLinks(rows), rows.flatMap(parseAddrs), parents));
  }
  return held;
}

/** Parses the output of `ip`. It is empty if the namespace is gone or cannot be entered. */
function rowsOf(out: readonly string[]): Record<string, unknown>[] {
  try {
    return out.flatMap((line) => parseJson(line)) as Record<string, unknown>[];
  } catch (error) {
    if (error instanceof SyntaxError) return [];
    throw error;
  }
}

/** The addresses of the ipvlan links in one namespace that are on the host's links. */
function heldIn(
  { isHost, where, names }: Omit<EnterableNamespace, "netns">,
  links: readonly Link[],
  addrs: readonly Addr[],
  parents: readonly Link[],
): HeldAddress[] {
  return links.filter(({ info, linkNetnsid }) =>
    info.type === "ipvlan" && (linkNetnsid === undefined) === isHost
  ).flatMap(({ name, linkIndex, address: mac }) => {
    // An index is unique only in its namespace. But an ipvlan link has its parent's MAC address.
    const parent = parents.find(({ index, address }) => index === linkIndex && address === mac);
    if (!parent) return [];
    return globalAddrs(name, addrs).map(({ address }) => ({
      address,
      holder: `the link "${name}" ${where}`,
      parent: parent.name,
      names,
    }));
  });
}

/** The addresses of the host's own ipvlan links. */
export function heldByHost(
  { links, addrs }: { links: readonly Link[]; addrs: readonly Addr[] },
): HeldAddress[] {
  return heldIn({ ...HOST, names: [] }, links, addrs, links);
}

/** The held addresses that a call knows: at first those of the host's and the sandbox's links. */
export class HeldAddresses {
  #known: HeldAddress[];

  /** @param facts The facts about the host; without them, no holder is found. */
  constructor(
    private readonly namespaces: Namespaces,
    private readonly facts: HostFacts | undefined,
  ) {
    this.#known = facts ? [...heldByHost(facts), ...heldInside(facts)] : [];
  }

  on(parent: string): readonly HeldAddress[] {
    return this.#known.filter((each) => each.parent === parent);
  }

  add(found: readonly HeldAddress[]): void {
    const isNew = ({ address, parent }: HeldAddress) =>
      !this.on(parent).some((each) => each.address === address);
    this.#known.push(...found.filter(isNew));
  }

  /** Looks for the holder of an address that the kernel has refused. @throws {"address-held"} */
  async lookFor(address: string, parent: string, sandbox: string): Promise<void> {
    const { run, hostName } = this.namespaces;
    const found = await findHolders(run, hostName, this.facts?.links ?? []);
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
