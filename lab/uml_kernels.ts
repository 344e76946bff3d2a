/**
 * Which User-Mode Linux kernels are tried on a machine, in which order, and what each takes to
 * start there: pure functions on values.
 *
 * @module
 */
import type { Release } from "./apt.ts";
import type { DebianKernel } from "./kernels.ts";

/** The facts of a machine that the choice of a kernel depends on. */
export interface Machine {
  /** The processor's flags: `flags` of `/proc/cpuinfo`. */
  flags: ReadonlySet<string>;
  /** The version of the machine's GNU C library (`2.36`); `undefined` if it has another library. */
  libc?: string;
}

/**
 * Where a kernel comes from: the package `user-mode-linux` that is installed, the one of the
 * machine's own release, or of a release of Debian; or a file of the user's.
 */
export type KernelOrigin = "installed" | Release | "file";

/** A kernel that this machine has, or may be able to fetch. */
export interface UmlKernel {
  /** Where it comes from. */
  origin: KernelOrigin;
  /** The file, and the folder of its modules if it has any, where it is the user's. */
  file?: { path: string; modules?: string };
  /** Its release (`6.1.176`), where that is known before it is fetched. */
  release?: string;
  /** The version of the C library that its release has; `undefined`: the machine's own. */
  libc?: string;
  /** Whether it is here. */
  fetched?: boolean;
  /** Whether it is not here, and could not be fetched a short time ago. */
  unreachable?: boolean;
  /** The kernel modules that a job may want and that it does not have. */
  lacks?: readonly string[];
}

/** A kernel to try, with what it takes to start. */
export interface Candidate {
  /** The kernel. */
  kernel: UmlKernel;
  /** Whether `uml_xstate.c` has to be preloaded: see {@linkcode needsXstate}. */
  xstate: boolean;
  /** Whether it has to run with the C library of its own release. */
  libc: boolean;
  /** The kernel modules that the job wants and that it is known not to have. */
  missing: string[];
}

/**
 * The modules of netfilter's older interface, which Debian's kernels lack since 7.2:
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
 * The kernel of a release of Debian. What it needs of a C library is older than the release's own,
 * which is what counts here, so that it also holds for the release's next kernel.
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
 * The kernels to try, the first choice first: those that run without ptrace(2), which takes them
 * half of the time, before the others; last what could not be fetched; and else in the order given.
 *
 * @param kernels The kernels that this machine has or may fetch.
 * @param modules The kernel modules that the job wants.
 */
export function candidates(
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
 * Whether a kernel hands a fixed number of bytes of extended processor state to ptrace(2), which
 * the host refuses where its own area is larger. Seen with 6.1.176 and 6.12.113; 7.2.7 asks the
 * host for the size (`host_fp_size` in `arch/x86/um/os-Linux/registers.c`). A kernel of unknown
 * release counts as one that does: the remedy does nothing where it is not needed.
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

/** Whether a version (`6.1.176`) is older than another, as far as the other one is given (`6.13`). */
export function isOlder(version: string, than: string): boolean {
  const numbers = (text: string) => (text.match(/\d+/g) ?? []).map(Number);
  const left = numbers(version);
  for (const [index, right] of numbers(than).entries()) {
    if (left[index] !== right) return (left[index] ?? 0) < right;
  }
  return false;
}

/** A candidate in words, for messages: `Linux 6.1.176, User-Mode Linux`. */
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
