// The commands that install and uninstall this program's services.
import { statOf } from "../base/files.ts";
import { install, isBooted, type Service, uninstall, unitsToEnable } from "../install/service.ts";
import { lastingProgram, thisProgram } from "../install/program.ts";
import { unitsText } from "../install/unit.ts";
import type { Arguments, Command, Context, Options } from "./command.ts";

/** Makes a service for a command line that starts this program, in an environment. */
export type MakeService = (
  program: readonly string[],
  env: Readonly<Record<string, string>>,
) => Service;

/** The parts of the commands `install` and `uninstall` that services have of their own. */
interface ServiceForm {
  /** The units that the example of `install` enables, and the lines of it after that. */
  example: string[];
  /** The options of `install`. */
  options?: Options;
  /** Whether both commands take the folder of an executable. */
  hasFolder?: boolean;
  make(args: Arguments): MakeService | Promise<MakeService>;
}

/** Makes the commands that install and uninstall the service of a command. */
export function serviceCommands(
  command: string,
  { example: [units, ...next], options, hasFolder = false, make }: ServiceForm,
): Record<"install" | "uninstall", Command> {
  const reload = "systemctl daemon-reload";
  const enable = `systemctl enable --now ${units}`;
  return {
    install: {
      usage: `[OPTIONS]${hasFolder ? " [DIR]" : ""}`,
      example: [`ipvlan ${command} install`, reload, enable, ...next].join("\n"),
      options: { ...options, "--print-unit": "print the systemd units, and do nothing else" },
      run: async (args, context) => installService(await make(args), args, context),
    },
    uninstall: {
      usage: hasFolder ? "[DIR]" : "",
      example: `ipvlan ${command} uninstall\n${reload}`,
      run: async (args, context) => await uninstallService(await make(args), context),
    },
  };
}

function installService(make: MakeService, args: Arguments, { print, warn }: Context): undefined {
  const service = make(lastingProgram(), Deno.env.toObject());
  if (args.on("print-unit")) {
    print(unitsText(service.units));
    return;
  }
  // Without systemd, an engine starts the executable all the same.
  const hasUnits = service.executable === undefined || isBooted();
  const paths = install(hasUnits ? service : { ...service, units: {} });
  paths.forEach(print);
  if (service.hint) warn(service.hint);
  if (!hasUnits) {
    warn(`Next: ipvlan ${service.command} serve`);
    return;
  }
  sayReload(paths, service, warn);
  warn(`Next: systemctl enable --now ${unitsToEnable(service).join(" ")}`);
}

async function uninstallService(make: MakeService, { print, warn }: Context): Promise<undefined> {
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
