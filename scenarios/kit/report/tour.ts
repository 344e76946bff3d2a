import { type CommandResult, run } from "../command.ts";
import type { Finding } from "../../../lib/check/mod.ts";
import { UserError } from "../../../lib/base/errors.ts";
import type { Camera } from "../machines/camera.ts";
import type { Entry } from "./entry.ts";
import type { Printer } from "./printer.ts";
import { type StatementId, STATEMENTS } from "./statements.ts";
import type { Verdict } from "./verdict.ts";
import { World, type WorldSpec } from "../machines/world.ts";

/** A line of a scenario failed. */
export class StepError extends UserError {
  /** Makes the error from the line and its output. */
  constructor(line: string, output: string) {
    super(`The line "${line}" failed: ${output}`);
  }
}

/** A machine that can run shell lines. */
export interface Shell {
  /** Runs a line in a shell. */
  run(line: string): Promise<CommandResult>;
}

/** A tour builds, prints and checks for a scenario. */
export class Tour {
  /** The statements checked so far. */
  readonly verdicts: Verdict[] = [];
  /** The programs of engines that it ran, with their versions: `Podman 5.4.2`. */
  readonly versions: string[] = [];
  /** What it has shown so far. */
  readonly entries: Entry[] = [];
  #printer: Printer;
  #signal: AbortSignal;
  #camera: Camera | undefined;
  #started = performance.now();

  /**
   * Makes a tour.
   *
   * @param printer Prints the tour.
   * @param signal If aborted, the next call throws, so that the world is removed.
   * @param camera Takes a picture of the machines after each check, if one is wanted.
   */
  constructor(printer: Printer, signal: AbortSignal, camera?: Camera) {
    this.#printer = printer;
    this.#signal = signal;
    this.#camera = camera;
  }

  /** The seconds since the start, rounded to hundredths. */
  get #now(): number {
    return Math.round((performance.now() - this.#started) / 10) / 100;
  }

  /** Builds the machines of the scenario. Use it with `await using`, which removes them. */
  async world(spec: WorldSpec): Promise<World> {
    this.#signal.throwIfAborted();
    return await World.build(spec);
  }

  /** Prints the next step: the guide's line that the scenario now performs. */
  step(line: string): void {
    this.#signal.throwIfAborted();
    this.entries.push({ kind: "step", at: this.#now, line });
    this.#printer.step(line);
  }

  /** Prints a note for the reader, for example where the guide is wrong. */
  note(text: string): void {
    this.entries.push({ kind: "note", text });
    this.#printer.note(text);
  }

  /** Runs a command and prints its output, without a check: `ip`, `-n`, `c1`, `route`. */
  async show(program: string, ...args: string[]): Promise<void> {
    this.#signal.throwIfAborted();
    const { command, output } = await run(program, ...args);
    this.entries.push({ kind: "shown", evidence: { command, output } });
    this.#printer.evidence({ command, output });
  }

  /** Notes that the scenario runs a program of an engine: `Podman 5.4.2`. */
  uses(version: string): void {
    this.versions.push(version);
    this.note(version);
  }

  /**
   * Performs the next step: prints a line, and runs it in a shell. Resolves to its output.
   *
   * @param where The machine, or the prefix of a command line that runs the shell elsewhere.
   * @throws {StepError} The line failed.
   */
  async perform(line: string, where: Shell | readonly string[] = []): Promise<string> {
    this.step(line);
    const under = (words: readonly string[]) => {
      const [program = "", ...args] = [...words, "sh", "-c", line];
      return run(program, ...args);
    };
    const { output, success } = await ("run" in where ? where.run(line) : under(where));
    if (!success) throw new StepError(line, output);
    return output;
  }

  /** Checks a statement: it holds if all findings held. */
  async holds(
    id: StatementId,
    ...findings: [Finding | Promise<Finding>, ...(Finding | Promise<Finding>)[]]
  ): Promise<void> {
    const found = await Promise.all(findings);
    const verdict = { id, held: found.every(({ held }) => held), findings: found };
    const index = this.verdicts.push(verdict) - 1;
    this.entries.push({ kind: "verdict", at: this.#now, index });
    this.#printer.verdict(verdict, STATEMENTS[id]);
    await this.#camera?.take(this.#now);
    this.#signal.throwIfAborted();
  }
}
