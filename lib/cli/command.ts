import type { OptionForm, OptionValues } from "../command_line.ts";

/** An option of a command. */
export interface Option extends OptionForm {
  /** Whether it may be given several times. */
  many?: boolean;
  /** What it does, in half a line. */
  help: string;
}

/** What was typed behind a command, sorted. */
export interface Words extends OptionValues {
  /** The words that are no options. */
  words: string[];
}

/** A command, as a module of `commands/` exports it. */
export interface Command {
  /** The words behind the command, as in its usage line: `[OPTIONS] NETWORK [NETWORK...]`. */
  usage: string;
  /** An example that works, without the program's name. */
  example: string;
  /** Its options, besides `--help` and those that all commands have. */
  options: Option[];
  /** How many words it takes that are no options, at least and at most. */
  words: [least: number, most: number];
  /** Whether the first word that is no option ends the options: what follows is a command's own. */
  stopEarly?: boolean;
  /** Whether its words are passed on as typed, options and all, as it has its own help. */
  raw?: boolean;
  /**
   * Whether it changes something: then it can print what it would do instead (`--dry-run`), and a
   * signal does not end it in the middle.
   */
  changes?: boolean;
  /**
   * What its exit statuses mean, for its help.
   *
   * @default {undefined} 0 where it is done, 1 where it is not, 2 for a wrong command line.
   */
  statuses?: [status: string, meaning: string][];
  /**
   * The exit status for a wrong command line.
   *
   * @default {2}
   */
  misuse?: number;
  /** Runs it. Resolves to the exit status. */
  run(words: Words, context: Context): Promise<number>;
}

/** What every command is given. */
export interface Context {
  /** The command, as it is typed: `ipvlan network create`. */
  command: string;
  /** Opens the driver with what the options that all commands have say. */
  open(): Promise<import("../driver/mod.ts").Driver>;
  /** Prints a line on standard output. */
  print(line: string): void;
  /** Prints a line on standard error. */
  warn(line: string): void;
  /** Whether `--dry-run` was given. */
  dryRun: boolean;
  /** Aborted by a signal that would end the program: what is begun is to be ended in good order. */
  interrupted: AbortSignal;
}
