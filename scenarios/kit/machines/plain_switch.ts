import type { PortVlan } from "../../../lib/iproute2/bridge.ts";
import type { Link } from "../../../lib/iproute2/link_types.ts";
import { type Node, type Port, type WhyView, World } from "../../../lib/why/world.ts";

/** The VLANs of a bridge's ports, by the ports' names. */
export type PortVlans = ReadonlyMap<string, readonly Pick<PortVlan, "id" | "pvid">[]>;

/** The first index of links that no kernel has made. */
const FIRST_INDEX = 1_000_000;

/**
 * Shows a bridge with VLANs to the model, which does not read the VLANs of ports, as one bridge without
 * VLANs for each of them. A port is on the bridge of its own VLAN (PVID), and a sub-interface of the
 * link at its other end has a cable of its own, to the bridge of its VLAN; if the port is not in that
 * VLAN, a cable to nowhere.
 *
 * @param netns The namespace of the bridge.
 */
export function withPlainSwitch(view: WhyView, netns: string, vlans: PortVlans): WhyView {
  const copy = structuredClone(view);
  const world = new World(copy);
  const node = copy.others.find((each) => each.netns === netns)!;
  let index = FIRST_INDEX;
  const added: Link[] = [];
  const isSwitch = ({ info }: Link) => info.type === "bridge" && info.vlanFiltering;
  for (const bridge of node.links.filter(isSwitch)) {
    const nameFor = (id: number) => `${bridge.name}.${id}`;
    const ports = node.links.filter(({ master }) => master === bridge.name);
    const ids = new Set(ports.flatMap(({ name }) => vlans.get(name) ?? []).map(({ id }) => id));
    for (const id of ids) {
      const info = { ...bridge.info, vlanFiltering: false } as Link["info"];
      added.push({ ...bridge, index: index++, name: nameFor(id), info });
    }
    for (const port of ports) {
      const own = vlans.get(port.name) ?? [];
      const pvid = own.find((vlan) => vlan.pvid)?.id;
      const joined = (id: number | undefined) =>
        id === undefined
          ? { master: undefined, masterKind: undefined }
          : { master: nameFor(id), masterKind: "bridge" };
      for (const sub of subInterfaces(world, { node, link: port })) {
        const id = sub.info.type === "vlan" ? sub.info.id : 0;
        const isCarried = own.some((vlan) => vlan.id === id && !vlan.pvid);
        const end = { ...port, index: index++, name: `${port.name}.${id}`, linkIndex: sub.index };
        added.push({ ...end, ...joined(isCarried ? id : undefined) });
        Object.assign(sub, { info: { type: "veth" }, linkIndex: end.index, linkNetnsid: 0 });
      }
      Object.assign(port, joined(pvid));
    }
  }
  node.links = [...node.links.filter((link) => !isSwitch(link)), ...added];
  return copy;
}

/** The sub-interfaces of the link at the other end of a port. */
function subInterfaces(world: World, port: Port): Link[] {
  const cable = world.below(port.link);
  return cable ? world.above(cable.link, "vlan").map(({ link }) => link) : [];
}

/** The namespaces whose bridges have VLANs, with their ports. */
export function switchesIn({ others }: { others: readonly Node[] }): {
  netns: string;
  ports: string[];
}[] {
  return others.flatMap(({ netns, links }) => {
    const bridges = links.filter(({ info }) => info.type === "bridge" && info.vlanFiltering);
    const ports = links.filter(({ master }) => bridges.some(({ name }) => name === master))
      .map(({ name }) => name);
    return netns === undefined || bridges.length === 0 ? [] : [{ netns, ports }];
  });
}
