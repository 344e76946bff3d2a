// The rules of iptables and nftables, read from what `iptables-save` and `nft` print into one form.
import { unlessError } from "../base/errors.ts";
import { unlessMissing } from "../base/files.ts";
import { isGranted } from "../base/permissions.ts";
import { feed, spawn } from "../iproute2/shell.ts";
import { pathToEnter } from "../iproute2/words.ts";
import { ERRNO, openLibc, type SystemError } from "../netlink/libc.ts";
import { inNamespace } from "../netlink/namespace.ts";
import { NetlinkSocket } from "../netlink/socket.ts";

/** The hooks of netfilter that IP packets pass. */
export const HOOKS = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"] as const;
/** One of them. */
export type Hook = typeof HOOKS[number];

/** What a rule asks of a packet. */
export interface Condition {
  /** The part of a packet; `other` is one that is not read. */
  on: "family" | "from" | "to" | "iif" | "oif" | "protocol" | "type" | "state" | "mark" | "other";
  /** The accepted values: addresses and prefixes, links, or words. */
  is: readonly string[];
  /** Whether these values are refused instead. */
  not?: boolean;
}

/** A rule of a chain. */
export interface FirewallRule {
  /** The rule as `iptables-save` prints it, or the place of one of nftables: `inet t c handle 4`. */
  text: string;
  conditions: readonly Condition[];
  /** What it does. `next` goes on with the next rule; `changes` may do anything else to the packet. */
  does: "accept" | "drop" | "return" | "next" | "changes" | "translates" | "jump" | "goto";
  /** The {@linkcode Chain.id} to go on with: of `jump` and `goto`. */
  target?: string;
}

/** A chain of rules. */
export interface Chain {
  /** The family, the table and the name: `ip filter INPUT`. */
  id: string;
  /** The hook that it hangs on; left out, other chains lead to it. */
  hook?: Hook;
  /** What becomes of a packet that no rule decides on. */
  policy: "accept" | "drop";
  rules: FirewallRule[];
}

const ON: Readonly<Record<string, Condition["on"]>> = {
  "-s": "from",
  "-d": "to",
  "-i": "iif",
  "-o": "oif",
  "-p": "protocol",
  "--ctstate": "state",
  "--state": "state",
  "--icmp-type": "type",
  "--icmpv6-type": "type",
  "--mark": "mark",
};

const TARGETS: Readonly<Record<string, FirewallRule["does"]>> = {
  ACCEPT: "accept",
  DROP: "drop",
  REJECT: "drop",
  RETURN: "return",
  LOG: "next",
  NFLOG: "next",
  MASQUERADE: "translates",
  SNAT: "translates",
};

/** Reads the rules that `iptables-save` or `ip6tables-save` prints. */
export function readIptables(printed: string, family: 4 | 6): Chain[] {
  return printed.split(/^\*/m).slice(1).flatMap((table) => {
    const id = (chain: string) => `${family === 4 ? "ip" : "ip6"} ${/^\S+/.exec(table)} ${chain}`;
    const chains = [...table.matchAll(/^:(\S+) (\S+)/gm)].map(([, name = "", policy]): Chain => ({
      id: id(name),
      hook: HOOKS.find((hook) => hook === name),
      policy: policy === "DROP" ? "drop" : "accept",
      rules: [],
    }));
    for (const [text, name = "", words = ""] of table.matchAll(/^-A (\S+)(.*)$/gm)) {
      const [, before = words, how, target] = /^(.*) -([jg]) (\S+)/.exec(words) ?? [];
      const own = target !== undefined && chains.some((chain) => chain.id === id(target));
      const rule: FirewallRule = {
        text,
        conditions: [{ on: "family", is: [`ipv${family}`] }, ...readConditions(before)],
        does: target === undefined ? "next" : TARGETS[target] ?? "changes",
        ...own && { does: how === "g" ? "goto" as const : "jump" as const, target: id(target) },
      };
      chains.find((chain) => chain.id === id(name))?.rules.push(rule);
    }
    return chains;
  });
}

function readConditions(text: string): Condition[] {
  const words = text.match(/"(?:\\.|[^"])*"|\S+/g) ?? [];
  return words.flatMap((word, index): Condition[] => {
    if (!word.startsWith("-") || word === "-m" || word === "--comment") return [];
    const on = ON[word] ?? "other";
    const value = words[index + 1] ?? "";
    const not = words[index - 1] === "!";
    return [{ on, is: on === "state" ? value.toLowerCase().split(",") : [value], not }];
  });
}

// The parts of the JSON of libnftables-json(5) that are read.
type NftValue = string | number | { prefix: { addr: string; len: number } } | { set: NftValue[] };
interface NftMatch {
  op: string;
  left: {
    payload?: { protocol?: string; field?: string };
    meta?: { key: string };
    ct?: { key: string };
  };
  right: NftValue | NftValue[];
}
interface NftStatement extends Record<string, unknown> {
  match?: NftMatch;
  jump?: { target: string };
  goto?: { target: string };
  vmap?: { key: NftMatch["left"]; data: string | { set: [NftValue, NftStatement][] } };
}
interface NftPlace {
  family: string;
  table: string;
}
interface NftItem {
  chain?: NftPlace & { name: string; hook?: string; policy?: string };
  rule?: NftPlace & { chain: string; handle: number; expr: NftStatement[] };
}

/** Reads the rules that `nft -j list ruleset` prints. @param skipped The tables of iptables. */
export function readNft(printed: string, skipped: readonly string[] = []): Chain[] {
  const items: NftItem[] = JSON.parse(printed).nftables;
  const isRead = ({ family, table }: NftPlace) =>
    family === "inet" || ["ip", "ip6"].includes(family) && !skipped.includes(table);
  const id = ({ family, table }: NftPlace, chain: string) => `${family} ${table} ${chain}`;
  const chains = items.flatMap(({ chain }): Chain[] =>
    chain && isRead(chain)
      ? [{
        id: id(chain, chain.name),
        hook: HOOKS.find((hook) => hook === chain.hook?.toUpperCase()),
        policy: chain.policy === "drop" ? "drop" : "accept",
        rules: [],
      }]
      : []
  );
  for (const { rule } of items) {
    const chain = rule && chains.find((chain) => chain.id === id(rule, rule.chain));
    if (!chain) continue;
    const version = VERSIONS[rule.family];
    for (const expr of withoutMaps(rule.expr)) {
      const all = expr.map(doesOf);
      const to = expr.find(({ jump, goto }) => jump ?? goto);
      const target = (to?.jump ?? to?.goto)?.target;
      chain.rules.push({
        text: `${chain.id} handle ${rule.handle}`,
        conditions: [
          ...version ? [{ on: "family" as const, is: [version] }] : [],
          ...expr.flatMap((each) => each.match ? readMatch(each.match) : each.limit ? [OTHER] : []),
        ],
        does: STRONGEST.find((each) => all.includes(each)) ?? "next",
        ...target !== undefined && { target: id(rule, target) },
      });
    }
  }
  return chains;
}

/** A rule with a map of verdicts as several rules, one for each of its keys. */
function withoutMaps(expr: NftStatement[]): NftStatement[][] {
  const at = expr.findIndex(({ vmap }) => vmap);
  const map = expr[at]?.vmap;
  if (!map || typeof map.data !== "object") return [expr];
  return map.data.set.map(([right, verdict]) =>
    expr.toSpliced(at, 1, { match: { op: "==", left: map.key, right } }, verdict)
  );
}

const VERSIONS: Readonly<Record<string, string>> = { ip: "ipv4", ip6: "ipv6" };

const OTHER: Condition = { on: "other", is: [] };

/** What a rule does by its statements: the first of these that it has. */
const STRONGEST = ["drop", "changes", "translates", "accept", "return", "jump", "goto"] as const;

const STATEMENTS: Readonly<Record<string, FirewallRule["does"]>> = {
  ...{ accept: "accept", drop: "drop", reject: "drop", return: "return" },
  ...{ jump: "jump", goto: "goto", masquerade: "translates", snat: "translates" },
  ...{ match: "next", counter: "next", log: "next", limit: "next", comment: "next" },
};

function doesOf(statement: NftStatement): FirewallRule["does"] {
  const [name] = Object.keys(statement);
  return name === undefined ? "next" : STATEMENTS[name] ?? "changes";
}

function readMatch({ op, left: { payload, meta, ct }, right }: NftMatch): Condition[] {
  const is = [right].flat().flatMap(valuesOf);
  const not = op === "!=";
  if (!["==", "!=", "in"].includes(op) || is.includes(undefined)) return [OTHER];
  const condition = (on: Condition["on"]): Condition => ({ on, is: is as string[], not });
  const version = VERSIONS[payload?.protocol ?? ""];
  if (version) {
    const on = { saddr: "from", daddr: "to", protocol: "protocol" } as const;
    const which = on[payload?.field as keyof typeof on] ?? "other";
    return [{ on: "family", is: [version] }, condition(which)];
  }
  switch (payload?.protocol) {
    case "icmp":
    case "icmpv6":
      return [
        { on: "protocol", is: [payload.protocol] },
        condition(payload.field === "type" ? "type" : "other"),
      ];
    case "tcp":
    case "udp":
    case "sctp":
      return [{ on: "protocol", is: [payload.protocol] }, OTHER];
  }
  const keys = {
    ...{ iif: "iif", iifname: "iif", oif: "oif", oifname: "oif" } as const,
    ...{ nfproto: "family", l4proto: "protocol", mark: "mark" } as const,
  };
  const on = meta && keys[meta.key as keyof typeof keys];
  return [condition(on ?? (ct?.key === "state" ? "state" : "other"))];
}

function valuesOf(value: NftValue): (string | undefined)[] {
  if (typeof value !== "object") return String(value).startsWith("@") ? [undefined] : [`${value}`];
  if ("set" in value) return value.set.flatMap(valuesOf);
  return "prefix" in value ? [`${value.prefix.addr}/${value.prefix.len}`] : [undefined];
}

/** The tables that iptables has in nftables: `iptables-save` prints their rules, too. */
const IPTABLES_TABLES = ["filter", "nat", "mangle", "raw", "security"];

/** `NFT_MSG_GETTABLE` of `NFNL_SUBSYS_NFTABLES`, and the protocol of its sockets. */
const [GET_TABLES, NETLINK_NETFILTER] = [0xa01, 12];
const EPROTONOSUPPORT = 93;

/** Whether the kernel may have rules in a namespace. If it has none, no program has to look. */
function mayHaveRules(netns?: string): boolean {
  const { libc } = openLibc();
  if (!libc || !isGranted({ name: "read" })) return true;
  const look = () => {
    const tablesOf = (family: string) =>
      unlessMissing(() => Deno.readTextFileSync(`/proc/thread-self/net/${family}_tables_names`));
    if (tablesOf("ip") || tablesOf("ip6")) return true;
    using socket = new NetlinkSocket(libc, NETLINK_NETFILTER);
    // A `nfgenmsg` for all families.
    return socket.list({ type: GET_TABLES, body: new Uint8Array(4) }, () => true).length > 0;
  };
  try {
    return netns === undefined ? look() : inNamespace(libc, pathToEnter(netns), netns, look);
  } catch (error) {
    // A kernel without nftables has no such socket, or takes no such message. Else, the programs say why.
    const { errno } = error as SystemError;
    return errno !== ERRNO.EINVAL && errno !== EPROTONOSUPPORT;
  }
}

/** Reads the rules of a namespace's firewall, with those of the programs that there are. */
export async function readFirewall(netns?: string): Promise<Chain[]> {
  if (!mayHaveRules(netns)) return [];
  const enter = netns === undefined ? [] : ["nsenter", `--net=${pathToEnter(netns)}`];
  const print = async (...command: string[]) =>
    await unlessError(["program-not-found"], async () => {
      const [program = "", ...args] = [...enter, ...command];
      const { success, out } = await feed(spawn(program, args), "");
      return success ? out : undefined;
    }) ?? "";
  const [four, six, nft] = await Promise.all([
    print("iptables-save"),
    print("ip6tables-save"),
    print("nft", "-j", "list", "ruleset"),
  ]);
  const tables = four + six === "" ? [] : IPTABLES_TABLES;
  return [
    ...readIptables(four, 4),
    ...readIptables(six, 6),
    ...nft === "" ? [] : readNft(nft, tables),
  ];
}
