// All that the command writes by itself. What the programs print that it runs in a sandbox does not
// pass through here: `streams.ts` carries that.
import { IpvlanError } from "../errors.ts";
import { printable } from "../printable.ts";
import { exitStatusOf } from "../signals.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

let isLost = false;

/** Whether something could not be printed on standard output. Then the user was told why not. */
export function outputIsLost(): boolean {
  return isLost;
}

/** Prints text on standard output; a terminal does not obey what is in it. */
export function print(text: string): void {
  printColoured(printable(text));
}

/**
 * Prints text as it is, for its colours. The caller has made printable what is from outside.
 *
 * If it cannot be written, the command goes on: what it does is worth more than what it says of it.
 */
export function printColoured(text: string): void {
  try {
    writeWhole(encoder.encode(`${text}\n`));
  } catch (error) {
    // The reader has enough, as head(1).
    if (error instanceof Deno.errors.BrokenPipe || isLost) return;
    isLost = true;
    warn(unwritable(error).message);
  }
}

/** Prints bytes on standard output: as they are, or at a terminal as text that it does not obey. */
export function write(bytes: Uint8Array): void {
  // A character may come in two pieces.
  const text = () => printable(decoder.decode(bytes, { stream: true }));
  try {
    writeWhole(Deno.stdout.isTerminal() ? encoder.encode(text()) : bytes);
  } catch (error) {
    // As head(1) ends what it reads from.
    if (error instanceof Deno.errors.BrokenPipe) Deno.exit(exitStatusOf("SIGPIPE"));
    throw unwritable(error);
  }
}

function writeWhole(bytes: Uint8Array): void {
  for (let rest = bytes; rest.length > 0;) rest = rest.subarray(Deno.stdout.writeSync(rest));
}

function unwritable(error: unknown): IpvlanError {
  return new IpvlanError(`The output cannot be written: ${(error as Error).message}`);
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
    Deno.stderr.writeSync(encoder.encode(`\r\x1b[K${text}`));
  }
}
