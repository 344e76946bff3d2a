import type { Desired, SiteSource } from "./types.ts";

/** The label of everything that a site made: the site's name. */
export const SITE_LABEL = "ipvlan.site";

/** The label of a sandbox whose command has been started: its words, as JSON. */
export const COMMAND_LABEL = "ipvlan.site.command";

/** The label of a sandbox whose command is about to be started, and may have been already. */
export const STARTING_LABEL = "ipvlan.site.starting";

/** The label of everything that was made by a file: the file's path. See {@linkcode SiteSource}. */
export const FILE_LABEL = "ipvlan.site.file";

/** The label with the hash of that file's text, as it was applied last. */
export const CONTENT_LABEL = "ipvlan.site.content";

/** Whether a label is the site's own business, and not the user's. */
export function isOwnLabel(name: string): boolean {
  return name === SITE_LABEL || name.startsWith(`${SITE_LABEL}.`);
}

/** The labels that the user gave. */
export function userLabels(labels: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).filter(([name]) => !isOwnLabel(name)));
}

/** The site that made something, and its file. */
export type Maker = Pick<Desired, "name" | "source">;

/** The labels of a network or a sandbox of a site. */
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

/** The command that was started in a sandbox with these labels. */
export function startedCommand(labels: Readonly<Record<string, string>>): string[] | undefined {
  const text = labels[COMMAND_LABEL];
  return text === undefined ? undefined : JSON.parse(text);
}

/** The file that made what has these labels; `undefined` for none, or an earlier version's. */
export function sourceOf(labels: Readonly<Record<string, string>>): SiteSource | undefined {
  const { [FILE_LABEL]: path, [CONTENT_LABEL]: content } = labels;
  return path === undefined || content === undefined ? undefined : { path, content };
}

/** Whether two sources are the same file: it has the same path, or was moved as it is. */
export function isSameFile(one: SiteSource, other: SiteSource | undefined): boolean {
  return one.path === other?.path || one.content === other?.content;
}
