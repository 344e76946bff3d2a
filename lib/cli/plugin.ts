/**
 * The programs by which engines start `ipvlan` as their plugin: small scripts for `sh`.
 *
 * @module
 */
import { IpvlanError } from "../errors.ts";
import { VARIABLES } from "./unit.ts";

/** The name of the plugin in every engine. */
export const PLUGIN = "ipvlan-kit";

/** The program of a plugin cannot be installed. */
export class InstallError extends IpvlanError {
  /** Makes the error from the folder and the reason that the system gave. */
  constructor(folder: string, reason: string, options?: ErrorOptions) {
    super(`The plugin cannot be installed in "${folder}": ${reason}`, options);
  }
}

/**
 * The script that runs a command of `ipvlan` with the words that the engine adds. An engine may have
 * another environment than the user who installs it, so the script sets the variables that `ipvlan`
 * needs.
 *
 * @param program The command line that starts `ipvlan`.
 * @param words The command: `["netavark"]`.
 */
export function pluginScript(
  program: readonly string[],
  words: readonly string[],
  env: Readonly<Record<string, string>>,
): string {
  const variables = VARIABLES.filter((name) => env[name])
    .map((name) => `export ${name}=${quoted(env[name]!)}\n`);
  const command = [...program, ...words].map(quoted).join(" ");
  return `#!/bin/sh\n${variables.join("")}exec ${command} "$@"\n`;
}

/** Quotes a word for `sh`. */
function quoted(word: string): string {
  return /^[\w./:=@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/**
 * Installs the script of a plugin in a folder, which is made if it does not exist. Returns its path.
 * An engine that starts the plugin meanwhile finds the old script or the new one.
 *
 * @throws {InstallError} The folder or the file cannot be written.
 */
export async function installPlugin(folder: string, script: string): Promise<string> {
  const path = `${folder}/${PLUGIN}`;
  // Podman takes every file of the folder for a plugin, unless its name begins with a dot.
  const temporary = `${folder}/.${PLUGIN}.${Deno.pid}`;
  try {
    await Deno.mkdir(folder, { recursive: true });
    await Deno.writeTextFile(temporary, script);
    // Not as an option of the write: the mode must not depend on the umask.
    await Deno.chmod(temporary, 0o755);
    await Deno.rename(temporary, path);
  } catch (error) {
    throw new InstallError(folder, (error as Error).message, { cause: error });
  }
  return path;
}
