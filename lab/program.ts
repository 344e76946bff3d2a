/**
 * Programs that the lab runs to get itself ready.
 *
 * @module
 */
import { assertPrograms } from "./machine.ts";

/**
 * Runs a program that must not outlive the lab. Its text is what it printed, both streams.
 *
 * @param program A name on PATH, or a path.
 * @throws {MissingError} if there is no such program.
 */
export async function runProgram(
  program: string,
  args: string[],
  { signal, cwd }: { signal?: AbortSignal; cwd?: string } = {},
): Promise<{ ok: boolean; text: string }> {
  // setpriv would report a missing program on its own: ask first.
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
