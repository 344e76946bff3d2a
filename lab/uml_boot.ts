/**
 * What is decided before User-Mode Linux boots: pure functions on values.
 *
 * @module
 */
import { MissingError } from "./errors.ts";

/**
 * The files of a kernel module and of all it needs, in the order in which `insmod` takes them.
 *
 * @param dep The text of `modules.dep` (modules.dep(5)): `path: needed needed…`, what is needed first last.
 * @param name The module's name.
 * @throws {MissingError} if the kernel has no such module.
 */
export function moduleFiles(dep: string, name: string): string[] {
  for (const line of dep.split("\n")) {
    const [path, needed = ""] = line.split(":");
    if (!path?.endsWith(`/${name}.ko`)) continue;
    return [...needed.split(" ").filter((word) => word !== "").reverse(), path];
  }
  throw new MissingError(`The kernel has no module ${name}`, "update the package user-mode-linux");
}

/**
 * The modules of some that a kernel does not have.
 *
 * @param list The texts of `modules.dep` and `modules.builtin`, one after the other.
 * @param modules Names with `_` where a file may have `-`.
 */
export function missingModules(list: string, modules: readonly string[]): string[] {
  const known = new Set(
    [...list.matchAll(/([^/\n]+)\.ko(?:\.\w+)?(?::|$)/gm)].map(([, name = ""]) =>
      name.replaceAll("-", "_")
    ),
  );
  return modules.filter((module) => !known.has(module));
}

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

/**
 * Runs the kernel, `$2…`, and sees to it that nothing of it is left: the kernel starts processes
 * of its own, which survive it when it is killed. `$1` is the folder of this run. On SIGTERM, which
 * it also gets when the lab dies, the kernel is killed; then the folder goes too, as nobody else
 * may be left to remove it.
 *
 * The standard input goes the long way round since a shell gives its background jobs /dev/null.
 */
export const SUPERVISOR = `
run=$1
shift
exec 3>&1 4>&2 6<&0 > "$run/log" 2>&1
trap 'ended=1' TERM
if [ -p "$run/size" ]; then
  setsid "$@" <&6 5< "$run/size" &
else
  setsid "$@" <&6 &
fi
kernel=$!
wait $kernel
kill -KILL $kernel -$kernel 2> /dev/null
[ -z "$ended" ] || rm -rf "$run"
`;
