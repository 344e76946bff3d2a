import { throwProblems } from "../driver/errors.ts";
import { nameProblem } from "../driver/names.ts";
import type { NetworkSpec } from "../driver/types.ts";
import type { SubnetSpec } from "../ipam/mod.ts";
import { type LooseWords, nestSubnets } from "../ipam/nest.ts";
import type { IpvlanFlag, IpvlanMode } from "../iproute2/kinds/ipvlan.ts";
import { SiteText } from "./file.ts";
import { SITE } from "./format.ts";
import { checkProblems, judge } from "./judge.ts";
import { parseCheck } from "./sentence.ts";
import { type Report, ShapeReader, TooManyValuesError } from "./reader.ts";
import { aliasesOf, type Path } from "./shape.ts";
import type { Connection, Desired } from "./types.ts";

/** A mapping as it was read: by the keys' main names. */
type Values = ReadonlyMap<string, unknown>;

/**
 * Reads a site file.
 *
 * @param file Its name, for errors, and for the site's name where the text gives none.
 * @throws {SiteFileError} Something is wrong with it.
 * @throws {ProblemsError} Several things are: all of them, in the order of the lines.
 */
export function parseSite(file: string, text: string): Desired {
  const source = new SiteText(file, text, aliasesOf(SITE));
  const problems: { path: Path; reason: string }[] = [];
  const report = (path: Path, reason: string) => void problems.push({ path, reason });
  let desired: Desired | undefined;
  try {
    const site = new ShapeReader(report).read(SITE, source.value, []) as Values | undefined;
    if (site) {
      const misplaced: typeof problems = [];
      desired = toDesired(file, site, report, (path, reason) => misplaced.push({ path, reason }));
      // What follows from something wrong with a network or a sandbox is not said as well.
      const unsound = [...problems];
      const isSound = (...path: string[]) =>
        !unsound.some((problem) => path.every((step, index) => problem.path[index] === step));
      problems.push(...misplaced);
      judge(desired, isSound, report);
      for (const [index, sentence] of (site.get("checks") as string[] ?? []).entries()) {
        const check = parseCheck(sentence ?? "");
        const reasons = check ? checkProblems(check, desired) : [];
        for (const reason of reasons) report(["checks", index], reason);
      }
    }
  } catch (error) {
    if (!(error instanceof TooManyValuesError)) throw error;
    report([], "Its anchors repeat too much: it stands for more than a million values");
  }
  const errors = [
    ...source.twice,
    ...problems.map(({ path, reason }) => source.problem(path, reason)),
  ];
  if (desired && errors.length === 0) return desired;
  throwProblems(errors.sort((a, b) => (a.line ?? 0) - (b.line ?? 0)));
  throw new TypeError("Nothing is wrong, and there is no site");
}

function toDesired(
  file: string,
  site: Values,
  report: Report,
  reportMisplaced: Report,
): Desired {
  const stem = file.replace(/^.*\//, "").replace(/\.[^.]*$/, "");
  if (!site.has("name") && nameProblem("site", stem)) {
    report([], `The file's name makes no site's name: give it one, such as "name: web"`);
  }
  return {
    name: site.get("name") as string ?? stem,
    networks: entries(site, "networks").map(([name, values]) =>
      toNetwork(
        name,
        values,
        (path, reason) => report(["networks", name, ...path], reason),
        (path, reason) => reportMisplaced(["networks", name, ...path], reason),
      )
    ),
    sandboxes: entries(site, "sandboxes").map(([name, values]) => ({
      name,
      connections: toConnections(values.get("networks")),
      command: toCommand(
        values.get("command"),
        (reason) => report(["sandboxes", name, "command"], reason),
      ),
      labels: record(values, "labels"),
    })),
    checks: list(site, "checks").flatMap((sentence) => parseCheck(sentence) ?? []),
  };
}

function toNetwork(
  name: string,
  values: Values,
  report: Report,
  reportMisplaced: Report,
): NetworkSpec {
  const options = values.get("driver_opts") as Values ?? new Map();
  const either = <T>(key: string, option: string): T | undefined => {
    if (values.has(key) && options.has(option)) {
      report(["driver_opts", option], `It says the same as "${key}": give one of them`);
    }
    return (values.get(key) ?? options.get(option)) as T | undefined;
  };
  const { subnets, problems } = nestSubnets(toSubnets(values, report), {
    gateways: list(values, "gateways"),
    ipRanges: list(values, "ip_ranges"),
    auxAddresses: record(values, "aux_addresses"),
  });
  for (const { field: [field, ...steps], message } of problems) {
    reportMisplaced([LOOSE_KEYS[field as keyof LooseWords], ...steps], message);
  }
  return clean({
    name,
    parent: either<string>("parent", "parent"),
    mode: either<IpvlanMode>("mode", "ipvlan_mode"),
    flag: either<IpvlanFlag>("flag", "ipvlan_flag"),
    subnets,
    internal: values.get("internal") as boolean | undefined,
    ipv6: values.get("ipv6") as boolean | undefined,
    mtu: either<number>("mtu", "mtu"),
    labels: record(values, "labels"),
  });
}

/** The keys that stand beside `subnets`, by the fields of {@linkcode LooseWords}. */
const LOOSE_KEYS = {
  gateways: "gateways",
  ipRanges: "ip_ranges",
  auxAddresses: "aux_addresses",
} as const satisfies Record<keyof LooseWords, string>;

/** The subnets of a network: those under its own key, then those of `ipam`, as in compose.yaml. */
function toSubnets(
  values: Values,
  report: Report,
): SubnetSpec[] {
  const ipam = values.get("ipam") as Values ?? new Map();
  const lists: [path: Path, items: unknown][] = [
    [["subnets"], values.get("subnets")],
    [["ipam", "config"], ipam.get("config")],
  ];
  return lists.flatMap(([path, items]) =>
    (items as (string | Values | undefined)[] ?? []).flatMap((item, index) => {
      if (item === undefined) return [];
      if (typeof item === "string") return { subnet: item };
      const subnet = item.get("subnet") as string | undefined;
      if (subnet === undefined) {
        report([...path, index], "Its prefix is missing: give it as subnet");
        return [];
      }
      return clean({
        subnet,
        gateway: item.get("gateway") as string | undefined,
        ipRange: item.get("ip_range") as string | undefined,
        auxAddresses: item.has("aux_addresses") ? record(item, "aux_addresses") : undefined,
      });
    })
  );
}

function toConnections(networks: unknown): Connection[] {
  if (Array.isArray(networks)) {
    return networks.filter((network) => network !== undefined).map((network) => ({ network }));
  }
  return [...networks as Map<string, Values> ?? []].map(([network, values]) =>
    clean({
      network,
      ip: values.get("ip") as string | undefined,
      ip6: values.get("ip6") as string | undefined,
      aliases: values.has("aliases") ? list(values, "aliases") : undefined,
      ifname: values.get("ifname") as string | undefined,
    })
  );
}

/** A command's words. A text is split only where every shell would split it likewise. */
function toCommand(command: unknown, report: (reason: string) => void): string[] {
  if (command === undefined || (Array.isArray(command) && command.includes(undefined))) return [];
  const words = typeof command === "string"
    ? command.split(/\s+/).filter((word) => word !== "")
    : command as string[];
  if (typeof command === "string" && /["'\\$`|&;<>()*?~#]/.test(command)) {
    report("There is no shell to read it: write it as a list of words");
  } else if (words.length === 0 || words[0] === "") {
    report("It is empty: leave it out, or name a program");
  }
  return words;
}

function entries(values: Values, key: string): [string, Values][] {
  return [...values.get(key) as Map<string, Values> ?? []];
}

function list(values: Values, key: string): string[] {
  return (values.get(key) as (string | undefined)[] ?? []).filter((text) => text !== undefined);
}

function record(values: Values, key: string): Record<string, string> {
  return Object.fromEntries(values.get(key) as Map<string, string> ?? []);
}

/** Without the fields that are not given. */
function clean<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as T;
}
