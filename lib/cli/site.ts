import { throwProblems } from "../driver/errors.ts";
import { type ApplyReport, type Desired, parseSite, readText } from "../site/mod.ts";
import type { Context } from "./command.ts";
import { Progress } from "./output.ts";
import { CommandError, requireCommand } from "./process.ts";

/** Reads a site file. @throws {IpvlanError} Everything that is wrong with it. */
export async function readSite(file: string): Promise<Desired> {
  return parseSite(file, await readText(file));
}

/** Checks that the commands of a site can be run. @throws {CommandError} One of them cannot. */
export function requireCommands({ sandboxes }: Desired): void {
  const programs = new Set(sandboxes.flatMap(({ command: [program] }) => program ?? []));
  throwProblems([...programs].flatMap((program) => {
    try {
      requireCommand(program);
      return [];
    } catch (error) {
      if (error instanceof CommandError) return [error];
      throw error;
    }
  }));
}

/**
 * Changes a site, shows the progress, and prints what was done. A signal undoes the change.
 *
 * @param nothing What to print if nothing had to be changed.
 * @returns The exit status.
 */
export async function changeSite(
  context: Context,
  nothing: string,
  run: (options: {
    signal: AbortSignal;
    progress?: (sentence: string) => void;
    dryRun?: (command: string) => void;
  }) => Promise<ApplyReport>,
): Promise<number> {
  const { print, warn, dryRun, interrupted: signal } = context;
  using progress = new Progress();
  const report = await run({
    signal,
    ...(dryRun ? { dryRun: print } : { progress: (sentence) => progress.show(sentence) }),
  });
  // Before anything else is printed: the progress may be a line at the terminal.
  progress[Symbol.dispose]();
  report.notices.forEach(warn);
  if (dryRun) return 0;
  report.changes.forEach(print);
  for (const { sentence } of report.checks) print(`ok: ${sentence}`);
  print(report.changes.length > 0 ? countChanges(report.changes) : nothing);
  return 0;
}

/** Says how many of the lines of a plan add, change and remove something. */
export function countChanges(lines: readonly string[]): string {
  const count = (sign: string) => lines.filter((line) => line.startsWith(sign)).length;
  return `${count("+")} added, ${count("~")} changed, ${count("-")} removed`;
}
