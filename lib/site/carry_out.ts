import type { Driver } from "../driver/mod.ts";
import { STARTING_LABEL } from "./labels.ts";
import type { ApplyOptions, Plan } from "./types.ts";
import { shellWord } from "../base/printable.ts";
import { IpvlanError } from "../base/errors.ts";
import { atOnce } from "../base/waiting.ts";

export interface Steps extends Pick<ApplyOptions, "yes" | "signal" | "progress" | "dryRun"> {
  notices: string[];
}

/** Carries out a plan, up to the first failure. Sandboxes are changed at once, in one burst. */
export async function carryOut(driver: Driver, plan: Plan, steps: Steps): Promise<void> {
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
