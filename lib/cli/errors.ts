import { IpvlanError, ProblemsError } from "../base/errors.ts";
import { KernelTooOldError, MissingModuleError, MissingRightsError } from "../iproute2/kernel.ts";
import type { Context } from "./command.ts";

/** The command line is wrong. Nothing was done. */
export class UsageError extends IpvlanError {
  /** The command, as it is typed: `ipvlan network create`. */
  readonly command: string;
  readonly status: number;

  /** Makes the error from the command and all that is wrong, one problem per line. */
  constructor(command: string, problems: readonly string[], status = 2) {
    super([...problems, `See "${command} --help"`].join("\n"));
    this.command = command;
    this.status = status;
  }
}

/** What to do if this machine cannot have ipvlan links. */
export const LAB_HINT =
  'The lab runs any command in a kernel that has ipvlan, without root: "ipvlan lab -- COMMAND"';

/** The lines that tell the user of an error, with the lab as a way out if the machine is at fault. */
export async function errorLines(error: IpvlanError): Promise<string[]> {
  const problems = error instanceof ProblemsError ? error.problems : [error];
  const machineIsAtFault = problems.some((problem) =>
    problem instanceof KernelTooOldError || problem instanceof MissingModuleError ||
    problem instanceof MissingRightsError
  );
  const { sayContainers } = await import("../engine/docker/containers.ts");
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
