import { IpvlanError, type IpvlanErrorOf, isIpvlanError, throwProblems } from "../base/errors.ts";
import type { Driver } from "../driver/mod.ts";
import { ownedByEngine, shortName } from "../engine/owners.ts";
import { packageLauncher } from "../install/program.ts";
import type { Context } from "./command.ts";

/** Makes the error for a wrong command line: the command as it is typed, and all reasons. */
export function usageError(
  command: string,
  reasons: readonly string[],
  status = 2,
): IpvlanErrorOf<"usage"> {
  return new IpvlanError("usage", { command, reasons, status });
}

export const LAB_HINT = "The lab runs any command in a kernel that has ipvlan, without root: " +
  (packageLauncher() ? "in a clone, npx -y deno task lab" : "ipvlan lab") + " -- COMMAND";

/** The lines that report an error; if the machine lacks ipvlan, they suggest the lab. */
export async function errorLines(error: IpvlanError): Promise<string[]> {
  const problems = error.problems;
  const machineIsAtFault = problems.some((problem) =>
    isIpvlanError(problem, "kernel-too-old", "missing-module", "missing-rights")
  );
  const { sayContainers } = await import("../engine/docker/api.ts");
  const message = await sayContainers(error.message);
  return [...message.split("\n"), ...(machineIsAtFault ? [LAB_HINT] : [])];
}

/**
 * Runs a function for each name. After an error it goes on with the next name, and the exit status
 * is 1; after a signal it throws the signal's reason.
 */
export async function forEachName(
  names: readonly string[],
  { warn, interrupted }: Context,
  run: (name: string) => void | Promise<void>,
): Promise<number> {
  let status = 0;
  for (const name of names) {
    interrupted.throwIfAborted();
    try {
      await run(name);
    } catch (error) {
      if (!(error instanceof IpvlanError) || error === interrupted.reason) throw error;
      (await errorLines(error)).forEach(warn);
      status = 1;
    }
  }
  return status;
}

/**
 * Requires that no engine owns the networks and sandboxes. Commands that change something call
 * this; requests of engines do not. Unknown names pass: the driver has a better error for them.
 */
export function requireOwn(
  driver: Driver,
  { networks = [], sandboxes = [] }: Partial<Record<"networks" | "sandboxes", readonly string[]>>,
): void {
  const names = [...networks, ...sandboxes];
  // Names owned by engines have a colon, and ids have 64 digits.
  if (!names.some((name) => /:|^[0-9a-f]{64}$/.test(name))) return;
  const kinds = [
    ["network", driver.listNetworks(), networks],
    ["sandbox", driver.listSandboxes(), sandboxes],
  ] as const;
  throwProblems(
    kinds.flatMap(([kind, records, names]) =>
      records.flatMap(({ id, name, owner }) =>
        owner && [id, name, shortName(name)].some((each) => names.includes(each))
          ? ownedByEngine(kind, name, owner)
          : []
      )
    ),
  );
}
