/**
 * The kernels that a user can ask for: those of Debian's releases, or a file.
 *
 * @module
 */
import type { DebianRelease } from "./fetch/apt.ts";

/** The kernel of a release of Debian. */
export interface DebianKernel {
  /** The version, as `--kernel` takes it. */
  version: string;
  /** The release's code name. */
  release: DebianRelease;
  /** The release in words. */
  label: string;
  /** The version of the release's C library. */
  libc: string;
  /**
   * MB to download, as of 2026-11: `uml` for User-Mode Linux with its C library, `qemu` for the kernel
   * of real machines. User-Mode Linux 5.10 is left out: on an overlay over the machine's root, it
   * starts no dynamically linked program.
   */
  megabytes: { uml?: number; qemu: number };
}

/** The kernels that the lab runs, the oldest first. */
export const DEBIAN_KERNELS: readonly DebianKernel[] = [
  {
    version: "5.10",
    release: "bullseye",
    label: "Debian 11",
    libc: "2.31",
    megabytes: { qemu: 56 },
  },
  {
    version: "6.1",
    release: "bookworm",
    label: "Debian 12",
    libc: "2.36",
    megabytes: { uml: 41, qemu: 71 },
  },
  {
    version: "6.12",
    release: "trixie",
    label: "Debian 13",
    libc: "2.41",
    megabytes: { uml: 39, qemu: 109 },
  },
  {
    version: "7.2",
    release: "forky",
    label: "Debian forky",
    libc: "2.43",
    megabytes: { uml: 38, qemu: 125 },
  },
];

/** The kernel that a user chose. */
export type KernelChoice =
  | { kind: "debian"; kernel: DebianKernel }
  | {
    kind: "file";
    /** The kernel: a `linux.uml` or a `bzImage`; absolute. */
    path: string;
    /** The folder of its modules, with `modules.dep`; absolute. */
    modules?: string;
  };

/** Detects the kind of a kernel file; `undefined` if it does not exist or is no kernel. */
export function kindOfFile(path: string): ReturnType<typeof kindOfKernel> {
  try {
    using file = Deno.openSync(path);
    const head = new Uint8Array(0x206);
    return kindOfKernel(head.subarray(0, file.readSync(head) ?? 0));
  } catch {
    return undefined;
  }
}

/** Detects the kind of a kernel by its first bytes: an ELF executable (elf(5)) or an x86 boot image. */
export function kindOfKernel(head: Uint8Array): "uml" | "bzImage" | undefined {
  const text = (from: number, to: number) => new TextDecoder("latin1").decode(head.slice(from, to));
  if (text(0, 4) === "\x7fELF") return "uml";
  // The signature of the setup header: Documentation/arch/x86/boot.rst.
  return text(0x202, 0x206) === "HdrS" ? "bzImage" : undefined;
}
