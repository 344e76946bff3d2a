import { VLAN_ID, type VlanProtocol } from "../../iproute2/kinds/vlan.ts";
import { LINK_NAME_MAX, linkName } from "../../iproute2/words.ts";
import { attempt, invalidOption, IpvlanError, type IpvlanErrorOf } from "../../base/errors.ts";
import type { EngineName, Owner } from "./types.ts";

/** Docker's predefined networks: `run --network` takes these words for them. */
const PREDEFINED = ["bridge", "default", "host", "none"];

/**
 * Checks the name of a network, a sandbox, an alias or a site. It becomes a file name and a word of
 * an `ip` line. The names of sandboxes and aliases also become host names, whose labels have at most
 * 63 characters (RFC 1123).
 *
 * @param owner The engine that it belongs to. Then the name is the engine's, a colon, and the engine's
 * own name or id. No other name of the driver or of its files has a colon.
 */
export function nameProblem(
  what: "network" | "sandbox" | "alias" | "site",
  name: string,
  owner?: Owner,
): IpvlanErrorOf<"invalid-name"> | undefined {
  const rule = owner ? whyNotOwned(name, owner) : whyNoName(what, name);
  return rule === undefined ? rule : new IpvlanError("invalid-name", { what, value: name, rule });
}

const WORD = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;
const WORD_RULE = "letters and digits, and after the first also _ . and -";

function whyNoName(what: string, name: string): string | undefined {
  if (name.length > 63) return "it is longer than 63 characters";
  if (!WORD.test(name)) return WORD_RULE;
  if (what === "network" && PREDEFINED.includes(name)) {
    return "in run --network, it is a word of its own";
  }
  if (what === "sandbox" && /^\d+$/.test(name)) return "ip takes digits alone for a process id";
  return what === "sandbox" || what === "alias" ? whyNoHostName(name) : undefined;
}

function whyNotOwned(name: string, { engine }: Owner): string | undefined {
  if (name.length > 255) return "it is longer than 255 characters";
  const rest = name.startsWith(`${engine}:`) ? name.slice(engine.length + 1) : "";
  return WORD.test(rest) ? undefined : `${engine}: and then ${WORD_RULE}`;
}

/**
 * Finds the engine that a network or a sandbox belongs to, by its name; `undefined` if it is
 * `ipvlan`'s own. No record is needed, so this also works for a line of a hosts file.
 */
export function engineOf(name: string): EngineName | undefined {
  const [engine, rest] = name.split(":");
  return rest === undefined ? undefined : engine as EngineName;
}

export function isOwned(name: string): boolean {
  return engineOf(name) !== undefined;
}

/** {@linkcode isOwned} in SQL, of a column with names. */
export function isOwnedSql(column: string): string {
  return `instr(${column}, ':') > 0`;
}

/** Whether a name from outside may stand in a hosts file: valid, and not a name of the host itself. */
export function isHostName(name: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9_.-]{0,252}$/.test(name) && whyNoHostName(name) === undefined;
}

/** The names that every hosts file has for the host itself, besides `localhost`. */
const LOOPBACK_NAMES = ["ip6-localhost", "ip6-loopback"];

/** A number as inet_aton(3) reads it: decimal, octal or hexadecimal. */
const NUMBER = "(?:0x[0-9a-f]+|[0-9]+)";

/** An address as inet_aton(3) reads it: one to four numbers. */
const ADDRESS = new RegExp(`^${NUMBER}(?:\\.${NUMBER}){0,3}$`, "i");

/** Finds why a lookup of a name would not find its sandbox; `undefined` if it would. */
function whyNoHostName(name: string): string | undefined {
  // A dot at the end does not change the name (RFC 1034, section 3.1).
  const lower = name.toLowerCase().replace(/\.$/, "");
  // RFC 6761, section 6.3: also every name below `localhost`.
  if (/(^|\.)localhost$/.test(lower) || LOOPBACK_NAMES.includes(lower)) {
    return "it is the name of the host itself";
  }
  if (ADDRESS.test(name)) return "programs take it for an address, and do not look it up as a name";
}

/**
 * The parent on record of an engine's network whose parents are links of its sandboxes, one in each.
 * No link can have this name, so it is never mistaken for a link of the host.
 */
export const IN_SANDBOX = "(in the sandbox)";

/** The kinds of parents: a link of the host; one of each sandbox; none yet, before a dummy is made. */
export type NetworkParent =
  | { kind: "host"; link: string }
  | { kind: "sandbox" | "none"; link?: undefined };

/** Reads a network's parent from the text that the record and the user have. */
export function networkParent({ parent }: { parent?: string }): NetworkParent {
  if (parent === undefined) return { kind: "none" };
  return parent === IN_SANDBOX ? { kind: "sandbox" } : { kind: "host", link: parent };
}

export interface SubInterface {
  /** Its name: `eth0.20`. */
  name: string;
  /** The link below: `eth0`. */
  link: string;
  id: number;
  protocol: VlanProtocol;
}

/**
 * Reads the sub-interfaces to make from the name of a missing parent, the lowest first. `eth0.20`
 * is VLAN 20 on `eth0`. `eth0.20.30` is VLAN 30 on `eth0.20` if that exists. If not, it is VLAN 30
 * inside the service VLAN 20 on `eth0`: two tags, the outer one 802.1ad. A link's own name may have
 * dots, so only the existing links tell where the name of the lowest link ends.
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
 * The names of a parent and of the links that may be below it: `eth0.20.30`, `eth0.20` and `eth0`. A
 * name that no link can have is left out.
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

/** Checks the name of a parent, without looking at the existing links. */
export function parentProblems(parent: string): readonly IpvlanError[] {
  const name = attempt(() => linkName(parent, "parent"));
  if (name.ok) return [];
  // If a name that is too long has the form `link.vlan`, the message about that helps more.
  const tooLong = subInterfaces(parent, () => true)?.flatMap(subInterfaceProblems) ?? [];
  return tooLong.length > 0 ? tooLong : name.problems;
}

/** The names by which a sandbox is found on a network, besides its aliases there. */
export function ownNames(sandbox: string, network: string): string[] {
  return [sandbox, `${sandbox}.${network}`];
}

/** All names by which a sandbox is found on a network. An engine's sandbox has only its aliases. */
export function namesOn(
  network: string,
  { sandbox, aliases }: { sandbox: string; aliases: readonly string[] },
): string[] {
  const [name, longer] = ownNames(sandbox, network);
  return isOwned(sandbox) ? [...aliases] : [...new Set([name!, ...aliases, longer!])];
}
