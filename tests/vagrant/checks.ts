import { fileURLToPath } from "node:url";

/** This checkout, without a slash at the end. */
export const PROJECT: string = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");

/** What was found out so far. Every line says how many seconds the test has run. */
export class Checks {
  #passed = 0;
  #failed: string[] = [];
  #started: number;

  /**
   * Starts counting.
   *
   * @param started When the test began, in milliseconds of the epoch.
   */
  constructor(started: number = Date.now()) {
    this.#started = started;
  }

  /** Says what happens. */
  say = (line: string): void => {
    const seconds = Math.round((Date.now() - this.#started) / 1000);
    console.log(`${`${seconds}`.padStart(5)} s  ${line}`);
  };

  /** Checks something: it holds unless it throws. Resolves to whether it holds. */
  async that(what: string, check: () => unknown): Promise<boolean> {
    try {
      await check();
    } catch (error) {
      this.#failed.push(what);
      this.say(`FAILED  ${what}: ${error instanceof Error ? error.message : error}`);
      return false;
    }
    this.#passed++;
    this.say(`ok      ${what}`);
    return true;
  }

  /** Writes what was found out for {@linkcode Checks.add}. */
  async save(folder: string): Promise<void> {
    const found = { passed: this.#passed, failed: this.#failed };
    await Deno.writeTextFile(`${folder}/checks.json`, JSON.stringify(found));
  }

  /** Adds what another process has found out. */
  async add(folder: string): Promise<void> {
    const text = await Deno.readTextFile(`${folder}/checks.json`).catch(() => undefined);
    if (text === undefined) return;
    const { passed, failed } = JSON.parse(text);
    this.#passed += passed;
    this.#failed.push(...failed);
  }

  /** Prints what it came to. Returns whether everything held. */
  end(): boolean {
    for (const what of this.#failed) console.log(`Failed: ${what}`);
    console.log(`${this.#passed} passed, ${this.#failed.length} failed`);
    return this.#failed.length === 0;
  }
}

/** What a program did. */
export interface Ran {
  /** The exit status. */
  code: number;
  /** Standard output. */
  stdout: string;
  /** Standard error. */
  stderr: string;
}

/** Runs a program in the checkout, to its end. */
export async function run(
  program: string,
  args: string[],
  options: Deno.CommandOptions = {},
): Promise<Ran> {
  const { code, stdout, stderr } = await new Deno.Command(program, {
    cwd: PROJECT,
    stdin: "null",
    ...options,
    args,
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/**
 * Runs a script in the checkout, and returns what it prints.
 *
 * @throws if it fails, with all it said.
 */
export async function sh(script: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run("sh", ["-ec", script, "sh", ...args]);
  if (code !== 0) throw new Error(`${script} failed with ${code}: ${stderr}${stdout}`);
  return stdout.trim();
}
