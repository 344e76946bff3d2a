import type { Finding } from "../../lib/check/mod.ts";
import { run } from "../../lib/check/finding.ts";
import type { Printer } from "./printer.ts";
import { type StatementId, STATEMENTS } from "./statements.ts";
import type { Verdict } from "./verdict.ts";
import { World, type WorldSpec } from "./world.ts";

/** A walk through one scenario: what it is given to build, to say and to check with. */
export class Tour {
  /** The statements checked so far. */
  readonly verdicts: Verdict[] = [];
  #printer: Printer;
  #signal: AbortSignal;

  /**
   * Makes a tour.
   *
   * @param printer Where it is told.
   * @param signal Ends the tour at its next call, so that its world is removed.
   */
  constructor(printer: Printer, signal: AbortSignal) {
    this.#printer = printer;
    this.#signal = signal;
  }

  /** Builds the machines of the scenario. To be bound with `await using`. */
  async world(spec: WorldSpec): Promise<World> {
    this.#signal.throwIfAborted();
    return await World.build(spec);
  }

  /** Says what is done next: the line of the guide that it stands for. */
  step(line: string): void {
    this.#signal.throwIfAborted();
    this.#printer.step(line);
  }

  /** Says something that a reader should know, such as where the guide errs. */
  note(text: string): void {
    this.#printer.note(text);
  }

  /** Shows what a command prints, without any judgement: `ip`, `-n`, `c1`, `route`. */
  async show(program: string, ...args: string[]): Promise<void> {
    this.#signal.throwIfAborted();
    this.#printer.evidence(await run(program, ...args));
  }

  /** Checks a statement: it holds if all of the findings did. */
  async holds(
    id: StatementId,
    ...findings: [Finding | Promise<Finding>, ...(Finding | Promise<Finding>)[]]
  ): Promise<void> {
    const found = await Promise.all(findings);
    const verdict = { id, held: found.every(({ held }) => held), findings: found };
    this.verdicts.push(verdict);
    this.#printer.verdict(verdict, STATEMENTS[id]);
    this.#signal.throwIfAborted();
  }
}
