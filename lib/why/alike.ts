// Which namespaces behave alike, so that not each pair of them has to be followed.
import { contains, formatPrefix, parseAddress, parsePrefix, type Prefix } from "../ipam/mod.ts";
import { isLinkLocal } from "./route.ts";
import type { Node, World } from "./world.ts";

/** The words of a JSON text that may be addresses or prefixes. */
const ADDRESSES = /"([\da-f]*[.:][\da-f.:]+)(\/\d+)?"/g;

/**
 * Makes keys, which are equal for namespaces of a world that differ only in their addresses: if two of
 * them swap theirs, the world is the same as before. So all pairs between two keys have one verdict.
 */
export function alikeKeys(world: World): Map<Node, string> {
  const prefixes = new Map<string, Prefix>();
  /** How namespaces name addresses that are not their own. */
  const mentions = new Map<string, string[]>();
  const facts = [...world.nodes.entries()].map(([index, node]) => {
    const own = node.addrs.filter(({ scope }) => scope !== "host")
      .flatMap(({ address, peer = address }) => [...new Set([address, peer])]);
    const items = itemsOf(node).map((item) =>
      item.replace(ADDRESSES, (word, address, length = "") => {
        const prefix = length === "" ? undefined : parsePrefix(address + length).prefix;
        if (prefix && prefix.first !== prefix.last) prefixes.set(formatPrefix(prefix), prefix);
        if (own.includes(address)) return `@${own.indexOf(address)}${length}`;
        if (!mentions.has(address)) mentions.set(address, []);
        mentions.get(address)!.push(`${index} ${item.replaceAll(word, "@")}`);
        return word;
      })
    );
    return { node, own, items };
  });
  /** The prefixes that an address is in, the longest last. */
  const around = (address: string) => {
    const parsed = parseAddress(address);
    return [...prefixes].filter(([, prefix]) => contains(prefix, parsed))
      .sort(([, a], [, b]) => a.length - b.length).map(([text]) => text);
  };
  /** Addresses that two hold, and prefixes in which one holds two IPv6 addresses. */
  const repeated = (all: string[]) =>
    [...Map.groupBy(all, (each) => each)].flatMap(([each, { length }]) => length > 1 ? each : []);
  const wide = facts.map(({ own }) => own.filter((each) => !isLinkLocal(each)));
  const near = wide.map((own) => own.filter((each) => each.includes(":")).flatMap(around));
  const crowded = new Set([undefined, ...repeated(wide.flat()), ...near.flatMap(repeated)]);
  // Which address IPv6 asks from depends on each bit of two in one prefix (RFC 6724).
  const isApart = (address: string) =>
    !isLinkLocal(address) &&
    (crowded.has(address) || address.includes(":") && crowded.has(around(address).at(-1)));
  const ids = new Map(world.nodes.flatMap(({ links }) => links).map((link, id) => [link, id]));
  return new Map(facts.map(({ node, own, items }, index) => {
    const links = node.links.map((link) => {
      const below = world.below(link)?.link;
      const id = world.above(link).length > 0 && ids.get(link);
      return { ...link, index: id, alias: "", below: below && ids.get(below) };
    });
    const named = own.map((address) => [around(address), mentions.get(address)]);
    return [node, JSON.stringify([own.some(isApart) && index, items, named, links, node.sysctls])];
  }));
}

/** What a namespace says about addresses. */
function itemsOf({ links, addrs, routes, rules, neighs, firewall = [] }: Node): string[] {
  const subnets = addrs.map((each) => [each, `${each.address}/${each.prefixLength}`]);
  // The kernel has such neighbours for multicasts, and for all addresses of links that do not ask.
  const fixed = neighs.filter(({ dst, dev, state, proxy }) =>
    proxy || ["PERMANENT", "NOARP"].includes(state) && !/^(ff|22[4-9]\.|23\d\.)/.test(dst) &&
      links.some(({ name, flags }) => name === dev && !flags.includes("NOARP"))
  );
  // The text of a firewall's rule is for people.
  return [...subnets, ...routes, ...rules, ...fixed, ...firewall].map((each) =>
    JSON.stringify(each, (key, value) => key === "text" ? undefined : value)
  );
}
