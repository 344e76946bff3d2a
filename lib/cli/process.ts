/**
 * Running a command in a sandbox: its options, its exit status, and the signals that are for it.
 *
 * @module
 */
import { InvalidOptionError } from "../driver/errors.ts";
import type { BackgroundOptions, Driver } from "../driver/mod.ts";
import { InterruptedError, IpvlanError } from "../errors.ts";
import { ProgramNotFoundError } from "../iproute2/errors.ts";
import { exitStatusOf, onSignals } from "../signals.ts";
import type { Arguments, Option } from "./command.ts";
import { asUser, readUser } from "./user.ts";

/** The exit status for a command that exists and cannot be run, as in shells and Docker. */
const CANNOT_RUN = 126;
/** The exit status for a command that does not exist. */
const NOT_FOUND = 127;

/** The exit statuses of the commands that run another one, for their help. */
export const PROCESS_STATUSES: [status: string, meaning: string][] = [
  ["126", "the command cannot be run"],
  ["127", "the command does not exist"],
  ["128 + N", "signal N has ended the command"],
  ["other", "the command's own"],
];

/** The options that say how to run a command in a sandbox. */
export const PROCESS_OPTIONS: Option[] = [
  { name: "detach", short: "d", help: "run it in the background" },
  { name: "interactive", short: "i", help: "let it read this standard input" },
  { name: "tty", short: "t", help: "let it use this terminal" },
  { name: "env", short: "e", value: "NAME=VALUE", many: true, help: "an environment variable" },
  { name: "env-file", value: "FILE", many: true, help: "a file of lines as --env takes them" },
  { name: "user", short: "u", value: "USER[:GROUP]", help: "whom to run it as; default root" },
  { name: "workdir", short: "w", value: "FOLDER", help: "the folder to start it in" },
];

/** A command cannot be run. Its exit status tells why, as in shells and Docker. */
export class CommandError extends IpvlanError {
  /** The exit status: 127 if the command does not exist, else 126. */
  readonly status: number;

  /** Makes the error from the command, the exit status and the reason. */
  constructor(command: string, status: number, reason: string) {
    super(`The command ${JSON.stringify(command)} cannot be run: ${reason}`);
    this.status = status;
  }
}

/**
 * Looks for a command as execvp(3) does, so that an error comes before anything is made. A sandbox
 * has this machine's files, so the command is the same one there.
 *
 * @throws {CommandError} The command does not exist, or cannot be run.
 */
export function requireCommand(command: string, folder?: string): void {
  if (folder !== undefined && !statOf(folder)?.isDirectory) {
    throw new CommandError(command, CANNOT_RUN, `there is no folder ${JSON.stringify(folder)}`);
  }
  const path = Deno.env.get("PATH") ?? "";
  const candidates = command.includes("/")
    ? [command.startsWith("/") || folder === undefined ? command : `${folder}/${command}`]
    : path.split(":").map((each) => `${each || "."}/${command}`);
  const found = candidates.map(statOf).filter((stat) => stat !== undefined);
  if (found.length === 0) {
    const where = command.includes("/") ? "there is no such file" : "it is not on PATH";
    throw new CommandError(command, NOT_FOUND, where);
  }
  if (!found.some(({ isFile, mode }) => isFile && (mode ?? 0) & 0o111)) {
    throw new CommandError(command, CANNOT_RUN, "it is not an executable file");
  }
}

function statOf(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.statSync(path);
  } catch {
    return undefined;
  }
}

/** The signals that a terminal sends to every process in the foreground (termios(3)). */
const BY_TERMINAL: readonly Deno.Signal[] = ["SIGINT", "SIGQUIT"];

/**
 * Passes the signals that would end this program on to a process, as long as one runs. Before and
 * after that, they abort an `AbortSignal`.
 */
export class SignalRelay implements Disposable {
  /** Aborted by a signal that comes while no process runs. */
  readonly signal: AbortSignal;
  #first: Deno.Signal | undefined;
  #child: Deno.ChildProcess | undefined;
  #listener: Disposable;

  /** Starts to listen. */
  constructor() {
    const atTerminal = Deno.stdin.isTerminal();
    const controller = new AbortController();
    this.signal = controller.signal;
    this.#listener = onSignals([...BY_TERMINAL, "SIGTERM", "SIGHUP"], (signal) => {
      this.#first ??= signal;
      if (!this.#child) controller.abort(new InterruptedError());
      // The process got it from the terminal already.
      else if (!(atTerminal && BY_TERMINAL.includes(signal))) this.#send(signal);
    });
  }

  /** The exit status to end with after a signal; `undefined` as long as none has arrived. */
  get status(): number | undefined {
    return this.#first && exitStatusOf(this.#first);
  }

  /** Sets the process that gets the signals until it ends. */
  to(child: Deno.ChildProcess): void {
    this.#child = child;
    child.status.then(() => this.#child = undefined);
  }

  /** Stops listening. */
  [Symbol.dispose](): void {
    this.#listener[Symbol.dispose]();
  }

  #send(signal: Deno.Signal): void {
    try {
      this.#child?.kill(signal);
    } catch {
      // The process has ended meanwhile, as the signal wanted.
    }
  }
}

/** A command to run in a sandbox, and how. */
export interface Process {
  /** Its words. */
  words: string[];
  /** The folder to start it in; `undefined` for that of this program. */
  cwd?: string;
  /** The variables to add to its environment. */
  env: Record<string, string>;
}

/**
 * Reads what {@linkcode PROCESS_OPTIONS} say of a command.
 *
 * @throws {InvalidOptionError} There is no such user, or a file cannot be read.
 * @throws {CommandError} There is no setpriv(1), which changes the user.
 */
export function readProcess(words: readonly string[], args: Arguments): Process {
  const lines = args.values("env-file").flatMap(readLines);
  const cwd = args.value("workdir");
  const env = readEnvironment([...lines, ...args.values("env")]);
  const text = args.value("user");
  if (text === undefined) return { words: [...words], cwd, env };
  const user = readUser(text, readText("/etc/passwd"), readText("/etc/group"));
  const prefix = asUser(user);
  requireCommand(prefix[0]!);
  return {
    words: [...prefix, ...words],
    cwd,
    env: { ...(user.home !== undefined && { HOME: user.home }), ...env },
  };
}

/**
 * Runs a command in a sandbox. Resolves to the command's exit status; to 0 if it runs in the
 * background.
 *
 * @param background How it runs in the background.
 * @throws {ProgramNotFoundError} `ip` is not installed.
 */
export async function runInside(
  driver: Driver,
  sandbox: string,
  { words, ...options }: Process,
  args: Arguments,
  relay: SignalRelay,
  background: Pick<BackgroundOptions, "keepOutput" | "afterwards"> = {},
): Promise<number> {
  try {
    if (args.on("detach")) {
      await driver.start(sandbox, words, { ...options, ...background });
      return 0;
    }
    const child = driver.exec(sandbox, words, {
      ...options,
      stdin: args.on("interactive") || args.on("tty") ? "inherit" : "null",
      stdout: "inherit",
      stderr: "inherit",
    }).spawn();
    relay.to(child);
    const { code, signal } = await child.status;
    return signal === null ? code : exitStatusOf(signal);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw new ProgramNotFoundError("ip");
    throw error;
  }
}

/** Reads a file that the options name. @throws {InvalidOptionError} It cannot be read. */
function readText(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    throw new InvalidOptionError("file", path, (error as Error).message);
  }
}

/** Reads the lines of `--env-file`, without empty lines and comments. */
function readLines(path: string): string[] {
  return readText(path).split("\n").map((line) => line.trimStart())
    .filter((line) => line !== "" && !line.startsWith("#"));
}

/** Reads `--env` as Docker does: `NAME=VALUE`, or `NAME` for the value that it has here. */
function readEnvironment(words: readonly string[]): Record<string, string> {
  return Object.fromEntries(words.map((word) => {
    const [name = "", ...rest] = word.split("=");
    return [name, rest.length > 0 ? rest.join("=") : Deno.env.get(name) ?? ""];
  }));
}
