import { IpvlanError, type IpvlanErrorOf } from "../base/errors.ts";
import { quoted } from "../base/printable.ts";
import type { Change, Desired, SiteSource } from "./types.ts";

/** The label with the name of the site that made something. */
export const SITE_LABEL = "ipvlan.site";

/** The label with the command that was started in a sandbox, as a JSON list of words. */
const COMMAND_LABEL = "ipvlan.site.command";

/** The label of a sandbox whose command is being started; after a crash, it may run already. */
export const STARTING_LABEL = "ipvlan.site.starting";

/** The label with the path of the file that made something. See {@linkcode SiteSource}. */
export const FILE_LABEL = "ipvlan.site.file";

/** The label with the hash of that file's text when it was last applied. */
export const CONTENT_LABEL = "ipvlan.site.content";

/** Whether a label is set by a site, and not by the user. */
export function isOwnLabel(name: string): boolean {
  return name === SITE_LABEL || name.startsWith(`${SITE_LABEL}.`);
}

export function userLabels(labels: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).filter(([name]) => !isOwnLabel(name)));
}

export type Maker = Pick<Desired, "name" | "source">;

export function siteLabels(
  { name, source }: Maker,
  labels: Readonly<Record<string, string>> = {},
  startedCommand?: readonly string[],
): Record<string, string> {
  return {
    ...labels,
    [SITE_LABEL]: name,
    ...(source && { [FILE_LABEL]: source.path, [CONTENT_LABEL]: source.content }),
    ...(startedCommand && { [COMMAND_LABEL]: JSON.stringify(startedCommand) }),
  };
}

export function startedCommand(labels: Readonly<Record<string, string>>): string[] | undefined {
  const text = labels[COMMAND_LABEL];
  return text === undefined ? undefined : JSON.parse(text);
}

/** The file that set these labels; `undefined` if none did, or an earlier version of ipvlan. */
export function sourceOf(labels: Readonly<Record<string, string>>): SiteSource | undefined {
  const { [FILE_LABEL]: path, [CONTENT_LABEL]: content } = labels;
  return path === undefined || content === undefined ? undefined : { path, content };
}

/** Whether two sources are the same file: with the same path, or moved without a change. */
export function isSameFile(one: SiteSource, other: SiteSource | undefined): boolean {
  return one.path === other?.path || one.content === other?.content;
}

export function describeFile(path: string): string {
  return path === "-" ? "standard input" : quoted(path);
}

export function foreignError(
  { name: site, source }: Maker,
  kind: Change["kind"],
  { name, labels }: { name: string; labels: Readonly<Record<string, string>> },
): IpvlanErrorOf<"site-conflict"> {
  const conflict = (rest: string) =>
    new IpvlanError("site-conflict", {
      site,
      subject: name,
      reason: `The ${kind} "${name}" is there already and ${rest}`,
    });
  const advice = "choose another name, or remove it first";
  const owner = labels[SITE_LABEL];
  if (owner === undefined) return conflict(`belongs to no site: ${advice}`);
  const whose = `belongs to the site ${JSON.stringify(owner)}`;
  const file = sourceOf(labels);
  if (file === undefined) return conflict(`${whose}: ${advice}`);
  const path = describeFile(file.path);
  if (!isSameFile(file, source)) return conflict(`${whose} of ${path}: ${advice}`);
  const as = file.path === source?.path ? "" : ` as ${path}`;
  return conflict(`${whose}, which this file made${as}: say "name: ${owner}" in it`);
}

export function inUseError(
  site: string,
  network: string,
  sandboxes: readonly string[],
): IpvlanErrorOf<"site-conflict"> {
  const names = sandboxes.map((name) => `"${name}"`).join(", ");
  return new IpvlanError("site-conflict", {
    site,
    subject: network,
    reason:
      `The network "${network}" must be removed, but sandboxes that the site "${site}" did not make ` +
      `are connected to it (${names}): disconnect them first`,
  });
}
