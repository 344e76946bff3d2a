// Runs a command in a sandbox: its options, its exit status, and the signals for it.
import { resolve } from "node:path";
import type { BackgroundOptions, Driver } from "../driver/mod.ts";
import { invalidOption, IpvlanError } from "../base/errors.ts";
import { statOf } from "../base/files.ts";
import { exitStatusOf, onSignals } from "../base/signals.ts";
import type { Arguments, Options } from "./command.ts";
import { Streams } from "./streams.ts";
import { asUser, readUser } from "./docker/user.ts";

const CANNOT_RUN = 126;
const NOT_FOUND = 127;

/** The exit statuses of the commands that run another one, for their help. */
export const PROCESS_STATUSES: [status: string, meaning: string][] = [
  ["126", "the command cannot be run"],
  ["127", "the command does not exist"],
  ["128 + N", "signal N has ended the command"],
  ["other", "the command's own"],
];

export const PROCESS_OPTIONS: Options = {
  "-d, --detach": "run it in the background",
  "-i, --interactive": "let it read this standard input",
  "-t, --tty": "give it a terminal of its own, of this one's size",
  "-e, --env NAME=VALUE...": "an environment variable",
  "--env-file FILE...": "a file of lines as --env takes them",
  "-u, --user USER[:GROUP]": "the user to run it as; default root",
  "-w, --workdir FOLDER": "the folder to start it in",
};

/**
 * Looks for a command as execvp(3) does, so that an error comes before anything is made. A sandbox
 * has this machine's files, so the command is the same one there.
 */
export function requireCommand(command: string, folder?: string): void {
  const unusable = (status: number, reason: string) =>
    new IpvlanError("command-unusable", { command, status, reason });
  if (folder !== undefined && !statOf(folder)?.isDirectory) {
    throw unusable(CANNOT_RUN, `there is no folder ${JSON.stringify(folder)}`);
  }
  const isPath = command.includes("/");
  const folders = isPath ? [folder ?? "."] : (Deno.env.get("PATH") ?? "").split(":");
  const found = folders.flatMap((each) => statOf(resolve(each, command)) ?? []);
  if (found.length === 0) {
    throw unusable(NOT_FOUND, isPath ? "there is no such file" : "it is not on PATH");
  }
  if (!found.some(({ isFile, mode }) => isFile && (mode ?? 0) & 0o111)) {
    throw unusable(CANNOT_RUN, "it is not an executable file");
  }
}

/** The signals for the whole process group of a command, as from a terminal. */
const FOR_ALL: readonly Deno.Signal[] = ["SIGINT", "SIGQUIT", "SIGSTOP", "SIGCONT"];

/** The signals to pass on to the command, besides those that end this program. */
const FOR_COMMAND = ("SIGABRT SIGALRM SIGCONT SIGIO SIGPROF SIGPWR SIGSTKFLT SIGTSTP SIGURG " +
  "SIGUSR2 SIGVTALRM SIGWINCH SIGXCPU SIGXFSZ").split(" ") as Deno.Signal[];

/**
 * Passes signals on to the process while it runs. Before and after, a signal that would end this
 * program aborts an `AbortSignal` instead. SIGUSR1 is dropped: see `refuseDebugger`.
 */
export class SignalRelay implements Disposable {
  /** Aborted by a signal that comes while no process runs. */
  readonly signal: AbortSignal;
  #first: Deno.Signal | undefined;
  #child: Deno.ChildProcess | undefined;
  #listener: Disposable;

  constructor() {
    const controller = new AbortController();
    this.signal = controller.signal;
    this.#listener = onSignals(["SIGINT", "SIGQUIT", "SIGTERM", "SIGHUP"], (signal) => {
      this.#first ??= signal;
      if (this.#child) this.#send(signal);
      else controller.abort(new IpvlanError("interrupted"));
    });
  }

  /** The exit status after a signal; `undefined` while none has arrived. */
  get status(): number | undefined {
    return this.#first && exitStatusOf(this.#first);
  }

  /** Sets the process that gets the signals until it ends. It leads a session. */
  to(child: Deno.ChildProcess, streams: Streams): void {
    this.#child = child;
    const listener = onSignals(FOR_COMMAND, (signal) => {
      if (signal === "SIGWINCH") streams.resize();
      if (signal === "SIGTSTP") this.#suspend(streams);
      else this.#send(signal);
    });
    child.status.then(() => {
      this.#child = undefined;
      listener[Symbol.dispose]();
    });
  }

  [Symbol.dispose](): void {
    this.#listener[Symbol.dispose]();
  }

  /** Suspends the process and this program. SIGTSTP would not stop a process without a terminal. */
  #suspend(streams: Streams): void {
    this.#send("SIGSTOP");
    streams.setRaw(false);
    Deno.kill(Deno.pid, "SIGSTOP");
    streams.setRaw(true);
  }

  #send(signal: Deno.Signal): void {
    try {
      if (FOR_ALL.includes(signal)) Deno.kill(-this.#child!.pid, signal);
      else this.#child!.kill(signal);
    } catch {
      // The process has ended meanwhile, as the signal wanted.
    }
  }
}

export interface Process {
  words: string[];
  /** The folder to start it in; `undefined` for this program's. */
  cwd?: string;
  env: Record<string, string>;
  /** The id of the user to run it as; `undefined` for this program's. */
  uid?: number;
}

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
    uid: user.uid,
    env: { ...(user.home !== undefined && { HOME: user.home }), ...env },
  };
}

/** Runs a command in a sandbox. Resolves to its exit status, or to 0 if it runs in the background. */
export async function runInside(
  driver: Driver,
  sandbox: string,
  { words, uid, ...options }: Process,
  args: Arguments,
  relay: SignalRelay,
  background: Pick<BackgroundOptions, "keepOutput" | "afterwards"> = {},
): Promise<number> {
  try {
    if (args.on("detach")) {
      await driver.start(sandbox, words, { ...options, ...background });
      return 0;
    }
    using streams = new Streams(args, uid);
    const child = driver.exec(sandbox, [...streams.words, ...words], {
      ...options,
      ...streams.options,
    }).spawn();
    relay.to(child, streams);
    await streams.carry(child);
    const { code, signal } = await child.status;
    return signal === null ? code : exitStatusOf(signal);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw new IpvlanError("program-not-found", { program: "ip" });
    }
    throw error;
  }
}

function readText(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    throw invalidOption("file", path, (error as Error).message);
  }
}

function readLines(path: string): string[] {
  return readText(path).split("\n").map((line) => line.trimStart())
    .filter((line) => line !== "" && !line.startsWith("#"));
}

/** Reads `--env` as Docker does: `NAME=VALUE`, or `NAME` for its value in this environment. */
function readEnvironment(words: readonly string[]): Record<string, string> {
  return Object.fromEntries(words.map((word) => {
    const [name = "", ...rest] = word.split("=");
    return [name, rest.length > 0 ? rest.join("=") : Deno.env.get(name) ?? ""];
  }));
}
