import { throwProblems } from "../driver/errors.ts";
import { type ApplyReport, type Desired, parseSite, readText } from "../site/mod.ts";
import type { Context } from "./command.ts";
import { CommandError, requireCommand } from "./process.ts";
import { Progress } from "./progress.ts";

/** Reads a site file. @throws {IpvlanError} Everything that is wrong with it. */
export async function readSite(file: string): Promise<Desired> {
  return parseSite(file, await readText(file));
}

/** Sees that the commands of a site are there. @throws {CommandError} One is not. */
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
 * Runs what changes a site, with its progress shown; an interrupt ends it in good order.
 *
 * @returns The exit status.
 */
export async function change(
  context: Context,
  nothing: string,
  run: (options: {
    signal: AbortSignal;
    progress?: (sentence: string) => void;
    dryRun?: (command: string) => void;
  }) => Promise<ApplyReport>,
): Promise<number> {
  const { print, warn, dryRun, interrupted: signal } = context;
  using progress = new Progress(context);
  const report = await run({
    signal,
    ...(dryRun ? { dryRun: print } : { progress: (sentence) => progress.say(sentence) }),
  });
  progress[Symbol.dispose]();
  report.notices.forEach(warn);
  if (dryRun) return 0;
  report.changes.forEach(print);
  for (const { sentence } of report.checks) print(`ok: ${sentence}`);
  print(report.changes.length > 0 ? counted(report.changes) : nothing);
  return 0;
}

/** How many of the lines of a plan make, change and remove something. */
export function counted(lines: readonly string[]): string {
  const count = (sign: string) => lines.filter((line) => line.startsWith(sign)).length;
  return `${count("+")} added, ${count("~")} changed, ${count("-")} removed`;
}
