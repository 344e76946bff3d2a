import type { Runner } from "./runner.ts";
import { addressWord, linkName, oneOf, word } from "./words.ts";

/** The states of a neighbour, as `ip` prints them (`NUD_*` in rtnetlink(7)). */
export const NEIGH_STATES = [
  "PERMANENT",
  "NOARP",
  "REACHABLE",
  "STALE",
  "INCOMPLETE",
  "DELAY",
  "PROBE",
  "FAILED",
  "NONE",
] as const;

/** A state of a neighbour. The kernel changes it, unless it is `PERMANENT` or `NOARP`. */
export type NeighState = typeof NEIGH_STATES[number];

/** A neighbour to add or replace. {@linkcode NeighVerbs.show} also returns such neighbours. */
export interface NeighSpec {
  /** Its IP address. */
  dst: string;
  /** The link it is on. */
  dev: string;
  /** Its hardware (MAC) address. States without a known address have none. */
  address?: string;
  /** Its state; left out, `PERMANENT`. */
  state?: NeighState;
}

/** A neighbour (ARP or NDP entry) as the kernel shows it. */
export type Neigh = NeighSpec & { state: NeighState };

/** The line `neigh add …` (or `replace`, `del`). @throws {"invalid-word"} A value cannot be written. */
export function neighLine(verb: "add" | "replace" | "del", spec: NeighSpec): string {
  const { dst, dev, address, state = "PERMANENT" } = spec;
  const words = ["neigh", verb, addressWord(dst, "neighbour"), "dev", linkName(dev)];
  if (verb === "del") return words.join(" ");
  if (address !== undefined) words.push("lladdr", word(address, "MAC address"));
  return [...words, "nud", stateWord(state)].join(" ");
}

function stateWord(state: NeighState): string {
  return oneOf(state, "state of a neighbour", NEIGH_STATES).toLowerCase();
}

/**
 * The verbs of `ip neigh`.
 *
 * @example
 * ```ts
 * import { Ip } from "@ipvlan/kit/ip";
 *
 * await using ip = await Ip.open();
 * await ip.neigh.add({ dst: "192.168.1.9", dev: "eth0", address: "02:00:00:00:00:09" });
 * const neighbours = await ip.neigh.show({ dev: "eth0" });
 * const silent = neighbours.filter(({ state }) => state === "FAILED").map(({ dst }) => dst);
 * ```
 */
export class NeighVerbs {
  /** Makes the verbs of one runner. */
  constructor(private readonly runner: Runner) {}

  /** Adds a neighbour. @throws {"ip-command"} One with its address exists, or the kernel refused. */
  async add(spec: NeighSpec): Promise<void> {
    await this.runner.change(neighLine("add", spec));
  }

  /** Adds a neighbour, or changes the one with its address. @throws {"ip-command"} The kernel refused. */
  async replace(spec: NeighSpec): Promise<void> {
    await this.runner.change(neighLine("replace", spec));
  }

  /** Deletes the neighbour with an address. @throws {"ip-command"} There is none. */
  async del(spec: NeighSpec): Promise<void> {
    await this.runner.change(neighLine("del", spec));
  }

  /**
   * Shows the neighbours of both families, or those on one link, or those in one state. Without a
   * state it leaves out those in the states `NOARP` and `NONE`, as `ip` does.
   */
  async show(filter: { dev?: string; state?: NeighState } = {}): Promise<Neigh[]> {
    const { dev, state } = filter;
    const words = ["neigh show"];
    if (dev !== undefined) words.push("dev", linkName(dev));
    if (state !== undefined) words.push("nud", stateWord(state));
    const rows = await this.runner.query(words.join(" "));
    return rows.map((row) => ({
      dst: row.dst as string,
      dev: (row.dev ?? dev) as string,
      address: row.lladdr as string | undefined,
      // `ip` prints the state as a list, and `NONE` not at all.
      state: (row.state as NeighState[] | undefined)?.[0] ?? "NONE",
    }));
  }
}
