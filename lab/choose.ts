/**
 * Which engine runs a command.
 *
 * @module
 */
import type { Engine, EngineName } from "./engine.ts";
import { LabError } from "./errors.ts";

/** An engine that works, and why it is the one. */
export interface Choice {
  /** The engine. */
  engine: Engine;
  /** One line: its name, its kernel, the reason for the choice. */
  line: string;
}

/**
 * Chooses the engine that was asked for, or else the first that works.
 *
 * @param engines In the order in which they are tried; those after the first that works are not.
 * @throws {LabError} if none works, with what each of them lacks.
 */
export async function chooseEngine(engines: Engine[], asked?: EngineName): Promise<Choice> {
  const lacking: { name: EngineName; why: string }[] = [];
  for (const engine of engines) {
    if (asked !== undefined && engine.name !== asked) continue;
    const { ok, why } = await engine.probe();
    if (!ok) {
      if (asked !== undefined) throw new LabError(`The engine ${engine.name} cannot run: ${why}`);
      lacking.push({ name: engine.name, why });
      continue;
    }
    const reason = asked !== undefined
      ? "asked for"
      : lacking.map(({ why }) => why).join("; ") || "the first choice";
    return { engine, line: `${engine.name} (${why}): ${reason}` };
  }
  const list = lacking.map(({ name, why }) => `\n  ${name}: ${why}`);
  throw new LabError(`No engine works here${list.join("")}`);
}
