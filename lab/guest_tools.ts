/**
 * What every guest needs besides its kernel: programs, and the lists of the kernel's modules.
 *
 * @module
 */
import { type FetchOptions, fetchPackages, type PackageName } from "./fetch.ts";
import { exists, which } from "./machine.ts";
import { APPLETS } from "./run_folder.ts";

/** Programs of the machine, or those fetched in their place; absolute paths. */
export interface GuestTools {
  /** busybox with all the applets that the guest and a command want. */
  busybox: string;
  /** radvd. */
  radvd: string;
}

/** What the guest's first process needs of busybox. */
// deno-fmt-ignore
const INIT_APPLETS = [
  "cat", "cp", "insmod", "ip", "ln", "mkdir", "mkfifo", "modprobe", "mount", "pivot_root", "rmdir",
  "setsid", "sh", "sleep", "stty", "umount", "usleep",
];

/** The folder of the modules of a kernel that has none: nothing has this name. */
export const NO_MODULES = "/nonexistent";

/**
 * Finds the programs that every guest wants, or fetches them.
 *
 * @param more Packages to fetch together with them: each call of apt-get(8) takes seconds.
 */
export async function findTools<N extends PackageName>(
  more: readonly N[],
  options: FetchOptions,
): Promise<{ tools: GuestTools; fetched: Record<N, string> }> {
  const [busybox, radvd] = [await installedBusybox(), which("radvd")];
  const fetched = await fetchPackages([
    ...more,
    ...busybox ? [] : ["busybox-static"] as const,
    ...radvd ? [] : ["radvd"] as const,
  ], options);
  const tools = {
    busybox: busybox ?? fetched["busybox-static"],
    radvd: radvd ?? fetched["radvd"],
  };
  return { tools, fetched };
}

/** The machine's own busybox, if it has all applets. */
async function installedBusybox(): Promise<string | undefined> {
  const busybox = which("busybox");
  if (!busybox) return undefined;
  const { stdout } = await new Deno.Command(busybox, { args: ["--list"] }).output();
  const applets = new Set(new TextDecoder().decode(stdout).split("\n"));
  const wanted = [...INIT_APPLETS, ...APPLETS];
  return wanted.every((applet) => applets.has(applet)) ? busybox : undefined;
}

/** The modules that a kernel has: the texts of `modules.dep` and `modules.builtin`. */
export function moduleList(modules: string): string {
  return ["modules.dep", "modules.builtin"].map((name) => `${modules}/${name}`).filter(exists)
    .map((path) => Deno.readTextFileSync(path)).join("\n");
}
