import { fileURLToPath } from "node:url";
import { decode, type Ran } from "../kit/processes.ts";

/** The folder of this checkout, without a slash at its end. */
export const PROJECT: string = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");

/** Runs checks, prints their results and counts them. Every line has the seconds since the start. */
export class Checks {
  #passed = 0;
  #failed: string[] = [];
  #started: number;

  /**
   * Starts counting.
   *
   * @param started The start of the test, in milliseconds since the epoch.
   */
  constructor(started: number = Date.now()) {
    this.#started = started;
  }

  /** Prints a line. */
  say = (line: string): void => {
    const seconds = Math.round((Date.now() - this.#started) / 1000);
    console.log(`${`${seconds}`.padStart(5)} s  ${line}`);
  };

  /** Runs a check, which fails if it throws. Resolves to whether it passed. */
  async that(sentence: string, check: () => unknown): Promise<boolean> {
    try {
      await check();
    } catch (error) {
      this.#failed.push(sentence);
      this.say(`FAILED  ${sentence}: ${error instanceof Error ? error.message : error}`);
      return false;
    }
    this.#passed++;
    this.say(`ok      ${sentence}`);
    return true;
  }

  /** Writes the results to a file, for {@linkcode Checks.add}. */
  async save(folder: string): Promise<void> {
    const results = { passed: this.#passed, failed: this.#failed };
    await Deno.writeTextFile(`${folder}/checks.json`, JSON.stringify(results));
  }

  /** Adds the results of another process. */
  async add(folder: string): Promise<void> {
    const text = await Deno.readTextFile(`${folder}/checks.json`).catch(() => undefined);
    if (text === undefined) return;
    const { passed, failed } = JSON.parse(text);
    this.#passed += passed;
    this.#failed.push(...failed);
  }

  /** Prints the failed checks and the count. Returns whether all passed. */
  end(): boolean {
    for (const sentence of this.#failed) console.log(`Failed: ${sentence}`);
    console.log(`${this.#passed} passed, ${this.#failed.length} failed`);
    return this.#failed.length === 0;
  }
}

/** Runs a program in the checkout, and waits until it ends. */
export async function run(
  program: string,
  args: string[],
  options: Deno.CommandOptions = {},
): Promise<Ran> {
  const all = { cwd: PROJECT, stdin: "null", ...options, args } as const;
  return decode(await new Deno.Command(program, all).output());
}

/**
 * Runs a script in the checkout, and returns its output.
 *
 * @throws if it fails, with its output.
 */
export async function sh(script: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run("sh", ["-ec", script, "sh", ...args]);
  if (code !== 0) throw new Error(`${script} failed with ${code}: ${stderr}${stdout}`);
  return stdout.trim();
}
