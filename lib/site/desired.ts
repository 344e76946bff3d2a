import { throwProblems } from "../base/errors.ts";
import { nameProblem } from "../driver/model/names.ts";
import { settingsOf } from "../driver/model/settings.ts";
import type { Connection, SandboxSettings } from "../driver/model/types.ts";
import { readFile, SiteText } from "./file.ts";
import { SITE } from "./format.ts";
import { checkProblems, judge } from "./judge.ts";
import { readNetwork, type SiteNetwork } from "./network.ts";
import { parseCheck } from "./sentence.ts";
import { type Report, ShapeReader, TooManyValuesError } from "./reader.ts";
import { aliasesOf, type Path } from "./shape.ts";
import type { Desired } from "./types.ts";
import { defined, entries, list, record, type Values } from "./values.ts";

/**
 * Reads a site file.
 *
 * @param file Its path, or `-` for standard input.
 * @param signal Ends the wait for a file that is a pipe.
 * @throws {"site-file"} One thing is wrong with it, or it cannot be read.
 * @throws {"problems"} Several things are wrong; it has them in the order of the lines.
 * @throws {"interrupted"} The signal was aborted.
 *
 * @example
 * ```ts
 * import { readSite } from "@ipvlan/kit/site";
 *
 * const site = await readSite("web.yaml");
 * site.source; // { path: "/srv/web.yaml", content: "5891b5b522d5df08" }
 * ```
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
 *
 * @example
 * ```ts
 * import { parseSite } from "@ipvlan/kit/site";
 *
 * const site = parseSite(
 *   "web.yaml",
 *   `
 * networks:
 *   web: { parent: eth0.20, subnets: [192.168.20.0/24] }
 * sandboxes:
 *   nginx: { networks: [web] }
 * `,
 * );
 * site.name; // "web"
 * site.sandboxes[0]?.connections; // [{ network: "web" }]
 * ```
 */
export function parseSite(file: string, text: string): Desired {
  const source = new SiteText(file, text, aliasesOf(SITE));
  const problems: { path: Path; reason: string }[] = [];
  const report = (path: Path, reason: string) => {
    problems.push({ path, reason });
  };
  let desired: Desired | undefined;
  try {
    const site = new ShapeReader(report).read(SITE, source.value, []) as Values | undefined;
    if (site) {
      const networks = entries(site, "networks").map(([name, values]) =>
        readNetwork(name, values, (path, reason) => report(["networks", name, ...path], reason))
      );
      desired = toDesired(file, site, networks, report);
      // Do not report what only follows from another problem.
      const unsound = [...problems];
      const isSound = (...path: string[]) =>
        !unsound.some((problem) => path.every((step, index) => problem.path[index] === step));
      judge(desired, networks, isSound, report);
      for (const [index, sentence] of (site.get("checks") as string[] ?? []).entries()) {
        const check = parseCheck(sentence ?? "");
        const reasons = check ? checkProblems(check, desired) : [];
        for (const reason of reasons) report(["checks", index], reason);
      }
    }
  } catch (error) {
    if (!(error instanceof TooManyValuesError)) throw error;
    report([], "Its anchors expand to more than a million values");
  }
  const errors = [
    ...source.duplicates,
    ...problems.map(({ path, reason }) => source.problem(path, reason)),
  ];
  if (desired && errors.length === 0) return desired;
  throwProblems(errors.sort((a, b) => (a.line ?? 0) - (b.line ?? 0)));
  throw new TypeError("Nothing is wrong, and there is no site");
}

function toDesired(
  file: string,
  site: Values,
  networks: readonly SiteNetwork[],
  report: Report,
): Desired {
  const stem = file.replace(/^.*\//, "").replace(/\.[^.]*$/, "");
  if (!site.has("name") && nameProblem("site", stem)) {
    report([], `The file's name cannot be a site's name: add one, such as "name: web"`);
  }
  return {
    name: site.get("name") as string ?? stem,
    networks: networks.map(({ spec }) => spec),
    sandboxes: entries(site, "sandboxes").map(([name, values]) => ({
      name,
      connections: toConnections(values.get("networks")),
      ...toSettings(values),
      command: toCommand(
        values.get("command"),
        (reason) => report(["sandboxes", name, "command"], reason),
      ),
      labels: record(values, "labels"),
    })),
    checks: list(site, "checks").flatMap((sentence) => parseCheck(sentence) ?? []),
  };
}

function toConnections(networks: unknown): Connection[] {
  if (Array.isArray(networks)) {
    return networks.filter((network) => network !== undefined).map((network) => ({ network }));
  }
  return [...networks as Map<string, Values> ?? []].map(([network, values]) =>
    defined({
      network,
      ip: values.get("ip") as string | undefined,
      ip6: values.get("ip6") as string | undefined,
      aliases: values.has("aliases") ? list(values, "aliases") : undefined,
      ifname: values.get("ifname") as string | undefined,
      linkLocalAddresses: values.has("link_local_ips") ? list(values, "link_local_ips") : undefined,
      gatewayPriority: values.get("gw_priority") as number | undefined,
    })
  );
}

/** Reads the settings of a sandbox. Each single value has been checked. */
function toSettings(values: Values): SandboxSettings {
  const hosts = (values.get("hosts") as Values[] ?? []).filter((host) => host !== undefined);
  return settingsOf({
    hostname: values.get("hostname") as string | undefined,
    hosts: hosts.map((host) => Object.fromEntries(host) as { name: string; address: string }),
    dns: Object.fromEntries(values.get("dns") as Values ?? []),
    sysctls: Object.fromEntries(
      entries(values, "sysctls").map(([name, value]) => [name, `${value}`]),
    ),
  });
}

/** Splits a command into words. Every shell must split a text in the same way. */
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
