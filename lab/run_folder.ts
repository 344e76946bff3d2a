/**
 * The folder that each run has for itself, and what every engine puts there.
 *
 * @module
 */
import { exists } from "./machine.ts";

/** Programs for a command that the machine may lack; absolute paths. */
export interface Tools {
  /** busybox, of which the command gets {@linkcode APPLETS}. */
  busybox?: string;
  /** radvd, the router advertisement daemon. */
  radvd?: string;
}

/** The programs of busybox that a command gets where the machine has none of that name. */
// deno-fmt-ignore
export const APPLETS = [
  "arping", "insmod", "lsmod", "modprobe", "mount", "nc", "ping", "ping6", "ps", "rmmod",
  "traceroute", "umount",
] as const;

/** Makes a folder, calls `use` with it, and removes it whatever happened. */
export async function withRunFolder<T>(use: (run: string) => Promise<T>): Promise<T> {
  const run = await Deno.makeTempDir({ prefix: "ipvlan-lab-" });
  try {
    return await use(run);
  } finally {
    if (exists(run)) await Deno.remove(run, { recursive: true });
  }
}

/**
 * Makes a folder, calls `use` with it, and removes it whatever happened, also when the lab is
 * killed: then the input of a shell ends that waits for nothing else.
 */
export async function withShare<T>(use: (share: string) => Promise<T>): Promise<T> {
  if (Deno.build.os === "windows") return await withRunFolder(use);
  const share = await Deno.makeTempDir({ prefix: "ipvlan-lab-" });
  const script = "trap '' HUP INT TERM; cat > /dev/null; rm -rf \"$1\"";
  const remover = new Deno.Command("sh", {
    args: ["-c", script, "sh", share],
    stdin: "piped",
    stdout: "null",
    stderr: "null",
  }).spawn();
  try {
    return await use(share);
  } finally {
    await remover.stdin.close();
    await remover.status;
  }
}

/**
 * Makes two folders of links in the folder of a run, for PATH: `bin` with `deno` for its begin (often
 * the `deno` on PATH is a script that starts another program first), `tools` for its end.
 */
export async function linkTools(run: string, { busybox, radvd }: Tools): Promise<void> {
  await Deno.mkdir(`${run}/bin`);
  await Deno.symlink(Deno.execPath(), `${run}/bin/deno`);
  await Deno.mkdir(`${run}/tools`);
  if (radvd) await Deno.symlink(radvd, `${run}/tools/radvd`);
  if (!busybox) return;
  for (const applet of APPLETS) await Deno.symlink(busybox, `${run}/tools/${applet}`);
}

/** Reads a script that lies beside this module, wherever the module came from. */
export async function readScript(name: string): Promise<string> {
  const response = await fetch(new URL(name, import.meta.url));
  return await response.text();
}
