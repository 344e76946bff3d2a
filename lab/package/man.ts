/**
 * Writes manual pages from the help of commands (man-pages(7)). All functions are pure.
 *
 * @module
 */
import type { Command } from "../../lib/cli/command.ts";
import { optionsOf } from "../../lib/cli/options.ts";

/** What a manual page needs to know of a command. */
export interface Documented {
  /** Its name as typed after `ipvlan`: `network create`. */
  name: string;
  /** Its effect, in half a line. */
  summary: string;
  command: Command;
}

/** The first line of a page. Section 8 is for system administration. */
const header = (name: string, version: string) =>
  `.TH ${name.toUpperCase()} 8 "" "ipvlan-kit ${version}" "ipvlan-kit"`;

/** The page's name of a command: `ipvlan-network-create`. */
export function pageName(command: string): string {
  return `ipvlan-${command.replaceAll(" ", "-")}`;
}

/** Escapes text for roff: no word is an escape or a request, and a hyphen is one that can be copied. */
export function roff(text: string): string {
  return text.replaceAll("\\", "\\e").replaceAll("-", "\\-").replace(/^(?=[.'])/gm, "\\&");
}

/** A paragraph with a term in bold, and its meaning. */
const entry = (term: string, meaning: string) => [".TP", `.B ${roff(term)}`, roff(meaning)];

/** Lines as they are typed. */
const typed = (lines: string) => [".nf", ".RS", roff(lines), ".RE", ".fi"];

/** The page of a command. */
export function commandPage({ name, summary, command }: Documented, version: string): string {
  const options = optionsOf(command).flatMap(({ name, short, value, many, help }) =>
    entry(
      `${short ? `-${short}, ` : ""}--${name}${value ? ` ${value}` : ""}`,
      `${help}${many ? " (may be given several times)" : ""}`,
    )
  );
  return [
    header(pageName(name), version),
    ".SH NAME",
    `${roff(pageName(name))} \\- ${roff(summary)}`,
    ".SH SYNOPSIS",
    `.B ${roff(`ipvlan ${name}`)}`,
    ...command.usage === "" ? [] : [roff(command.usage)],
    ".SH OPTIONS",
    ...options,
    ...command.statuses ? [".SH EXIT STATUS", ...command.statuses.flatMap((s) => entry(...s))] : [],
    ".SH EXAMPLE",
    ...typed(command.example),
    ".SH SEE ALSO",
    ".BR ipvlan (8)",
    "",
  ].join("\n");
}

/** The page `ipvlan(8)`, with a list of all commands. */
export function mainPage(commands: readonly Documented[], version: string): string {
  return [
    header("ipvlan", version),
    ".SH NAME",
    "ipvlan \\- ipvlan and VLAN networks for network namespaces and container engines",
    ".SH SYNOPSIS",
    ".B ipvlan",
    roff("COMMAND [OPTIONS]"),
    ".SH DESCRIPTION",
    "The networks that Docker's ipvlan driver makes, without a container engine or for one.",
    ".SH COMMANDS",
    ...commands.flatMap(({ name, summary }) => entry(`ipvlan ${name}`, summary)),
    ".SH FILES",
    ...entry("/var/lib/ipvlan", "The records of networks and sandboxes."),
    ".SH SEE ALSO",
    ...commands.map(({ name }, index) =>
      `.BR ${roff(pageName(name))} (8)${index < commands.length - 1 ? "," : ""}`
    ),
    "",
  ].join("\n");
}
