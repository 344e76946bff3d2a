import type { Evidence } from "../../../lib/check/mod.ts";
import type { Verdict } from "./verdict.ts";

/** Formats the output of a run, and passes each line to a function. */
export class Printer {
  #write: (line: string) => void;
  #colours: boolean;

  /**
   * Makes a printer.
   *
   * @param write Writes a line.
   * @param colours Whether to use colours (ECMA-48).
   */
  constructor(write: (line: string) => void, colours: boolean) {
    this.#write = write;
    this.#colours = colours;
  }

  /** Prints a line. */
  line(text = ""): void {
    this.#write(text);
  }

  /** Prints the title of a scenario. */
  title(name: string, title: string): void {
    this.line();
    this.line(`${this.#paint("1", name)}  ${title}`);
  }

  /** Prints the next step of a scenario. */
  step(text: string): void {
    this.line();
    this.line(`  ${this.#paint("36", text)}`);
  }

  /** Prints a note for the reader. */
  note(text: string): void {
    this.line(`  Note: ${text}`);
  }

  /** Prints a command and its output. */
  evidence({ command, output }: Evidence, indent = "    "): void {
    this.line(`${indent}$ ${command}`);
    for (const line of output.split("\n")) this.line(`${indent}${line}`.trimEnd());
  }

  /** Prints a statement and its findings, with the evidence of those that did not hold. */
  verdict({ id, held, findings }: Verdict, text: string): void {
    this.line(`  ${this.outcome(held ? "held" : "NOT held", 8)}  ${id.padEnd(7)}  ${text}`);
    for (const finding of findings) {
      this.line(`      ${finding.held ? "" : "NOT SO: "}${finding.sentence}`);
      if (!finding.held) { for (const each of finding.evidence) this.evidence(each, "        "); }
    }
  }

  /** Formats an outcome: padded to a width, green, red or yellow. */
  outcome(word: "held" | "NOT held" | "not yet run", width: number): string {
    const colour = { held: "32", "NOT held": "31", "not yet run": "33" }[word];
    return this.#paint(colour, word.padEnd(width));
  }

  /** Prints an error that ended a scenario. */
  error(text: string): void {
    this.line(`  ${this.#paint("31", "FAILED")}  ${text}`);
  }

  #paint(code: string, text: string): string {
    return this.#colours ? `\x1b[${code}m${text}\x1b[0m` : text;
  }
}
