// Installs and uninstalls services of this program: an executable for an engine, and systemd's
// units.
import { basename, dirname } from "node:path";
import { IpvlanError, type IpvlanErrorOf, throwProblems } from "../base/errors.ts";
import { lstatOf, nearestFolder, replaceFile, statOf, tryToWriteIn } from "../base/files.ts";
import { nodeModule } from "../base/node.ts";
import { shellWord } from "../base/printable.ts";
import { neededVariables, UNIT_FOLDER, type Units } from "./unit.ts";

export interface Service {
  /** The command whose word `install` writes its files: `docker`. */
  command: string;
  /** Its units by file name. */
  units: Units;
  /** What an engine starts. */
  executable?: { path: string; text: string };
  /** The socket of its server. */
  socket?: string;
  /** Says what is worth knowing after it is installed. */
  hint?: string;
}

/** The folder of the units of packages. */
const PACKAGED = "/usr/lib/systemd/system";

/** Whether systemd is the init system (sd_booted(3)). */
export function isBooted(): boolean {
  return statOf("/run/systemd/system") !== undefined;
}

/** The units of a service that are enabled, in this order. */
export function unitsToEnable({ units }: Service): string[] {
  return Object.keys(units).filter((name) => units[name]!.includes("[Install]")).toReversed();
}

/**
 * Writes the files of a service: all, or none. Leaves out a unit that a package has brought.
 *
 * @returns The paths of the written files.
 * @throws {"unwritable-file"} A file cannot be written, or another program's file is in its place.
 */
export function install(service: Service): string[] {
  return change(service, ({ path, text }) => {
    const isPackaged = read(`${PACKAGED}/${basename(path)}`) === text;
    return isPackaged && !lstatOf(path) ? undefined : text;
  });
}

/**
 * Removes the files that {@linkcode install} has written: all, or none.
 *
 * @returns The paths of the removed files, and the units of a package that are enabled or running.
 * @throws {"unwritable-file"} A file cannot be removed, is another program's, or is a unit in use.
 */
export async function uninstall(service: Service): Promise<{ removed: string[]; used: string[] }> {
  const units = Object.keys(service.units);
  const used = await unitsInUse(units);
  const first = `systemctl disable --now ${units.toReversed().join(" ")}`;
  const inUse = used.map((name) => `${UNIT_FOLDER}/${name}`).filter(lstatOf)
    .map((path) => unwritable(path, `the unit is enabled or running, so first: ${first}`));
  return { removed: change(service, () => undefined, inUse), used };
}

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
    executableMark(command),
    ...neededVariables(env).map(([name, value]) => `export ${name}=${shellWord(value)}`),
    ...before,
    `exec ${[...program, command].map(shellWord).join(" ")} "$@"`,
    "",
  ].join("\n");
}

function executableMark(command: string): string {
  return `# Written by "ipvlan ${command} install".`;
}

/** The files of a service. Its mark is a line that only this program writes, in every version. */
function filesOf({ command, units, executable }: Service) {
  return [
    ...executable ? [{ ...executable, mode: 0o755, mark: executableMark(command) }] : [],
    ...Object.entries(units).map(([name, text]) => ({
      path: `${UNIT_FOLDER}/${name}`,
      text: `${text}\n`,
      mode: 0o644,
      mark: /^Description=.*$/m.exec(text)![0],
    })),
  ];
}

/** Gives each file its new text, or removes it. Returns the paths of the changed files. */
function change(
  service: Service,
  newText: (file: { path: string; text: string }) => string | undefined,
  problems: readonly IpvlanError[] = [],
): string[] {
  const files = filesOf(service)
    .map((file) => ({ ...file, text: newText(file), old: read(file.path) }))
    .filter(({ path, text }) => text !== undefined || lstatOf(path));
  const refused = files.flatMap(({ path, mark, old }) => {
    const why = `"ipvlan ${service.command} install" has not written it, so it stays as it is`;
    const isOurs = !lstatOf(path) || old?.split("\n").includes(mark);
    const failed = failureAt(path, () => tryToWriteIn(nearestFolder(dirname(path))));
    return isOurs || failed.length > 0 ? failed : [unwritable(path, why)];
  });
  throwProblems([...problems, ...refused]);
  using undo = new DisposableStack();
  for (const { path, mode, old, text } of files) {
    throwProblems(failureAt(path, () => put(path, mode, text)));
    undo.defer(() => failureAt(path, () => put(path, mode, old)));
  }
  undo.move();
  return files.map(({ path }) => path);
}

function put(path: string, mode: number, text: string | undefined): void {
  // Another call may have removed it.
  if (text === undefined) return nodeModule("node:fs").rmSync(path, { force: true });
  Deno.mkdirSync(dirname(path), { recursive: true });
  // An engine may start the old file meanwhile, and as another user.
  replaceFile(path, text, mode);
}

/** The text of a regular file; `undefined` if there is none, or this user may not read it. */
function read(path: string): string | undefined {
  try {
    return lstatOf(path)?.isFile ? Deno.readTextFileSync(path) : undefined;
  } catch {
    return undefined;
  }
}

function failureAt(path: string, run: () => void): IpvlanErrorOf<"unwritable-file">[] {
  try {
    run();
    return [];
  } catch (error) {
    const { message, code = "" } = error as Error & { code?: string };
    return [unwritable(path, ["EACCES", "EPERM"].includes(code) ? "run as root" : message)];
  }
}

function unwritable(path: string, reason: string): IpvlanErrorOf<"unwritable-file"> {
  return new IpvlanError("unwritable-file", { path, reason });
}

/** The units that an administrator has enabled, and those that run. */
async function unitsInUse(units: readonly string[]): Promise<string[]> {
  const folders = statOf(UNIT_FOLDER) ? Array.from(Deno.readDirSync(UNIT_FOLDER)) : [];
  const links = folders.filter(({ name }) => /\.(wants|requires)$/.test(name))
    .flatMap(({ name }) => units.filter((unit) => lstatOf(`${UNIT_FOLDER}/${name}/${unit}`)));
  if (!isBooted()) return units.filter((unit) => links.includes(unit));
  const args = ["is-active", ...units];
  const { stdout } = await new Deno.Command("systemctl", { args, stderr: "null" }).output();
  const states = new TextDecoder().decode(stdout).split("\n");
  const isIdle = (index: number) => /^(inactive|failed|unknown)?$/.test(states[index] ?? "");
  return units.filter((unit, index) => links.includes(unit) || !isIdle(index));
}
