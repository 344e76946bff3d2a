import { IpvlanError, type IpvlanErrorOf, isIpvlanError } from "../base/errors.ts";
import { Interrupt } from "../base/signals.ts";
import { closest } from "../base/suggest.ts";
import type { Arguments, Command, Context } from "./command.ts";
import { COMMANDS, findCommand, isGroup, typedName } from "./commands.ts";
import { errorLines, usageError } from "./errors.ts";
import { commandHelp, complete, groupHelp } from "./help.ts";
import { parseArguments } from "./options.ts";
import { print, printColoured, printError, warn, write } from "./output.ts";
import { whyRefused } from "./docker/refused.ts";

const FAILED = 1;

/** Runs the command that was typed. Resolves to the exit status. */
export async function main(typed: readonly string[]): Promise<number> {
  return await reportErrors(
    { verbose: typed.includes("--verbose"), json: false },
    () => dispatch(typed),
  );
}

/** Runs a function that resolves to an exit status. Prints an error, and makes it a status too. */
async function reportErrors(
  { verbose, json }: { verbose: boolean; json: boolean },
  run: () => Promise<number>,
): Promise<number> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof IpvlanError)) throw error;
    if (json) printError(JSON.stringify(error.problems));
    else (await errorLines(error)).forEach(warn);
    if (verbose) printError(error.stack ?? "");
    return isIpvlanError(error, "usage") ? error.status : FAILED;
  }
}

async function dispatch(typed: readonly string[], forRun: readonly string[] = []): Promise<number> {
  const [first = "--help", second = "--help"] = typed;
  // For `alias docker="ipvlan --image"`.
  if (first === "--image") return await dispatch(typed.slice(1), ["--image"]);
  if (["--version", "-v"].includes(first)) return await dispatch(["version"]);
  if (first === "help") return await dispatch([...typed.slice(1), "--help"]);
  if (["--help", "-h"].includes(first)) {
    print(groupHelp(""));
    return 0;
  }
  const group = isGroup(first);
  const typedAs = typedName(typed);
  const found = findCommand(typedAs);
  if (!found && group && ["--help", "-h"].includes(second)) {
    // The commands of `container` are listed without that word.
    print(groupHelp(first === "container" ? "" : first));
    return 0;
  }
  if (!found) throw unknownCommand(group ? [first, second] : typed, group ? first : "");
  const { name } = found;
  const command = await found.load();
  const rest = [...(name === "run" ? forRun : []), ...typed.slice(typedAs.split(" ").length)];
  const args = command.raw ? asTyped(rest) : parseArguments(`ipvlan ${name}`, command, rest);
  if (args.on("help")) {
    print(commandHelp(name, found.summary, command));
    return 0;
  }
  return await runCommand(`ipvlan ${name}`, command, args);
}

/**
 * Runs a command. After a signal, it finishes or undoes the current change, and ends. The exit
 * status then names the signal, unless the command has succeeded all the same.
 */
async function runCommand(name: string, command: Command, args: Arguments): Promise<number> {
  // `run` and `exec` pass signals on to the process in the sandbox: see `SignalRelay`.
  const again = command.changes ? endAtOnce : Deno.exit;
  using interrupt = (command.changes || command.asks) && !command.stopEarly
    ? new Interrupt({ reason: new IpvlanError("interrupted"), again })
    : undefined;
  const context = contextOf(name, args, interrupt?.signal ?? new AbortController().signal);
  const status = await reportErrors(
    { verbose: args.on("verbose"), json: args.on("json") },
    async () => await command.run(args, context) ?? 0,
  );
  return status === 0 ? 0 : interrupt?.status ?? status;
}

/** Ends this program at once, without waiting until the change is undone. */
function endAtOnce(status: number): never {
  warn("Stopped at once: the next command that changes something removes what is half done");
  Deno.exit(status);
}

function contextOf(command: string, args: Arguments, interrupted: AbortSignal): Context {
  const dryRun = args.on("dry-run");
  return {
    command,
    dryRun,
    interrupted,
    print,
    printColoured,
    warn,
    write,
    complete,
    open: async (signal = interrupted) => {
      const { EngineDriver } = await import("../driver/mod.ts");
      const driver = await EngineDriver.open({
        signal,
        waiting: warn,
        dryRun: dryRun ? print : undefined,
        verbose: args.on("verbose") ? (line) => printError(`+ ${line}`) : undefined,
      });
      driver.notices.forEach(warn);
      return driver;
    },
  };
}

function asTyped(words: readonly string[]): Arguments {
  return { positionals: [...words], value: () => undefined, values: () => [], on: () => false };
}

/** Makes the error for an unknown command, with the reason, or the command likely meant. */
function unknownCommand(
  [first = "", second = ""]: readonly string[],
  group: string,
): IpvlanErrorOf<"usage"> {
  const command = `ipvlan ${group}`.trim();
  const typed = JSON.stringify(group === "" ? first : `${group} ${second}`);
  const refused = whyRefused([first, second]);
  if (refused !== undefined) {
    return usageError(command, [`The command ${typed} has no use here: ${refused}`]);
  }
  const names = first.startsWith("-")
    ? ["--help", "--version"]
    : Object.keys(COMMANDS).filter((name) => name.startsWith(group === "" ? "" : `${group} `));
  const meant = group === ""
    // `ipvlan prune` may be short for `ipvlan network prune`, or misspelt.
    ? names.find((name) => name.endsWith(` ${first}`)) ?? closest(`${first} ${second}`, names) ??
      closest(first, names.map((name) => name.split(" ")[0]!))
    : closest(second, names.map((name) => name.split(" ")[1]!));
  const hint = meant === undefined ? "" : ` (did you mean "${`${group} ${meant}`.trim()}"?)`;
  return usageError(command, [`There is no command ${typed}${hint}`]);
}
