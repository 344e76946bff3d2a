// All that the command writes by itself. What the programs print that it runs in a sandbox does not
// pass through here: `streams.ts` carries that.
import { IpvlanError } from "../base/errors.ts";
import { printable } from "../base/printable.ts";
import { exitStatusOf } from "../base/signals.ts";

let isLost = false;

/** Writes on standard output. Only the first failure is thrown, and none if the reader has enough. */
function writing(run: () => void): void {
  try {
    run();
  } catch (error) {
    if (isLost || error instanceof Deno.errors.BrokenPipe) return;
    isLost = true;
    throw new IpvlanError("unwritable-output", { reason: (error as Error).message });
  }
}

/** Prints text on standard output; a terminal does not obey what is in it. */
export function print(text: string): void {
  printColoured(printable(text));
}

/** Prints text as it is, for its colours. The caller has made printable what is from outside. */
export function printColoured(text: string): void {
  writing(() => console.log(text));
}

const decoder = new TextDecoder();

/** Prints bytes on standard output: as they are, or at a terminal as text that it does not obey. */
export function write(bytes: Uint8Array): void {
  // A character may come in two pieces.
  const text = () => printable(decoder.decode(bytes, { stream: true }));
  let rest = Deno.stdout.isTerminal() ? new TextEncoder().encode(text()) : bytes;
  try {
    while (rest.length > 0) rest = rest.subarray(Deno.stdout.writeSync(rest));
  } catch (error) {
    // As head(1) ends what it reads from.
    if (error instanceof Deno.errors.BrokenPipe) Deno.exit(exitStatusOf("SIGPIPE"));
    throw new IpvlanError("unwritable-output", { reason: (error as Error).message });
  }
}

/** Prints text on standard error; a terminal does not obey what is in it. */
export function printError(text: string): void {
  try {
    console.error(printable(text));
  } catch {
    // Nobody can be told.
  }
}

/** Prints a line on standard error, after the program's name. */
export function warn(line: string): void {
  printError(`ipvlan: ${line}`);
}

/** Shows what a long command does now: in one line that changes at a terminal, else in a line each. */
export class Progress implements Disposable {
  #atTerminal = Deno.stderr.isTerminal();

  /** Shows the step that begins. */
  show(sentence: string): void {
    if (this.#atTerminal) this.#rewrite(`${printable(sentence)} …`);
    else warn(sentence);
  }

  /** Clears the line. */
  [Symbol.dispose](): void {
    if (this.#atTerminal) this.#rewrite("");
  }

  /** Returns to the start of the line, clears it (ECMA-48), and writes it anew. */
  #rewrite(text: string): void {
    Deno.stderr.writeSync(new TextEncoder().encode(`\r\x1b[K${text}`));
  }
}
