import { throwProblems } from "../base/errors.ts";
import { nameProblem } from "../driver/model/names.ts";
import { settingsOf } from "../driver/model/settings.ts";
import type { Connection, ConnectOptions, SandboxSettings } from "../driver/model/types.ts";
import { addressFields } from "../ipam/address.ts";
import { readFile, SiteText } from "./file.ts";
import { SITE } from "./format.ts";
import { type IsSound, judge, parseCheck } from "./judge.ts";
import { type NetworkValues, toSiteNetwork } from "./network.ts";
import { aliasesOf, type Path, type Report, ShapeReader } from "./shape.ts";
import type { Desired } from "./types.ts";

/** The mapping of a site file. Each single value has been checked. */
interface SiteValues {
  name?: string;
  networks?: Map<string, NetworkValues>;
  sandboxes?: Map<string, SandboxValues>;
  checks?: string[];
}

type Listed = "ip" | "ip6";

interface SandboxValues extends Omit<SandboxSettings, "sysctls"> {
  networks?:
    | string[]
    | Map<string, Omit<ConnectOptions, Listed> & { [Key in Listed]?: string | string[] }>;
  sysctls?: Record<string, string | number>;
  command?: string | string[];
  labels?: Record<string, string>;
}

/**
 * Reads a site file.
 *
 * @param file Its path, or `-` for standard input.
 * @param signal Ends the wait for a file that is a pipe.
 * @throws {"site-file"} One thing is wrong with it, or it cannot be read.
 * @throws {"problems"} Several things are wrong; it has them in the order of the lines.
 * @throws {"interrupted"} The signal was aborted.
 */
export async function readSite(file: string, signal?: AbortSignal): Promise<Desired> {
  const { text, source } = await readFile(file, signal);
  return { ...parseSite(file, text), source };
}

/**
 * Reads the text of a site file. For a file on disk, use {@linkcode readSite}: then `apply`
 * recognizes what the file made before, and protects it from other files.
 *
 * @param file Its name, for errors, and for the site's name if the text does not give one.
 * @throws {"site-file"} if one thing is wrong with it.
 * @throws {"problems"} if several things are wrong; it has them in the order of the lines.
 */
export function parseSite(file: string, text: string): Desired {
  const source = new SiteText(file, text, new Map(aliasesOf(SITE)));
  const problems: { path: Path; reason: string }[] = [];
  const report = (path: Path, reason: string) => {
    problems.push({ path, reason });
  };
  const tooMany = source.problem([], "Its anchors expand to more than a million values");
  const values = new ShapeReader(report, tooMany).read(SITE, source.value, []);
  const desired = values && toDesired(file, values as SiteValues, problems, report);
  const errors = [
    ...source.duplicates,
    ...problems.map(({ path, reason }) => source.problem(path, reason)),
  ];
  throwProblems(errors.sort((a, b) => a.line! - b.line!));
  return desired as Desired;
}

/** Makes the desired state of checked values. @param problems The problems so far. */
function toDesired(
  file: string,
  { name, networks = new Map(), sandboxes = new Map(), checks = [] }: SiteValues,
  problems: readonly { path: Path }[],
  report: Report,
): Desired {
  const stem = file.replace(/^.*\//, "").replace(/\.[^.]*$/, "");
  if (name === undefined && nameProblem("site", stem)) {
    report([], `The file's name cannot be a site's name: add one, such as "name: web"`);
  }
  const read = [...networks].map(([name, values]) =>
    toSiteNetwork(name, values, (path, reason) => report(["networks", name, ...path], reason))
  );
  // Do not report what only follows from another problem.
  const unsound = new Set(
    problems.flatMap(({ path }) => path.map((_, last) => JSON.stringify(path.slice(0, last + 1)))),
  );
  const isSound: IsSound = (...path) => !unsound.has(JSON.stringify(path));
  const desired: Desired = {
    name: name ?? stem,
    networks: read.map(({ spec }) => spec),
    sandboxes: [...sandboxes].map(([name, { networks, command, labels = {}, ...settings }]) => {
      const path = ["sandboxes", name, "command"];
      return {
        name,
        connections: toConnections(networks),
        ...toSettings(settings),
        command: isSound(...path) ? toCommand(command, (reason) => report(path, reason)) : [],
        labels,
      };
    }),
    // The shape has left out the sentences that are no checks.
    checks: checks.map((sentence) => parseCheck(sentence)!),
  };
  judge(desired, read, isSound, report);
  return desired;
}

function toConnections(networks: SandboxValues["networks"] = []): Connection[] {
  return Array.isArray(networks)
    ? networks.map((network) => ({ network }))
    : [...networks].map(([network, { ip = [], ip6 = [], ...options }]) => ({
      network,
      ...addressFields([ip, ip6].flat()),
      ...options,
    }));
}

/** A sysctl may be a number in the file. */
function toSettings({ sysctls = {}, ...settings }: SandboxValues): SandboxSettings {
  const texts = Object.entries(sysctls).map(([name, value]) => [name, `${value}`]);
  return settingsOf({ ...settings, sysctls: Object.fromEntries(texts) });
}

/** Splits a command into words. Every shell must split a text in the same way. */
function toCommand(
  command: string | string[] | undefined,
  report: (reason: string) => void,
): string[] {
  if (command === undefined) return [];
  const isText = typeof command === "string";
  const words = isText ? command.split(/\s+/).filter((word) => word !== "") : command;
  if (isText && /["'\\$`|&;<>()*?~#]/.test(command)) {
    report("There is no shell to read it: write it as a list of words");
  } else if (words.length === 0 || words[0] === "") {
    report("It is empty: leave it out, or name a program");
  }
  return words;
}
