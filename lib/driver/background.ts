/** How often to poll for the process, in milliseconds. */
const PAUSE = 5;

/** Starts a process that may outlive this one, without input and output. */
export const BACKGROUND = {
  stdin: "null",
  stdout: "null",
  stderr: "null",
  detached: true,
} as const;

/**
 * Waits until a process is in a sandbox, or has ended. Until then, a call that removes the sandbox
 * would not find the process there and would not kill it.
 *
 * @param child The process: `ip netns exec`, which enters the namespace and becomes the command.
 * @param processes Lists the ids of the processes in the sandbox.
 * @param signal Kills the process, and this fails with the signal's reason.
 */
export async function waitUntilInside(
  child: Deno.ChildProcess,
  processes: () => Promise<readonly number[]>,
  signal?: AbortSignal,
): Promise<void> {
  let hasEnded = false;
  child.status.then(() => hasEnded = true);
  try {
    // The kernel does not report that a process has entered a namespace, so we poll.
    while (!hasEnded && !(await processes()).includes(child.pid)) {
      signal?.throwIfAborted();
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
    }
  } catch (error) {
    if (signal?.aborted && !hasEnded) child.kill("SIGKILL");
    throw error;
  }
}
