import type { IpvlanError } from "../errors.ts";
import type { Addr } from "../iproute2/addr.ts";
import type { IpCommandError } from "../iproute2/errors.ts";
import { explainLinkAdd } from "../iproute2/kernel.ts";
import type { IpvlanFlag, IpvlanMode } from "../iproute2/kinds/ipvlan.ts";
import type { Link, LinkSpec } from "../iproute2/link.ts";
import {
  InvalidParentError,
  ParentConflictError,
  ParentDownError,
  ParentNotFoundError,
} from "./errors.ts";
import { parentProblems, subInterfaceProblems, subInterfaces } from "./names.ts";
import type { SettledNetwork } from "./types.ts";

/**
 * The group of every link that the driver makes ("ipv" in ASCII), so that what is ours can be told
 * from what is not, whatever became of the store.
 */
export const LINK_GROUP = 0x69_70_76;

/** Whether a link is marked as made by the driver. */
export function isOurs(link: Link): boolean {
  return link.group === String(LINK_GROUP);
}

/** The note on a link of ours: the networks that it serves, as far as 255 bytes go. */
export function aliasOf(networks: readonly string[]): string {
  return `ipvlan-kit ${networks.join(" ")}`.slice(0, 255);
}

/** What a network's parent is, and what has to be made for it. */
export interface ParentChoice {
  /** The links to make, the lowest first; none where the parent exists. */
  make: LinkSpec[];
  /** The link that frames leave by: the parent, or the one that it is to be made on. */
  carrier?: Link;
  /** What the user should know. */
  notices: string[];
  /** What is wrong with it. */
  problems: IpvlanError[];
}

/** Decides on a parent that was named: use it as it is, make it as a sub-interface, or refuse it. */
export function chooseParent(parent: string, links: readonly Link[]): ParentChoice {
  const choice: ParentChoice = { make: [], notices: [], problems: [] };
  choice.problems.push(...parentProblems(parent));
  if (choice.problems.length > 0) return choice;
  const find = (name: string) => links.find((link) => link.name === name);
  const link = find(parent);
  if (link) {
    choice.carrier = link;
    choice.problems.push(...unfitProblems(link, links));
    if (!link.up) {
      choice.notices.push(
        `The parent "${parent}" is down, so nothing passes: "ip link set ${parent} up"`,
      );
    }
    return choice;
  }
  const subs = subInterfaces(parent, (name) => find(name) !== undefined);
  if (!subs) {
    choice.problems.push(new ParentNotFoundError(parent));
    return choice;
  }
  choice.problems.push(...subs.flatMap(subInterfaceProblems));
  const base = find(subs[0]!.link);
  if (!base) {
    choice.problems.push(new ParentNotFoundError(parent, subs[0]!.link));
    return choice;
  }
  choice.carrier = base;
  choice.problems.push(...unfitProblems(base, links));
  for (const sub of subs) {
    const twin = links.find(({ link, info }) =>
      link === sub.link && info.type === "vlan" && info.id === sub.id &&
      info.protocol === sub.protocol
    );
    if (twin) {
      const reason = `"${sub.link}" has VLAN ${sub.id} already, as the link "${twin.name}": use ` +
        "that as the parent";
      choice.problems.push(new InvalidParentError(parent, reason));
    }
    choice.make.push({ type: "vlan", ...sub, group: LINK_GROUP, up: true });
  }
  if (!base.up) choice.problems.push(new ParentDownError(base.name));
  return choice;
}

/**
 * Why a link cannot have ipvlan links on it. A loopback is refused by the driver itself, and a port
 * of a bridge, bond or team, or the parent of a macvlan, has its one receive handler taken
 * (`ipvlan_port_create` in `drivers/net/ipvlan/ipvlan_main.c`, `netdev_rx_handler_register`).
 */
function unfitProblems(link: Link, links: readonly Link[]): InvalidParentError[] {
  const reasons: string[] = [];
  if (link.linkType === "loopback") {
    reasons.push(
      "it is the loopback, which no frame leaves; name another link, or none for a dummy",
    );
  }
  if (link.info.type === "ipvlan") {
    const below = link.link === undefined ? "the link below it" : `"${link.link}"`;
    reasons.push(`it is an ipvlan link itself, and the kernel would take ${below}; use that`);
  }
  if (link.master !== undefined && link.masterKind !== "vrf") {
    const kind = link.masterKind ?? "master";
    reasons.push(`it is a port of the ${kind} "${link.master}"; use "${link.master}" instead`);
  }
  const macvlan = links.find((other) => other.link === link.name && other.info.type === "macvlan");
  if (macvlan) {
    reasons.push(
      `it carries the macvlan link "${macvlan.name}", and macvlan and ipvlan cannot share a ` +
        "parent; remove that, or use another link",
    );
  }
  return reasons.map((reason) => new InvalidParentError(link.name, reason));
}

/** Says of a parent that the kernel takes no ipvlan link on it, as its receive handler is taken. */
export function busyParent(parent: string): InvalidParentError {
  const reason = "the kernel says it is busy, which a macvlan link on it makes it, even one in " +
    "another namespace; remove that, or use another link";
  return new InvalidParentError(parent, reason);
}

/**
 * What a refused `link add` of an ipvlan link means. The parent may be busy although the look at the
 * host found it fit: because of a link in another namespace, or of one that came since.
 */
export function explainIpvlanAdd(error: IpCommandError, parent: string): IpvlanError {
  return error.errno === "EBUSY" ? busyParent(parent) : explainLinkAdd(error, "ipvlan");
}

/**
 * Whether mode and flag agree with what is on the parent already: both belong to the parent, and
 * the kernel changes every link on it without a word (`ipvlan_set_port_mode`).
 */
export function conflictProblem(
  parent: string,
  asked: { mode: IpvlanMode; flag: IpvlanFlag },
  networks: readonly SettledNetwork[],
  links: readonly Link[],
): ParentConflictError | undefined {
  const users = [
    ...networks.filter((network) => network.parent === parent),
    ...links.flatMap(({ name, link, info }) =>
      info.type === "ipvlan" && link === parent ? [{ name, mode: info.mode, flag: info.flag }] : []
    ),
  ];
  const other = users.find(({ mode, flag }) => mode !== asked.mode || flag !== asked.flag);
  if (!other) return undefined;
  const words = ({ mode, flag }: typeof asked) => `mode ${mode}, flag ${flag}`;
  const alike = users.filter((user) => words(user) === words(other)).map(({ name }) => name);
  return new ParentConflictError(parent, words(other), alike, words(asked));
}

/** Whether a link is the parent, or is below it, according to the links that the driver made. */
export function standsOn(parent: string, link: string, made: readonly LinkSpec[]): boolean {
  if (parent === link) return true;
  const record = made.find(({ name }) => name === parent);
  return record !== undefined && "link" in record && standsOn(record.link, link, made);
}

/** The links that the driver made as a parent or below it, the lowest first. */
export function linksUnder(parent: string, made: readonly LinkSpec[]): LinkSpec[] {
  return made.filter(({ name }) => standsOn(parent, name, made));
}

/** The addresses of a link that say something about the network it is on: not the link-local ones. */
export function globalAddrs(link: string, addrs: readonly Addr[]): Addr[] {
  return addrs.filter(({ dev, scope }) => dev === link && scope === "global");
}
