// All output of the command itself. `streams.ts` carries the output of programs in a sandbox.
import { IpvlanError } from "../base/errors.ts";
import { printable } from "../base/printable.ts";
import { exitStatusOf } from "../base/signals.ts";

let isLost = false;

export function print(text: string): void {
  printColoured(printable(text));
}

export function printColoured(text: string): void {
  try {
    console.log(text);
  } catch (error) {
    // Throw the first failure only, and none if a reader closes the pipe.
    if (isLost || error instanceof Deno.errors.BrokenPipe) return;
    isLost = true;
    throw new IpvlanError("unwritable-output", { reason: (error as Error).message });
  }
}

const decoder = new TextDecoder();

export function write(bytes: Uint8Array): void {
  // A character may come in two pieces.
  const text = () => printable(decoder.decode(bytes, { stream: true }));
  let rest = Deno.stdout.isTerminal() ? new TextEncoder().encode(text()) : bytes;
  try {
    while (rest.length > 0) rest = rest.subarray(Deno.stdout.writeSync(rest));
  } catch (error) {
    // End as any program does whose reader, such as head(1), closes the pipe.
    if (error instanceof Deno.errors.BrokenPipe) Deno.exit(exitStatusOf("SIGPIPE"));
    throw new IpvlanError("unwritable-output", { reason: (error as Error).message });
  }
}

export function printError(text: string): void {
  try {
    console.error(printable(text));
  } catch {
    // There is nowhere left to report it.
  }
}

export function warn(line: string): void {
  printError(`ipvlan: ${line}`);
}

/** Shows the progress of a long command: at a terminal in one line, else one line for each step. */
export class Progress implements Disposable {
  #atTerminal = Deno.stderr.isTerminal();

  show(sentence: string): void {
    if (this.#atTerminal) this.#rewrite(`${printable(sentence)} …`);
    else warn(sentence);
  }

  [Symbol.dispose](): void {
    if (this.#atTerminal) this.#rewrite("");
  }

  /** Returns to the start of the line, clears it (ECMA-48), and writes it anew. */
  #rewrite(text: string): void {
    Deno.stderr.writeSync(new TextEncoder().encode(`\r\x1b[K${text}`));
  }
}
