/**
 * A terminal with a program on it.
 *
 * @module
 */
import { IPVLAN } from "./command.ts";

/** How long to wait for a text on a terminal until the test fails, in milliseconds. */
const PATIENCE = 120_000;

/** A terminal, made by script(1), and a shell that runs a line on it. It ends with the scope. */
export class Terminal implements AsyncDisposable {
  /** Resolves to the exit status of the line. */
  readonly ended: Promise<number>;
  #child: Deno.ChildProcess;
  #keys: WritableStreamDefaultWriter<Uint8Array>;
  #text = "";
  #hasEnded = false;
  #wake = Promise.withResolvers<void>();

  /** Runs a line of sh(1), in which `$IPVLAN` starts the command. `env` adds to its environment. */
  constructor(line: string, env: Record<string, string> = {}) {
    this.#child = new Deno.Command("script", {
      args: ["-qefc", line, "/dev/null"],
      env: { IPVLAN: IPVLAN.join(" "), SHELL: "/bin/sh", PS1: "> ", ENV: "", ...env },
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
      detached: true,
    }).spawn();
    this.#keys = this.#child.stdin.getWriter();
    this.ended = this.#follow();
  }

  /** Its whole output so far. A newline is `\r\n`. */
  get text(): string {
    return this.#text;
  }

  /** Presses keys, such as `\x03` for Ctrl-C. */
  async type(keys: string): Promise<void> {
    await this.#keys.write(new TextEncoder().encode(keys));
  }

  /**
   * Waits until its text matches.
   *
   * @returns The first group of the pattern.
   * @throws {Error} The line has ended, or nothing matches for a long time.
   */
  async shows(pattern: RegExp): Promise<string> {
    let isLate = false;
    const timer = setTimeout(() => (isLate = true, this.#wake.resolve()), PATIENCE);
    try {
      for (;;) {
        const match = pattern.exec(this.#text);
        if (match) return match[1] ?? "";
        if (this.#hasEnded || isLate) throw new Error(`No ${pattern}:\n${this.#text}`);
        await this.#wake.promise;
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** Hangs up. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#hasEnded) Deno.kill(-this.#child.pid, "SIGKILL");
    await this.ended;
    await this.#keys.abort().catch(() => {});
  }

  async #follow(): Promise<number> {
    for await (const text of this.#child.stdout.pipeThrough(new TextDecoderStream())) {
      this.#text += text;
      this.#wake.resolve();
      this.#wake = Promise.withResolvers();
    }
    const { code } = await this.#child.status;
    this.#hasEnded = true;
    this.#wake.resolve();
    return code;
  }
}
