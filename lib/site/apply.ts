import type { Finding } from "../check/mod.ts";
import type { Driver } from "../driver/mod.ts";
import { IpvlanError, throwProblems } from "../base/errors.ts";
import { shellWord } from "../base/printable.ts";
import { atOnce } from "../base/waiting.ts";
import { makeChecks } from "./checks.ts";
import { type Current, readCurrent } from "./records.ts";
import { SITE_LABEL, STARTING_LABEL } from "./labels.ts";
import { makePlan, makeRollback } from "./plan.ts";
import type { ApplyOptions, ApplyReport, Change, Desired, Plan } from "./types.ts";
import { planLines } from "./describe.ts";

/**
 * Makes the networks and sandboxes of a site file, and runs its checks. If anything fails, it
 * undoes all changes. It never changes networks and sandboxes that the site did not make.
 *
 * The commands of new sandboxes run in the background, without input; `Driver.output` returns their
 * output. A command that ends is not started again. After a restart of the machine, `restore`
 * brings back a sandbox without its command; an `apply` before the first `restore` brings back
 * both.
 *
 * On one state folder, only one process applies a file at a time. If `apply` was killed, apply the
 * file again to complete it.
 *
 * @throws {"site-conflict"} Something that the site did not make is in the way.
 * @throws {"consent"} Something would be removed, connectivity would be interrupted, or something
 * that belongs to another file would be touched, and `yes` does not allow it.
 * @throws {"checks-failed"} Checks did not hold.
 * @throws {"interrupted"} The signal was aborted.
 * @throws {"not-rolled-back"} Something failed, and the changes so far could not be undone.
 * @throws {IpvlanError} A call of the driver failed.
 */
export async function apply(
  driver: Driver,
  desired: Desired,
  options: ApplyOptions = {},
): Promise<ApplyReport> {
  const { driver: stoppable, signal } = interruptible(driver, options.signal);
  return await stoppable.sequence(async () => {
    const notices = await stoppable.recover();
    const before = await readCurrent(stoppable);
    const plan = makePlan(desired, before);
    requireConsent(plan, ({ disruptive, file }) => disruptive || file !== undefined, options);
    const steps: Steps = { ...options, signal, notices };
    try {
      // Check all new networks before any change. One may conflict with a network to be removed first.
      if (plan.removeNetworks.length === 0) {
        throwProblems(await stoppable.problemsOf(plan.createNetworks));
      }
      await carryOut(stoppable, plan, steps);
      const checks = options.dryRun ? [] : await check(stoppable, desired, { ...options, signal });
      return { changes: planLines(plan.changes), notices, checks };
    } catch (error) {
      if (!options.keep && !options.dryRun) {
        await rollBack(driver.withSignal(), before, plan, steps, error);
      }
      throw error;
    }
  });
}

/**
 * Plans what {@linkcode apply} would change, and changes nothing.
 *
 * @throws {"site-conflict"} if something that the site did not make is in the way.
 */
export async function diff(driver: Driver, desired: Desired): Promise<Change[]> {
  return makePlan(desired, await readCurrent(driver)).changes;
}

/**
 * Removes everything that a site made, also what is no longer in its file. Kills the processes in
 * its sandboxes. If it fails half way, call it again to complete it.
 *
 * @param site The site, or its name alone.
 * @throws {"consent"} Some of it belongs to another file, and `yes` does not allow it.
 * @throws {"site-conflict"} if something that the site did not make is in the way.
 * @throws {"interrupted"} if the signal interrupted it.
 */
export async function destroy(
  driver: Driver,
  site: string | Pick<Desired, "name" | "source">,
  options: Pick<ApplyOptions, "yes" | "progress" | "dryRun" | "signal"> = {},
): Promise<ApplyReport> {
  const { driver: stoppable, signal } = interruptible(driver, options.signal);
  return await stoppable.sequence(async () => {
    const notices = await stoppable.recover();
    const { name, source } = typeof site === "string" ? { name: site, source: undefined } : site;
    const nothing: Desired = { name, source, networks: [], sandboxes: [], checks: [] };
    const plan = makePlan(nothing, await readCurrent(stoppable));
    requireConsent(plan, ({ file }) => file !== undefined, options);
    await carryOut(stoppable, plan, { ...options, signal, notices });
    return { changes: planLines(plan.changes), notices, checks: [] };
  });
}

function requireConsent(
  { changes }: Plan,
  needsConsent: (change: Change) => boolean,
  { yes = false, dryRun }: Pick<ApplyOptions, "yes" | "dryRun">,
): void {
  if (yes === true || dryRun) return;
  const lines = planLines(changes.filter(needsConsent));
  const agreed = new Set(yes || []);
  if (lines.some((line) => !agreed.has(line))) {
    throw new IpvlanError("consent", { changes: lines });
  }
}

/** Makes a driver whose calls the signal ends, with an error `interrupted`. */
function interruptible(driver: Driver, signal: AbortSignal | undefined) {
  if (!signal) return { driver, signal };
  const interrupt = new AbortController();
  const abort = () => interrupt.abort(new IpvlanError("interrupted"));
  if (signal.aborted) abort();
  else signal.addEventListener("abort", abort, { once: true });
  return { driver: driver.withSignal(interrupt.signal), signal: interrupt.signal };
}

async function check(
  driver: Driver,
  { name, checks }: Desired,
  { host, progress, signal }: ApplyOptions,
): Promise<Finding[]> {
  if (checks.length === 0) return [];
  signal?.throwIfAborted();
  progress?.(`Checking ${checks.length === 1 ? "what" : `${checks.length} things that`} must hold`);
  const sandboxes = driver.listSandboxes().filter(({ labels }) => labels[SITE_LABEL] === name);
  const networks = driver.listNetworks();
  const findings = await makeChecks(checks, { networks, sandboxes, host, signal });
  signal?.throwIfAborted();
  const failed = findings.filter(({ held }) => !held);
  if (failed.length > 0) throw new IpvlanError("checks-failed", { findings: failed });
  return findings;
}

async function rollBack(
  driver: Driver,
  before: Current,
  { site }: Plan,
  steps: Steps,
  failure: unknown,
): Promise<void> {
  try {
    await driver.recover();
    const plan = makeRollback(site, before, await readCurrent(driver));
    if (plan.changes.length > 0) steps.progress?.("Undoing what was done");
    await carryOut(driver, plan, { notices: [], dryRun: steps.dryRun });
  } catch (error) {
    if (!(error instanceof IpvlanError) || !(failure instanceof IpvlanError)) throw error;
    throw new IpvlanError("not-rolled-back", {
      failure: failure.message,
      obstacle: error.message,
    }, { cause: failure });
  }
}

interface Steps extends Pick<ApplyOptions, "yes" | "signal" | "progress" | "dryRun"> {
  notices: string[];
}

/** Carries out a plan, up to the first failure. Sandboxes are changed at once, in one burst. */
async function carryOut(driver: Driver, plan: Plan, steps: Steps): Promise<void> {
  const { notices, progress, signal } = steps;
  const begin = (doing: string, what: string, items: readonly unknown[]): boolean => {
    if (items.length === 0) return false;
    signal?.throwIfAborted();
    const ending = items.length === 1 ? "" : what.endsWith("x") ? "es" : "s";
    progress?.(`${doing} ${items.length} ${what}${ending}`);
    return true;
  };
  const forAll = async <T>(
    doing: string,
    what: "sandbox" | "network" | "command",
    items: readonly T[],
    run: (item: T) => Promise<{ notices: string[] } | void>,
  ) => {
    if (!begin(doing, what, items)) return;
    const outcomes = await atOnce(what === "network" ? 1 : Infinity, items, run);
    notices.push(...new Set(outcomes.flatMap((outcome) => outcome?.notices ?? [])));
  };
  if (begin("Bringing back", "sandbox", plan.restore)) await bringBack(driver, plan);
  const kill = (name: string) => driver.removeSandbox(name, "kill");
  await forAll("Removing", "sandbox", plan.removeSandboxes, kill);
  await forAll("Disconnecting", "sandbox", plan.disconnect, async ({ sandbox, networks }) => {
    // Sequentially within a sandbox, as each call works on the whole sandbox.
    for (const network of networks) await driver.disconnect(network, sandbox);
  });
  await forAll("Removing", "network", plan.removeNetworks, (name) => driver.removeNetwork(name));
  await forAll("Creating", "network", plan.createNetworks, (spec) => driver.createNetwork(spec));
  await forAll("Connecting", "sandbox", plan.connect, async ({ sandbox, connections }) => {
    const made = await Array.fromAsync(
      connections,
      ({ network, ...options }) => driver.connect(network, sandbox, options),
    );
    return { notices: made.flatMap(({ notices }) => notices) };
  });
  await forAll("Creating", "sandbox", plan.createSandboxes, (spec) => driver.createSandbox(spec));
  await forAll("Starting", "command", plan.start, (each) => start(driver, each, steps));
  const labellings = [...plan.label, ...(steps.yes ? plan.takeOver : [])];
  if (labellings.length > 0) await driver.label(labellings);
}

async function bringBack(driver: Driver, plan: Plan): Promise<void> {
  const { missing } = await driver.restore();
  const wanted = new Set(plan.restore);
  const lost = missing.filter(({ name }) => wanted.has(name));
  if (lost.length > 0) throw new IpvlanError("restore-failed", { sandboxes: lost });
}

/** Starts a command. A label records the start beforehand, so that no command is started twice. */
async function start(
  driver: Driver,
  { sandbox, command, labels }: Plan["start"][number],
  { dryRun }: Steps,
): Promise<void> {
  const label = (labels: Record<string, string>) =>
    driver.label([{ kind: "sandbox", name: sandbox, labels }]);
  await label({ ...labels, [STARTING_LABEL]: "" });
  if (dryRun) dryRun(`ip netns exec ${sandbox} ${command.map(shellWord).join(" ")}`);
  else await driver.start(sandbox, command, { keepOutput: true });
  await label(labels);
}
