import { constants } from "node:os";
import type { Driver } from "../driver/mod.ts";
import { IpvlanError } from "../errors.ts";
import { ProgramNotFoundError } from "../iproute2/errors.ts";
import type { Option, Words } from "./command.ts";

/** Exit status when the command cannot be run though it is there, as shells and Docker have it. */
const CANNOT_RUN = 126;
/** Exit status when there is no such command. */
const NOT_FOUND = 127;

/** The exit status of a program that a signal has ended, as shells have it: 128 and its number. */
export function endedBy(signal: Deno.Signal): number {
  return 128 + constants.signals[signal as keyof typeof constants.signals];
}

/** The exit statuses of what runs a command, for its help. */
export const PROCESS_STATUSES: [status: string, meaning: string][] = [
  ["126", "the command cannot be run"],
  ["127", "there is no such command"],
  ["128 + N", "signal N has ended it"],
  ["other", "the command's own"],
];

/** The options that say how a command is run in a sandbox. */
export const PROCESS_OPTIONS: Option[] = [
  { name: "detach", short: "d", help: "let it run in the background" },
  { name: "interactive", short: "i", help: "give it this standard input" },
  { name: "tty", short: "t", help: "give it this terminal" },
  { name: "env", short: "e", value: "NAME=VALUE", many: true, help: "an environment variable" },
  { name: "workdir", short: "w", value: "FOLDER", help: "the folder that it starts in" },
];

/** A command cannot be run. The exit status says which way, as with shells and Docker. */
export class CommandError extends IpvlanError {
  /** The exit status: 126 where it cannot be run, 127 where there is none. */
  readonly status: number;

  /** Makes the error from the command, the exit status and the reason. */
  constructor(command: string, status: number, reason: string) {
    super(`The command ${JSON.stringify(command)} cannot be run: ${reason}`);
    this.status = status;
  }
}

/**
 * Finds a command the way execvp(3) does, before anything is made for it. A sandbox has this
 * machine's files, so what is found here is found there.
 *
 * @throws {CommandError} There is none, or it cannot be run.
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

/** Lets signals that would end this program go to whoever is set, and be kept while nobody is. */
export class SignalRelay implements Disposable {
  /** The signals that came, oldest first. */
  readonly received: Deno.Signal[] = [];
  #child: Deno.ChildProcess | undefined;
  #listeners: [Deno.Signal, () => void][];

  /** Starts to listen. */
  constructor() {
    // At a terminal, these two reach everybody in the foreground by themselves.
    const byTerminal: Deno.Signal[] = ["SIGINT", "SIGQUIT"];
    const atTerminal = Deno.stdin.isTerminal();
    this.#listeners = ([...byTerminal, "SIGTERM", "SIGHUP"] as Deno.Signal[]).map((signal) => {
      const listener = () => {
        this.received.push(signal);
        if (!(atTerminal && byTerminal.includes(signal))) this.#send(signal);
      };
      Deno.addSignalListener(signal, listener);
      return [signal, listener];
    });
  }

  /** The exit status that the first signal asks for; `undefined` while none has come. */
  get status(): number | undefined {
    const [first] = this.received;
    return first && endedBy(first);
  }

  /** Passes signals on to a process from now on. */
  to(child: Deno.ChildProcess): void {
    this.#child = child;
  }

  /** Stops listening. */
  [Symbol.dispose](): void {
    for (const [signal, listener] of this.#listeners) Deno.removeSignalListener(signal, listener);
  }

  #send(signal: Deno.Signal): void {
    try {
      this.#child?.kill(signal);
    } catch {
      // It has ended meanwhile, which is what was wanted.
    }
  }
}

/**
 * Runs a command in a sandbox. Resolves to its exit status; to 0 where it is detached, once it is
 * started.
 *
 * @throws {ProgramNotFoundError} `ip` is not installed.
 */
export async function runInside(
  driver: Driver,
  sandbox: string,
  command: readonly string[],
  words: Words,
  relay: SignalRelay,
): Promise<number> {
  const options = {
    cwd: words.value("workdir"),
    env: Object.fromEntries(
      words.values("env").map((word) => {
        const [name = "", ...rest] = word.split("=");
        return [name, rest.length > 0 ? rest.join("=") : Deno.env.get(name) ?? ""];
      }),
    ),
  };
  try {
    if (words.on("detach")) {
      await driver.start(sandbox, command, options);
      return 0;
    }
    const child = driver.exec(sandbox, command, {
      ...options,
      stdin: words.on("interactive") || words.on("tty") ? "inherit" : "null",
      stdout: "inherit",
      stderr: "inherit",
    }).spawn();
    relay.to(child);
    const { code, signal } = await child.status;
    return signal === null ? code : endedBy(signal);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw new ProgramNotFoundError("ip");
    throw error;
  }
}
