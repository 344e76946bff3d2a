/**
 * Executable files by which engines start `ipvlan`.
 *
 * @module
 */
import { replaceFile } from "../base/files.ts";
import { shellWord } from "../base/printable.ts";
import { neededVariables } from "./unit.ts";
import { invalidOption, IpvlanError } from "../base/errors.ts";

/** A server that may do what an executable file is started for. */
export interface ServerCaller {
  /** The path of its socket. */
  socket: string;
  /**
   * The command line that asks the server. The command line without a server is behind it: it starts
   * that if the server cannot do it.
   */
  caller: readonly string[];
  /** Variables to start it with. */
  variables: Readonly<Record<string, string>>;
}

/**
 * The text of an executable file that starts `ipvlan` with a command, and with the arguments that
 * the file is started with behind it. An engine may have another environment than the user who
 * installs the file, so the variables that `ipvlan` needs are in the file.
 *
 * @param server A server to ask first, if the file is started without arguments.
 */
export function executableText(
  program: readonly string[],
  command: readonly string[],
  env: Readonly<Record<string, string>>,
  server?: ServerCaller,
): string {
  const variables = neededVariables(env).map(exportLine);
  const words = [...program, ...command].map(shellWord).join(" ");
  const ask = server === undefined
    ? ""
    : `if [ $# = 0 ] && [ -S ${shellWord(server.socket)} ] && command -v ${
      server.caller[0]
    } > /dev/null
then
${Object.entries(server.variables).map(exportLine).join("")}  exec ${
      server.caller.map(shellWord).join(" ")
    } ${words}
fi
`;
  return `#!/bin/sh\n# Written by "ipvlan ${command.join(" ")} install".\n${variables.join("")}` +
    `${ask}exec ${words} "$@"\n`;
}

function exportLine([name, value]: readonly [string, string]): string {
  return `export ${name}=${shellWord(value)}\n`;
}

/**
 * Writes an executable file into a folder, which is made if it does not exist, and returns its
 * path. An engine that starts the file meanwhile finds the old one or the new one, whole.
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
