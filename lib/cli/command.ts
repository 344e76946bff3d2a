/** An option of a command. */
export interface Option {
  /** Its long name, without dashes. */
  name: string;
  /** Its one-letter name, without the dash. */
  short?: string;
  /** What its value is, in capitals; an option without one is on or off. */
  value?: string;
  /** Whether it may be given several times. */
  many?: boolean;
  /** What it does, in half a line. */
  help: string;
}

/** What was typed behind a command, sorted. */
export interface Words {
  /** The words that are no options. */
  words: string[];
  /** The value of an option; the last where it was given several times. */
  value(name: string): string | undefined;
  /** All values of an option, in the order given. */
  values(name: string): string[];
  /** Whether an option without a value was given. */
  on(name: string): boolean;
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
  /** Whether it can print what it would do instead (`--dry-run`). */
  changes?: boolean;
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
}
