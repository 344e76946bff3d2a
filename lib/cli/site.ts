import { IpvlanError, isIpvlanError, problemOf, throwProblems } from "../base/errors.ts";
import type { ApplyOptions, ApplyReport, Desired } from "../site/mod.ts";
import { ask, canAsk } from "./ask.ts";
import type { Context } from "./command.ts";
import { Progress } from "./output.ts";
import { requireCommand } from "./process.ts";

/** Checks that the commands of a site can be run. @throws {"command-unusable"} One cannot. */
export function requireCommands({ sandboxes }: Desired): void {
  const programs = new Set(sandboxes.flatMap(({ command: [program] }) => program ?? []));
  throwProblems([...programs].flatMap((each) => problemOf(() => requireCommand(each)) ?? []));
}

export const YES = {
  "-y, --yes":
    "do not ask first: make also changes that remove something, interrupt connectivity, or " +
    "touch what belongs to another file",
};

/**
 * Changes a site, shows the progress, and prints the changes, or `nothing` if there were none. A
 * signal undoes the change. At a terminal, it asks for consent where needed.
 */
export async function changeSite(
  context: Context,
  yes: boolean,
  nothing: string,
  run: (
    options: Pick<ApplyOptions, "yes" | "signal" | "progress" | "dryRun">,
  ) => Promise<ApplyReport>,
): Promise<void> {
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
  if (dryRun) return;
  report.changes.forEach(print);
  for (const { sentence } of report.checks) print(`ok: ${sentence}`);
  print(report.changes.length > 0 ? countChanges(report.changes) : nothing);
}

/** Runs a change. If it needs consent, asks at the terminal, and runs it again with the consent. */
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
    // The user agreed to these changes. If others need consent by now, ask again.
    return await withConsent(context, error.changes, run);
  }
}

export function countChanges(lines: readonly string[]): string {
  const count = (sign: string) => lines.filter((line) => line.startsWith(sign)).length;
  return `${count("+")} added, ${count("~")} changed, ${count("-")} removed`;
}
