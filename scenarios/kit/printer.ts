import type { Evidence } from "../../lib/check/mod.ts";
import type { Verdict } from "./verdict.ts";

/** Tells a run on a terminal, or anywhere else that takes lines. */
export class Printer {
  #write: (line: string) => void;
  #colours: boolean;

  /**
   * Makes a printer.
   *
   * @param write Takes a line.
   * @param colours Whether to use colours (ECMA-48).
   */
  constructor(write: (line: string) => void, colours: boolean) {
    this.#write = write;
    this.#colours = colours;
  }

  /** A line as it is. */
  line(text = ""): void {
    this.#write(text);
  }

  /** The title of a scenario. */
  title(name: string, title: string): void {
    this.line();
    this.line(`${this.#paint("1", name)}  ${title}`);
  }

  /** What is done next. */
  step(text: string): void {
    this.line();
    this.line(`  ${this.#paint("36", text)}`);
  }

  /** Something to know. */
  note(text: string): void {
    this.line(`  Note: ${text}`);
  }

  /** A command and what it printed. */
  evidence({ command, output }: Evidence, indent = "    "): void {
    this.line(`${indent}$ ${command}`);
    for (const line of output.split("\n")) this.line(`${indent}${line}`.trimEnd());
  }

  /** A statement and what was found; the evidence only where it did not hold. */
  verdict({ id, held, findings }: Verdict, text: string): void {
    this.line(`  ${this.outcome(held ? "held" : "NOT held", 8)}  ${id.padEnd(7)}  ${text}`);
    for (const finding of findings) {
      this.line(`      ${finding.held ? "" : "NOT SO: "}${finding.sentence}`);
      if (!finding.held) { for (const each of finding.evidence) this.evidence(each, "        "); }
    }
  }

  /** A word for how it went, filled up to a width: green where it held, red where it did not. */
  outcome(word: "held" | "NOT held" | "not covered", width: number): string {
    const colour = { held: "32", "NOT held": "31", "not covered": "33" }[word];
    return this.#paint(colour, word.padEnd(width));
  }

  /** An error that ended a scenario. */
  error(text: string): void {
    this.line(`  ${this.#paint("31", "FAILED")}  ${text}`);
  }

  #paint(code: string, text: string): string {
    return this.#colours ? `\x1b[${code}m${text}\x1b[0m` : text;
  }
}
