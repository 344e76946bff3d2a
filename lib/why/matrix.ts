// Everybody against everybody. Pairs that cannot differ are followed once.
import { IpvlanError } from "../base/errors.ts";
import type { Family } from "../ipam/address.ts";
import { pathToEnter } from "../iproute2/words.ts";
import { SystemError } from "../netlink/libc.ts";
import { pingAll } from "../netlink/ping.ts";
import { alikeKeys } from "./alike.ts";
import { addressOf } from "./route.ts";
import { type Code, RULES } from "./rules.ts";
import { type Answer, why } from "./why.ts";
import type { Node, World } from "./world.ts";

/** One that asks all others, and is asked by them. */
export interface Member {
  name: string;
  node: Node;
}

/** Whether one reaches another. */
export interface Pair {
  from: string;
  to: string;
  family: Family;
  /** The address that is asked: the one that `from` would use. */
  address: string;
  verdict: Answer["verdict"];
  /** The rule of the last step. If the verdict is not `yes`, it says why. */
  code: Code;
  /** Where that is: a name, and the link if it happens on one. */
  place: string;
  /** The verdict and its reason in words. */
  cause: string;
  /** Whether the kernel's own echo request was answered; left out, none was sent. */
  ping?: boolean;
}

/** The answers for all pairs of some members. */
export interface Matrix {
  members: readonly Member[];
  /** The bytes of the packets: see `Question`. */
  size?: number;
  /** The members, those that behave alike together. */
  groups: Member[][];
  /** The pairs of each member that asks, in each family. There is none with one that has no address. */
  rows: Pair[][];
}

/** Asks for all pairs. */
export function matrixOf(
  world: World,
  members: readonly Member[],
  { families, size }: { families: readonly Family[]; size?: number },
): Matrix {
  const keys = alikeKeys(world);
  const groups = [...Map.groupBy(members, ({ node }) => keys.get(node)).values()];
  const groupOf = new Map(groups.flatMap((all, index) => all.map(({ node }) => [node, index])));
  /** Follows a pair, and returns what makes all pairs of the two groups. */
  const follow = ({ node }: Member, { node: target }: Member, family: Family) => {
    const addrs = target.addrs.filter((each) => each.family === family);
    const address = addressOf({ addrs }, node);
    if (address === undefined) return undefined;
    const at = target.addrs.findIndex((each) => each.address === address);
    const { verdict, there, back } = why(world, node, { dst: address, size });
    const { netns, link, code, about = "" } = [...there, ...back].at(-1)!;
    const placeOf = (from: string, to: string) => {
      const name = netns === node.netns ? from : netns === target.netns ? to : netns ?? "host";
      return link === undefined ? name : `${name} ${link}`;
    };
    const where = [node.netns, target.netns].includes(netns) ? "" : `, at ${placeOf("", "")}`;
    const what = code === "unknown" || code === "firewall" ? about : "…";
    const reason = `${where}: ${RULES[code].says.replace("{}", what)} [${code}]`;
    const cause = verdict + (verdict === "yes" ? "" : reason);
    return ({ name: from }: Member, { name: to, node: { addrs } }: Member): Pair => {
      const { address } = addrs[at]!;
      return { from, to, family, address, verdict, code, place: placeOf(from, to), cause };
    };
  };
  const rows = families.flatMap((family) => {
    const followed = new Map<number, ReturnType<typeof follow>>();
    return members.map((from) =>
      members.flatMap((to) => {
        if (to.node === from.node) return [];
        const key = groupOf.get(from.node)! * groups.length + groupOf.get(to.node)!;
        if (!followed.has(key)) followed.set(key, follow(from, to, family));
        return followed.get(key)?.(from, to) ?? [];
      })
    );
  });
  return { members, size, groups, rows: rows.filter(({ length }) => length > 0) };
}

/** Sends an echo request for each pair, and notes what the kernel answers. @throws {"missing-rights"} */
export async function pingPairs(
  { members, size, rows }: Matrix,
  signal?: AbortSignal,
): Promise<void> {
  const pairs = rows.flat();
  const paths = new Map(
    members.map(({ name, node: { netns } }) => [name, netns && pathToEnter(netns)]),
  );
  const pings = pairs.map(({ from, address: dst, verdict }) => {
    return { path: paths.get(from), dst, size, isExpected: verdict === "yes" };
  });
  try {
    const answers = await pingAll(pings, signal);
    for (const [index, pair] of pairs.entries()) pair.ping = answers[index];
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    throw new IpvlanError("missing-rights", { reason: error.message });
  }
}

/** Whether the model and the kernel differ on a pair. */
export function differs({ verdict, ping }: Pair): boolean {
  return ping !== undefined && verdict === (ping ? "no" : "yes");
}
