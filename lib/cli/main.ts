import metadata from "../../deno.json" with { type: "json" };
import { IpvlanError } from "../errors.ts";
import type { Context, Words } from "./command.ts";
import { COMMANDS } from "./commands.ts";
import { UsageError } from "./errors.ts";
import { commandHelp, groupHelp } from "./help.ts";
import { Interrupts } from "./interrupts.ts";
import { parseWords } from "./options.ts";
import { closest } from "../suggest.ts";

/** Exit status for everything that went wrong but the command line itself. */
const FAILED = 1;

/** Runs the command that was typed. Resolves to the exit status. */
export async function main(typed: readonly string[]): Promise<number> {
  using interrupts = new Interrupts();
  let status: number;
  try {
    status = await dispatch(typed, interrupts);
  } catch (error) {
    if (!(error instanceof IpvlanError)) throw error;
    for (const line of error.message.split("\n")) console.error(`ipvlan: ${line}`);
    if (typed.includes("--verbose")) console.error(error.stack);
    status = error instanceof UsageError ? error.status : FAILED;
  }
  return interrupts.status ?? status;
}

async function dispatch(typed: readonly string[], interrupts: Interrupts): Promise<number> {
  const [first = "--help", second = "--help"] = typed;
  if (first === "--version") {
    console.log(`ipvlan ${metadata.version}`);
    return 0;
  }
  if (["--help", "-h", "help"].includes(first)) {
    console.log(groupHelp(""));
    return 0;
  }
  const group = Object.keys(COMMANDS).some((name) => name.startsWith(`${first} `));
  if (group && ["--help", "-h"].includes(second)) {
    console.log(groupHelp(first));
    return 0;
  }
  const name = group ? `${first} ${second}` : first;
  const entry = COMMANDS[name];
  if (!entry) throw unknownCommand(group ? [first, second] : typed, group ? first : "");
  const { default: command } = await entry.load();
  const behind = typed.slice(group ? 2 : 1);
  const words = command.raw ? asTyped(behind) : parseWords(`ipvlan ${name}`, command, behind);
  if (words.on("help")) {
    console.log(commandHelp(name, entry.summary, command));
    return 0;
  }
  // Where it runs a command of the user's, signals are for that.
  if (command.changes && !command.stopEarly) interrupts.listen();
  return await command.run(words, contextOf(`ipvlan ${name}`, words, interrupts.signal));
}

function asTyped(words: readonly string[]): Words {
  return { words: [...words], value: () => undefined, values: () => [], on: () => false };
}

function unknownCommand([first = "", second = ""]: readonly string[], group: string): UsageError {
  const names = Object.keys(COMMANDS).filter((name) => name.startsWith(group));
  const [typed, meant] = group === ""
    // `ipvlan create` is as likely meant for `ipvlan network create` as for a misspelt command.
    ? [
      first,
      names.find((name) => name.endsWith(` ${first}`)) ?? closest(`${first} ${second}`, names) ??
        closest(first, names.map((name) => name.split(" ")[0]!)),
    ]
    : [second, closest(second, names.map((name) => name.split(" ")[1]!))];
  const words = (last: string) => `"${`${group} ${last}`.trim()}"`;
  const instead = meant === undefined ? "" : ` (did you mean ${words(meant)}?)`;
  return new UsageError(`ipvlan ${group}`.trim(), [
    `There is no command ${words(typed)}${instead}`,
  ]);
}

function contextOf(command: string, words: Words, interrupted: AbortSignal): Context {
  const show = (line: string) => console.error(`+ ${line}`);
  return {
    command,
    dryRun: words.on("dry-run"),
    interrupted,
    open: async () => {
      const { Driver } = await import("../driver/mod.ts");
      return await Driver.open({
        dryRun: words.on("dry-run") ? (line) => console.log(line) : undefined,
        verbose: words.on("verbose") ? show : undefined,
      });
    },
    print: (line) => console.log(line),
    warn: (line) => console.error(`ipvlan: ${line}`),
  };
}
