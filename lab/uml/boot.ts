/**
 * Decisions before User-Mode Linux boots: pure functions on values.
 *
 * @module
 */
import { MissingError } from "../errors.ts";
import type { Devices } from "../guest/boot.ts";
import type { WireEnd } from "../guest/wire.ts";

/** The devices of the streams in User-Mode Linux: its consoles, which pass every byte on. */
export const UML_DEVICES: Devices = {
  share: "hostfs",
  outTty: "/dev/tty0",
  errTty: "/dev/tty1",
  outPipe: "/dev/tty0",
  errPipe: "/dev/tty1",
  size: "/dev/tty1",
};

/** The options of the kernel's command line. */
export interface KernelOptions {
  /** Size of the guest's memory, in MiB. */
  memory: number;
  /** The folder of this run. */
  run: string;
  /** The path of busybox. */
  busybox: string;
  /** The wires, each as a link. */
  wires: readonly WireEnd[];
  /** Whether the command has the first console with its keyboard, as a shell does. */
  shell: boolean;
  /** Whether the kernel has the option `seccomp=`. Others would pass it on to their first process. */
  seccomp: boolean;
}

/**
 * The arguments of `linux.uml` (linux.uml(1), and `linux.uml --help`). File descriptor 3 is
 * standard output, 4 standard error, 1 the kernel's log. For a shell, 0 is the keyboard, and 5 sends
 * the size of the terminal.
 *
 * @throws {MissingError} if a path has a space, which ends a word on the kernel's command line.
 */
export function kernelCommandLine(
  { memory, run, busybox, wires, shell, seccomp }: KernelOptions,
): string[] {
  for (const path of [run, busybox]) {
    if (/\s/.test(path)) {
      throw new MissingError(
        `The kernel's command line cannot have "${path}", because it has a space`,
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
    // Where the machine forbids seccomp(2), the kernel falls back to ptrace(2) by itself.
    ...seccomp ? ["seccomp=auto"] : [],
    // These take most of a second to find the fastest RAID 6 algorithm, which only btrfs uses (7.2, 6.1).
    "initcall_blacklist=raid6_init,raid6_select_algo",
    // The kernel's control socket would be under ~/.uml.
    `uml_dir=${run}/`,
    "umid=uml",
    "con=null",
    "ssl=null",
    shell ? "con0=fd:0,fd:3" : "con0=null,fd:3",
    shell ? "con1=fd:5,null" : "con1=null,fd:4",
    "con2=null,fd:1",
    "console=tty2",
    ...wires.map(({ fd, mac }, index) =>
      // Without an MTU, it would be 65535.
      `vec${index}:transport=fd,fd=${fd},mac=${mac},mtu=1500`
    ),
    `init=${busybox}`,
    "--",
    "sh",
    `${run}/init.sh`,
    run,
  ];
}
