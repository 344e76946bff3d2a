/**
 * Executable files by which engines start `ipvlan`.
 *
 * @module
 */
import { replaceFile } from "../base/files.ts";
import { shellWord } from "../base/printable.ts";
import { neededVariables } from "./unit.ts";
import { invalidOption, IpvlanError } from "../base/errors.ts";

/**
 * The text of an executable file that runs `ipvlan` with a command and the arguments of the file.
 * It sets the variables that `ipvlan` needs, as an engine may have another environment than the
 * user who installs the file. @param before Lines that may end the file sooner.
 */
export function executableText(
  program: readonly string[],
  command: string,
  env: Readonly<Record<string, string>>,
  before: readonly string[] = [],
): string {
  return [
    "#!/bin/sh",
    `# Written by "ipvlan ${command} install".`,
    ...neededVariables(env).map(([name, value]) => `export ${name}=${shellWord(value)}`),
    ...before,
    `exec ${[...program, command].map(shellWord).join(" ")} "$@"`,
    "",
  ].join("\n");
}

/**
 * Writes an executable file into a folder, which it creates if needed, and returns the path. It
 * replaces an old file atomically, as an engine may start it meanwhile.
 */
export async function writeExecutable(folder: string, name: string, text: string): Promise<string> {
  const path = `${folder.replace(/\/+$/, "")}/${name}`;
  try {
    await Deno.mkdir(folder, { recursive: true });
    // Engines may start it as another user.
    replaceFile(path, text, 0o755);
  } catch (error) {
    const { message, code = "" } = error as Error & { code?: string };
    if (["EACCES", "EPERM"].includes(code)) {
      throw new IpvlanError("missing-rights", { reason: message });
    }
    throw invalidOption("folder", folder, `the file cannot be written there: ${message}`);
  }
  return path;
}
