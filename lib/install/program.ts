import { fileURLToPath } from "node:url";
import { invalidOption } from "../base/errors.ts";

/** The folder of this program in a package, below its prefix; and the launcher there. */
const [FOLDER, LAUNCHER] = ["/lib/ipvlan-kit", "/bin/ipvlan"];

/** The launcher that distributions' packages have. */
export const SYSTEM_LAUNCHER = "/usr/bin/ipvlan";

/**
 * The launcher of the package that a program comes from, as `/usr/bin/ipvlan`; `undefined` if it
 * comes from none. @param module The URL of the program's module.
 */
export function packageLauncher(module: string = Deno.mainModule): string | undefined {
  const end = `${FOLDER}/cli.js`;
  if (!module.startsWith("file:") || !module.endsWith(end)) return undefined;
  return fileURLToPath(module).slice(0, -end.length) + LAUNCHER;
}

/** The command line that starts this program again: from a package, a file or a URL. */
export function thisProgram(): string[] {
  const launcher = packageLauncher();
  if (launcher !== undefined) return [launcher];
  const { protocol } = new URL(Deno.mainModule);
  const module = protocol === "file:" ? fileURLToPath(Deno.mainModule) : Deno.mainModule;
  return [Deno.execPath(), "run", "-A", module];
}

/** The same, for files that outlive this process. @throws {"invalid-option"} It is temporary. */
export function lastingProgram(): string[] {
  const program = thisProgram();
  const gone = program.find((word) => word.includes("/_npx/"));
  if (gone === undefined) return program;
  const rule = "npx may empty its cache, so install Deno (https://docs.deno.com), and then " +
    '"deno install -g -A -n ipvlan jsr:@ipvlan/kit/cli"';
  throw invalidOption("program", gone, rule);
}
