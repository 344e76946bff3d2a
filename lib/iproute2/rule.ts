import { AF, prefixBytes } from "../netlink/address.ts";
import { ERRNO, unlessErrno } from "../netlink/libc.ts";
import { attribute, type Reader, u32, VERB_FLAGS } from "../netlink/message.ts";
import { nameOf, numberOf } from "../netlink/names.ts";
import { protocolWord, tableWord } from "./route.ts";
import { ask, type Change, make, NeedsProgram, type Runner, type Send } from "./runner.ts";
import { addressFamily, invalidWord, linkName, oneOf, prefixWord, wholeNumber } from "./words.ts";
import { isIpvlanError } from "../base/errors.ts";
import type { NetlinkSocket } from "../netlink/socket.ts";

const ACTIONS = ["blackhole", "unreachable", "prohibit", "nop"];

/**
 * A rule to add or delete. {@linkcode RuleVerbs.show} also returns such rules. It looks up a route in a
 * table, and ignores routes with a prefix length of `suppressPrefixLength` or less; or it continues at
 * the rule with the priority `goto`; or it drops the packet, answers it with an ICMP error, or does
 * nothing. To delete a rule, the table may be left out.
 */
export type RuleSpec =
  & RuleSelectors
  & (
    | { action?: "lookup"; table?: number | string; suppressPrefixLength?: number; goto?: never }
    | { action: "goto"; goto: number; table?: never; suppressPrefixLength?: never }
    | {
      action: "blackhole" | "unreachable" | "prohibit" | "nop";
      goto?: never;
      table?: never;
      suppressPrefixLength?: never;
    }
  );

/** The selectors of a rule. It matches packets that match all of them; without any, all packets. */
export interface RuleSelectors {
  /** The family; left out, that of `src` or `dst`, else 4. */
  family?: 4 | 6;
  /** The order of the rules, the lowest number first; left out, before the last one added. */
  priority?: number;
  /** Whether it matches the packets that its selectors do *not* match. */
  not?: boolean;
  /** The prefix that the source is in. */
  src?: string;
  /** The prefix that the destination is in. */
  dst?: string;
  /** The link that the packet came in by; `lo` for packets that this namespace sends. */
  iif?: string;
  /** The link that the sender has bound its socket to. */
  oif?: string;
  /** The mark of the packet: a number, or text such as `0x7`. */
  fwmark?: number | string;
  /** The bits of `fwmark` that are compared, such as `0xff`; left out, all. */
  fwmask?: number | string;
  /** Its origin: a number from 0 to 255, or its name (Linux 4.17). */
  protocol?: number | string;
}

/**
 * A routing rule, which decides where to look up the route of matching packets. Source: ip-rule(8), and
 * `print_rule` in iproute2's `ip/iprule.c`. All other selectors and settings are in `others`, as `ip`
 * prints them: `{ ipproto: "tcp", dport: 80 }`. A rule with them cannot be added.
 */
export type Rule = RuleSelectors & Required<Pick<RuleSelectors, "family" | "priority" | "not">> & {
  action: NonNullable<RuleSpec["action"]>;
  table?: string;
  goto?: number;
  suppressPrefixLength?: number;
  others: Record<string, unknown>;
};

/** Fields of a rule that say that its link or the target of `goto` does not exist. */
const STATES = ["iif_detached", "oif_detached", "unresolved"];

/** The change `rule add …` (or `del`), with `-6` for IPv6. @throws {"invalid-word"} It says too little, … */
export function ruleChange(verb: "add" | "del", rule: RuleSpec | Rule): Change {
  const { src, dst, priority, not, iif, oif, fwmark, fwmask, protocol } = rule;
  const { action = "lookup", table, goto, suppressPrefixLength } = rule;
  const family = rule.family ?? addressFamily(src ?? "") ?? addressFamily(dst ?? "");
  const words: string[] = [];
  if (src !== undefined) words.push("from", prefixWord(src, "prefix of a rule", family));
  if (dst !== undefined) words.push("to", prefixWord(dst, "prefix of a rule", family));
  if (fwmark !== undefined || fwmask !== undefined) {
    const mask = fwmask === undefined ? "" : `/${markWord(fwmask)}`;
    words.push("fwmark", markWord(fwmark ?? 0) + mask);
  }
  if (iif !== undefined) words.push("iif", linkName(iif));
  if (oif !== undefined) words.push("oif", linkName(oif));
  if (priority !== undefined) words.push("priority", priorityWord(priority));
  if (protocol !== undefined) words.push("protocol", protocolWord(protocol));
  if (table !== undefined) words.push("table", tableWord(table));
  if (goto !== undefined) words.push("goto", priorityWord(goto));
  if (suppressPrefixLength !== undefined) {
    const length = wholeNumber(suppressPrefixLength, "suppressed prefix length", 0, 128);
    words.push("suppress_prefixlength", length);
  }
  oneOf(action, "action of a rule", ["lookup", "goto", ...ACTIONS]);
  if (ACTIONS.includes(action)) words.push(action);
  const others = Object.keys("others" in rule ? rule.others : {})
    .filter((name) => !STATES.includes(name));
  const problem = others.length > 0
    ? `there is no way here to write its ${others.join(", ")}`
    : verb === "del" && words.length === 0
    ? "it needs a priority, a selector or an action, else the first of all rules would go"
    : verb === "add" && !ACTIONS.includes(action) && (table ?? goto) === undefined
    ? "it needs a table to look into, or another action"
    : undefined;
  if (problem !== undefined) throw invalidWord("rule", words.join(" "), problem);
  words.unshift(family === 6 ? "-6 rule" : "rule", verb, ...not ? ["not"] : []);
  return { line: words.join(" "), send: sendRule(verb, rule, family ?? 4) };
}

function priorityWord(priority: number): string {
  return wholeNumber(priority, "priority of a rule", 0, 0xffff_ffff);
}

function markWord(value: number | string): string {
  const isNumber = typeof value === "number" || /^(0x[\da-f]+|0|[1-9]\d*)$/i.test(value);
  if (isNumber) return wholeNumber(Number(value), "mark of packets", 0, 0xffff_ffff);
  throw invalidWord("mark of packets", value, "a number such as 0x7");
}

/**
 * The verbs of `ip rule`. With `ip`, each line of IPv6 takes one of its own.
 *
 * @example
 * ```ts
 * import { Ip } from "@ipvlan/kit/ip";
 *
 * await using ip = await Ip.open();
 * await ip.rule.add({ src: "192.168.20.0/24", table: 20, priority: 1000 });
 * const ours = (await ip.rule.show()).filter(({ table }) => table === "20");
 * await ip.rule.del({ priority: 1000 });
 * ```
 */
export class RuleVerbs {
  /** Makes the verbs of one runner. */
  constructor(private readonly runner: Runner) {}

  /** Adds a rule. @throws {"ip-command"} It exists already, or the kernel refused. */
  async add(rule: RuleSpec | Rule): Promise<void> {
    await make(this.runner, ruleChange("add", rule));
  }

  /**
   * Deletes the first rule with all these properties.
   *
   * @throws {"ip-command"} There is none (`errno` is `ENOENT`).
   */
  async del(rule: RuleSpec | Rule): Promise<void> {
    await make(this.runner, ruleChange("del", rule));
  }

  /** Shows the rules of both families, each family in its order. */
  async show(): Promise<Rule[]> {
    const show = async (family: 4 | 6, line: string) => {
      const rows = await ask(this.runner, line, (socket) => readRules(socket, family));
      return rows.map((row) => parseRule(family, row));
    };
    const all = [show(4, "rule show"), show(6, "-6 rule show").catch(noneWithoutIPv6)];
    return (await Promise.all(all)).flat();
  }
}

/** A kernel without IPv6 has no rules for it (`fib_nl_dumprule` in `net/core/fib_rules.c`). */
function noneWithoutIPv6(error: unknown): [] {
  if (isIpvlanError(error, "ip-command") && /Address family not supp/.test(error.reason)) return [];
  throw error;
}

/** The row of a rule in `ip -details -json rule show`, whose names differ from {@linkcode Rule}. */
interface Row extends Omit<Rule, "not" | "action" | "suppressPrefixLength"> {
  srclen?: number;
  dstlen?: number;
  suppress_prefixlen?: number;
  action?: Rule["action"];
  /** `ip` prints the word alone: its value is null. */
  not?: null;
  /** The same: the action that does nothing. */
  nop?: null;
}

/** A rule from its row of `ip -details -json rule show`. */
export function parseRule(family: 4 | 6, row: Record<string, unknown>): Rule {
  const { src, srclen, dst, dstlen, not, nop, action, suppress_prefixlen, ...rest } =
    row as unknown as Row;
  const { priority, iif, oif, fwmark, fwmask, table, goto, protocol, ...others } = rest;
  return {
    family,
    priority,
    not: not !== undefined,
    src: prefixOf(src, srclen),
    dst: prefixOf(dst, dstlen),
    iif,
    oif,
    fwmark,
    fwmask,
    action: action ?? (nop !== undefined ? "nop" : goto === undefined ? "lookup" : "goto"),
    table: action === undefined ? table : undefined,
    goto,
    suppressPrefixLength: suppress_prefixlen,
    protocol,
    others,
  };
}

/** A prefix; a single address is printed without a length. */
function prefixOf(address: string | undefined, length: number | undefined): string | undefined {
  if (address === undefined || address === "all") return undefined;
  return length === undefined ? address : `${address}/${length}`;
}

/** The messages about rules, and their attributes (`fib_rules.h`). */
const RTM = { add: 32, del: 33, GETRULE: 34 } as const;
const FRA = { DST: 1, SRC: 2, PRIORITY: 6, SUPPRESS_PREFIXLEN: 14, TABLE: 15, PROTOCOL: 21 };
const KNOWN: readonly number[] = Object.values(FRA);

/** The bytes of `struct fib_rule_hdr`, the action of a lookup, and no suppressed prefix length. */
const [FIXED, LOOKUP, NONE] = [12, 1, 0xffff_ffff];

/** Adds or deletes a rule that looks up a table by a source; `undefined` if only `ip` can. */
function sendRule(
  verb: "add" | "del",
  rule: { src?: string; priority?: number; table?: number | string },
  family: 4 | 6,
): Send | undefined {
  const { src, priority, table } = rule;
  const isPlain = Object.entries(rule).every(([name, value]) =>
    value === undefined || ["family", "src", "priority", "table"].includes(name)
  );
  const number = table === undefined ? undefined : numberOf("rt_tables", table);
  if (!isPlain || src === undefined || number === undefined) return undefined;
  const { length, bytes } = prefixBytes(src);
  return (socket) =>
    socket.change({
      type: RTM[verb],
      flags: VERB_FLAGS[verb],
      body: [
        [AF[family], 0, length, 0, number < 256 ? number : 0, 0, 0, LOOKUP, u32(0)],
        attribute(FRA.SRC, bytes),
        priority !== undefined && attribute(FRA.PRIORITY, u32(priority)),
        number >= 256 && attribute(FRA.TABLE, u32(number)),
      ],
    });
}

/** Reads the rules of a family as the rows that `ip` prints. @throws {NeedsProgram} One is not plain. */
function readRules(socket: NetlinkSocket, family: 4 | 6): Record<string, unknown>[] {
  const request = { type: RTM.GETRULE, body: [u32(AF[family]), u32(0), u32(0)] };
  const read = (body: Reader) => body.u8(0) === AF[family] ? row(body, family) : undefined;
  // A kernel without IPv6 has no rules of it.
  return unlessErrno([ERRNO.EOPNOTSUPP], () => socket.list(request, read)) ?? [];
}

function row(body: Reader, family: 4 | 6): Record<string, unknown> {
  const attributes = body.part(FIXED);
  const suppressed = attributes.get(FRA.SUPPRESS_PREFIXLEN)?.u32() ?? NONE;
  const isPlain = [...attributes.all()].every(([type]) => KNOWN.includes(type)) &&
    suppressed === NONE && body.u8(7) === LOOKUP && body.u8(3) === 0 && body.u32(8) === 0;
  if (!isPlain) throw new NeedsProgram();
  const prefix = (type: number, length: number, name: "src" | "dst") => ({
    ...attributes.get(type) && { [name]: attributes.get(type)!.ip() },
    ...length < (family === 6 ? 128 : 32) && length > 0 && { [`${name}len`]: length },
  });
  return {
    priority: attributes.get(FRA.PRIORITY)?.u32() ?? 0,
    ...prefix(FRA.SRC, body.u8(2), "src"),
    ...prefix(FRA.DST, body.u8(1), "dst"),
    table: nameOf("rt_tables", attributes.get(FRA.TABLE)?.u32() ?? body.u8(4)),
    ...attributes.get(FRA.PROTOCOL) &&
      { protocol: nameOf("rt_protos", attributes.get(FRA.PROTOCOL)!.u8(0)) },
  };
}
