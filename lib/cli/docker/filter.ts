// The filters of `network ls`, `network prune` and `ps`, as Docker has them.
import { parseBool } from "../../base/command_line.ts";
import { invalidOption, type IpvlanErrorOf, throwProblems } from "../../base/errors.ts";
import type { Driver, Network, SeenSandbox } from "../../driver/mod.ts";
import type { Arguments, Options } from "../command.ts";
import { readCount } from "../option_values.ts";

interface Key<Item> {
  /** Whether there is `KEY!=VALUE`, too. */
  negatable?: true;
  /** Whether all filters with this key must hold; by default, one of them must. */
  all?: true;
  /** Says what is wrong with a value; `undefined` if nothing is. */
  problem?(value: string): string | undefined;
  holds(item: Item, value: string): boolean;
}

type Filter<Item> = (item: Item) => boolean;

/** Reads filters. @throws {"invalid-option"} A filter does not exist, or its value is wrong. */
function readFilter<Item>(
  words: readonly string[],
  keys: Readonly<Record<string, Key<Item>>>,
): Filter<Item> {
  const problems: IpvlanErrorOf<"invalid-option">[] = [];
  const conditions = words.map((word) => {
    const [, name = "", not, value = ""] = /^([^=!]*)(!?)=(.*)$/s.exec(word) ?? [];
    const key = Object.hasOwn(keys, name) && value !== "" ? keys[name] : undefined;
    const rule = !key
      ? `write one of ${Object.keys(keys).join(", ")}, as KEY=VALUE`
      : not && !key.negatable
      ? `write ${name}=VALUE`
      : key.problem?.(value);
    if (rule !== undefined) problems.push(invalidOption("filter", word, rule));
    const holds: Filter<Item> = (item) => key?.holds(item, value) !== (not === "!");
    return { group: key?.all ? word : name, holds };
  });
  throwProblems(problems);
  const groups = Map.groupBy(conditions, ({ group }) => group);
  return (item) => groups.values().every((some) => some.some(({ holds }) => holds(item)));
}

const LABEL: Key<Pick<Network, "labels">> = {
  negatable: true,
  all: true,
  holds: ({ labels }, value) => {
    const [name = "", ...rest] = value.split("=");
    return Object.hasOwn(labels, name) && (rest.length === 0 || labels[name] === rest.join("="));
  },
};

export function readNetworkFilter(
  words: readonly string[],
): (network: Network, driver: Driver) => boolean {
  const filter = readFilter<Network & { driver: Driver }>(words, {
    name: { holds: ({ name }, value) => name.includes(value) },
    id: { holds: ({ id }, value) => id.startsWith(value) },
    driver: { holds: (_network, value) => value === "ipvlan" },
    label: LABEL,
    dangling: {
      problem: (value) => parseBool(value) === undefined ? "give true or false" : undefined,
      holds: ({ name, driver }, value) =>
        (driver.inspectNetwork(name).endpoints.length === 0) === parseBool(value),
    },
  });
  return (network, driver) => filter({ ...network, driver });
}

/** Reads the filters of `network prune`. @param now The time, in milliseconds since 1970. */
export function readPruneFilter(
  words: readonly string[],
  now: number,
): Filter<Pick<Network, "labels" | "created">> {
  return readFilter<Pick<Network, "labels" | "created">>(words, {
    label: LABEL,
    until: {
      all: true,
      problem: (value) =>
        Number.isNaN(timeOf(value, now))
          ? "give a time such as 2026-01-31T12:00:00, or an age such as 24h or 1h30m"
          : undefined,
      holds: ({ created }, value) => Date.parse(created) < timeOf(value, now),
    },
  });
}

/** Milliseconds in the units of a Go duration (https://pkg.go.dev/time#ParseDuration). */
const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Reads a time, an age as a Go duration, or seconds since 1970; NaN for anything else. */
function timeOf(text: string, now: number): number {
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  const age = durationOf(text);
  if (!Number.isNaN(age)) return now - age;
  return /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : NaN;
}

/** Reads a Go duration, in milliseconds; NaN for anything else. */
export function durationOf(text: string): number {
  if (!/^(\d+(\.\d+)?(ms|[smh]))+$/.test(text)) return NaN;
  const parts = [...text.matchAll(/([\d.]+)(ms|[smh])/g)];
  return parts.reduce((sum, [, count, unit]) => sum + Number(count) * UNITS[unit!]!, 0);
}

export const SELECTION_OPTIONS: Options = {
  "-f, --filter KEY=VALUE...":
    "list only those with this name or id (a part is enough), label, network or status",
  "-n, --last NUMBER": "list only the last ones created, also down",
  "-l, --latest": "the same as --last 1",
  "--no-trunc": "print the ids of engines in full",
};

/** The accepted values of `status=`, by whether the namespace exists. */
const STATUSES = { up: ["up", "running"], down: ["down", "exited", "created", "dead"] };

const NAME: Key<SeenSandbox> = { holds: ({ name }, value) => name.includes(value) };

const SANDBOX_KEYS: Readonly<Record<string, Key<SeenSandbox>>> = {
  name: NAME,
  id: NAME,
  label: LABEL,
  network: { holds: ({ endpoints }, value) => endpoints.some(({ network }) => network === value) },
  status: {
    problem: (value) => {
      const known = [...STATUSES.up, ...STATUSES.down];
      return known.includes(value) ? undefined : `choose one of ${known.join(", ")}`;
    },
    holds: ({ state }, value) => STATUSES[state === "down" ? "down" : "up"].includes(value),
  },
};

/** Reads the options of `ps`, as a function that chooses. @throws {"invalid-option"} */
export function readSelection(
  args: Arguments,
): (sandboxes: readonly SeenSandbox[]) => readonly SeenSandbox[] {
  const words = args.values("filter");
  const filter = readFilter(words, SANDBOX_KEYS);
  const asked = args.value("last") ?? (args.on("latest") ? "1" : "-1");
  // Docker's own default for "all of them" is -1.
  const last = readCount("last", asked, "give a whole number", "-1");
  const isLimited = last < Infinity;
  const showsDown = args.on("all") || isLimited || words.some((word) => /^status!?=/.test(word));
  return (sandboxes) => {
    const found = sandboxes.filter((sandbox) =>
      (showsDown || sandbox.state !== "down") && filter(sandbox)
    );
    if (last >= found.length) return found;
    return found.toSorted((one, other) => Date.parse(other.created) - Date.parse(one.created))
      .slice(0, last);
  };
}
