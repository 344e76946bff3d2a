import type { OptionForm, OptionValues } from "../base/command_line.ts";

export interface Option extends OptionForm {
  many?: boolean;
  help: string;
}

/**
 * The effects of options, by the options in the notation of a help text: `-f, --filter KEY=VALUE...`.
 * The dots mark those that may be given several times.
 */
export type Options = Readonly<Record<string, string>>;

export function readOptions(options: Options): Option[] {
  return Object.entries(options).map(([text, help]) => {
    const [, short, name = "", value, dots] =
      /^(?:-(\w), )?--([\w-]+)(?: (\S+?)(\.\.\.)?)?$/.exec(text) ?? [];
    return { name, short, value, many: dots !== undefined, help };
  });
}

export interface Arguments extends OptionValues {
  positionals: string[];
}

/** A command. Each module of `commands/` exports one. */
export interface Command {
  /**
   * The rest of its usage line, after its name: `[OPTIONS] NETWORK [NETWORK...]`. It says also how
   * many positionals there may be.
   */
  usage: string;
  /** Examples that work, one a line. */
  example: string;
  /** Its options, besides those that all commands have. */
  options?: Options;
  /** The names of the values, by `NAME`, of its option `--opt NAME=VALUE`. */
  keys?: Option["keys"];
  /** Whether the first positional ends the options, because what follows is a command to run. */
  stopEarly?: boolean;
  /** Whether it parses its arguments itself, and so gets them as typed. */
  raw?: boolean;
  /** Whether it changes something: it has `--dry-run`, and no signal ends it within a change. */
  changes?: boolean;
  /** Whether it only queries other programs. Then a signal ends these too, also one that hangs. */
  asks?: boolean;
  /** Its exit statuses, for its help. By default: 0 success, 1 an error, 2 misuse. */
  statuses?: [status: string, meaning: string][];
  /** The exit status for a wrong command line; by default 2. */
  misuse?: number;
  /** Runs it. Returns the exit status, if that is not 0. */
  run(args: Arguments, context: Context): Promise<number | undefined> | undefined;
}

/** The lists of names that can be completed, by the kinds that usage lines name: `NETWORK`. */
export type Names = Readonly<
  Record<"NETWORK" | "SANDBOX" | "HOST" | "LINK", () => string[] | Promise<string[]>>
>;

export interface Context {
  /** The command's name, as typed: `ipvlan network create`. */
  command: string;
  /** Opens the driver. The signal ends its calls; by default {@linkcode Context.interrupted}. */
  open(signal?: AbortSignal): Promise<import("../driver/mod.ts").EngineDriver>;
  /** Prints text on standard output, and escapes control characters in it. */
  print(text: string): void;
  /** Copies the output of a program as it comes. At a terminal, control characters are escaped. */
  write(bytes: Uint8Array): void;
  /** Prints coloured text on standard output. The caller must escape values from outside. */
  printColoured(text: string): void;
  /** Prints a line on standard error after the program's name, and escapes control characters. */
  warn(line: string): void;
  /** Completes the last of the words typed after `ipvlan`: to a command, an option or a name. */
  complete(typed: readonly string[], names: Names): Promise<string[]>;
  dryRun: boolean;
  /** Aborted when a signal asks the program to end: finish or undo what was begun, then return. */
  interrupted: AbortSignal;
}
