// The commands `install` and `uninstall` of this program's services.
import { statOf } from "../base/files.ts";
import { install, isBooted, type Service, uninstall, unitsToEnable } from "../install/service.ts";
import { lastingProgram, thisProgram } from "../install/program.ts";
import { unitsText } from "../install/unit.ts";
import type { Arguments, Context } from "./command.ts";

/** The option of each `install`. */
export const PRINT_UNIT = { "--print-unit": "print the systemd units, and do nothing else" };

/** Makes a service for a command line that starts this program, in an environment. */
export type MakeService = (
  program: readonly string[],
  env: Readonly<Record<string, string>>,
) => Service;

/** Installs a service, and says what to do next. @param hint A line before that. */
export function installService(
  make: MakeService,
  args: Pick<Arguments, "on">,
  { print, warn }: Pick<Context, "print" | "warn">,
  hint?: string,
): undefined {
  const service = make(lastingProgram(), Deno.env.toObject());
  if (args.on("print-unit")) {
    print(unitsText(service.units));
    return;
  }
  // Without systemd, an engine starts the executable all the same.
  const hasUnits = service.executable === undefined || isBooted();
  const paths = install(hasUnits ? service : { ...service, units: {} });
  paths.forEach(print);
  if (hint !== undefined) warn(hint);
  if (!hasUnits) {
    warn(`Next: ipvlan ${service.command} serve`);
    return;
  }
  sayReload(paths, service, warn);
  warn(`Next: systemctl enable --now ${unitsToEnable(service).join(" ")}`);
}

/** Uninstalls a service, and says what is left and what to do next. */
export async function uninstallService(
  make: MakeService,
  { print, warn }: Pick<Context, "print" | "warn">,
): Promise<undefined> {
  const service = make(thisProgram(), {});
  const { command, socket } = service;
  const { removed, used } = await uninstall(service);
  removed.forEach(print);
  if (removed.length === 0) {
    warn(`There is nothing to remove: "ipvlan ${command} install" has written no file here`);
  }
  if (used.length === 0 && socket !== undefined && statOf(socket)?.isSocket) {
    warn(`A server that was started by hand may still listen at ${socket}: end it`);
  }
  sayReload(removed, service, warn);
  if (used.length > 0) warn(`Next: systemctl disable --now ${used.join(" ")}`);
}

function sayReload(paths: readonly string[], { executable }: Service, warn: Context["warn"]): void {
  if (paths.some((path) => path !== executable?.path)) warn("Next: systemctl daemon-reload");
}
