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
 * user who installs the file.
 *
 * @param server A server to ask first, if the file is started without arguments: its socket, and the
 * command line that calls it, with variables. The last arguments of that are the command line without
 * a server, which it runs if the server cannot answer.
 */
export function executableText(
  program: readonly string[],
  command: readonly string[],
  env: Readonly<Record<string, string>>,
  server?: {
    socket: string;
    caller: readonly string[];
    variables: Readonly<Record<string, string>>;
  },
): string {
  const words = [...program, ...command].map(shellWord).join(" ");
  const lines = ["#!/bin/sh", `# Written by "ipvlan ${command.join(" ")} install".`];
  lines.push(...exports(neededVariables(env)));
  if (server) {
    const { socket, caller, variables } = server;
    lines.push(
      `if [ $# = 0 ] && [ -S ${shellWord(socket)} ] && command -v ${caller[0]} > /dev/null`,
      "then",
      ...exports(Object.entries(variables)),
      `  exec ${caller.map(shellWord).join(" ")} ${words}`,
      "fi",
    );
  }
  return [...lines, `exec ${words} "$@"`, ""].join("\n");
}

function exports(variables: readonly [name: string, value: string][]): string[] {
  return variables.map(([name, value]) => `export ${name}=${shellWord(value)}`);
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
