import { IpvlanError } from "../base/errors.ts";

export interface Ending {
  /** Its exit status; 128 + N if signal N ended it. */
  code: number;
  out: string[];
  /** The lines that it printed on standard error. */
  err: string[];
}

/** Runs a command line of sh(1), of quoted words, to its end; the input is lines for it. */
export type RunProgram = (command: string, input: readonly string[]) => Promise<Ending>;

/** A {@linkcode Shell}, or a stand-in for one. */
export type ProgramRunner = Pick<Shell, "ended" | "run" | "kill" | typeof Symbol.asyncDispose>;

const NAME = "sh";

/** How long to wait for a killed program to end, in milliseconds. */
const DEATH = 500;

/**
 * One long-lived `sh` that runs programs, one after another. {@linkcode runBatch} says why.
 *
 * The programs have the locale C: callers match their English messages, and `nsenter` starts in a
 * quarter less time.
 */
export class Shell implements AsyncDisposable {
  readonly #signal: AbortSignal | undefined;
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #streams: AsyncGenerator<string>[];
  /** Ends each program's input and its output on both streams. No program prints this random line. */
  readonly #mark = `end-${crypto.randomUUID()}`;
  readonly #abort = () => this.kill("it was aborted");
  /** Settles when the output of all programs so far was read. */
  #reading: Promise<unknown> = Promise.resolve();
  #closed: Error | undefined;
  #hasEnded = false;
  readonly #ended: Promise<void>;
  /** The program that kills the shell. */
  #killing: Promise<unknown> | undefined;
  /** Resolves when the shell was killed, and did not end. */
  readonly #lost = Promise.withResolvers<[]>();

  /** Starts the shell, which the signal ends. @param options With `$1`, `$2`, … of the commands. */
  constructor({ args = [], signal }: { args?: readonly string[]; signal?: AbortSignal } = {}) {
    signal?.throwIfAborted();
    this.#signal = signal;
    this.#child = spawn(NAME, ["-s", "--", ...args]);
    this.#writer = this.#child.stdin.getWriter();
    this.#streams = [this.#child.stdout, this.#child.stderr].map(linesOf);
    this.#ended = this.#follow();
    this.#write("export LC_ALL=C\n");
    signal?.addEventListener("abort", this.#abort, { once: true });
  }

  /** Whether it has ended: it runs no more programs. */
  get ended(): boolean {
    return this.#closed !== undefined;
  }

  /** Runs a program after those before it, to its end. @throws {"session-closed"} The shell ended. */
  readonly run: RunProgram = async (command, input) => {
    this.#signal?.throwIfAborted();
    if (this.#closed) throw this.#closed;
    const end = this.#mark;
    this.#write(
      `${command} <<'${end}'\n${[...input, end].join("\n")}\n` +
        `printf '\\n${end} %s\\n' $?; printf '\\n${end}\\n' >&2\n`,
    );
    const [out, err] = await Promise.race([this.#read(), this.#lost.promise]);
    if (out && err) return { code: out.code, out: out.lines, err: err.lines };
    await Promise.race([this.#ended, this.#lost.promise]);
    throw this.#signal?.aborted ? this.#signal.reason : this.#closed;
  };

  /**
   * Ends the shell and its program at once: both are in one process group, because `spawn` starts
   * a session. Pending calls fail with this reason once both have ended.
   */
  kill(why: string): void {
    if (this.#killing || this.#hasEnded) return;
    this.#closed ??= new IpvlanError("session-closed", { session: NAME, reason: why });
    // `Deno.kill` would need the permission to run every program.
    const silent = { stdin: "null", stdout: "null", stderr: "null" } as const;
    this.#killing = spawn(NAME, ["-c", `kill -s KILL -- -${this.#child.pid}`], silent).status;
    // A program that is blocked in the kernel may not end. Do not let its callers wait for it.
    const timer = setTimeout(() => this.#lost.resolve([]), DEATH);
    Promise.all([this.#reading, this.#ended]).then(() => clearTimeout(timer));
  }

  /** Ends the shell after all pending programs. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed ??= new IpvlanError("session-closed", { session: NAME, reason: "it was closed" });
    await this.#writer.close().catch(() => {});
    await Promise.race([Promise.all([this.#read(), this.#ended]), this.#lost.promise]);
    await this.#killing;
  }

  #write(text: string): void {
    // A write fails only when the shell has ended, and its end settles pending calls.
    this.#writer.write(new TextEncoder().encode(text)).catch(() => {});
  }

  /** Reads both streams up to their next mark; `undefined` for one that ends before. */
  #read() {
    const untilMark = async (stream: AsyncGenerator<string>) => {
      const lines: string[] = [];
      for (;;) {
        const { value: line, done } = await stream.next();
        if (done) return undefined;
        if (line.startsWith(this.#mark)) {
          return { lines, code: Number(line.slice(this.#mark.length)) };
        }
        if (line !== "") lines.push(line);
      }
    };
    const blocks = this.#reading.then(() => Promise.all(this.#streams.map(untilMark)));
    this.#reading = blocks;
    return blocks;
  }

  async #follow(): Promise<void> {
    const status = await this.#child.status;
    this.#hasEnded = true;
    this.#closed ??= new IpvlanError("session-closed", { session: NAME, reason: wordsOf(status) });
    this.#signal?.removeEventListener("abort", this.#abort);
    await this.#writer.close().catch(() => {});
  }
}

/**
 * Starts a program in its own session (setsid(2)), so that Ctrl-C does not end it before the caller has
 * rolled back. With a pipe as its input, it still ends with the caller, whose end closes the pipe.
 */
export function spawn(
  program: string,
  args: readonly string[],
  options: Pick<Deno.CommandOptions, "stdin" | "stdout" | "stderr" | "signal"> = {},
): Deno.ChildProcess {
  try {
    return new Deno.Command(program, {
      args: [...args],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
      ...options,
      detached: true,
    }).spawn();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new IpvlanError("program-not-found", { program });
  }
}

/** Writes a program's whole input, waits for its end, and returns its output. */
export async function feed(
  child: Deno.ChildProcess,
  input: string,
): Promise<{ success: boolean; out: string; err: string }> {
  // A write fails only if the program has ended. Its error output then says why.
  const written = new Blob([input]).stream().pipeTo(child.stdin).catch(() => {});
  const { success, stdout, stderr } = await child.output();
  await written;
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { success, out: text(stdout), err: text(stderr) };
}

/** The lines of a stream, without their newlines. */
export async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split("\n");
    rest = parts.pop()!;
    yield* parts;
  }
  if (rest !== "") yield rest;
}

/** How a program ended, in words: `exit status 1`, `killed by SIGKILL`. */
export function wordsOf(
  { code, signal }: { code: number; signal?: Deno.CommandStatus["signal"] },
): string {
  return signal ? `killed by ${signal}` : `exit status ${code}`;
}
