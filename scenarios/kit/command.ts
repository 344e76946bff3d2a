// Runs commands whose output is evidence.
import type { Evidence } from "../../lib/check/finding.ts";

/** A command that has ended, with its output. */
export interface CommandResult extends Evidence {
  /** Whether its exit status was 0. */
  success: boolean;
}

/** Runs a command to its end. @throws {Deno.errors.NotFound} The machine lacks the program. */
export async function run(program: string, ...args: string[]): Promise<CommandResult> {
  const { success, stdout, stderr } = await new Deno.Command(program, {
    args,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return {
    command: [program, ...args].join(" "),
    output: (text(stdout) + text(stderr)).trimEnd(),
    success,
  };
}
