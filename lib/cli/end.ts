// Ending the processes in a sandbox.
import type { Driver } from "../driver/mod.ts";
import { nodeModule } from "../base/node.ts";
import { invalidOption, unlessError } from "../base/errors.ts";

/** How often to poll for the end of processes, in milliseconds. */
const INTERVAL = 50;

/** Reads a signal: `TERM`, `SIGTERM` or `15`. @throws {"invalid-option"} It does not exist. */
export function readSignal(text: string): Deno.Signal {
  const signals: Readonly<Record<string, number>> = nodeModule("node:os").constants.signals;
  const upper = text.toUpperCase();
  const found = Object.keys(signals).find((name) =>
    name === upper || name === `SIG${upper}` || String(signals[name]) === text
  );
  if (found !== undefined) return found as Deno.Signal;
  throw invalidOption("signal", text, "give a name such as TERM, or a number");
}

export function readTimeout(text: string): number {
  if (/^\d{1,6}$/.test(text)) return Number(text);
  // In Docker, -1 waits forever.
  if (text === "-1") return Infinity;
  throw invalidOption("timeout", text, "give a whole number of seconds");
}

/** Runs a call on a sandbox. `undefined` if the sandbox is removed meanwhile, as by `run --rm`. */
export async function unlessRemoved<T>(call: () => Promise<T>): Promise<T | undefined> {
  return await unlessError(["sandbox-not-found", "half-done"], call);
}

/**
 * Waits until a sandbox has no process. Returns `false` at the deadline. It polls, as the kernel
 * gives no notice. It takes an id: meanwhile, another sandbox may get its name.
 */
export async function waitForEnd(
  driver: Driver,
  sandbox: string,
  deadline = Infinity,
): Promise<boolean> {
  while ((await driver.processes(sandbox)).length > 0) {
    if (performance.now() > deadline) return false;
    await new Promise((resolve) => setTimeout(resolve, INTERVAL));
  }
  return true;
}
