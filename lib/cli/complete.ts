import type { Command } from "./command.ts";
import { COMMANDS } from "./commands.ts";
import { optionsOf } from "./options.ts";

/** What the names of networks and sandboxes are taken from. */
export interface Names {
  /** The networks. */
  networks(): string[];
  /** The sandboxes. */
  sandboxes(): string[];
}

/**
 * What the last of the words typed behind `ipvlan`, which may be empty or half typed, can become:
 * a command, an option, or a name.
 */
export async function complete(typed: readonly string[], names: Names): Promise<string[]> {
  const before = typed.slice(0, -1);
  const last = typed.at(-1) ?? "";
  return (await candidates(before, last, names)).filter((word) => word.startsWith(last)).sort();
}

async function candidates(
  before: readonly string[],
  last: string,
  names: Names,
): Promise<string[]> {
  const [first = "", second = ""] = before;
  const commands = Object.keys(COMMANDS);
  if (before.length === 0) return [...new Set(commands.map((name) => name.split(" ")[0]!))];
  const group = commands.filter((name) => name.startsWith(`${first} `));
  if (before.length === 1 && group.length > 0) return group.map((name) => name.split(" ")[1]!);
  const name = group.length > 0 ? `${first} ${second}` : first;
  const entry = COMMANDS[name];
  if (!entry) return [];
  const { default: command } = await entry.load();
  return forCommand(command, before.slice(name.split(" ").length), last, names);
}

function forCommand(
  command: Command,
  before: readonly string[],
  last: string,
  names: Names,
): string[] {
  const options = optionsOf(command);
  const named = (word: string) =>
    options.find(({ name, short }) => word === `--${name}` || word === `-${short}`);
  const previous = named(before.at(-1) ?? "");
  if (previous?.value !== undefined) return ofKind(previous.value, names);
  if (last.startsWith("-")) return options.map(({ name }) => `--${name}`);
  // `[OPTIONS] NETWORK [NETWORK...]`: what the word at this place stands for; the last one repeats.
  const kinds = command.usage.replace("[OPTIONS]", "").match(/[A-Z|a-z]+/g) ?? [];
  const place =
    before.filter((word, index) =>
      !word.startsWith("-") && named(before[index - 1] ?? "")?.value === undefined
    ).length;
  return ofKind(kinds[Math.min(place, kinds.length - 1)] ?? "", names);
}

function ofKind(kind: string, names: Names): string[] {
  if (kind === "NETWORK") return names.networks();
  if (kind === "SANDBOX") return names.sandboxes();
  // What is written in small letters in a usage line is to be typed as it stands: `bash|zsh|fish`.
  return /^[a-z|]+$/.test(kind) ? kind.split("|") : [];
}
