/** The result of a program: its exit status and its output. */
export interface Ran {
  /** The exit status. */
  code: number;
  /** Its standard output. */
  stdout: string;
  /** Its standard error. */
  stderr: string;
}

/** Runs a program without input, and waits until it ends. */
export async function run(program: string, ...args: string[]): Promise<Ran> {
  return decode(await new Deno.Command(program, { args, stdin: "null" }).output());
}

/** Decodes the output of a program. */
export function decode({ code, stdout, stderr }: Deno.CommandOutput): Ran {
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/**
 * Runs a program, and returns its output without the last line break.
 *
 * @throws {Error} It failed. The message has its output.
 */
export async function succeed(program: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(program, ...args);
  if (code !== 0) {
    throw new Error(`${[program, ...args].join(" ")} ended with ${code}: ${stderr}${stdout}`);
  }
  return stdout.trimEnd();
}
