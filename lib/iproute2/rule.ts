import type { Ip } from "./ip.ts";
import { parseJson } from "./json.ts";
import type { RunProgram } from "./shell.ts";
import { netnsName } from "./words.ts";
import { ipCommandError } from "./errors.ts";

/**
 * A routing rule, which says where to look for the route of the packets that it matches. A packet
 * has to match all selectors. Source: ip-rule(8), and `print_rule` in iproute2's `ip/iprule.c`.
 */
export interface Rule {
  /** 4 or 6. */
  family: 4 | 6;
  /** The rules are tried in this order, the lowest number first. */
  priority: number;
  /** Whether it matches the packets that its selectors do *not* match. */
  not: boolean;
  /** The prefix that the source is in; `undefined` for any. */
  src?: string;
  /** The prefix that the destination is in; `undefined` for any. */
  dst?: string;
  /** The link by which the packet came; `lo` for what this namespace sends itself. */
  iif?: string;
  /** The link that the sender has bound its socket to. */
  oif?: string;
  /** The mark of the packet, such as `0x7`. */
  fwmark?: string;
  /** The bits of the mark that are compared, such as `0xff`; `undefined` for all. */
  fwmask?: string;
  /** What to do: `lookup` a route in a table, `goto` a rule, `blackhole`, `unreachable`, … */
  action: string;
  /** The table of `lookup`, as `ip` prints it: `main`, `local`, `default`, or a number. */
  table?: string;
  /** The priority of the rule that `goto` continues with. */
  goto?: number;
  /** Routes of the table with a prefix of this length or shorter are passed over. */
  suppressPrefixLength?: number;
  /** Who made it: `kernel`, `unspec` (by hand), … */
  protocol?: string;
  /** All other selectors and settings, as `ip` prints them: `{ ipproto: "tcp", dport: 80 }`. */
  others: Record<string, unknown>;
}

/** The rules of both families. @throws {"ip-command"} They cannot be read. */
export async function readRules(ip: Ip, run: RunProgram, netns?: string): Promise<Rule[]> {
  const [rows, rows6] = await Promise.all([
    ip.session.query("rule show"),
    readRows6(run, netns),
  ]);
  return [
    ...rows.map((row) => parseRule(4, row)),
    ...rows6.map((row) => parseRule(6, row)),
  ];
}

/** A line of a batch cannot ask for the other family, so IPv6 takes an `ip` of its own. */
async function readRows6(
  run: RunProgram,
  netns?: string,
): Promise<Record<string, unknown>[]> {
  const where = netns === undefined ? "" : `-n ${netnsName(netns)} `;
  const command = `ip ${where}-6 -details -json rule show`;
  const { code, out, err } = await run(command, []);
  const said = err.join("; ");
  if (code !== 0) {
    // A kernel without IPv6 has no rules for it (`fib_nl_dumprule` in `net/core/fib_rules.c`).
    if (/Address family not supported/.test(said)) return [];
    throw ipCommandError(command, said);
  }
  return out.flatMap((line) => parseJson(line) as Record<string, unknown>[]);
}

/** What `ip -details -json rule show` prints of a rule under other names than {@linkcode Rule} has. */
interface Row extends Omit<Rule, "not" | "action" | "suppressPrefixLength"> {
  srclen?: number;
  dstlen?: number;
  suppress_prefixlen?: number;
  action?: string;
  /** `ip` prints the word alone: its value is null. */
  not?: null;
}

/** A rule from its row of `ip -details -json rule show`. */
export function parseRule(family: 4 | 6, row: Record<string, unknown>): Rule {
  const { src, srclen, dst, dstlen, not, action, suppress_prefixlen, ...rest } =
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
    action: action ?? (goto === undefined ? "lookup" : "goto"),
    table,
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
