/**
 * The files that User-Mode Linux boots from: the machine's own where they are installed, fetched
 * ones otherwise.
 *
 * @module
 */
import { MissingError } from "./errors.ts";
import { fetchPackages, type PackageName } from "./fetch.ts";
import { exists, which } from "./machine.ts";
import { APPLETS } from "./run_folder.ts";

/** Where the parts of the guest are; all absolute. */
export interface UmlFiles {
  /** The kernel, an executable. */
  kernel: string;
  /** The release of the kernel (`6.1.176`). */
  release: string;
  /** The folder of its modules, with `modules.dep`. */
  modules: string;
  /** busybox with all the applets that the guest and a command want. */
  busybox: string;
  /** radvd. */
  radvd: string;
}

/** What the guest's first process needs of busybox. */
// deno-fmt-ignore
const INIT_APPLETS = [
  "cat", "insmod", "ip", "ln", "mkdir", "mkfifo", "modprobe", "mount", "pivot_root", "rmdir",
  "setsid", "sh", "sleep", "stty", "umount", "usleep",
];

/**
 * Finds or fetches the files.
 *
 * @throws {MissingError} if one is neither here nor to be had.
 */
export async function findUmlFiles(say: (line: string) => void): Promise<UmlFiles> {
  let kernel = installedKernel();
  const busybox = await installedBusybox();
  const radvd = which("radvd");
  const missing: PackageName[] = [];
  if (!kernel) missing.push("user-mode-linux");
  if (!busybox) missing.push("busybox-static");
  if (!radvd) missing.push("radvd");
  const fetched = await fetchPackages(missing, say);
  kernel ??= kernelIn(fetched["user-mode-linux"]);
  if (!kernel) {
    throw new MissingError(
      "The package user-mode-linux has no modules.dep",
      "install the one of Debian 12 or later, or choose another engine with --engine",
    );
  }
  return {
    ...kernel,
    busybox: busybox ?? `${fetched["busybox-static"]}/bin/busybox`,
    radvd: radvd ?? `${fetched.radvd}/usr/sbin/radvd`,
  };
}

function installedKernel(): Pick<UmlFiles, "kernel" | "release" | "modules"> | undefined {
  return exists("/usr/bin/linux.uml") ? kernelIn("") : undefined;
}

function kernelIn(root: string): Pick<UmlFiles, "kernel" | "release" | "modules"> | undefined {
  const modules = `${root}/usr/lib/uml/modules`;
  if (!exists(modules)) return undefined;
  const releases = [...Deno.readDirSync(modules)].map(({ name }) => name)
    .filter((name) => exists(`${modules}/${name}/modules.dep`));
  const release = releases[0];
  if (release === undefined) return undefined;
  return { kernel: `${root}/usr/bin/linux.uml`, release, modules: `${modules}/${release}` };
}

async function installedBusybox(): Promise<string | undefined> {
  const busybox = which("busybox");
  if (!busybox) return undefined;
  const { stdout } = await new Deno.Command(busybox, { args: ["--list"] }).output();
  const applets = new Set(new TextDecoder().decode(stdout).split("\n"));
  const wanted = [...INIT_APPLETS, ...APPLETS];
  return wanted.every((applet) => applets.has(applet)) ? busybox : undefined;
}
