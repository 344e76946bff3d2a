import type { Connection, SettledNetwork } from "../driver/types.ts";
import { quoted } from "../printable.ts";
import type { Change, DesiredSandbox, Plan } from "./types.ts";

/**
 * Writes a plan as lines: a sign, the kind, the name, and what changes.
 *
 * @param which Which changes to write; all by default.
 *
 * @example
 * ```ts
 * import { Driver } from "@ipvlan/kit";
 * import { diff, parseSite, planLines } from "@ipvlan/kit/site";
 *
 * await using driver = await Driver.open();
 * const site = parseSite("web.yaml", "networks: { web: { parent: eth0.20 } }");
 * planLines(await diff(driver, site)); // ["+ network web: parent eth0.20 mode l2"]
 * ```
 */
export function planLines(
  { changes }: Plan,
  which: (change: Change) => boolean = () => true,
): string[] {
  return changes.filter(which).map(({ sign, kind, name, details, file }) => {
    const told = [...details, ...(file === undefined ? [] : [`belongs to ${describeFile(file)}`])];
    return `${sign} ${kind} ${name}${told.length > 0 ? `: ${told.join("; ")}` : ""}`;
  });
}

/** Names the file of a site: see `SiteSource`. */
export function describeFile(path: string): string {
  return path === "-" ? "standard input" : quoted(path);
}

/** Describes a new network. */
export function describeNetwork({ parent, mode, subnets }: SettledNetwork): string[] {
  const carrier = parent === undefined ? "isolated" : `parent ${parent}`;
  return [[carrier, `mode ${mode}`, ...subnets.map(({ subnet }) => subnet)].join(" ")];
}

/** Describes a new sandbox. */
export function describeSandbox({ connections, command }: DesiredSandbox): string[] {
  return [
    ...connections.map(describeConnection),
    ...(command.length > 0 ? [`command ${show(command)}`] : []),
  ];
}

/** Describes a new connection: the network, and the addresses that are asked for. */
export function describeConnection(
  { network, ip, ip6 }: Connection,
): string {
  return [network, ip, ip6].filter((part) => part !== undefined).join(" ");
}

/** Shows a command in one line: see {@linkcode quoted}. */
export function show(command: readonly string[]): string {
  return command.map(quoted).join(" ");
}
