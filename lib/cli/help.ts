import type { Command } from "./command.ts";
import { COMMANDS, isGroup } from "./commands.ts";
import { optionsOf } from "./options.ts";

/** The usual width of a terminal, in columns. */
const WIDTH = 80;

function columns(rows: [left: string, right: string][]): string {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => wrapped(`  ${left.padEnd(width)}  ${right}`, width + 4))
    .join("\n");
}

/** Wraps text at spaces; only a long word exceeds the width. @param indent Of the further lines. */
function wrapped(text: string, indent: number): string {
  const last = text.length > WIDTH ? text.lastIndexOf(" ", WIDTH) : -1;
  const end = last < 0 || last > indent ? last : text.indexOf(" ", indent);
  if (end < 0) return text;
  return `${text.slice(0, end)}\n${wrapped(" ".repeat(indent) + text.slice(end + 1), indent)}`;
}

/** Lists the commands that start with a prefix, and what each does. */
function commandColumns(prefix: string): string {
  const entries = Object.entries(COMMANDS).filter(([name]) => name.startsWith(prefix));
  return columns(entries.map(([name, { summary }]) => [name.slice(prefix.length), summary]));
}

/** Lists the commands that start with a word, or all commands if the word is empty. */
export function groupHelp(group: string): string {
  const prefix = group === "" ? "" : `${group} `;
  return [
    `Usage: ipvlan ${prefix}COMMAND`,
    "",
    group === ""
      ? "ipvlan and 802.1q VLAN networks for network namespaces, without an engine."
      : `The commands of "ipvlan ${group}".`,
    "",
    "Commands:",
    commandColumns(prefix),
    "",
    wrapped(
      `See "ipvlan ${prefix}COMMAND --help" for the options of a command, with an example.`,
      0,
    ),
  ].join("\n");
}

export function commandHelp(name: string, summary: string, command: Command): string {
  return [
    `Usage: ipvlan ${name} ${command.usage}`.trimEnd(),
    "",
    `${summary}.`,
    "",
    "Options:",
    columns(
      optionsOf(command).map(({ name, short, value, many, help }) => [
        `${short ? `-${short}, ` : "    "}--${name}${value ? ` ${value}` : ""}`,
        help + (many ? " (may be given several times)" : ""),
      ]),
    ),
    "",
    ...(isGroup(name) ? ["Commands:", commandColumns(`${name} `), ""] : []),
    ...(command.statuses ? ["Exit status:", columns(command.statuses), ""] : []),
    "Example:",
    ...command.example.split("\n").map((line) => `  ${line}`),
  ].join("\n");
}
