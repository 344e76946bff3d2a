import { VLAN_ID, type VlanProtocol } from "../iproute2/kinds/vlan.ts";
import { LINK_NAME_MAX, linkName } from "../iproute2/words.ts";
import { attempt, type IpvlanError } from "../errors.ts";
import { InvalidNameError, InvalidOptionError } from "./errors.ts";

/**
 * Checks the name of a network, a sandbox, an alias or a site: it becomes a file name, a word of an `ip`
 * line and, for sandboxes and aliases, a host name (whose labels have at most 63 characters,
 * RFC 1123).
 *
 * @returns What is wrong with it, or `undefined`.
 */
export function nameProblem(
  what: "network" | "sandbox" | "alias" | "site",
  name: string,
): InvalidNameError | undefined {
  if (name.length > 63) return new InvalidNameError(what, name, "it is longer than 63 characters");
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(name)) {
    const rule = "letters and digits, and after the first also _ . and -";
    return new InvalidNameError(what, name, rule);
  }
  if (what === "sandbox" && /^\d+$/.test(name)) {
    return new InvalidNameError(what, name, "digits alone are taken for a process id");
  }
}

/** A VLAN sub-interface that a parent's name asks for. */
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
 * The sub-interfaces that the name of a missing parent stands for, the lowest first: `eth0.20` is
 * VLAN 20 on `eth0`, and `eth0.20.30` is VLAN 30 inside the service VLAN 20 on `eth0` (two tags,
 * the outer one 802.1ad), unless `eth0.20` exists. A link may have dots in its own name, so what
 * exists decides where its name ends.
 *
 * @returns The sub-interfaces, none of which exists, on a link that may or may not; or `undefined`
 * where the name is not of that form.
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

/** What is wrong with a sub-interface that would have to be made. */
export function subInterfaceProblems({ name, id }: SubInterface): IpvlanError[] {
  const problems: IpvlanError[] = [];
  if (id < VLAN_ID.MIN || id > VLAN_ID.MAX) {
    const rule = `the VLAN id ${id} is not from ${VLAN_ID.MIN} to ${VLAN_ID.MAX}`;
    problems.push(new InvalidOptionError("parent", name, rule));
  }
  if (name.length > LINK_NAME_MAX) {
    const rule = `a link's name has at most ${LINK_NAME_MAX} characters; make the link under a ` +
      "shorter name and use that";
    problems.push(new InvalidOptionError("parent", name, rule));
  }
  return problems;
}

/** Checks the name of a parent, without looking at the links that there are. */
export function parentProblems(parent: string): readonly IpvlanError[] {
  const name = attempt(() => linkName(parent, "parent"));
  if (name.ok) return [];
  // A number at its end may still say what was meant; the name's length is judged with it.
  const tooLong = subInterfaces(parent, () => true)?.flatMap(subInterfaceProblems) ?? [];
  return tooLong.length > 0 ? tooLong : name.problems;
}
