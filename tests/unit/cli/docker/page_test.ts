import { assertEquals } from "@std/assert";
import { ALIASES, COMMANDS } from "../../../../lib/cli/commands.ts";
import type { Option } from "../../../../lib/cli/command.ts";
import { optionsOf } from "../../../../lib/cli/options.ts";
import { refusalsOf, REFUSED_COMMANDS } from "../../../../lib/cli/docker/refused.ts";
import { DOCKER_OPTIONS } from "./options.ts";

const PAGE = new URL("../../../../docs/docker.md", import.meta.url);
const MARK = "<!-- tables -->\n";

/** A table of Markdown, as `deno fmt` writes it. */
function table(header: string[], rows: string[][]): string {
  const all = [header, ...rows].map((row) => row.map((cell) => cell.replaceAll("|", "\\|")));
  const widths = header.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  const line = (cells: string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join(" | ")} |`;
  const [first, ...rest] = all;
  return [line(first!), line(widths.map((width) => "-".repeat(width))), ...rest.map(line)]
    .join("\n");
}

const code = (words: readonly string[]) => words.map((word) => `\`${word}\``).join(", ");

function spelt({ name, short, value }: Option): string {
  return `${short ? `-${short}, ` : ""}--${name}${value ? ` ${value}` : ""}`;
}

/** The options of a command: what they do here, or why they have no use. */
async function optionTable(name: string): Promise<string> {
  const command = await COMMANDS[name]!.load();
  const works = optionsOf(command).map((option) => [code([spelt(option)]), option.help]);
  const refused = refusalsOf(name)
    .map(([option, why]) => [code([option]), `no use: ${why}`]);
  return `### ipvlan ${name}\n\n${table(["option", "here"], [...works, ...refused])}\n`;
}

/** All tables of the page. */
async function tables(): Promise<string> {
  const options = await Promise.all(Object.keys(DOCKER_OPTIONS).map(optionTable));
  const names = table(
    ["Docker's name", "here"],
    Object.entries(ALIASES).map(([alias, name]) => [code([alias]), code([name])]),
  );
  const refused = table(
    ["command", "why it has no use, and what to do instead"],
    Object.entries(REFUSED_COMMANDS).map(([commands, why]) => [code(commands.split(", ")), why]),
  );
  return [
    ...options,
    `## Other names of commands\n\n${names}\n`,
    `## Commands that have no use\n\n${refused}\n`,
  ].join("\n");
}

Deno.test("docs/docker.md lists every option and command as the program has it", async () => {
  const page = await Deno.readTextFile(PAGE);
  const [text = "", found] = page.split(MARK);
  const expected = `\n${await tables()}`;
  if (Deno.env.get("UPDATE_GOLDEN") === "1") await Deno.writeTextFile(PAGE, text + MARK + expected);
  else assertEquals(found, expected, "UPDATE_GOLDEN=1 deno test -A tests/unit/cli writes it again");
});
