import { VLAN_ID, type VlanProtocol } from "../../iproute2/kinds/vlan.ts";
import { LINK_NAME_MAX, linkName } from "../../iproute2/words.ts";
import { attempt, invalidOption, IpvlanError, type IpvlanErrorOf } from "../../base/errors.ts";
import type { EngineName, Owner } from "./types.ts";

/** Networks that Docker has from the start, so that `run --network` takes these words for them. */
const PREDEFINED = ["bridge", "default", "host", "none"];

/**
 * Finds what is wrong with the name of a network, a sandbox, an alias or a site. It becomes a file
 * name and a word of an `ip` line. The names of sandboxes and aliases also become host names, whose
 * labels have at most 63 characters (RFC 1123).
 */
export function nameProblem(
  what: "network" | "sandbox" | "alias" | "site",
  name: string,
): IpvlanErrorOf<"invalid-name"> | undefined {
  if (name.length > 63) {
    return new IpvlanError("invalid-name", {
      what,
      value: name,
      rule: "it is longer than 63 characters",
    });
  }
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(name)) {
    const rule = "letters and digits, and after the first also _ . and -";
    return new IpvlanError("invalid-name", { what, value: name, rule });
  }
  if (what === "network" && PREDEFINED.includes(name)) {
    return new IpvlanError("invalid-name", {
      what,
      value: name,
      rule: "in run --network, it is a word of its own",
    });
  }
  if (what === "sandbox" && /^\d+$/.test(name)) {
    return new IpvlanError("invalid-name", {
      what,
      value: name,
      rule: "ip takes digits alone for a process id",
    });
  }
  const reason = what === "sandbox" || what === "alias" ? whyNoHostName(name) : undefined;
  if (reason !== undefined) {
    return new IpvlanError("invalid-name", { what, value: name, rule: reason });
  }
}

/**
 * Finds what is wrong with the name of an engine's network or sandbox: the engine's name, a colon,
 * and the engine's own name or id. The colon keeps it apart from all other names, and from those of
 * files.
 */
export function ownedNameProblem(
  what: "network" | "sandbox",
  name: string,
  { engine }: Owner,
): IpvlanErrorOf<"invalid-name"> | undefined {
  const rest = name.startsWith(`${engine}:`) ? name.slice(engine.length + 1) : "";
  if (name.length > 255) {
    return new IpvlanError("invalid-name", {
      what,
      value: name,
      rule: "it is longer than 255 characters",
    });
  }
  if (/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(rest)) return undefined;
  const rule = `${engine}: and then letters and digits, and after the first also _ . and -`;
  return new IpvlanError("invalid-name", { what, value: name, rule });
}

/**
 * The engine that a network or a sandbox of a name belongs to; `undefined` if it is `ipvlan`'s own. The
 * name alone tells, so that a line of an endpoint or of a hosts file does, too.
 */
export function engineOf(name: string): EngineName | undefined {
  const [engine, rest] = name.split(":");
  return rest === undefined ? undefined : engine as EngineName;
}

/** Whether a name is that of an engine's network or sandbox. */
export function isOwned(name: string): boolean {
  return engineOf(name) !== undefined;
}

/** {@linkcode isOwned} in SQL, of a column with names. */
export function isOwnedSql(column: string): string {
  return `instr(${column}, ':') > 0`;
}

/** Whether a name from elsewhere may stand in a hosts file, and does not take over the host's own. */
export function isHostName(name: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9_.-]{0,252}$/.test(name) && whyNoHostName(name) === undefined;
}

/** The names that every hosts file has for the host itself, besides `localhost`. */
const LOOPBACK_NAMES = ["ip6-localhost", "ip6-loopback"];

/** A number as inet_aton(3) reads it: decimal, octal or hexadecimal. */
const NUMBER = "(?:0x[0-9a-f]+|[0-9]+)";

/** What inet_aton(3) takes for an address: one to four numbers. */
const ADDRESS = new RegExp(`^${NUMBER}(?:\\.${NUMBER}){0,3}$`, "i");

/** Why a sandbox could not be found by a name, or `undefined` if it can be. */
function whyNoHostName(name: string): string | undefined {
  // With a dot behind it, it is the same name (RFC 1034, section 3.1).
  const lower = name.toLowerCase().replace(/\.$/, "");
  // RFC 6761, section 6.3: also every name below `localhost`.
  if (/(^|\.)localhost$/.test(lower) || LOOPBACK_NAMES.includes(lower)) {
    return "it is the name of the host itself";
  }
  if (ADDRESS.test(name)) return "programs take it for an address, and do not look it up as a name";
}

/**
 * Stands for the parent on a network of an engine whose parents are links of its sandboxes, one in
 * each. No link can have this name, so no link of the host is ever taken for one of them.
 */
export const IN_SANDBOX = "(in the sandbox)";

/**
 * The kinds of parents: a link of the host; a link of each sandbox; or none yet, of an isolated network
 * that is not made.
 */
export type NetworkParent =
  | { kind: "host"; link: string }
  | { kind: "sandbox" | "none"; link?: undefined };

/** Tells the kind of a network's parent, which on record and for users is a text. */
export function networkParent({ parent }: { parent?: string }): NetworkParent {
  if (parent === undefined) return { kind: "none" };
  return parent === IN_SANDBOX ? { kind: "sandbox" } : { kind: "host", link: parent };
}

/** A VLAN sub-interface to make, according to a parent's name. */
export interface SubInterface {
  /** Its name: `eth0.20`. */
  name: string;
  /** The link below: `eth0`. */
  link: string;
  /** The VLAN id. */
  id: number;
  /** The tag's protocol. */
  protocol: VlanProtocol;
}

/**
 * Reads the sub-interfaces to make from the name of a missing parent, the lowest first. `eth0.20`
 * is VLAN 20 on `eth0`. `eth0.20.30` is VLAN 30 on `eth0.20` if that exists. If not, it is VLAN 30
 * inside the service VLAN 20 on `eth0`: two tags, the outer one 802.1ad. A link may have dots in
 * its own name, so the links that exist decide where the name of the lowest link ends.
 *
 * @returns `undefined` if the name does not have this form. The lowest link may be missing.
 */
export function subInterfaces(
  parent: string,
  exists: (link: string) => boolean,
): SubInterface[] | undefined {
  const split = /^(.+)\.(\d+)$/.exec(parent);
  if (!split) return undefined;
  const [, link = "", id] = split;
  const inner: SubInterface = { name: parent, link, id: Number(id), protocol: "802.1Q" };
  const outer = exists(link) ? undefined : /^(.+)\.(\d+)$/.exec(link);
  if (!outer) return [inner];
  const [, base = "", service] = outer;
  return [{ name: link, link: base, id: Number(service), protocol: "802.1ad" }, inner];
}

/**
 * The names of the links that a parent may turn out to stand on, with its own: `eth0.20.30`,
 * `eth0.20` and `eth0`. A name that no link can have is left out.
 */
export function parentNames({ parent }: { parent?: string }): string[] {
  const names: string[] = [];
  // Two tags at most.
  for (let name = parent; name !== undefined && names.length < 3;) {
    names.push(name);
    const [lowest] = subInterfaces(name, () => true) ?? [];
    name = lowest?.link;
  }
  return names.filter((name) => attempt(() => linkName(name)).ok);
}

/** Checks a sub-interface to make. */
export function subInterfaceProblems({ name, id }: SubInterface): IpvlanError[] {
  const problems: IpvlanError[] = [];
  if (id < VLAN_ID.MIN || id > VLAN_ID.MAX) {
    const rule = `the VLAN id ${id} is not from ${VLAN_ID.MIN} to ${VLAN_ID.MAX}`;
    problems.push(invalidOption("parent", name, rule));
  }
  if (name.length > LINK_NAME_MAX) {
    const rule = `a link's name has at most ${LINK_NAME_MAX} characters; make the link under a ` +
      "shorter name and use that";
    problems.push(invalidOption("parent", name, rule));
  }
  return problems;
}

/** Checks the name of a parent, without looking at the links that there are. */
export function parentProblems(parent: string): readonly IpvlanError[] {
  const name = attempt(() => linkName(parent, "parent"));
  if (name.ok) return [];
  // A name that is too long may have the form `link.vlan`. That message helps more.
  const tooLong = subInterfaces(parent, () => true)?.flatMap(subInterfaceProblems) ?? [];
  return tooLong.length > 0 ? tooLong : name.problems;
}

/** The names by which a sandbox is found on a network, besides its aliases there. */
export function ownNames(sandbox: string, network: string): string[] {
  return [sandbox, `${sandbox}.${network}`];
}

/** All names by which a sandbox is found on a network. That of an engine's sandbox is an id, and none. */
export function namesOn(
  network: string,
  { sandbox, aliases }: { sandbox: string; aliases: readonly string[] },
): string[] {
  const [name, longer] = ownNames(sandbox, network);
  return isOwned(sandbox) ? [...aliases] : [...new Set([name!, ...aliases, longer!])];
}
