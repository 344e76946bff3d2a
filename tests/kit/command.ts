/**
 * The `ipvlan` command as tests run it: in this process, or as a process of its own.
 *
 * @module
 */
import { assertEquals, assertMatch } from "@std/assert";
import { fileURLToPath } from "node:url";
import { main } from "../../lib/cli/main.ts";
import type { Diagnosis } from "../../lib/doctor/mod.ts";

const CLI = fileURLToPath(new URL("../../cli.ts", import.meta.url));

/** The command line that starts `ipvlan` as a process of its own. */
export const IPVLAN = [Deno.execPath(), "run", "-A", "--no-check", "--cached-only", CLI];

/** The result of a command: its exit status and output. */
export interface CommandResult {
  /** The exit status. */
  status: number;
  /** Its standard output, without the last newline. */
  out: string;
  /** Its standard error, without the last newline. */
  err: string;
}

/**
 * Runs `ipvlan` in this process, because a process of its own starts slowly in the lab. The
 * output of programs in a sandbox is not in the result.
 */
export async function ipvlan(...words: string[]): Promise<CommandResult> {
  const { log, error } = console;
  const { writeSync, isTerminal } = Deno.stdout;
  const decoder = new TextDecoder();
  let out = "";
  const err: string[] = [];
  console.log = (line) => out += `${line}\n`;
  console.error = (line) => err.push(line);
  Deno.stdout.isTerminal = () => false;
  Deno.stdout.writeSync = (bytes) => {
    out += decoder.decode(bytes, { stream: true });
    return bytes.length;
  };
  try {
    const status = await main(words);
    return { status, out: out.replace(/\n$/, ""), err: err.join("\n") };
  } finally {
    Object.assign(console, { log, error });
    Object.assign(Deno.stdout, { writeSync, isTerminal });
  }
}

/** Runs `ipvlan` in this process, asserts that it succeeds without a warning, and returns its output. */
export async function succeeds(...words: string[]): Promise<string> {
  const { status, out, err } = await ipvlan(...words);
  assertEquals([status, err], [0, ""], words.join(" "));
  return out;
}

/** The options of a {@linkcode Job}. */
export interface JobOptions {
  /** Variables to add to its environment. */
  env?: Record<string, string>;
  /** The words of a command that runs it, such as `ip netns exec NAME`. */
  under?: readonly string[];
}

/**
 * `ipvlan` as a process of its own that leads a process group, as a shell starts it. If it still runs
 * at the end of the scope, it is killed.
 */
export class Job implements AsyncDisposable {
  /** Resolves to its result when it has ended. */
  readonly ended: Promise<CommandResult & { signal: Deno.Signal | null }>;
  #child: Deno.ChildProcess;
  #lines: string[] = [];
  #out = "";
  #wake = Promise.withResolvers<void>();
  #hasEnded = false;

  /** Starts `ipvlan` with these words. */
  constructor(words: readonly string[], { env, under = [] }: JobOptions = {}) {
    const [program = "", ...args] = [...under, ...IPVLAN, ...words];
    this.#child = new Deno.Command(program, {
      args,
      env,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      detached: true,
    }).spawn();
    this.ended = this.#follow();
  }

  /**
   * Waits until its standard error has a number of lines, or a line that matches.
   *
   * @throws {Error} It has ended before.
   */
  async line(which: number | RegExp): Promise<void> {
    const isThere = () =>
      typeof which === "number"
        ? this.#lines.length >= which
        : this.#lines.some((line) => which.test(line));
    while (!isThere()) {
      if (this.#hasEnded) throw new Error(`No line ${which}:\n${this.#lines.join("\n")}`);
      await this.#wake.promise;
    }
  }

  /** Waits until its standard output matches. @throws {Error} It has ended before. */
  async printed(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.#out)) {
      if (this.#hasEnded) throw new Error(`No ${pattern}:\n${this.#out}`);
      await this.#wake.promise;
    }
  }

  /** Its process id. */
  get pid(): number {
    return this.#child.pid;
  }

  /** Sends it a signal, alone or with its whole process group, as a terminal does. */
  kill(signal: Deno.Signal, whom: "it" | "its group" = "it"): void {
    Deno.kill(whom === "it" ? this.#child.pid : -this.#child.pid, signal);
  }

  /** Kills it if it still runs. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#hasEnded) this.kill("SIGKILL");
    await this.ended;
  }

  async #follow(): Promise<CommandResult & { signal: Deno.Signal | null }> {
    let err = "";
    const { stdout, stderr } = this.#child;
    const printed = this.#read(stdout, (text) => this.#out += text);
    await this.#read(stderr, (text) => {
      err += text;
      this.#lines = err.split("\n").slice(0, -1);
    });
    const { code, signal } = await this.#child.status;
    this.#hasEnded = true;
    this.#wake.resolve();
    await printed;
    return { status: code, signal, out: this.#out.trimEnd(), err: err.trimEnd() };
  }

  async #read(stream: ReadableStream<Uint8Array<ArrayBuffer>>, take: (text: string) => void) {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      take(text);
      this.#wake.resolve();
      this.#wake = Promise.withResolvers();
    }
  }
}

/** Runs `ipvlan` as a process of its own to its end. */
export async function runJob(
  words: readonly string[],
  options: JobOptions = {},
): Promise<CommandResult> {
  await using job = new Job(words, options);
  const { status, out, err } = await job.ended;
  return { status, out, err };
}

/** Runs `doctor` in this process. Returns a line for each problem that it found. */
export async function doctor(...words: string[]): Promise<string[]> {
  const { status, out, err } = await ipvlan("doctor", "--json", ...words);
  assertEquals(err, "");
  return problemsIn(status, out);
}

/** Reads the output of `doctor --json`. Returns a line for each problem; the exit status must fit. */
export function problemsIn(status: number, out: string): string[] {
  const diagnoses: Diagnosis[] = JSON.parse(out);
  assertEquals(status, diagnoses.some(({ level }) => level === "broken") ? 1 : 0);
  return diagnoses.filter(({ level }) => level !== "ok").map(({ level, subject, what, fix }) =>
    `${level} ${subject}: ${what}${fix === undefined ? "" : ` → ${fix}`}`
  );
}

/** Asserts that there is exactly one problem, and that it matches. */
export function assertOnly(problems: readonly string[], pattern: RegExp): void {
  assertEquals(problems.length, 1, problems.join("\n"));
  assertMatch(problems[0]!, pattern);
}

/** Makes a socket as systemd does, and starts a program with it (sd_listen_fds(3)). */
export const PASS_SOCKET = `
use IO::Socket::UNIX; use POSIX;
my $socket = IO::Socket::UNIX->new(Local => shift @ARGV, Listen => 5) or die $!;
POSIX::dup2(fileno($socket), 3) if fileno($socket) != 3;
open(my $passed, "<&=", 3); $^F = 3; fcntl($passed, 2, 0);
$ENV{LISTEN_PID} = $$; $ENV{LISTEN_FDS} = 1;
exec @ARGV or die $!;
`;
