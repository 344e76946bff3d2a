// What the firewall of a namespace does with a packet at one hook: pure functions on its rules.
import type { Chain, Condition, FirewallRule, Hook } from "./ruleset.ts";
import { familyOf } from "../ipam/address.ts";
import { isIn } from "./world.ts";

/** A packet at a hook. What is left out is not known. */
export interface Passing {
  hook: Hook;
  family: 4 | 6;
  from?: string;
  to?: string;
  /** The links that it came in by and leaves by, by their names. */
  iif?: string;
  oif?: string;
  type: keyof typeof TYPES;
  /** What connection tracking takes it for. */
  state: "new" | "established" | "invalid" | "untracked";
}

/** The names that iptables and nftables have for ICMP types: RFC 792, 4443 and 4861. */
const TYPES = {
  8: ["8", "echo-request"],
  0: ["0", "echo-reply"],
  128: ["128", "echo-request"],
  129: ["129", "echo-reply"],
  135: ["135", "nd-neighbor-solicit"],
  136: ["136", "nd-neighbor-advert"],
};

const PROTOCOLS = { 4: ["icmp", "1", "all"], 6: ["icmpv6", "ipv6-icmp", "58", "all"] };

/** What becomes of a packet in a chain, each with the rule that may do it. */
type Outcomes = Map<Exclude<FirewallRule["does"], "return" | "jump" | "goto">, string>;

/** Finds the rule that drops a packet, or one that may drop or change it. Without them, it passes. */
export function judge(
  chains: readonly Chain[],
  passing: Passing,
): { drop?: string; unknown?: string } {
  const judged = chains.filter(({ hook }) => hook === passing.hook).map((chain) => {
    const found = outcomes(chains, chain, passing);
    const open = found.get("next");
    if (open !== undefined) found.set(chain.policy, `${chain.id} policy ${chain.policy}`);
    found.delete("next");
    return found;
  });
  const drop = judged.find((found) => found.size === 1 && found.has("drop"))?.get("drop");
  if (drop !== undefined) return { drop };
  const doubt = judged.flatMap((found) =>
    found.get("drop") ?? found.get("changes") ?? found.get("translates") ?? []
  );
  return { unknown: doubt[0] };
}

function outcomes(
  chains: readonly Chain[],
  { rules }: Chain,
  passing: Passing,
  depth = 0,
): Outcomes {
  const found: Outcomes = new Map();
  for (const rule of rules) {
    const { text, does, conditions } = rule;
    const answers = conditions.map((condition) => meets(condition, passing));
    if (answers.includes(false)) continue;
    const isSure = !answers.includes(undefined);
    if (does === "return") {
      if (!found.has("next")) found.set("next", text);
      if (isSure) return found;
      continue;
    }
    const target = chains.find(({ id }) => id === rule.target);
    // The kernel refuses chains that lead back to themselves.
    const results = target && depth < 20
      ? outcomes(chains, target, passing, depth + 1)
      : new Map([[does as "drop", text]]);
    for (const [outcome, by] of results) {
      // After a jump, the next rule has its turn; after a `goto`, the chain is over.
      if ((outcome !== "next" || does === "goto") && !found.has(outcome)) found.set(outcome, by);
    }
    if (isSure && (does === "goto" || !results.has("next"))) return found;
  }
  return found.set("next", "");
}

/** Whether a packet meets a condition; `undefined` if that is not known. */
function meets(condition: Condition, passing: Passing): boolean | undefined {
  const isOne = hasValue(condition, passing);
  return isOne === undefined ? undefined : isOne !== (condition.not ?? false);
}

function hasValue({ on, is }: Condition, passing: Passing): boolean | undefined {
  const { family, type, state } = passing;
  switch (on) {
    case "family":
      return is.includes(`ipv${family}`);
    case "from":
    case "to": {
      const { [on]: address } = passing;
      if (address === undefined) return undefined;
      return is.some((prefix) => familyOf(prefix) === family && isIn(prefix, address));
    }
    case "iif":
    case "oif": {
      const { [on]: link = "" } = passing;
      return is.some((name) =>
        /[+*]$/.test(name) ? link.startsWith(name.slice(0, -1)) : link === name
      );
    }
    case "protocol":
      return is.some((name) => PROTOCOLS[family].includes(name));
    case "type":
      return is.some((name) => name === "any" || TYPES[type].includes(name));
    case "state":
      return is.includes(state);
    // Nothing here has a mark.
    case "mark":
      return is.some((mark) => Number(mark.split("/")[0]) === 0);
    case "other":
      return undefined;
  }
}
