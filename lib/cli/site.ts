import { attempt, IpvlanError, isIpvlanError, throwProblems } from "../base/errors.ts";
import type { ApplyOptions, ApplyReport, Desired } from "../site/mod.ts";
import { ask, canAsk } from "./ask.ts";
import type { Context, Option } from "./command.ts";
import { Progress } from "./output.ts";
import { requireCommand } from "./process.ts";

/** Checks that the commands of a site can be run. @throws {"command-unusable"} One of them cannot. */
export function requireCommands({ sandboxes }: Desired): void {
  const programs = new Set(sandboxes.flatMap(({ command: [program] }) => program ?? []));
  throwProblems([...programs].flatMap((program) => {
    const result = attempt(() => requireCommand(program));
    return result.ok ? [] : result.problems;
  }));
}

/** The option that allows what is asked for otherwise. */
export const YES: Option = {
  name: "yes",
  short: "y",
  help: "do not ask first: make also changes that remove something, interrupt connectivity, or " +
    "touch what belongs to another file",
};

/**
 * Changes a site, shows the progress, and prints what was done, or `nothing` if nothing had to be.
 * A signal undoes the change. At a terminal, what needs consent is asked for. Returns the exit
 * status.
 */
export async function changeSite(
  context: Context,
  yes: boolean,
  nothing: string,
  run: (
    options: Pick<ApplyOptions, "yes" | "signal" | "progress" | "dryRun">,
  ) => Promise<ApplyReport>,
): Promise<number> {
  const { print, warn, dryRun } = context;
  const report = await withConsent(context, yes, async (yes) => {
    using progress = new Progress();
    return await run({
      yes,
      signal: context.interrupted,
      ...(dryRun ? { dryRun: print } : { progress: (sentence) => progress.show(sentence) }),
    });
  });
  report.notices.forEach(warn);
  if (dryRun) return 0;
  report.changes.forEach(print);
  for (const { sentence } of report.checks) print(`ok: ${sentence}`);
  print(report.changes.length > 0 ? countChanges(report.changes) : nothing);
  return 0;
}

/** Runs a change. If it needs consent and the user agrees at the terminal, runs it again with that. */
async function withConsent(
  context: Context,
  yes: ApplyOptions["yes"],
  run: (yes: ApplyOptions["yes"]) => Promise<ApplyReport>,
): Promise<ApplyReport> {
  try {
    return await run(yes);
  } catch (error) {
    if (!isIpvlanError(error, "consent") || !canAsk()) throw error;
    error.changes.forEach(context.warn);
    if (!await ask("Make these changes?", context.interrupted)) {
      throw new IpvlanError("declined");
    }
    // The user agreed to these changes. If others need consent by now, they are asked for too.
    return await withConsent(context, error.changes, run);
  }
}

/** Says how many of the lines of a plan add, change and remove something. */
export function countChanges(lines: readonly string[]): string {
  const count = (sign: string) => lines.filter((line) => line.startsWith(sign)).length;
  return `${count("+")} added, ${count("~")} changed, ${count("-")} removed`;
}
