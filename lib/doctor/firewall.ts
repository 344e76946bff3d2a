// Rules of the host's firewall that name sandboxes in a chain that their packets do not pass.
import { attempt, unlessError } from "../base/errors.ts";
import { about, type Diagnosis } from "./diagnosis.ts";
import type { FirewallRule } from "./facts.ts";
import { feed, spawn } from "../iproute2/shell.ts";
import { contains, parsePrefix, type Prefix } from "../ipam/prefix.ts";
import type { Network } from "../driver/model/types.ts";

const HOOKS = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"];

/** A rule with its chain, and the chain that it jumps to. */
interface Line extends Omit<FirewallRule, "hooks"> {
  chain: string;
  target?: string;
}

/** Finds the hooks that each rule is reached from, also through chains that others jump to. */
function withHooks(lines: readonly Line[], hookOf: (chain: string) => string | undefined) {
  const hooksOf = (chain: string, seen: readonly string[] = []): string[] => {
    const own = hookOf(chain);
    if (own !== undefined || seen.includes(chain)) return own === undefined ? [] : [own];
    const callers = lines.filter(({ target }) => target === chain);
    return [...new Set(callers.flatMap((line) => hooksOf(line.chain, [...seen, chain])))];
  };
  return lines.map(({ chain, target: _target, ...rule }): FirewallRule => ({
    ...rule,
    hooks: hooksOf(chain),
  }));
}

/** Reads the rules that `iptables-save` prints. */
export function readIptables(printed: string): FirewallRule[] {
  return printed.split(/^\*/m).flatMap((table) => {
    const lines = [...table.matchAll(/^-A (\S+) .*$/gm)].map(([text, chain = ""]): Line => {
      const target = / -[jg] (\S+)/.exec(text)?.[1];
      return {
        text,
        chain,
        target,
        from: /(?<! !) -s (\S+)/.exec(text)?.[1],
        to: /(?<! !) -d (\S+)/.exec(text)?.[1],
        translates: target === "MASQUERADE" || target === "SNAT",
      };
    });
    return withHooks(lines, (chain) => HOOKS.find((hook) => hook === chain));
  });
}

// The parts of the JSON of libnftables-json(5) that tell where a rule is and what it names.
interface NftExpression {
  match?: { op: string; left: { payload?: { field?: string } }; right: unknown };
  jump?: { target: string };
  goto?: { target: string };
  snat?: unknown;
  masquerade?: unknown;
}
interface NftItem {
  chain?: { family: string; table: string; name: string; hook?: string };
  rule?: { family: string; table: string; chain: string; handle: number; expr: NftExpression[] };
}

/** Reads the rules that `nft -j list ruleset` prints. @param skipped The tables of iptables. */
export function readNft(printed: string, skipped: readonly string[] = []): FirewallRule[] {
  const items: NftItem[] = JSON.parse(printed).nftables;
  const at = (place: { family: string; table: string }, chain: string) =>
    `${place.family} ${place.table} ${chain}`;
  const hooks = new Map(
    items.flatMap(({ chain }) =>
      chain?.hook ? [[at(chain, chain.name), chain.hook.toUpperCase()] as const] : []
    ),
  );
  const lines = items.flatMap(({ rule }): Line[] => {
    if (!rule || rule.family !== "inet" && skipped.includes(rule.table)) return [];
    const named = (field: string) => {
      const right = rule.expr.find(({ match }) =>
        match?.op === "==" && match.left.payload?.field === field
      )?.match?.right as string | { prefix?: { addr: string; len: number } } | undefined;
      if (typeof right !== "object") return right;
      return right.prefix && `${right.prefix.addr}/${right.prefix.len}`;
    };
    const to = rule.expr.find(({ jump, goto }) => jump ?? goto);
    const target = (to?.jump ?? to?.goto)?.target;
    const chain = at(rule, rule.chain);
    return [{
      text: `${chain} handle ${rule.handle}`,
      chain,
      target: target && at(rule, target),
      from: named("saddr"),
      to: named("daddr"),
      translates: rule.expr.some((each) => "snat" in each || "masquerade" in each),
    }];
  });
  return withHooks(lines, (chain) => hooks.get(chain));
}

/** The tables that iptables has in nftables: `iptables-save` prints their rules, too. */
const IPTABLES_TABLES = ["filter", "nat", "mangle", "raw", "security"];

/** Reads the rules of this namespace's firewall, with the programs that there are. */
export async function gatherFirewall(): Promise<FirewallRule[]> {
  const print = async (program: string, ...args: string[]) =>
    await unlessError(["program-not-found"], async () => {
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
    ...readIptables(four),
    ...readIptables(six),
    ...nft === "" ? [] : readNft(nft, tables),
  ];
}

/** An address, or a part of a subnet, of a network's sandboxes. */
interface Place {
  network: Network;
  prefix: Prefix;
}

/**
 * Finds the rules that do nothing for the sandboxes that they name, and those that break an L3 network.
 * The kernel gives L2 packets to no hook. In L3, those that sandboxes send pass OUTPUT and POSTROUTING,
 * without connection tracking of the answers. In L3S, those that come in pass PREROUTING and INPUT, too
 * (`ipvlan_process_v4_outbound` and `ipvlan_nf_input` in `drivers/net/ipvlan/`). None passes FORWARD.
 */
export function diagnoseFirewall(
  rules: readonly FirewallRule[],
  networks: readonly Network[],
  addresses: (network: Network) => readonly string[],
): Diagnosis[] {
  const places = networks.flatMap((network): Place[] => {
    // In L2, the subnet is that of the LAN, whose other machines the rule may be about.
    const own = network.mode === "l2" ? [] : network.subnets.map(({ subnet }) => subnet);
    return [...own, ...addresses(network)].map((text) => ({ network, prefix: toPrefix(text)! }));
  });
  const firewall = about("firewall");
  return rules.flatMap(({ text, hooks, from, to, translates }) => {
    const at = (named: string | undefined, found: (mode: string) => boolean) => {
      const prefix = named === undefined ? undefined : toPrefix(named);
      const place = prefix && places.find((each) => contains(each.prefix, prefix));
      return place && found(place.network.mode) ? place.network : undefined;
    };
    const isOnly = (...of: string[]) =>
      hooks.length > 0 && hooks.every((hook) => of.includes(hook));
    const hook = hooks.join(" and ");
    const dead = isOnly("FORWARD") && (at(from, () => true) ?? at(to, () => true)) ||
      isOnly("INPUT", "PREROUTING") && at(to, (mode) => mode !== "l3s") ||
      isOnly("OUTPUT", "POSTROUTING") && at(from, (mode) => mode === "l2");
    if (dead) {
      const what =
        `The rule "${text}" does nothing: the packets of "${dead.name}" (${dead.mode}) ` +
        `do not pass ${hook}`;
      return [firewall.warning(what, FIX)];
    }
    const broken = translates && at(from, (mode) => mode === "l3");
    if (!broken) return [];
    const what = `The rule "${text}" breaks "${broken.name}": in l3, answers to a translated ` +
      "address do not come back";
    return [firewall.warning(what, "use the mode l3s, or remove the rule")];
  });
}

const FIX =
  "use INPUT (to sandboxes) and OUTPUT (from them) with the mode l3s, or have the rule in " +
  "the sandbox: ipvlan exec SANDBOX …";

function toPrefix(text: string): Prefix | undefined {
  const parsed = attempt(() => {
    const length = text.includes("/") ? "" : text.includes(":") ? "/128" : "/32";
    return parsePrefix(text + length).prefix;
  });
  return parsed.ok ? parsed.value : undefined;
}
