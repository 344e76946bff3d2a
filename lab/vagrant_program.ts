/**
 * The program `vagrant`, on `lab/Vagrantfile`.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { LabError } from "./errors.ts";
import { withoutProgress } from "./vagrant_guest.ts";

/** Ctrl-C is for the lab alone, which tells those that it started. Windows would open a window. */
export const detached: boolean = Deno.build.os !== "windows";

/** How `vagrant` is started. */
function options(): Deno.CommandOptions {
  return {
    env: { VAGRANT_CWD: fileURLToPath(new URL(".", import.meta.url)) },
    stdin: "null",
    stdout: "piped",
  };
}

/** What `vagrant` prints. @throws {LabError} if it fails, with what it said. */
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
 * Runs `vagrant`; what it tells goes to standard error, where the command's own output is not.
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
  // It undoes what is half done.
  const interrupt = () => child.kill("SIGINT");
  signal?.addEventListener("abort", interrupt);
  let rest = "";
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) {
      const said = withoutProgress(line);
      if (said !== undefined) console.error(said);
    }
  }
  const { success } = await child.status;
  signal?.removeEventListener("abort", interrupt);
  signal?.throwIfAborted();
  if (!success) throw new LabError(`vagrant ${args[0]} failed; see above`);
}
