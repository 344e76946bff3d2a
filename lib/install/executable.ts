// Executable files by which engines start `ipvlan`.
import { shellWord } from "../base/printable.ts";
import { neededVariables } from "./unit.ts";

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
