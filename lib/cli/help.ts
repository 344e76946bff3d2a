// What can be typed: help texts, and the words that complete a line.
import type { Command, Names, Option } from "./command.ts";
import { COMMANDS, findCommand, isGroup, typedName } from "./commands.ts";
import { optionsOf } from "./options.ts";

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

export async function complete(typed: readonly string[], names: Names): Promise<string[]> {
  const before = typed.slice(0, -1);
  const last = typed.at(-1) ?? "";
  return (await candidates(before, last, names)).filter((word) => word.startsWith(last)).sort();
}

/** Lists the words that can follow, without filtering by the start of the last word. */
async function candidates(before: readonly string[], last: string, names: Names) {
  const [first = ""] = before;
  const commands = Object.keys(COMMANDS);
  if (before.length === 0) return [...new Set(commands.map((name) => name.split(" ")[0]!))];
  const group = commands.filter((name) => name.startsWith(`${first} `));
  if (before.length === 1 && group.length > 0 && !last.startsWith("-")) {
    return group.map((name) => name.split(" ")[1]!);
  }
  const typed = typedName(before);
  const found = findCommand(typed);
  if (!found) return [];
  const command = await found.load();
  return await forCommand(command, before.slice(typed.split(" ").length), last, names);
}

async function forCommand(
  command: Command,
  before: readonly string[],
  last: string,
  names: Names,
): Promise<string[]> {
  const options = optionsOf(command);
  const named = (word: string) =>
    options.find(({ name, short }) => word === `--${name}` || word === `-${short}`);
  const previous = named(before.at(-1) ?? "");
  if (previous?.value !== undefined) return await valuesOf(previous, last, names);
  if (last.startsWith("-")) return options.map(({ name }) => `--${name}`);
  // The usage line names the kind of each positional: `[OPTIONS] NETWORK [NETWORK...]`. The last
  // kind repeats.
  const kinds = command.usage.replace("[OPTIONS]", "").match(/[A-Z|a-z]+/g) ?? [];
  const place =
    before.filter((word, index) =>
      !word.startsWith("-") && named(before[index - 1] ?? "")?.value === undefined
    ).length;
  return await ofKind(kinds[Math.min(place, kinds.length - 1)] ?? "", names);
}

/** Lists the values of an option: words of its kind, or of the kind of the key before `=`. */
async function valuesOf({ value = "", keys = {} }: Option, typed: string, names: Names) {
  const name = Object.keys(keys).find((name) => typed.startsWith(`${name}=`));
  if (name === undefined) return await ofKind(value, names);
  return (await ofKind(keys[name]!, names)).map((word) => `${name}=${word}`);
}

async function ofKind(kinds: string, names: Names): Promise<string[]> {
  const lists = kinds.split("|").map((kind) => {
    if (Object.hasOwn(names, kind)) return names[kind as keyof Names]();
    // Lower-case words of a usage line are typed literally: `bash|zsh|fish`.
    return /^[a-z\d]+$/.test(kind) ? [kind] : [];
  });
  return (await Promise.all(lists)).flat();
}
