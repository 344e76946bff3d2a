import type { Driver } from "../driver/mod.ts";

/** How long to wait between two looks at a process, in milliseconds. */
const PAUSE = 5;

/**
 * Starts a command in a sandbox, without input and output, as a process that outlives this one.
 * Resolves when the process is in the sandbox, or has ended: as long as it is not, nobody who
 * removes the sandbox would find it there and end it.
 *
 * @throws {SandboxNotFoundError} There is no such sandbox.
 */
export async function startInside(
  driver: Driver,
  sandbox: string,
  command: readonly string[],
  options: Pick<Deno.CommandOptions, "cwd" | "env"> = {},
): Promise<void> {
  const child = driver.exec(sandbox, command, {
    ...options,
    ...{ stdin: "null", stdout: "null", stderr: "null", detached: true },
  }).spawn();
  child.unref();
  let hasEnded = false;
  child.status.then(() => hasEnded = true);
  // Nothing tells when a process has entered a namespace, so it is looked at.
  while (!hasEnded && !(await driver.processes(sandbox)).includes(child.pid)) {
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
  }
}
