/**
 * The folder of each run, and the files that every engine writes there.
 *
 * @module
 */
import { tmpdir } from "node:os";
import { randomHex } from "../lib/base/random.ts";
import { LabError } from "./errors.ts";
import { projectFile } from "./job.ts";
import { exists } from "./machine.ts";
import { quote } from "./shell.ts";

/** Programs for the command, in case the machine lacks them; absolute paths. */
export interface Tools {
  /** A busybox. The command gets its {@linkcode APPLETS}. */
  busybox?: string;
  /** The router advertisement daemon. */
  radvd?: string;
}

/** The applets of busybox that a command gets. They are last on PATH, after the machine's programs. */
// deno-fmt-ignore
export const APPLETS = [
  "arping", "busybox", "insmod", "lsmod", "modprobe", "mount", "nc", "ping", "ping6", "ps", "rmmod",
  "traceroute", "umount",
] as const;

/**
 * Makes a folder, calls `use` with it, and removes the folder, also when `use` throws. If the lab is
 * killed, a shell removes the folder, as the shell's input then ends (not on Windows).
 *
 * @throws {LabError} The folder cannot be made.
 */
export async function withRunFolder<T>(use: (run: string) => Promise<T>): Promise<T> {
  const run = `${tmpdir()}/ipvlan-lab-${randomHex(8)}`;
  // Start the shell first, so that a lab killed meanwhile leaves nothing either.
  const remover = Deno.build.os === "windows" ? undefined : startRemover(run);
  try {
    makeFolder(run);
    return await use(run);
  } finally {
    if (exists(run)) await Deno.remove(run, { recursive: true });
    await remover?.stdin.close();
    await remover?.status;
  }
}

function startRemover(path: string): Deno.ChildProcess {
  const script = "trap '' HUP INT TERM; cat > /dev/null; rm -rf \"$1\"";
  return new Deno.Command("sh", {
    args: ["-c", script, "sh", path],
    stdin: "piped",
    stdout: "null",
    stderr: "null",
  }).spawn();
}

function makeFolder(path: string): void {
  try {
    Deno.mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    const reason = (error as Error).message;
    throw new LabError(
      `No temporary folder can be made (${reason}): set TMPDIR to one that exists`,
    );
  }
}

/**
 * Makes two folders of programs in the folder of a run. `bin` is for the beginning of PATH and has
 * `deno`, since the `deno` on PATH is often a script, and this project's `ipvlan`. `tools` is for the
 * end of PATH.
 */
export async function linkTools(run: string, { busybox, radvd }: Tools): Promise<void> {
  await Deno.mkdir(`${run}/bin`);
  await Deno.symlink(Deno.execPath(), `${run}/bin/deno`);
  const words = `"\${0%/*}/deno" run -A --quiet --cached-only ${quote(projectFile("cli.ts"))}`;
  await Deno.writeTextFile(`${run}/bin/ipvlan`, `#!/bin/sh\nexec ${words} "$@"\n`);
  await Deno.chmod(`${run}/bin/ipvlan`, 0o755);
  await Deno.mkdir(`${run}/tools`);
  if (radvd) await Deno.symlink(radvd, `${run}/tools/radvd`);
  if (!busybox) return;
  for (const applet of APPLETS) await Deno.symlink(busybox, `${run}/tools/${applet}`);
}

/** Reads a file beside this module, also when the module was loaded from the network. */
export async function readScript(name: string): Promise<string> {
  const response = await fetch(new URL(name, import.meta.url));
  return await response.text();
}
