/**
 * What is decided before User-Mode Linux boots: pure functions on values.
 *
 * @module
 */
import { MissingError } from "./errors.ts";
import type { Devices } from "./guest_boot.ts";

/** The devices of the streams in User-Mode Linux: its consoles, which take every byte. */
export const UML_DEVICES: Devices = {
  share: "hostfs",
  outTty: "/dev/tty0",
  errTty: "/dev/tty1",
  outPipe: "/dev/tty0",
  errPipe: "/dev/tty1",
  size: "/dev/tty1",
};

/** What the kernel's command line depends on. */
export interface KernelOptions {
  /** Size of the guest's memory, in MiB. */
  memory: number;
  /** The folder of this run. */
  run: string;
  /** The path of busybox. */
  busybox: string;
  /** Whether the first console is a terminal that a person types on. */
  shell: boolean;
  /** Whether the kernel has the option `seccomp=`; another one would pass it on to its first process. */
  seccomp: boolean;
}

/**
 * The arguments of `linux.uml` (linux.uml(1), and `linux.uml --help`). File descriptor 3 is
 * standard output, 4 standard error, 1 the kernel's log; in a shell, 0 is the keyboard and 5 tells
 * the size of the terminal.
 *
 * @throws {MissingError} if a path has a space: the kernel takes it for the end of a word.
 */
export function kernelCommandLine(
  { memory, run, busybox, shell, seccomp }: KernelOptions,
): string[] {
  for (const path of [run, busybox]) {
    if (/\s/.test(path)) {
      throw new MissingError(
        `The kernel cannot be told of "${path}", which has a space`,
        "set TMPDIR or IPVLAN_LAB_CACHE to a folder without one",
      );
    }
  }
  return [
    `mem=${memory}M`,
    "root=/dev/root",
    "rootfstype=hostfs",
    "rootflags=/",
    "ro",
    "quiet",
    // Where the machine forbids it, the kernel goes back to ptrace(2) by itself.
    ...seccomp ? ["seccomp=auto"] : [],
    // They measure for most of a second how to compute RAID 6, which btrfs alone wants (7.2, 6.1).
    "initcall_blacklist=raid6_init,raid6_select_algo",
    // Its control socket would be under ~/.uml.
    `uml_dir=${run}/`,
    "umid=uml",
    "con=null",
    "ssl=null",
    shell ? "con0=fd:0,fd:3" : "con0=null,fd:3",
    shell ? "con1=fd:5,null" : "con1=null,fd:4",
    "con2=null,fd:1",
    "console=tty2",
    `init=${busybox}`,
    "--",
    "sh",
    `${run}/init.sh`,
    run,
  ];
}
