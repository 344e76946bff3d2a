import type { Context } from "./command.ts";

/** Where a long command is: one line that changes at a terminal, plain lines elsewhere. */
export class Progress implements Disposable {
  #warn: Context["warn"];
  #atTerminal = Deno.stderr.isTerminal();

  /** Makes it, given what prints a plain line. */
  constructor({ warn }: Context) {
    this.#warn = warn;
  }

  /** Says what is begun. */
  say(sentence: string): void {
    if (this.#atTerminal) this.#write(`${sentence} …`);
    else this.#warn(sentence);
  }

  /** Takes the line away. */
  [Symbol.dispose](): void {
    if (this.#atTerminal) this.#write("");
  }

  #write(text: string): void {
    Deno.stderr.writeSync(new TextEncoder().encode(`\r\x1b[K${text}`));
  }
}
