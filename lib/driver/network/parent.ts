import { IpvlanError, type IpvlanErrorOf } from "../../base/errors.ts";
import { explainLinkAdd } from "../../iproute2/kernel.ts";
import type { IpvlanFlag, IpvlanMode } from "../../iproute2/kinds/ipvlan.ts";
import type { Link, LinkSpec } from "../../iproute2/link_types.ts";
import { shellLine } from "../../base/printable.ts";
import {
  networkParent,
  parentProblems,
  subInterfaceProblems,
  subInterfaces,
} from "../model/names.ts";
import type { Network, SettledNetwork } from "../model/types.ts";

/** The group that marks every link as the driver's ("ipv" in ASCII), even if the store is lost. */
export const LINK_GROUP = 0x69_70_76;

export function isOurs(link: Link): boolean {
  return link.group === String(LINK_GROUP);
}

/** The alias of a link that the driver makes for a network, cut after 255 bytes. */
export function aliasOf(network: string): string {
  return `ipvlan-kit ${network}`.slice(0, 255);
}

/** Why nothing passes over a link; `undefined` if something does. */
export function whyCutOff(
  link: Link | undefined,
): IpvlanErrorOf<"network-cut-off">["state"] | undefined {
  if (!link) return "missing";
  if (!link.up) return "down";
  return link.flags.includes("LOWER_UP") ? undefined : "without carrier";
}

/** Makes the error for a network if nothing passes over its parent, a link of the host. */
export function cutOffProblem(
  network: Network,
  links: ReadonlyMap<string, Link>,
): IpvlanErrorOf<"network-cut-off"> | undefined {
  const { link: parent } = networkParent(network);
  const state = parent === undefined ? undefined : whyCutOff(links.get(parent));
  if (parent === undefined || state === undefined) return undefined;
  return new IpvlanError("network-cut-off", { network: network.name, parent, state });
}

export interface ParentChoice {
  /** The links to make, the lowest first. There are none if the parent exists. */
  make: LinkSpec[];
  /** The existing link that sends the packets: the parent, or the link that it is made on. */
  carrier?: Link;
  notices: string[];
  problems: IpvlanError[];
}

/** Decides whether to use an existing parent, to make it as a sub-interface, or to refuse it. */
export function chooseParent(parent: string, links: readonly Link[]): ParentChoice {
  const choice: ParentChoice = { make: [], notices: [], problems: [] };
  choice.problems.push(...parentProblems(parent));
  if (choice.problems.length > 0) return choice;
  const find = (name: string) => links.find((link) => link.name === name);
  const add = (found: string | IpvlanError | undefined) => {
    if (typeof found === "string") choice.notices.push(found);
    else if (found) choice.problems.push(found);
  };
  const link = find(parent);
  if (link) {
    choice.carrier = link;
    choice.problems.push(...unfitProblems(link, links));
    add(tagMismatch(link, links));
    const line = shellLine`ip link set ${parent} up`;
    if (!link.up) add(`The parent "${parent}" is down, so nothing passes: "${line}"`);
    return choice;
  }
  const subs = subInterfaces(parent, (name) => find(name) !== undefined);
  if (!subs) {
    add(new IpvlanError("parent-not-found", { parent }));
    return choice;
  }
  choice.problems.push(...subs.flatMap(subInterfaceProblems));
  const base = find(subs[0]!.link);
  if (!base) {
    add(new IpvlanError("parent-not-found", { parent, base: subs[0]!.link }));
    return choice;
  }
  choice.carrier = base;
  choice.problems.push(...unfitProblems(base, links));
  add(outerMismatch(parent, base));
  for (const sub of subs) {
    const same = links.find(({ link, info }) =>
      link === sub.link && info.type === "vlan" && info.id === sub.id &&
      info.protocol === sub.protocol
    );
    if (same) {
      const reason = `"${sub.link}" has VLAN ${sub.id} already, as the link "${same.name}": use ` +
        "that as the parent";
      add(new IpvlanError("invalid-parent", { parent, reason }));
    }
    choice.make.push({ type: "vlan", ...sub, group: LINK_GROUP, up: true });
  }
  if (!base.up) add(new IpvlanError("parent-down", { parent: base.name }));
  return choice;
}

/** The names of the links that can be parents, without the dummies of isolated networks. */
export function possibleParents(links: readonly Link[]): string[] {
  const isDummy = (link: Link) => isOurs(link) && link.info.type === "dummy";
  return links.filter((link) => !isDummy(link) && unfitProblems(link, links).length === 0)
    .map(({ name }) => name);
}

/** Reads the tag of a sub-interface, `VLAN 20 (802.1Q)`, and that in its name, if there is one. */
function tagsOf({ name, link: below, info }: Link) {
  if (info.type !== "vlan" || below === undefined) return undefined;
  const id = name.startsWith(`${below}.`) ? name.slice(below.length + 1) : "";
  return {
    id: info.id,
    below,
    tag: `VLAN ${info.id} (${info.protocol})`,
    named: /^\d+$/.test(id) ? `VLAN ${Number(id)} (802.1Q)` : undefined,
  };
}

/**
 * Compares a link's tag with the one in its name. Returns a notice if another program made the link,
 * as the tag may be intended; an error if the driver did: it makes a link with a tag of 802.1ad only
 * as the outer one of two tags.
 */
function tagMismatch(
  link: Link,
  links: readonly Link[],
): string | IpvlanErrorOf<"invalid-parent"> | undefined {
  const tags = tagsOf(link);
  if (tags?.named === undefined || tags.tag === tags.named) return undefined;
  const { id, below, tag, named } = tags;
  if (!isOurs(link)) {
    return `The link "${link.name}" has ${tag}, and not ${named} as its name says`;
  }
  const above = links.filter((other) => other.link === link.name && other.info.type === "vlan")
    .map(({ name }) => `"${name}"`).join(", ");
  const line = shellLine`ip link add link ${below} name NAME type vlan id ${id}`;
  const reason = `it has the service ${tag} for ${above || "two tags"}, and not ${named}; make a ` +
    `link of another name for that, and use it: "${line}"`;
  return new IpvlanError("invalid-parent", { parent: link.name, reason });
}

/**
 * Finds out whether a new sub-interface `link.vlan.vlan` would have an outer tag of 802.1Q, and not
 * of 802.1ad. If another program made the link below, that is intended. If the driver made it for
 * another network, it is an error: the tags would depend on which network is created first.
 */
function outerMismatch(
  parent: string,
  base: Link,
): string | IpvlanErrorOf<"invalid-parent"> | undefined {
  const { tag, named } = tagsOf(base) ?? {};
  if (tag === undefined || tag !== named) return undefined;
  if (!isOurs(base)) {
    return `The link "${base.name}" has ${tag}, so "${parent}" has no outer tag ` +
      "of 802.1ad";
  }
  const reason = `its outer tag must be of 802.1ad, and "${base.name}" has ${tag} for another ` +
    "network; use another VLAN for one of them";
  return new IpvlanError("invalid-parent", { parent, reason });
}

/**
 * Finds why a link cannot be a parent. The kernel's ipvlan driver takes only Ethernet, and no loopback
 * (`ipvlan_port_create` in `drivers/net/ipvlan/ipvlan_main.c`). A port of a bridge, bond or team, a
 * macvtap link, and the parent of a macvlan link already have a receive handler, and a link can have
 * only one; a VRF can have none (`netdev_rx_handler_register`).
 */
function unfitProblems(link: Link, links: readonly Link[]): IpvlanErrorOf<"invalid-parent">[] {
  const { linkType, info, master, masterKind = "master" } = link;
  const below = link.link === undefined ? "the link below it" : `"${link.link}"`;
  const ofType: Record<string, string> = {
    ether: "",
    loopback:
      "it is the loopback, which sends no packet out; name another link, or none for a dummy",
  };
  const ofKind: Record<string, string> = {
    vrf: "it is a VRF, which takes no ipvlan link; use one of its ports instead",
    macvtap: "it is a macvtap link, which takes no ipvlan link; use the link below it instead",
    ipvlan: `it is an ipvlan link itself, and the kernel would use ${below}; name that instead`,
  };
  const macvlan = links.find((other) => other.link === link.name && other.info.type === "macvlan");
  const reasons = [
    ofType[linkType] ??
      `it is of the type ${linkType}, and ipvlan needs Ethernet; use another link`,
    ofKind[info.type],
    master !== undefined && masterKind !== "vrf" &&
    `it is a port of the ${masterKind} "${master}"; use "${master}" instead`,
    macvlan &&
    `it carries the macvlan link "${macvlan.name}", and macvlan and ipvlan cannot share a parent; ` +
      "remove that, or use another link",
  ];
  return reasons.flatMap((reason) =>
    reason ? [new IpvlanError("invalid-parent", { parent: link.name, reason })] : []
  );
}

/** Makes the error for a parent with another receive handler, which takes no ipvlan link. */
export function busyParent(parent: string): IpvlanErrorOf<"invalid-parent"> {
  const reason = "the kernel says it is busy, as if it carried a macvlan link, maybe in another " +
    "namespace; remove that, or use another link";
  return new IpvlanError("invalid-parent", { parent, reason });
}

/**
 * Explains why the kernel refused to make an ipvlan link. The parent may be busy although the driver
 * found no reason: a link in another namespace, or one made just now, may use it.
 */
export function explainIpvlanAdd(error: IpvlanErrorOf<"ip-command">, parent: string): IpvlanError {
  return error.errno === "EBUSY" ? busyParent(parent) : explainLinkAdd(error, "ipvlan");
}

/**
 * Checks mode and flag against those of the networks and links on the parent. All links on a parent
 * share both: the kernel would change the others without a word (`ipvlan_set_port_mode`).
 */
export function conflictProblem(
  parent: string,
  asked: { mode: IpvlanMode; flag: IpvlanFlag },
  networks: readonly SettledNetwork[],
  links: readonly Link[],
): IpvlanErrorOf<"parent-conflict"> | undefined {
  const users = [
    ...networks.filter((network) => network.parent === parent),
    ...links.flatMap(({ name, link, info }) =>
      info.type === "ipvlan" && link === parent ? [{ name, mode: info.mode, flag: info.flag }] : []
    ),
  ];
  const other = users.find(({ mode, flag }) => mode !== asked.mode || flag !== asked.flag);
  if (!other) return undefined;
  const textOf = ({ mode, flag }: typeof asked) => `mode ${mode}, flag ${flag}`;
  const alike = users.filter((user) => textOf(user) === textOf(other)).map(({ name }) => name);
  return new IpvlanError("parent-conflict", {
    parent,
    current: textOf(other),
    users: alike,
    asked: textOf(asked),
  });
}

export type MadeLinks = ReadonlyMap<string, LinkSpec>;

export function byLinkName<Link extends { name: string }>(
  links: readonly Link[],
): Map<string, Link> {
  return new Map(links.map((link) => [link.name, link]));
}

/** The links that the driver made for a parent, the lowest first: the parent and those below it. */
export function linksUnder(parent: string, made: MadeLinks): LinkSpec[] {
  const link = made.get(parent);
  if (link === undefined) return [];
  return "link" in link ? [...linksUnder(link.link, made), link] : [link];
}
