// Runs commands whose output is evidence.
import type { Evidence } from "../../lib/check/reach.ts";
import { run as runProgram } from "./program.ts";

/** A command that has ended, with its output. */
export interface CommandResult extends Evidence {
  /** Whether its exit status was 0. */
  success: boolean;
}

/** Runs a command to its end. @throws {Deno.errors.NotFound} The machine lacks the program. */
export async function run(program: string, ...args: string[]): Promise<CommandResult> {
  const { code, stdout, stderr } = await runProgram(program, ...args);
  const command = [program, ...args].join(" ");
  return { command, output: (stdout + stderr).trimEnd(), success: code === 0 };
}
