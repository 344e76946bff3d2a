// The filters of `network ls`, `network prune` and `ps`, as Docker has them.
import { parseBool } from "../../base/command_line.ts";
import { invalidOption, type IpvlanErrorOf, throwProblems } from "../../base/errors.ts";
import type { Driver } from "../../driver/mod.ts";
import type { Network, SandboxDetails } from "../../driver/model/types.ts";
import { type Arguments, type Option, readOptions } from "../command.ts";

/** A condition `KEY=VALUE` or `KEY!=VALUE`. */
interface Condition {
  key: string;
  /** Whether it must not hold. */
  not: boolean;
  value: string;
}

/** Reads conditions. Each key has a rule that says what is wrong with one, or `undefined`. */
function readConditions(
  words: readonly string[],
  rules: Readonly<Record<string, (condition: Condition) => string | undefined>>,
): Condition[] {
  const problems: IpvlanErrorOf<"invalid-option">[] = [];
  const conditions = words.map((word) => {
    const [, key = "", not, value = ""] = /^([^=!]*)(!?)=(.*)$/s.exec(word) ?? [];
    const condition = { key, not: not === "!", value };
    const rule = Object.hasOwn(rules, key) && value !== ""
      ? rules[key]!(condition)
      : `write one of ${Object.keys(rules).join(", ")}, as KEY=VALUE`;
    if (rule !== undefined) problems.push(invalidOption("filter", word, rule));
    return condition;
  });
  throwProblems(problems);
  return conditions;
}

/** The rule of a key that cannot be negated. */
const plain = ({ key, not }: Condition) => not ? `write ${key}=VALUE` : undefined;

function hasLabel(labels: Readonly<Record<string, string>>, { not, value }: Condition): boolean {
  const [name = "", ...rest] = value.split("=");
  const has = Object.hasOwn(labels, name) &&
    (rest.length === 0 || labels[name] === rest.join("="));
  return has !== not;
}

/** Whether at least one condition of each key holds, and all conditions on labels. */
function allHold(
  conditions: readonly Condition[],
  holds: (condition: Condition) => boolean,
): boolean {
  const byKey = Map.groupBy(
    conditions,
    ({ key, value }) => key === "label" ? `label ${value}` : key,
  );
  return byKey.values().every((some) => some.some(holds));
}

/** Reads the filters of `network ls`. @throws {"invalid-option"} A filter does not exist. */
export function readFilters(words: readonly string[]): Condition[] {
  return readConditions(words, {
    name: plain,
    id: plain,
    driver: plain,
    label: plain,
    dangling: (condition) =>
      plain(condition) ??
        (parseBool(condition.value) === undefined ? "give true or false" : undefined),
  });
}

/** Lists the networks that meet the conditions. */
export function filterNetworks(driver: Driver, conditions: readonly Condition[]): Network[] {
  const holds = ({ name, id, labels }: Network, condition: Condition): boolean => {
    const { key, value } = condition;
    if (key === "name") return name.includes(value);
    if (key === "id") return id.startsWith(value);
    if (key === "driver") return value === "ipvlan";
    if (key === "label") return hasLabel(labels, condition);
    return (driver.inspectNetwork(name).endpoints.length === 0) === parseBool(value);
  };
  return driver.listNetworks().filter((network) =>
    allHold(conditions, (condition) => holds(network, condition))
  );
}

/** The filters of `network prune`. */
export interface PruneFilters {
  /** The conditions on labels. */
  labels: Condition[];
  /** The network must have been created before this time, in milliseconds since 1970. */
  until: number;
}

/** Reads the filters of `network prune`. @param now The time, in milliseconds since 1970. */
export function readPruneFilters(words: readonly string[], now: number): PruneFilters {
  const conditions = readConditions(words, {
    label: () => undefined,
    until: (condition) =>
      plain(condition) ??
        (Number.isNaN(timeOf(condition.value, now))
          ? "give a time such as 2026-01-31T12:00:00, or an age such as 24h or 1h30m"
          : undefined),
  });
  const times = conditions.filter(({ key }) => key === "until");
  return {
    labels: conditions.filter(({ key }) => key === "label"),
    until: Math.min(Infinity, ...times.map(({ value }) => timeOf(value, now))),
  };
}

/** Whether a network matches all filters. */
export function matchesPrune(
  { labels, created }: Pick<Network, "labels" | "created">,
  filters: PruneFilters,
): boolean {
  return filters.labels.every((condition) => hasLabel(labels, condition)) &&
    Date.parse(created) < filters.until;
}

/** Milliseconds in the units of a Go duration (https://pkg.go.dev/time#ParseDuration). */
const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Reads a time, an age as a Go duration, or seconds since 1970; NaN for anything else. */
function timeOf(text: string, now: number): number {
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  if (/^(\d+(\.\d+)?(ms|[smh]))+$/.test(text)) {
    const parts = [...text.matchAll(/([\d.]+)(ms|[smh])/g)];
    return parts.reduce((time, [, count, unit]) => time - Number(count) * UNITS[unit!]!, now);
  }
  return /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : NaN;
}

/** The options of `ps` that choose sandboxes, besides `--all`. */
export const SELECTION_OPTIONS: Option[] = readOptions({
  "-f, --filter KEY=VALUE...":
    "list only those with this name or id (a part is enough), label, network or status",
  "-n, --last NUMBER": "list only the last ones created, also down",
  "-l, --latest": "the same as --last 1",
  "--no-trunc": "print the ids of engines in full",
});

/** The choice of sandboxes to list. */
export interface Selection {
  /** Whether to list also those that are down. */
  all: boolean;
  /** Lists only so many, the last created ones. */
  last: number;
  conditions: Condition[];
}

/** The accepted values of `status=`, by whether the namespace exists. */
const STATUSES = { up: ["up", "running"], down: ["down", "exited", "created", "dead"] };

/** Reads the options of `ps`. @throws {"invalid-option"} A value is wrong. */
export function readSelection(args: Arguments): Selection {
  const known = [...STATUSES.up, ...STATUSES.down];
  const conditions = readConditions(args.values("filter"), {
    name: plain,
    id: plain,
    label: plain,
    network: plain,
    status: (condition) =>
      plain(condition) ??
        (known.includes(condition.value) ? undefined : `choose one of ${known.join(", ")}`),
  });
  const last = args.value("last") ?? (args.on("latest") ? "1" : undefined);
  // Docker's own default for "all of them" is -1.
  if (last !== undefined && !/^(-1|\d{1,9})$/.test(last)) {
    throw invalidOption("last", last, "give a whole number");
  }
  const isLimited = last !== undefined && last !== "-1";
  return {
    all: args.on("all") || isLimited || conditions.some(({ key }) => key === "status"),
    last: isLimited ? Number(last) : Infinity,
    conditions,
  };
}

/** Chooses the sandboxes to list. Those in `running` have namespaces. */
export function selectSandboxes<T extends SandboxDetails>(
  sandboxes: readonly T[],
  running: ReadonlySet<string>,
  { all, last, conditions }: Selection,
): T[] {
  const holds = ({ name, labels, endpoints }: SandboxDetails, condition: Condition): boolean => {
    const { key, value } = condition;
    if (key === "label") return hasLabel(labels, condition);
    if (key === "network") return endpoints.some(({ network }) => network === value);
    if (key === "status") return STATUSES[running.has(name) ? "up" : "down"].includes(value);
    return name.includes(value);
  };
  const found = sandboxes.filter((sandbox) =>
    (all || running.has(sandbox.name)) &&
    allHold(conditions, (condition) => holds(sandbox, condition))
  );
  if (last >= found.length) return found;
  return found.toSorted((one, other) => other.created < one.created ? -1 : 1).slice(0, last);
}
