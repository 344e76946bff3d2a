/**
 * The files that User-Mode Linux boots from: the machine's own if they are installed, or else
 * fetched ones.
 *
 * @module
 */
import { basename, dirname } from "node:path";
import { ownCodename } from "../fetch/apt.ts";
import { LabError, MissingError } from "../errors.ts";
import { makeInCache, releaseFolder } from "../fetch/cache.ts";
import {
  type FetchOptions,
  fetchPackages,
  hasFailedRecently,
  type PackageName,
} from "../fetch/fetch.ts";
import { DEBIAN_KERNELS, type KernelChoice } from "../kernels.ts";
import { exists, fileIn } from "../machine.ts";
import { runProgram } from "../program.ts";
import { readScript } from "../run_folder.ts";
import { missingModules } from "../guest/boot.ts";
import { findTools, type GuestTools, NO_MODULES, readModuleList } from "../guest/tools.ts";
import {
  type Candidate,
  debianUml,
  describe,
  hasSeccomp,
  type KernelOrigin,
  type UmlKernel,
} from "./kernels.ts";

/** A kernel that is ready to boot, with the files that it boots from; all paths are absolute. */
export interface UmlFiles extends GuestTools {
  /** The kernel in words: `Linux 6.1.176, User-Mode Linux`. */
  name: string;
  /** The kernel, an executable. */
  kernel: string;
  /** The folder of its modules, with `modules.dep`. */
  modules: string;
  /** Whether it has the option `seccomp=`. */
  seccomp: boolean;
  /** A library to preload into the kernel. */
  preload?: string;
  /** Advice for when it does not boot. */
  advice: string;
}

/** Finds the kernels that this machine has or may be able to fetch, its own first. */
export function findKernels(choice?: KernelChoice): UmlKernel[] {
  if (choice?.kind === "file") {
    const { path, modules } = choice;
    const release = modules === undefined ? undefined : basename(modules);
    return [{ origin: "file", file: { path, modules }, release }];
  }
  const wanted = choice?.kernel ?? DEBIAN_KERNELS.at(-1)!;
  const known: UmlKernel[] = [{ origin: "own" }, debianUml(wanted)];
  if (fileIn("", "linux.uml")) known.unshift({ origin: "installed" });
  const kernels = known.map((kernel) => {
    const found = findRelease(rootOf(kernel.origin));
    if (found) return { ...kernel, ...found, fetched: true };
    return kernel.origin === wanted.release && hasFailedRecently(wanted.release)
      ? { ...kernel, unreachable: true }
      : kernel;
  });
  if (!choice) return kernels;
  return kernels.filter(({ origin, release }) =>
    release === undefined
      ? origin === "own" && ownCodename() === wanted.release
      : release === wanted.version || release.startsWith(`${wanted.version}.`)
  );
}

/** The root folder of the files of a kernel's package. It may not exist yet. */
function rootOf(origin: KernelOrigin): string {
  return origin === "installed" || origin === "file"
    ? ""
    : `${releaseFolder(origin)}/user-mode-linux`;
}

/** Finds the release of a kernel by the folder of its modules. */
function findRelease(root: string): { release: string } | undefined {
  const modules = `${root}/usr/lib/uml/modules`;
  if (!exists(modules)) return undefined;
  const release = [...Deno.readDirSync(modules)].map(({ name }) => name)
    .find((name) => exists(`${modules}/${name}/modules.dep`));
  return release === undefined ? undefined : { release };
}

/**
 * Makes a candidate ready to boot: fetches its files, and adapts it to this machine's processor and
 * C library.
 *
 * @param wanted The kernel modules that the job needs.
 * @throws {LabError} if that fails, with what to do about it.
 */
export async function prepareGuest(
  candidate: Candidate,
  wanted: readonly string[],
  options: FetchOptions,
): Promise<UmlFiles> {
  const { kernel: { origin, file }, xstate, libc } = candidate;
  // If we know already that the kernel lacks a module, do not fetch anything.
  assertModules(candidate.missing);
  const own: PackageName[] = [];
  if (origin === "own") own.push("user-mode-linux");
  if (xstate) own.push("tcc");
  if (libc) own.push("patchelf");
  const later: PackageName[] = [];
  const isDebian = origin !== "installed" && origin !== "file" && origin !== "own";
  if (isDebian) later.push("user-mode-linux");
  if (libc) later.push("libc6");
  const { tools, fetched } = await findTools(own, options);
  const fetchedLater: Partial<Record<PackageName, string>> = isDebian
    ? await fetchPackages(later, { ...options, release: origin })
    : {};

  const root = rootOf(origin);
  const found = file ? { release: candidate.kernel.release } : findRelease(root);
  const kernel = file ? file.path : fileIn(root, "linux.uml");
  if (!found || !kernel) {
    throw new MissingError(
      "The package user-mode-linux has no modules.dep",
      "install the one of Debian 12 or later, or choose another engine with --engine",
    );
  }
  const modules = file
    ? file.modules ?? NO_MODULES
    : `${root}/usr/lib/uml/modules/${found.release}`;
  assertModules(missingModules(readModuleList(modules), wanted));
  return {
    name: describe({ ...candidate, kernel: { ...candidate.kernel, ...found } }),
    kernel: libc
      ? await withLibc(kernel, fetchedLater["libc6"]!, fetched["patchelf"], options)
      : kernel,
    modules,
    seccomp: hasSeccomp(found),
    preload: xstate ? await buildXstate(fetched["tcc"], options) : undefined,
    ...tools,
    advice: origin === "file"
      ? file?.modules === undefined
        ? "name the folder of its modules with --modules, or build overlay into it"
        : "try another kernel"
      : origin === "installed"
      ? "reinstall the package user-mode-linux"
      : `remove ${root}: the lab then fetches it again`,
  };
}

/** Asserts that a kernel has all modules that the job needs. @throws {LabError} if not. */
function assertModules(missing: readonly string[]): void {
  if (missing.length > 0) throw new LabError(`it has no module ${missing.join(", ")}`);
}

/**
 * Makes a copy of the kernel, beside it, that runs with the C library of its own release. We cannot
 * use `ld.so KERNEL` or LD_LIBRARY_PATH, because the kernel executes /proc/self/exe again.
 *
 * @param libc The path of that release's `libc.so.6`. Its `ld.so` is in the same folder.
 * @param patchelf The path of patchelf(1).
 */
async function withLibc(
  kernel: string,
  libc: string,
  patchelf: string,
  options: FetchOptions,
): Promise<string> {
  const folder = dirname(libc);
  const interpreter = `${folder}/ld-linux-x86-64.so.2`;
  const patched = `${dirname(kernel)}/linux.uml.libc`;
  // If the cache was moved, the copy has the old paths.
  const isDone = async () =>
    exists(patched) &&
    (await runProgram(patchelf, ["--print-interpreter", patched])).text === interpreter;
  if (await isDone()) return patched;
  await makeInCache(patched, options, isDone, async ({ output }) => {
    const words = ["--set-interpreter", interpreter, "--set-rpath", folder];
    await makeBy([patchelf, ...words, "--output", output, kernel], options);
  });
  return patched;
}

/**
 * Compiles `uml_xstate.c` into the cache.
 *
 * @param tcc The path of tcc(1) in its unpacked package.
 */
async function buildXstate(tcc: string, options: FetchOptions): Promise<string> {
  const source = await readScript("uml_xstate.c");
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(source));
  // A hash of the source in the name: another version of this project makes another file.
  const library = `${releaseFolder("own")}/uml_xstate-${
    new Uint8Array(digest).toHex().slice(0, 16)
  }.so`;
  const isDone = () => exists(library);
  if (isDone()) return library;
  await makeInCache(library, options, isDone, async ({ folder, output }) => {
    const file = `${folder}/uml_xstate.c`;
    await Deno.writeTextFile(file, source);
    const home = `${dirname(tcc)}/../lib/x86_64-linux-gnu/tcc`;
    await makeBy([tcc, `-B${home}`, "-nostdlib", "-shared", "-o", output, file], options);
  });
  return library;
}

/** Runs a program that makes a file. */
async function makeBy([program = "", ...args]: string[], { signal }: FetchOptions): Promise<void> {
  const { ok, text } = await runProgram(program, args, { signal });
  if (!ok) throw new LabError(`Cannot make a file: ${basename(program)} says: ${text}`);
}
