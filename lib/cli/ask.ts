import { orAbort } from "../base/waiting.ts";
import type { Arguments, Context } from "./command.ts";
import { usageError } from "./errors.ts";

/** Returns whether the user agrees to a change, by an option or at the terminal. */
export async function agrees(
  args: Arguments,
  { command, dryRun, interrupted }: Context,
  option: string,
  question: string,
): Promise<boolean> {
  if (args.on(option) || dryRun) return true;
  if (canAsk()) return await ask(question, interrupted);
  throw usageError(command, [`Not a terminal, so cannot ask: use --${option}`]);
}

export function canAsk(): boolean {
  return Deno.stdin.isTerminal() && Deno.stderr.isTerminal();
}

/**
 * Asks a question at the terminal. Only `y` and `yes` mean yes; an aborted signal means no.
 *
 * Not Deno's `confirm`: no signal can end it.
 */
export async function ask(question: string, signal: AbortSignal): Promise<boolean> {
  await Deno.stderr.write(new TextEncoder().encode(`${question} [y/N] `));
  const buffer = new Uint8Array(1024);
  const count = await orAbort(Deno.stdin.read(buffer), signal).catch(() => 0);
  const answer = new TextDecoder().decode(buffer.subarray(0, count ?? 0));
  return /^y(es)?$/i.test(answer.trim());
}
