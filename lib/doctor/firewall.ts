// Rules of the host's firewall that name sandboxes in a chain that their packets do not pass.
import { attempt } from "../base/errors.ts";
import { about, type Diagnosis } from "./diagnosis.ts";
import { contains, parsePrefix, type Prefix } from "../ipam/prefix.ts";
import type { Network } from "../driver/model/types.ts";
import type { Chain, FirewallRule, Hook } from "../why/ruleset.ts";

/** Finds the hooks that a chain is reached from, also through chains that others jump to. */
function hooksOf(chains: readonly Chain[], chain: Chain, seen: readonly Chain[] = []): Hook[] {
  if (chain.hook || seen.includes(chain)) return chain.hook ? [chain.hook] : [];
  const callers = chains.filter(({ rules }) => rules.some(({ target }) => target === chain.id));
  return [...new Set(callers.flatMap((each) => hooksOf(chains, each, [...seen, chain])))];
}

/** The source or the destination that a rule names, an address or a prefix; `undefined` for any. */
function named({ conditions }: FirewallRule, side: "from" | "to"): string | undefined {
  const condition = conditions.find(({ on, not }) => on === side && !not);
  return condition?.is.length === 1 ? condition.is[0] : undefined;
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
  chains: readonly Chain[],
  networks: readonly Network[],
  addresses: (network: Network) => readonly string[],
): Diagnosis[] {
  const places = networks.flatMap((network): Place[] => {
    // In L2, the subnet is that of the LAN, whose other machines the rule may be about.
    const own = network.mode === "l2" ? [] : network.subnets.map(({ subnet }) => subnet);
    return [...own, ...addresses(network)].map((text) => ({ network, prefix: toPrefix(text)! }));
  });
  const firewall = about("firewall");
  const rules = chains.flatMap((chain) =>
    chain.rules.map((rule) => ({ rule, hooks: hooksOf(chains, chain) }))
  );
  return rules.flatMap(({ rule, hooks }) => {
    const { text } = rule;
    const at = (side: "from" | "to", found: (mode: string) => boolean) => {
      const name = named(rule, side);
      const prefix = name === undefined ? undefined : toPrefix(name);
      const place = prefix && places.find((each) => contains(each.prefix, prefix));
      return place && found(place.network.mode) ? place.network : undefined;
    };
    const isOnly = (...of: Hook[]) => hooks.length > 0 && hooks.every((hook) => of.includes(hook));
    const hook = hooks.join(" and ");
    const dead = isOnly("FORWARD") && (at("from", () => true) ?? at("to", () => true)) ||
      isOnly("INPUT", "PREROUTING") && at("to", (mode) => mode !== "l3s") ||
      isOnly("OUTPUT", "POSTROUTING") && at("from", (mode) => mode === "l2");
    if (dead) {
      const what =
        `The rule "${text}" does nothing: the packets of "${dead.name}" (${dead.mode}) ` +
        `do not pass ${hook}`;
      return [firewall.warning(what, FIX)];
    }
    const broken = rule.does === "translates" && at("from", (mode) => mode === "l3");
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
