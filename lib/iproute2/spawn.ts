import { ProgramNotFoundError } from "./errors.ts";

/**
 * Starts a program in a session of its own (setsid(2)), so that a Ctrl-C meant for the caller does
 * not end it before the caller has undone what it began. Its streams are piped, unless said otherwise.
 *
 * @throws {ProgramNotFoundError} It is not on the machine.
 */
export function spawn(
  program: string,
  args: readonly string[],
  streams: Pick<Deno.CommandOptions, "stdin" | "stdout" | "stderr"> = {},
): Deno.ChildProcess {
  try {
    return new Deno.Command(program, {
      args: [...args],
      ...{ stdin: "piped", stdout: "piped", stderr: "piped", ...streams },
      detached: true,
    }).spawn();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw new ProgramNotFoundError(program);
    throw error;
  }
}
