/**
 * The programs that every guest needs, and the lists of its kernel's modules.
 *
 * @module
 */
import { type FetchOptions, fetchPackages, type PackageName } from "../fetch/fetch.ts";
import { exists, which } from "../machine.ts";
import { APPLETS } from "../run_folder.ts";

/** Paths of programs: the machine's own, or fetched ones. All are absolute. */
export interface GuestTools {
  /** A busybox with all applets that the guest and a command need. */
  busybox: string;
  /** The router advertisement daemon. */
  radvd: string;
}

/** The applets of busybox that `init.sh` needs. */
// deno-fmt-ignore
const INIT_APPLETS = [
  "cat", "cp", "insmod", "ip", "ln", "mkdir", "mkfifo", "modprobe", "mount", "pivot_root", "rmdir",
  "setsid", "sh", "sleep", "stty", "umount", "usleep",
];

/** The modules folder of a kernel without modules. It does not exist. */
export const NO_MODULES = "/nonexistent";

/**
 * Finds the programs that every guest needs, or fetches them.
 *
 * @param more Packages to fetch in the same call of apt-get(8), since each call takes seconds.
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

/** The machine's own busybox, if it has all the applets that we need. */
async function installedBusybox(): Promise<string | undefined> {
  const busybox = which("busybox");
  if (!busybox) return undefined;
  const { stdout } = await new Deno.Command(busybox, { args: ["--list"] }).output();
  const applets = new Set(new TextDecoder().decode(stdout).split("\n"));
  const wanted = [...INIT_APPLETS, ...APPLETS];
  return wanted.every((applet) => applets.has(applet)) ? busybox : undefined;
}

/** Reads which modules a kernel has: the texts of `modules.dep` and `modules.builtin`. */
export function readModuleList(modules: string): string {
  return ["modules.dep", "modules.builtin"].map((name) => `${modules}/${name}`).filter(exists)
    .map((path) => Deno.readTextFileSync(path)).join("\n");
}
