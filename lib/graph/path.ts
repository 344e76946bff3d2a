import type { World, WorldLink } from "./world.ts";

/** A link that a step can name, and what a frame passes from it to the wire, itself first. */
interface Chain {
  netns?: string;
  ifname?: string;
  parts: object[];
}

/** Finds what of a world its path passes, and what it stops at; nothing without a path. */
export function pathIn(world: World): { on: ReadonlySet<object>; stop?: object } {
  const on = new Set<object>();
  const chains = world.links.flatMap((link) => chainsOf(link, []));
  const add = (parts: readonly object[]) => parts.forEach((part) => on.add(part));
  let last: Chain | undefined;
  for (const { code, netns, link } of world.path?.steps ?? []) {
    if (code === "wire") {
      add(last?.parts ?? []);
      continue;
    }
    // What is not drawn stands somewhere behind the wire.
    const chain = chains.find((each) =>
      each.netns === netns && (each.ifname === link || link === undefined && netns !== undefined)
    ) ?? { netns, parts: netns === undefined ? [world] : [] };
    add(chain.parts.slice(0, 1));
    // Between the links of one namespace, no frame travels.
    if (last && last.netns !== netns) {
      const meeting = last.parts.find((part) =>
        chain.parts.includes(part)
      );
      for (const { parts } of [last, chain]) {
        add(parts.slice(0, meeting && parts.indexOf(meeting) + 1));
      }
    }
    last = chain;
  }
  const isStopped = world.path?.verdict === "no" || world.path?.verdict === "unknown";
  return { on, ...isStopped && { stop: last?.parts[0] } };
}

function chainsOf(link: WorldLink, below: readonly WorldLink[]): Chain[] {
  const { name, wire, networks, subInterfaces } = link;
  const out = [link, ...below, ...wire ? [wire] : []];
  return [
    { ifname: name, parts: out },
    ...networks.flatMap((network) =>
      network.endpoints.map((endpoint): Chain => {
        const { sandbox: netns, ifname } = endpoint;
        return { netns, ifname, parts: [endpoint, network, ...out] };
      })
    ),
    ...wire?.machines.flatMap((machine): Chain[] => {
      const { netns, ifname } = machine;
      return netns === undefined ? [] : [{ netns, ifname, parts: [machine, wire] }];
    }) ?? [],
    ...subInterfaces.flatMap((each) => chainsOf(each, [link, ...below])),
  ];
}
