import type { Driver } from "../driver/mod.ts";
import { STARTING_LABEL } from "./labels.ts";
import type { ApplyOptions, Attachment, Plan } from "./types.ts";
import { shellWord } from "../base/printable.ts";
import { IpvlanError } from "../base/errors.ts";

export interface Steps extends Pick<ApplyOptions, "yes" | "signal" | "progress" | "dryRun"> {
  notices: string[];
}

/** Carries out a plan, up to the first failure. Sandboxes are changed at once, in one burst. */
export async function carryOut(driver: Driver, plan: Plan, steps: Steps): Promise<void> {
  const { notices, progress, signal } = steps;
  const begin = (doing: string, what: string, names: readonly unknown[]): boolean => {
    if (names.length === 0) return false;
    signal?.throwIfAborted();
    const ending = names.length === 1 ? "" : what.endsWith("x") ? "es" : "s";
    progress?.(`${doing} ${names.length} ${what}${ending}`);
    return true;
  };
  if (begin("Bringing back", "sandbox", plan.restore)) await bringBack(driver, plan);
  if (begin("Removing", "sandbox", plan.removeSandboxes)) {
    await forAll(plan.removeSandboxes, (name) => driver.removeSandbox(name, "kill"));
  }
  if (begin("Undoing", "connection", plan.disconnect)) {
    // Sequentially within a sandbox, as each call works on the whole sandbox.
    await forAll(Map.groupBy(plan.disconnect, ({ sandbox }) => sandbox).values(), async (own) => {
      for (const { network, sandbox } of own) await driver.disconnect(network, sandbox);
    });
  }
  if (begin("Removing", "network", plan.removeNetworks)) {
    for (const name of plan.removeNetworks) await driver.removeNetwork(name);
  }
  if (begin("Creating", "network", plan.createNetworks)) {
    for (const spec of plan.createNetworks) {
      notices.push(...(await driver.createNetwork(spec)).notices);
    }
  }
  const groups = Object.groupBy(plan.attach, ({ labels }) => labels ? "Creating" : "Connecting");
  for (const doing of ["Connecting", "Creating"] as const) {
    const group = groups[doing] ?? [];
    if (!begin(doing, "sandbox", group)) continue;
    const told = await forAll(group, (attachment) => connect(driver, attachment));
    notices.push(...new Set(told.flat()));
  }
  if (begin("Starting", "command", plan.start)) {
    await forAll(plan.start, (each) => start(driver, each, steps));
  }
  const labellings = [...plan.label, ...(steps.yes ? plan.takeOver : [])];
  if (labellings.length > 0) await driver.label(labellings);
}

/** Runs a function for all items concurrently. After all have ended, throws the first failure. */
async function forAll<T, R>(items: Iterable<T>, run: (item: T) => Promise<R>): Promise<R[]> {
  const results = await Promise.allSettled([...items].map(run));
  const failed = results.find((result) => result.status === "rejected");
  if (failed) throw failed.reason;
  return results.map((result) => (result as PromiseFulfilledResult<R>).value);
}

async function bringBack(driver: Driver, plan: Plan): Promise<void> {
  const { missing } = await driver.restore();
  const wanted = new Set(plan.restore);
  const lost = missing.filter(({ name }) => wanted.has(name));
  if (lost.length > 0) throw new IpvlanError("restore-failed", { sandboxes: lost });
}

async function connect(
  driver: Driver,
  { sandbox, labels, connections, ...settings }: Attachment,
): Promise<string[]> {
  if (labels !== undefined) {
    const spec = { name: sandbox, connections, labels, ...settings };
    return (await driver.createSandbox(spec)).notices;
  }
  const notices: string[] = [];
  for (const { network, ...options } of connections) {
    notices.push(...(await driver.connect(network, sandbox, options)).notices);
  }
  return notices;
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
