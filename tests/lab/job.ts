import { fileURLToPath } from "node:url";
import type { Said } from "./command.ts";

const CLI = fileURLToPath(new URL("../../cli.ts", import.meta.url));

/** What is different for a {@linkcode Job}. */
export interface JobOptions {
  /** Variables of its environment that differ. */
  env?: Record<string, string>;
  /** Where it runs: a command that runs the words behind it. */
  under?: readonly string[];
}

/**
 * `ipvlan` as a process of its own, and as the leader of a process group, as a shell starts it. It
 * is killed at the end of the scope, if it still runs then.
 */
export class Job implements AsyncDisposable {
  /** Resolves when it has ended, to what it left. */
  readonly said: Promise<Said & { signal: Deno.Signal | null }>;
  #child: Deno.ChildProcess;
  #lines: string[] = [];
  #wake = Promise.withResolvers<void>();
  #hasEnded = false;

  /** Starts `ipvlan` with these words. */
  constructor(words: readonly string[], { env, under = [] }: JobOptions = {}) {
    const [program = "", ...args] = [
      ...under,
      ...[Deno.execPath(), "run", "-A", "--no-check", "--cached-only", CLI, ...words],
    ];
    this.#child = new Deno.Command(program, {
      ...{ args, env, stdin: "null", stdout: "piped", stderr: "piped", detached: true },
    }).spawn();
    this.said = this.#follow();
  }

  /**
   * Waits until a line of its standard error is as asked for: by its number from 1, or by how it
   * reads.
   *
   * @throws {Error} It has ended without one.
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

  /** Sends it a signal, alone or with its whole process group, as a terminal does. */
  kill(signal: Deno.Signal, whom: "it" | "its group" = "it"): void {
    Deno.kill(whom === "it" ? this.#child.pid : -this.#child.pid, signal);
  }

  /** Kills it if it still runs. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#hasEnded) this.kill("SIGKILL");
    await this.said;
  }

  async #follow(): Promise<Said & { signal: Deno.Signal | null }> {
    const out = new Response(this.#child.stdout).text();
    let err = "";
    for await (const text of this.#child.stderr.pipeThrough(new TextDecoderStream())) {
      err += text;
      this.#lines = err.split("\n").slice(0, -1);
      this.#wake.resolve();
      this.#wake = Promise.withResolvers();
    }
    const { code, signal } = await this.#child.status;
    this.#hasEnded = true;
    this.#wake.resolve();
    return { status: code, signal, out: (await out).trimEnd(), err: err.trimEnd() };
  }
}

/** Runs `ipvlan` as a process of its own to its end. */
export async function runJob(words: readonly string[], options: JobOptions = {}): Promise<Said> {
  await using job = new Job(words, options);
  const { status, out, err } = await job.said;
  return { status, out, err };
}
