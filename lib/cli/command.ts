import type { OptionForm, OptionValues } from "../base/command_line.ts";

/** An option of a command. */
export interface Option extends OptionForm {
  /** Whether it may be given several times. */
  many?: boolean;
  /** What it does, in half a line. */
  help: string;
}

/** Reads options that are written as in a help, with dots if they may be given several times. */
export function readOptions(helpByOption: Readonly<Record<string, string>>): Option[] {
  return Object.entries(helpByOption).map(([text, help]) => ({ ...readOption(text), help }));
}

/** Reads an option that is written as in a help: `-f, --filter KEY=VALUE...`. */
export function readOption(text: string): Omit<Option, "help"> {
  const [, short, name = "", value, dots] =
    /^(?:-(\w), )?--([\w-]+)(?: (\S+?)(\.\.\.)?)?$/.exec(text) ?? [];
  return { name, short, value, many: dots !== undefined };
}

/** What was typed after the name of a command. */
export interface Arguments extends OptionValues {
  /** The words that are not options, in the order given. */
  positionals: string[];
}

/** A command. Each module of `commands/` exports one. */
export interface Command {
  /** What to type after its name, as in its usage line: `[OPTIONS] NETWORK [NETWORK...]`. */
  usage: string;
  /** Examples that work, one a line. */
  example: string;
  /** Its options, besides those that all commands have. */
  options: Option[];
  /** How many positionals it takes, at least and at most. */
  positionals: [least: number, most: number];
  /** Whether the first positional ends the options, because what follows is a command to run. */
  stopEarly?: boolean;
  /** Whether it gets its arguments as they were typed, because it parses them itself. */
  raw?: boolean;
  /** Whether it changes something: it has `--dry-run`, and no signal ends it within a change. */
  changes?: boolean;
  /**
   * Whether it asks programs and changes nothing. Then a signal ends these programs too: one that
   * hangs would stay behind.
   */
  asks?: boolean;
  /** What its exit statuses mean, for its help; left out: 0 success, 1 an error, 2 misuse. */
  statuses?: [status: string, meaning: string][];
  /** The exit status for a wrong command line; left out, 2. */
  misuse?: number;
  /** Runs it. Resolves to the exit status. */
  run(args: Arguments, context: Context): Promise<number>;
}

/** What a command gets from the program, besides its arguments. */
export interface Context {
  /** The command's name, as typed: `ipvlan network create`. */
  command: string;
  /**
   * Opens the driver. `--dry-run` and `--verbose` are set up in it.
   *
   * @param signal Ends its calls. By default, that is {@linkcode Context.interrupted}.
   * @param resident Whether it is open for long.
   */
  open(signal?: AbortSignal, resident?: boolean): Promise<import("../driver/mod.ts").Driver>;
  /** Prints text on standard output; values from outside may be in it. */
  print(text: string): void;
  /**
   * Prints on standard output what a program has printed, as it comes. A terminal shows it, and does
   * not obey it.
   */
  write(bytes: Uint8Array): void;
  /** Prints text on standard output that has colours. Values from outside must be escaped in it. */
  printColoured(text: string): void;
  /** Prints a line on standard error, after the program's name; values from outside may be in it. */
  warn(line: string): void;
  /** Whether `--dry-run` was given. */
  dryRun: boolean;
  /** Aborted when a signal asks the program to end: finish or undo what was begun, then return. */
  interrupted: AbortSignal;
}
