import { AF, hardwareAddress } from "../netlink/address.ts";
import type { Reader, Writer } from "../netlink/message.ts";
import type { NetlinkSocket } from "../netlink/socket.ts";
import { linkNames, requireIndex } from "./link_netlink.ts";
import { ask, type Runner } from "./runner.ts";
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
    return await ask(this.runner, {
      line: words.join(" "),
      parse: (rows) =>
        rows.map((row) => ({
          dst: row.dst as string,
          dev: (row.dev ?? dev) as string,
          address: row.lladdr as string | undefined,
          // `ip` prints the state as a list, and `NONE` not at all.
          state: (row.state as NeighState[] | undefined)?.[0] ?? "NONE",
        })),
      read: (socket) => readNeighs(socket, filter),
    });
  }
}

/** The message that asks for neighbours, and its attributes (`neighbour.h`). */
const RTM_GETNEIGH = 30;
const [NDA_DST, NDA_LLADDR] = [1, 2];

/** The bytes of `struct ndmsg`. */
const FIXED = 12;

/** The bits of the states (`NUD_*`). */
const STATE_BITS: Record<NeighState, number> = {
  PERMANENT: 0x80,
  NOARP: 0x40,
  REACHABLE: 2,
  STALE: 4,
  INCOMPLETE: 1,
  DELAY: 8,
  PROBE: 0x10,
  FAILED: 0x20,
  NONE: 0,
};

function readNeighs(
  socket: NetlinkSocket,
  { dev, state }: { dev?: string; state?: NeighState },
): Neigh[] {
  const only = dev === undefined ? undefined : requireIndex(socket, dev);
  const request = { type: RTM_GETNEIGH, write: (writer: Writer) => writer.u32(0).u32(0).u32(0) };
  const found = socket.list(request, (body) => {
    const index = body.i32(4);
    const neigh = parseNeigh(body);
    const isOfIP = [AF.INET, AF.INET6].some((family) => family === body.u8(0));
    const isWanted = state === undefined
      ? !["NOARP", "NONE"].includes(neigh.state)
      : neigh.state === state;
    return isOfIP && isWanted && (only ?? index) === index ? { index, neigh } : undefined;
  });
  const nameAt = linkNames(socket);
  return found.flatMap(({ index, neigh }) => {
    const name = nameAt(index);
    return name === undefined ? [] : [{ ...neigh, dev: name }];
  });
}

function parseNeigh(body: Reader): Omit<Neigh, "dev"> {
  const attributes = body.after(FIXED);
  const bits = body.u16(8);
  const address = attributes.get(NDA_LLADDR)?.bytes();
  return {
    dst: attributes.get(NDA_DST)!.ip(),
    address: address && hardwareAddress(address, 0),
    state: NEIGH_STATES.find((state) => STATE_BITS[state] & bits) ?? "NONE",
  };
}
