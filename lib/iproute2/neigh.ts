import { AF, hardwareAddress, macBytes, prefixBytes } from "../netlink/address.ts";
import { attribute, u16, u32, VERB_FLAGS } from "../netlink/message.ts";
import type { NetlinkSocket } from "../netlink/socket.ts";
import { linkNames, requireIndex } from "./link_netlink.ts";
import { ask, type Change, make, type Row, type Runner, type Send } from "./runner.ts";
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
  /** Whether this kernel answers for it on the link, as its proxy. It has no hardware address then. */
  proxy?: true;
}

/** A neighbour (ARP or NDP entry) as the kernel shows it. */
export type Neigh = NeighSpec & { state: NeighState };

/** The change `neigh add …` (or `replace`, `del`). @throws {"invalid-word"} A value cannot be written. */
export function neighChange(verb: "add" | "replace" | "del", spec: NeighSpec): Change {
  const { dst, dev, address, state = "PERMANENT", proxy } = spec;
  const words = ["neigh", verb, ...proxy ? ["proxy"] : [], addressWord(dst, "neighbour")];
  words.push("dev", linkName(dev));
  if (verb !== "del" && !proxy) {
    if (address !== undefined) words.push("lladdr", word(address, "MAC address"));
    words.push("nud", stateWord(state));
  }
  return { line: words.join(" "), send: sendNeigh(verb, spec) };
}

function stateWord(state: NeighState): string {
  return oneOf(state, "state of a neighbour", NEIGH_STATES).toLowerCase();
}

/**
 * The change `neigh add … use`: makes the kernel ask who has an address, by ARP or a neighbour
 * solicitation, without a route to it and without a packet for it. The entry then shows the answer.
 *
 * @param verb `replace` also takes an entry that exists, which may have an earlier answer.
 */
export function neighAsk(dst: string, dev: string, verb: "add" | "replace" = "add"): Change {
  const spec = { dst, dev, state: "NONE" } as const;
  return { line: `${neighChange(verb, spec).line} use`, send: sendNeigh(verb, spec, USE) };
}

/** The change `neigh flush to …`: deletes the entry of an address, if the kernel may change it. */
export function neighFlush(dst: string, dev: string): Change {
  return { line: `neigh flush to ${addressWord(dst, "neighbour")} dev ${linkName(dev)}` };
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
    await make(this.runner, neighChange("add", spec));
  }

  /** Adds a neighbour, or changes the one with its address. @throws {"ip-command"} The kernel refused. */
  async replace(spec: NeighSpec): Promise<void> {
    await make(this.runner, neighChange("replace", spec));
  }

  /** Deletes the neighbour with an address. @throws {"ip-command"} There is none. */
  async del(spec: NeighSpec): Promise<void> {
    await make(this.runner, neighChange("del", spec));
  }

  /**
   * Shows the neighbours of both families, or those on one link, or those in one state. Without a
   * state it leaves out those in the states `NOARP` and `NONE`, as `ip` does. Those that this kernel
   * answers for are in a list of their own, `proxy`.
   */
  async show(filter: Partial<Pick<NeighSpec, "dev" | "state" | "proxy">> = {}): Promise<Neigh[]> {
    const { dev, state, proxy } = filter;
    const words = ["neigh show", ...proxy ? ["proxy"] : []];
    if (dev !== undefined) words.push("dev", linkName(dev));
    if (state !== undefined) words.push("nud", stateWord(state));
    const rows = await ask(this.runner, words.join(" "), (socket) => readNeighs(socket, filter));
    return rows.map((row) => ({
      dst: row.dst as string,
      dev: (row.dev ?? dev) as string,
      address: row.lladdr as string | undefined,
      // `ip` prints the state as a list, and `NONE` not at all.
      state: (row.state as NeighState[] | undefined)?.[0] ?? "NONE",
      ...proxy && { proxy },
    }));
  }
}

/** The messages about neighbours, and their attributes (`neighbour.h`). */
const RTM = { NEWNEIGH: 28, DELNEIGH: 29, GETNEIGH: 30 };
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

/** The flags of one that the kernel asks for, and of one that it answers for (`NTF_*`). */
const [USE, PROXY] = [1, 8];

function sendNeigh(
  verb: "add" | "replace" | "del",
  { dst, dev, address, state = "PERMANENT", proxy }: NeighSpec,
  flag = proxy ? PROXY : 0,
): Send | undefined {
  const isDel = verb === "del";
  const mac = isDel || address === undefined ? undefined : macBytes(address);
  if (!isDel && address !== undefined && !mac) return undefined;
  const { family, bytes } = prefixBytes(dst);
  return (socket) => {
    const index = requireIndex(socket, dev);
    socket.change({
      type: isDel ? RTM.DELNEIGH : RTM.NEWNEIGH,
      flags: VERB_FLAGS[verb],
      body: [
        [u32(AF[family]), u32(index), u16(isDel ? 0 : STATE_BITS[state]), flag, 0],
        attribute(NDA_DST, bytes),
        mac && attribute(NDA_LLADDR, mac),
      ],
    });
  };
}

function readNeighs(
  socket: NetlinkSocket,
  { dev: asked, state, proxy }: Partial<NeighSpec>,
): Row[] {
  const only = asked === undefined ? undefined : requireIndex(socket, asked);
  const body = [u32(0), u32(0), u16(0), proxy ? PROXY : 0, 0];
  const nameAt = linkNames(socket);
  return socket.list({ type: RTM.GETNEIGH, body }, (body) => {
    const index = body.i32(4);
    const bits = body.u16(8);
    const dev = nameAt(index);
    const isOfIP = Object.values(AF).some((family) => family === body.u8(0));
    if (!isOfIP || dev === undefined || (only ?? index) !== index) return undefined;
    const shown = NEIGH_STATES.find((each) => STATE_BITS[each] & bits) ?? "NONE";
    const isWanted = state === undefined
      ? proxy || !["NOARP", "NONE"].includes(shown)
      : shown === state;
    if (!isWanted) return undefined;
    const attributes = body.part(FIXED);
    const mac = attributes.get(NDA_LLADDR)?.bytes();
    const lladdr = mac && hardwareAddress(mac, 0);
    return { dst: attributes.get(NDA_DST)!.ip(), dev, lladdr, state: [shown] };
  });
}
