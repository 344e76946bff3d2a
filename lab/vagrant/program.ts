/**
 * Runs the program `vagrant` with `lab/Vagrantfile`.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { LabError } from "../errors.ts";
import { removeProgress } from "./guest.ts";

/**
 * Whether to start programs detached, so that Ctrl-C reaches only the lab, which then ends them. Not
 * on Windows, where a detached program opens a window.
 */
export const detached: boolean = Deno.build.os !== "windows";

/** The options to start `vagrant` with. */
function options(): Deno.CommandOptions {
  return {
    env: { VAGRANT_CWD: fileURLToPath(new URL("..", import.meta.url)) },
    stdin: "null",
    stdout: "piped",
  };
}

/** Runs `vagrant` and returns its output. @throws {LabError} if it fails, with its error output. */
export async function readVagrant(args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("vagrant", {
    ...options(),
    args,
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  if (success) return text(stdout);
  throw new LabError(`vagrant ${args[0]} failed: ${(text(stderr) || text(stdout)).trim()}`);
}

/**
 * Runs `vagrant`. Its output goes to standard error, as standard output is the command's own.
 *
 * @throws {LabError} if it fails, or the reason of the signal when that is aborted.
 */
export async function vagrant(args: string[], signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  const child = new Deno.Command("vagrant", {
    ...options(),
    args,
    stderr: "inherit",
    detached,
  }).spawn();
  // On SIGINT, vagrant undoes its half-done work.
  const interrupt = () => child.kill("SIGINT");
  signal?.addEventListener("abort", interrupt);
  let rest = "";
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) {
      const text = removeProgress(line);
      if (text !== undefined) console.error(text);
    }
  }
  const { success } = await child.status;
  signal?.removeEventListener("abort", interrupt);
  signal?.throwIfAborted();
  if (!success) throw new LabError(`vagrant ${args[0]} failed; see above`);
}
