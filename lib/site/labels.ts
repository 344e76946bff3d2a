/** The label of everything that a site made: the site's name. */
export const SITE_LABEL = "ipvlan.site";

/** The label of a sandbox whose command has been started: its words, as JSON. */
export const COMMAND_LABEL = "ipvlan.site.command";

/** The label of a sandbox whose command is about to be started, and may have been already. */
export const STARTING_LABEL = "ipvlan.site.starting";

/** Whether a label is the site's own business, and not the user's. */
export function isOwnLabel(name: string): boolean {
  return name === SITE_LABEL || name.startsWith(`${SITE_LABEL}.`);
}

/** The labels that the user gave. */
export function userLabels(labels: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).filter(([name]) => !isOwnLabel(name)));
}

/** The labels of a network or a sandbox of a site. */
export function siteLabels(
  site: string,
  labels: Readonly<Record<string, string>> = {},
  startedCommand?: readonly string[],
): Record<string, string> {
  return {
    ...labels,
    [SITE_LABEL]: site,
    ...(startedCommand && { [COMMAND_LABEL]: JSON.stringify(startedCommand) }),
  };
}

/** The command that was started in a sandbox with these labels. */
export function startedCommand(labels: Readonly<Record<string, string>>): string[] | undefined {
  const text = labels[COMMAND_LABEL];
  return text === undefined ? undefined : JSON.parse(text);
}
