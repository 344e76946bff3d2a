import type { Runner } from "./session.ts";
import { linkName } from "./words.ts";

/** A neighbour (ARP or NDP entry) as the kernel shows it. */
export interface Neigh {
  /** Its IP address. */
  dst: string;
  /** The link it is on. */
  dev: string;
  /** Its hardware (MAC) address, where it is known. */
  address?: string;
  /** The states, as `ip` prints them: `REACHABLE`, `STALE`, `FAILED`, … */
  state: string[];
}

/**
 * The verbs of `ip neigh`.
 *
 * @example
 * ```ts
 * import { Ip } from "@ipvlan/kit";
 *
 * await using ip = await Ip.open();
 * const neighbours = await ip.neigh.show({ dev: "eth0" });
 * const silent = neighbours.filter(({ state }) => state.includes("FAILED")).map(({ dst }) => dst);
 * ```
 */
export class NeighVerbs {
  #runner: Runner;

  /** Makes the verbs of one runner. */
  constructor(runner: Runner) {
    this.#runner = runner;
  }

  /** Shows the neighbours of both families, or those on one link. */
  async show(filter: { dev?: string } = {}): Promise<Neigh[]> {
    const dev = filter.dev;
    const rows = await this.#runner.query(
      dev === undefined ? "neigh show" : `neigh show dev ${linkName(dev)}`,
    );
    return rows.map((row) => ({
      dst: row.dst as string,
      dev: (row.dev ?? dev) as string,
      address: row.lladdr as string | undefined,
      state: row.state as string[],
    }));
  }
}
