/**
 * Running a command in a sandbox: its options, its exit status, and the signals that are for it.
 *
 * @module
 */
import type { Driver } from "../driver/mod.ts";
import { InterruptedError, IpvlanError } from "../errors.ts";
import { ProgramNotFoundError } from "../iproute2/errors.ts";
import { exitStatusOf, onSignals } from "../signals.ts";
import type { Arguments, Option } from "./command.ts";

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

/**
 * Runs a command in a sandbox. Resolves to the command's exit status; to 0 if it runs in the
 * background.
 *
 * @throws {ProgramNotFoundError} `ip` is not installed.
 */
export async function runInside(
  driver: Driver,
  sandbox: string,
  command: readonly string[],
  args: Arguments,
  relay: SignalRelay,
): Promise<number> {
  const options = { cwd: args.value("workdir"), env: readEnvironment(args.values("env")) };
  try {
    if (args.on("detach")) {
      await driver.start(sandbox, command, options);
      return 0;
    }
    const child = driver.exec(sandbox, command, {
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

/** Reads `--env` as Docker does: `NAME=VALUE`, or `NAME` for the value that it has here. */
function readEnvironment(words: readonly string[]): Record<string, string> {
  return Object.fromEntries(words.map((word) => {
    const [name = "", ...rest] = word.split("=");
    return [name, rest.length > 0 ? rest.join("=") : Deno.env.get(name) ?? ""];
  }));
}
