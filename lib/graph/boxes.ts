// The boxes of a picture, which are the lines of a text, and which of them a packet passes.
import { familyOf } from "../ipam/address.ts";
import type { World, WorldLink, WorldNetwork, WorldPath } from "./world.ts";

/** A part of a picture, and those that hang from it. */
export interface Box {
  kind: "host" | "link" | "wire" | "machine" | "network" | "sandbox";
  /** Its words, the title first. */
  lines: string[];
  /** The same in short, of a sandbox that is like the others of its network. */
  short?: string;
  /** Whether it is down. */
  isOff?: boolean;
  /** Whether no more is known of a machine than that a route or a record names it. */
  isVague?: boolean;
  /** Whether the path passes it, or ends at it. */
  mark?: "on" | "stop";
  /** The namespace and the link by which a step of a path can name it. */
  netns?: string;
  ifname?: string;
  /** The boxes that a frame passes from it to the wire. */
  toWire: Box[];
  boxes: Box[];
}

/** The signs of the path: what it passes, and what it ends at. */
export const SIGNS = { on: "●", stop: "✗" };

/** The box of the host: its links, each with its wire, its networks and its sub-interfaces. */
export function boxOf({ links, path }: World): Box {
  const boxes = links.map((link) => linkBox(link, []));
  const host: Box = { kind: "host", lines: ["this host"], toWire: [], boxes };
  if (path) markPath(path, allOf(host));
  return host;
}

/** A box, and all that hang from it. */
export function allOf(box: Box): Box[] {
  return [box, ...box.boxes.flatMap(allOf)];
}

/** Whether a machine or a sandbox is like others, and not on the path. */
export function isUsual({ kind, short, mark }: Box): boolean {
  return !mark && (kind === "machine" || short !== undefined);
}

/** Leaves out usual boxes above a number, and says in one more how many. */
export function fold(boxes: readonly Box[], most = 4): Box[] {
  const usual = boxes.filter(isUsual);
  const hidden = new Set(usual.slice(Math.max(0, most - (boxes.length - usual.length))));
  // The box that says so takes as much room as one.
  if (boxes.length <= most + 1 || hidden.size === 0) return [...boxes];
  const { kind } = boxes[0]!;
  const rest: Box = { kind, lines: [`+ ${hidden.size} more`], toWire: [], boxes: [] };
  return [...boxes.filter((box) => !hidden.has(box)), rest];
}

function linkBox(link: WorldLink, below: readonly Box[]): Box {
  const { name, kind, state, mtu, addresses, routes, wire, networks, subInterfaces } = link;
  const isOff = state !== "up";
  const wires = wire ? [wireBox(wire, isOff)] : [];
  const lines = [name, `${kind}, ${state}`, `mtu ${mtu}`, ...addresses, ...routes];
  const toWire = [...below, ...wires];
  const box: Box = { kind: "link", ifname: name, lines, isOff, toWire, boxes: [] };
  box.boxes = [
    ...wires,
    ...networks.map((each) => networkBox(each, [box, ...toWire])),
    ...subInterfaces.map((each) => linkBox(each, [box, ...below])),
  ];
  return box;
}

function wireBox({ tags, machines }: Required<WorldLink>["wire"], isOff: boolean): Box {
  const lines = [tags.join(" in ") || "untagged"];
  const box: Box = { kind: "wire", lines, isOff, toWire: [], boxes: [] };
  box.boxes = machines.map(({ role, netns, ifname, addresses, mac }): Box => {
    const title = netns === undefined ? role : `${netns} (${role})`;
    const lines = [title, ...addresses, mac ?? "MAC not known"];
    const isVague = (mac ?? netns) === undefined;
    return { kind: "machine", netns, ifname, lines, isVague, toWire: [box], boxes: [] };
  });
  return box;
}

function networkBox(network: WorldNetwork, toWire: Box[]): Box {
  const { name = "not of this driver", mode, flag, subnets, routes, endpoints } = network;
  const lines = [name, `${mode} ${flag}`, ...subnets, ...routes];
  const box: Box = { kind: "network", lines, toWire, boxes: [] };
  box.boxes = endpoints.map(({ sandbox: netns, ifname, up, addresses, routes: own }): Box => {
    const title = netns ?? "this host";
    const isAlike = up && own.join("\n") === routes.join("\n");
    const odd = !up ? ["down"] : isAlike ? [] : own.length > 0 ? own : ["no way out"];
    return {
      ...{ kind: "sandbox", netns, ifname, isOff: !up, toWire: [box, ...toWire], boxes: [] },
      lines: [`${title} ${ifname}`, ...addresses, ...odd],
      ...isAlike &&
        { short: [title, ...addresses.map((each) => shortAddress(each, subnets))].join(" ") },
    };
  });
  return box;
}

/** Shortens an address by the part that its network's only subnet of the family shows above it. */
function shortAddress(text: string, subnets: readonly string[]): string {
  const [address = ""] = text.split("/");
  const [subnet = "", ...more] = subnets.filter((each) => familyOf(each) === familyOf(address));
  const start = /^(.*)(?:\.0\/24|::\/64)$/.exec(subnet)?.[1];
  if (start === undefined || more.length > 0 || !address.startsWith(start)) return address;
  const rest = address.slice(start.length);
  return /^[.:]/.test(rest) ? rest : address;
}

/** Marks the boxes that a packet and its answer pass, and the one that it ends at. */
function markPath({ steps, verdict }: WorldPath, all: readonly Box[]): void {
  const markOn = (boxes: readonly Box[]) => boxes.forEach((box) => box.mark = "on");
  let last: Pick<Box, "netns"> & { way: Box[] } | undefined;
  for (const { code, netns, link } of steps) {
    if (code === "wire") {
      markOn(last?.way ?? []);
      continue;
    }
    const here = all.filter((box) => box.netns === netns);
    const named = here.find(({ ifname }) => link === undefined || ifname === link);
    // What is not drawn stands somewhere behind the wire.
    const way = named ? [named, ...named.toWire] : here.slice(0, 1);
    markOn(way.slice(0, 1));
    // Between the links of one namespace, no frame travels.
    if (last && last.netns !== netns) {
      const meeting = last.way.find((box) => way.includes(box));
      for (const each of [last.way, way]) {
        markOn(each.slice(0, meeting && each.indexOf(meeting) + 1));
      }
    }
    last = { netns, way };
  }
  const [end] = last?.way ?? [];
  if (end && (verdict === "no" || verdict === "unknown")) end.mark = "stop";
}
