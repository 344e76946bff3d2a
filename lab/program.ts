/**
 * Runs the programs that the lab needs before it can run a job.
 *
 * @module
 */
import { assertPrograms } from "./machine.ts";

/**
 * Runs a program, which dies with the lab. `text` is the output of both its streams.
 *
 * @param program A name on PATH, or a path.
 * @throws {MissingError} if there is no such program.
 */
export async function runProgram(
  program: string,
  args: string[],
  { signal, cwd }: { signal?: AbortSignal; cwd?: string } = {},
): Promise<{ ok: boolean; text: string }> {
  // Check first: setpriv would print its own message about a missing program.
  assertPrograms([program], "install it");
  const output = await new Deno.Command("setpriv", {
    args: ["--pdeathsig", "TERM", program, ...args],
    cwd,
    env: { LC_ALL: "C.UTF-8" },
    stdin: "null",
    signal,
  }).output();
  signal?.throwIfAborted();
  const decoder = new TextDecoder();
  const text = decoder.decode(output.stderr) + decoder.decode(output.stdout);
  return { ok: output.success, text: text.trim() };
}
