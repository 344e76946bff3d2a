/**
 * The files that QEMU boots from. Missing ones are fetched into the lab's cache.
 *
 * @module
 */
import { basename } from "node:path";
import type { DebianRelease } from "../fetch/apt.ts";
import { LabError } from "../errors.ts";
import { cacheFolder, makeInCache, releaseFolder, withCache } from "../fetch/cache.ts";
import { type FetchOptions, fetchTree } from "../fetch/fetch.ts";
import { missingModules, moduleFiles } from "../guest/boot.ts";
import { type GuestTools, NO_MODULES, readModuleList } from "../guest/tools.ts";
import { exists, which } from "../machine.ts";
import { runProgram } from "../program.ts";
import { BOOT_MODULES, initrdScript } from "./boot.ts";
import { quote } from "../shell.ts";

/** A kernel for QEMU with the files that it boots from; all paths are absolute. */
export interface QemuKernel {
  /** Its release, as `uname -r` prints it. */
  release: string;
  /** The kernel, a `bzImage`. */
  kernel: string;
  /** The folder of its modules, with `modules.dep`. */
  modules: string;
  /** The texts of `modules.dep` and `modules.builtin`. */
  list: string;
  /** Its initrd. */
  initrd: string;
  /** Advice for when it does not boot. */
  advice: string;
}

const SYSTEM = "qemu-system-x86_64";

/** Finds QEMU, or fetches it with its libraries. Returns the command line that runs it. */
export async function findQemu(options: FetchOptions): Promise<string[]> {
  const qemu = which(SYSTEM);
  if (qemu) return [qemu];
  const tree = await fetchTree("qemu", ["qemu-system-x86"], {
    ...options,
    dependencies: /./,
    has: (tree) => exists(`${tree}/usr/bin/${SYSTEM}`),
  });
  const libraries = ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"].map((inner) =>
    `${tree}/${inner}`
  );
  return [
    "env",
    `LD_LIBRARY_PATH=${libraries.join(":")}`,
    `QEMU_MODULE_DIR=${libraries[0]}/qemu`,
    `${tree}/usr/bin/${SYSTEM}`,
    ...["-L", `${tree}/usr/share/qemu`, "-L", `${tree}/usr/share/seabios`],
  ];
}

/** Whether the kernel that a release of Debian ships is in the cache. */
export function hasDebianKernel(release: DebianRelease): boolean {
  return findKernel(`${releaseFolder(release)}/linux`) !== undefined;
}

/** The kernel that a release of Debian ships. It is fetched unless it is in the cache. */
export async function debianKernel(
  release: DebianRelease,
  { busybox }: GuestTools,
  options: FetchOptions,
): Promise<QemuKernel> {
  const tree = await fetchTree("linux", ["linux-image-amd64"], {
    ...options,
    release,
    // Since forky the image package depends on packages with the binary and the modules.
    dependencies: /^linux-(image|binary|modules)-\d/,
    has: (tree) => findKernel(tree) !== undefined,
  });
  const found = findKernel(tree)!;
  await makeModuleList(tree, found, busybox, options);
  return {
    ...found,
    list: readModuleList(found.modules),
    initrd: await makeInitrd(`${tree}/initrd`, found.modules, busybox, options),
    advice: `remove ${tree}: the lab then fetches it again`,
  };
}

/** The user's own kernel. Without modules, everything that the lab needs has to be built in. */
export async function fileKernel(
  { path: kernel, modules = NO_MODULES }: { path: string; modules?: string },
  { busybox }: GuestTools,
  options: FetchOptions,
): Promise<QemuKernel> {
  const path = `${cacheFolder(Deno.env.toObject())}/initrds/initrd`;
  return {
    release: modules === NO_MODULES ? `in ${kernel}` : basename(modules),
    kernel,
    modules,
    list: readModuleList(modules),
    initrd: await makeInitrd(path, modules, busybox, options),
    advice: modules === NO_MODULES
      ? "name the folder of its modules with --modules, or build virtio, 9p and overlay into it"
      : "try another kernel",
  };
}

/** Finds the kernel in an unpacked package: `boot/vmlinuz-RELEASE`, or a file beside its modules. */
function findKernel(
  tree: string,
): { release: string; kernel: string; modules: string } | undefined {
  for (const inner of ["usr/lib/modules", "lib/modules"]) {
    if (!exists(`${tree}/${inner}`)) continue;
    for (const { name: release } of Deno.readDirSync(`${tree}/${inner}`)) {
      const modules = `${tree}/${inner}/${release}`;
      const kernel = [`${tree}/boot/vmlinuz-${release}`, `${modules}/vmlinuz`].find(exists);
      if (kernel && exists(`${modules}/kernel`)) return { release, kernel, modules };
    }
  }
  return undefined;
}

/** Makes `modules.dep`, as the installation of the package would. */
async function makeModuleList(
  tree: string,
  { release, modules }: { release: string; modules: string },
  busybox: string,
  options: FetchOptions,
): Promise<void> {
  const isDone = () => exists(`${modules}/modules.symbols`);
  if (isDone()) return;
  await withCache(options, async () => {
    if (isDone()) return;
    const base = modules.startsWith(`${tree}/usr/`) ? `${tree}/usr` : tree;
    // Use kmod's depmod(8) if installed: then modprobe(8) is also kmod's, and reads its lists.
    const depmod = which("depmod");
    const program = depmod ?? busybox;
    const args = [...depmod ? [] : ["depmod"], "-b", base, release];
    const { ok, text } = await runProgram(program, args, options);
    if (!ok) throw new LabError(`Cannot list the modules of Linux ${release}: ${text}`);
  });
}

/**
 * Makes the initrd of a kernel, a cpio archive (`Documentation/driver-api/early-userspace`) of
 * busybox, a script, and the modules that the kernel needs to mount the machine's root.
 */
async function makeInitrd(
  path: string,
  modules: string,
  busybox: string,
  options: FetchOptions,
): Promise<string> {
  const script = initrdScript(busybox);
  const list = `${modules}/modules.dep`;
  const dep = exists(list) ? await Deno.readTextFile(list) : "";
  const content = [script, modules, dep].join("\n");
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(content));
  // A hash of the content in the name: another version of this project makes another file.
  const initrd = `${path}-${new Uint8Array(digest).toHex().slice(0, 16)}`;
  const isDone = () => exists(initrd);
  if (isDone()) return initrd;
  // Modules that are built into the kernel are not in the list, and need no file.
  const loaded = BOOT_MODULES.filter((name) => missingModules(dep, [name]).length === 0);
  const files = [...new Set(loaded.flatMap((name) => moduleFiles(dep, name)))];
  await makeInCache(initrd, options, isDone, async ({ folder, output }) => {
    const root = `${folder}/root`;
    await Deno.mkdir(`${root}/modules`, { recursive: true });
    await Deno.copyFile(busybox, `${root}/busybox`);
    await Deno.writeTextFile(`${root}/init`, script, { mode: 0o755 });
    const lines = files.map((file, index) => {
      // The number keeps the files in the order to load them.
      const name = `${index + 10}-${basename(file).replace(/\.xz$/, "")}`;
      const from = quote(`${modules}/${file}`);
      const program = file.endsWith(".xz") ? `${quote(busybox)} xzcat` : "cat";
      return `${program} ${from} > ${quote(`${root}/modules/${name}`)}`;
    });
    const pack = `cd ${quote(root)}; ${quote(busybox)} find . | ` +
      `${quote(busybox)} cpio -o -H newc > ${quote(output)}`;
    const { ok, text } = await runProgram("sh", ["-ec", [...lines, pack].join("\n")], options);
    if (!ok) throw new LabError(`Cannot make ${initrd}: ${text}`);
  });
  return initrd;
}
