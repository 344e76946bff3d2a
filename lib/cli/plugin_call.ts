// Calls of a plugin that this process answers itself.
import { IpvlanError } from "../base/errors.ts";
import { Interrupt } from "../base/signals.ts";
import { readRequest } from "../engine/json.ts";
import { printedAnswer, type RunPlugin } from "../engine/plugins.ts";
import type { Context } from "./command.ts";

/** Reads the standard input of a call. Nobody types a request at a terminal. */
export async function readInput(): Promise<string> {
  return Deno.stdin.isTerminal() ? "" : await readRequest(Deno.stdin.readable);
}

/** Answers the call in the environment and the words. Resolves to the exit status. */
export async function answerHere(
  run: RunPlugin,
  words: readonly string[],
  text: string,
  { open, print, warn, dryRun }: Context,
): Promise<number> {
  // After a signal, the call is undone, and the answer says to try again.
  using interrupt = new Interrupt({ reason: new IpvlanError("interrupted") });
  const answered = await run({ folder: ".", words, variables: Deno.env.toObject(), text }, {
    withDriver: async (use) => {
      await using driver = await open(interrupt.signal);
      return await use(driver);
    },
    warn,
    log: (printed) => void Deno.stderr.writeSync(printed),
  });
  const printed = printedAnswer(answered);
  // With --dry-run, only the lines are printed, and errors.
  if (printed !== undefined && !(dryRun && answered.status === 0)) print(printed);
  return answered.status;
}
