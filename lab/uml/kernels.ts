/**
 * Decides which User-Mode Linux kernels to try on a machine, in which order, and how to adapt each:
 * pure functions on values.
 *
 * @module
 */
import type { Release } from "../fetch/apt.ts";
import type { DebianKernel } from "../kernels.ts";
import type { Machine } from "../machine.ts";

/**
 * Where a kernel comes from: the installed package `user-mode-linux`, the package of a release (the
 * machine's own or one of Debian), or the user's own file.
 */
export type KernelOrigin = "installed" | Release | "file";

/** A kernel that this machine has, or may be able to fetch. */
export interface UmlKernel {
  /** Where it comes from. */
  origin: KernelOrigin;
  /** The user's own file, and the folder of its modules if there are any. */
  file?: { path: string; modules?: string };
  /** Its release (`6.1.176`), if we know it already. */
  release?: string;
  /** The version of its release's C library; `undefined`: it runs with the machine's own. */
  libc?: string;
  /** Whether this machine has it. */
  fetched?: boolean;
  /** Whether this machine does not have it, and failed to fetch it within the last hour. */
  unreachable?: boolean;
  /** Kernel modules that it does not have, though a job may need them. */
  lacks?: readonly string[];
}

/** A kernel to try, and how to adapt it to this machine. */
export interface Candidate {
  /** The kernel. */
  kernel: UmlKernel;
  /** Whether it needs `uml_xstate.c` preloaded: see {@linkcode needsXstate}. */
  xstate: boolean;
  /** Whether it has to run with the C library of its own release. */
  libc: boolean;
  /** The kernel modules that the job needs and, as we know already, the kernel lacks. */
  missing: string[];
}

/**
 * The modules of netfilter's older interface. Debian's kernels lack them since 7.2, because
 * CONFIG_NETFILTER_XTABLES_LEGACY is off.
 */
// deno-fmt-ignore
const LEGACY_IPTABLES = [
  "ip_tables", "iptable_filter", "iptable_mangle", "iptable_nat", "iptable_raw",
  "iptable_security", "ip6_tables", "ip6table_filter", "ip6table_mangle", "ip6table_nat",
  "ip6table_raw", "ip6table_security", "arp_tables", "arptable_filter", "ebtables",
  "ebtable_broute", "ebtable_filter", "ebtable_nat",
];

/**
 * The kernel of a release of Debian. It would run with an older C library, too. We require the
 * version of its release, so that the rule also holds for the release's next kernel.
 */
export function debianUml({ release, version, libc }: DebianKernel): UmlKernel {
  return {
    origin: release,
    release: version,
    libc,
    ...isOlder(version, "7.2") ? {} : { lacks: LEGACY_IPTABLES },
  };
}

/**
 * Chooses the kernels to try, the best first. Kernels that run without ptrace(2) come first: they
 * take half the time. Kernels that could not be fetched come last. Otherwise the order stays.
 *
 * @param kernels The kernels that this machine has or may fetch.
 * @param modules The kernel modules that the job needs.
 */
export function chooseCandidates(
  { flags, libc }: Machine,
  kernels: readonly UmlKernel[],
  modules: readonly string[],
): Candidate[] {
  const rank = (kernel: UmlKernel) => kernel.unreachable ? 2 : hasSeccomp(kernel) ? 0 : 1;
  return kernels.toSorted((a, b) => rank(a) - rank(b))
    .map((kernel) => ({
      kernel,
      xstate: flags.has("amx_tile") && needsXstate(kernel),
      libc: kernel.libc !== undefined && (libc === undefined || isOlder(libc, kernel.libc)),
      missing: modules.filter((module) => kernel.lacks?.includes(module)),
    }));
}

/**
 * Whether a kernel passes a fixed number of bytes of extended processor state to ptrace(2). The host
 * refuses that if its own area is larger. Seen with 6.1.176 and 6.12.113; 7.2.7 asks the host for the
 * size (`host_fp_size` in `arch/x86/um/os-Linux/registers.c`). The answer is yes for a kernel of
 * unknown release, since the library does no harm.
 */
function needsXstate({ release }: UmlKernel): boolean {
  return release === undefined || isOlder(release, "7.2");
}

/**
 * Whether a kernel can catch the system calls of its processes with seccomp(2) in place of
 * ptrace(2): its option `seccomp=`, since 6.16 (`arch/um/os-Linux/start_up.c`).
 */
export function hasSeccomp({ release }: Pick<UmlKernel, "release">): boolean {
  return release !== undefined && !isOlder(release, "6.16");
}

/** Whether a version (`6.1.176`) is older than another (`6.13`). Compares the parts of the second. */
export function isOlder(version: string, than: string): boolean {
  const numbers = (text: string) => (text.match(/\d+/g) ?? []).map(Number);
  const left = numbers(version);
  for (const [index, right] of numbers(than).entries()) {
    if (left[index] !== right) return (left[index] ?? 0) < right;
  }
  return false;
}

/** Describes a candidate in a message: `Linux 6.1.176, User-Mode Linux`. */
export function describe({ kernel, xstate, libc }: Candidate): string {
  const { origin, release, file } = kernel;
  const linux = release === undefined ? "" : `Linux ${release}, `;
  const from = file
    ? ` in ${file.path}`
    : origin === "installed" || origin === "own"
    ? release === undefined ? " of this machine's release" : ""
    : ` of Debian ${origin}`;
  return [
    `${linux}User-Mode Linux${from}`,
    ...(xstate ? ["ptrace adapted to AMX"] : []),
    ...(libc ? ["its own C library"] : []),
  ].join(", ");
}
