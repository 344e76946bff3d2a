import { stringify } from "@std/yaml";
import { IpvlanError, isIpvlanError, problemOf, throwProblems } from "../../base/errors.ts";
import { quoted } from "../../base/printable.ts";
import type { ApplyOptions, ApplyReport, Desired } from "../../site/mod.ts";
import * as site from "../../site/mod.ts";
import { agrees, ask, canAsk } from "../ask.ts";
import type { Command, Context } from "../command.ts";
import { Progress } from "../output.ts";
import { requireCommand } from "../process.ts";

/** Checks that the commands of a site can be run. @throws {"command-unusable"} One cannot. */
function requireCommands({ sandboxes }: Desired): void {
  const programs = new Set(sandboxes.flatMap(({ command: [program] }) => program ?? []));
  throwProblems([...programs].flatMap((each) => problemOf(() => requireCommand(each)) ?? []));
}

const YES = {
  "-y, --yes":
    "do not ask first: make also changes that remove something, interrupt connectivity, or " +
    "touch what belongs to another file",
};

/**
 * Changes a site, shows the progress, and prints the changes, or `nothing` if there were none. A
 * signal undoes the change. At a terminal, it asks for consent where needed.
 */
async function changeSite(
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

function countChanges(lines: readonly string[]): string {
  const count = (sign: string) => lines.filter((line) => line.startsWith(sign)).length;
  return `${count("+")} added, ${count("~")} changed, ${count("-")} removed`;
}

export const apply: Command = {
  usage: "[OPTIONS] FILE",
  example: "ipvlan apply --yes web.yaml",
  options: { ...YES, "--keep": "do not undo the changes if one of them or a check fails" },
  changes: true,
  async run(args, context) {
    const [file = ""] = args.positionals;
    const desired = await site.readSite(file, context.interrupted);
    requireCommands(desired);
    await using driver = await context.open();
    try {
      await changeSite(
        context,
        args.on("yes"),
        `Nothing to do: everything is as ${quoted(file)} says`,
        (options) => site.apply(driver, desired, { ...options, keep: args.on("keep") }),
      );
    } catch (error) {
      if (isIpvlanError(error, "checks-failed")) {
        for (const { command, output } of error.findings.flatMap(({ evidence }) => evidence)) {
          context.warn(`$ ${command}`);
          output.split("\n").forEach(context.warn);
        }
      }
      throw error;
    }
  },
};

/** The exit status if something differs, so that scripts can tell that from an error. */
const DIFFERENT = 2;

export const diff: Command = {
  usage: "[OPTIONS] FILE",
  example: "ipvlan diff web.yaml",
  options: { "--json": "print the changes as JSON" },
  statuses: [
    ["0", "nothing differs"],
    ["1", "an error, also in the command line"],
    ["2", "something differs"],
  ],
  misuse: 1,
  async run(args, { open, print }) {
    const desired = await site.readSite(args.positionals[0]!);
    await using driver = await open();
    const changes = await site.diff(driver, desired);
    const lines = site.planLines(changes);
    if (args.on("json")) print(JSON.stringify(changes, null, 4));
    else if (lines.length > 0) [...lines, countChanges(lines)].forEach(print);
    return lines.length > 0 ? DIFFERENT : 0;
  },
};

export const destroy: Command = {
  usage: "[OPTIONS] FILE",
  example: "ipvlan destroy --yes web.yaml",
  options: YES,
  changes: true,
  async run(args, context) {
    const wanted = await site.readSite(args.positionals[0]!, context.interrupted);
    const question = `Remove everything that the site "${wanted.name}" has made?`;
    if (!await agrees(args, context, "yes", question)) return 1;
    await using driver = await context.open();
    await changeSite(
      context,
      args.on("yes"),
      `Nothing to do: the site "${wanted.name}" has no networks and no sandboxes`,
      (options) => site.destroy(driver, wanted, options),
    );
  },
};

const exporting: Command = {
  usage: "[NETWORK|SANDBOX...]",
  example: `ipvlan export > web.yaml
ipvlan export nginx probe`,
  async run({ positionals }, { open, print, printColoured, warn }) {
    await using driver = await open();
    const records = { networks: driver.listNetworks(), sandboxes: driver.listSandboxes() };
    const { value, notices } = site.exportSite(records, positionals);
    notices.forEach(warn);
    for (const [name, { command }] of Object.entries(value.sandboxes ?? {})) {
      const isBusy = async () => (await driver.processes(name)).length > 0;
      if (command || !(await isBusy() || await driver.exitStatus(name) !== undefined)) continue;
      warn(`The command of the sandbox "${name}" is left out: only a site file's is on record`);
    }
    const text = stringify(value).trimEnd();
    // At a terminal, escape control characters in labels; in a file, keep every character.
    if (Deno.stdout.isTerminal()) print(text);
    else printColoured(text);
  },
};

export { exporting as export };
