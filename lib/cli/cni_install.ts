/**
 * `ipvlan cni install`.
 *
 * @module
 */
import metadata from "../../deno.json" with { type: "json" };
import { statOf } from "../base/files.ts";
import {
  callerAt,
  PLUGIN_FOLDER,
  type ProgramIdentity,
  SOCKET,
  wayOfCalls,
} from "../engine/cni/caller.ts";
import { PLUGIN_NAME } from "../engine/cni/version.ts";
import type { Arguments, Context } from "./command.ts";
import { executableText, writeExecutable } from "../install/executable.ts";
import { cniUnits, lastingProgram, thisProgram, unitsText, writeUnits } from "../install/unit.ts";

/** This folder exists if systemd is the init system (sd_booted(3)). */
const BOOTED = "/run/systemd/system";

/** The identity of this program, by which a caller and the server see that they are the same. */
export function identity(): ProgramIdentity {
  return { version: metadata.version, program: thisProgram() };
}

/** Writes the plugin's executable, and the units of its server. Resolves to the exit status. */
export async function install(
  args: Arguments,
  { print, warn }: Pick<Context, "print" | "warn">,
): Promise<number> {
  const [, folder = PLUGIN_FOLDER] = args.positionals;
  const env = Deno.env.toObject();
  const units = cniUnits(lastingProgram(), env, SOCKET);
  if (args.on("print-unit")) {
    print(unitsText(units));
    return 0;
  }
  const text = pluginText(env);
  print(await writeExecutable(folder, PLUGIN_NAME, text));
  if (statOf(BOOTED) !== undefined) {
    writeUnits(units).forEach(print);
    warn("Next: systemctl daemon-reload");
    warn("Next: systemctl enable --now ipvlan-cni.socket");
  }
  const { what, fix } = wayOfCalls();
  warn(fix === undefined ? what : `${what}: ${fix}`);
  return 0;
}

/** The text of the plugin's executable. @param socket The path of the server's socket. */
export function pluginText(env: Readonly<Record<string, string>>, socket = SOCKET): string {
  return executableText(thisProgram(), ["cni"], env, callerAt(socket, identity()));
}
