import { IpvlanError } from "../errors.ts";
import type { Context } from "./command.ts";

/**
 * Does something for each of several names, and goes on after one that fails, but not after a
 * signal.
 *
 * @returns The exit status: 1 if any failed.
 */
export async function eachOf(
  names: readonly string[],
  { warn, interrupted }: Context,
  run: (name: string) => void | Promise<void>,
): Promise<number> {
  let status = 0;
  for (const name of names) {
    if (interrupted.aborted) break;
    try {
      await run(name);
    } catch (error) {
      if (!(error instanceof IpvlanError)) throw error;
      error.message.split("\n").forEach(warn);
      status = 1;
    }
  }
  return status;
}
