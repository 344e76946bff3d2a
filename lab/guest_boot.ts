/**
 * What is decided before a guest boots, whatever its kind: pure functions on values.
 *
 * @module
 */
import { MissingError } from "./errors.ts";

/** The devices in a guest that lead to the streams of the lab. */
export interface Devices {
  /** The type of file system that shows a folder of the machine: `hostfs`, `9p`. */
  share: string;
  /** The terminal of standard output, on which a person types in a shell. */
  outTty: string;
  /** The terminal of standard error. */
  errTty: string;
  /** What takes standard output byte for byte. */
  outPipe: string;
  /** What takes standard error byte for byte. */
  errPipe: string;
  /** Where a line `ROWS COLUMNS` comes from whenever the terminal's size has changed. */
  size: string;
}

/** The file of a module, which may be compressed. */
const MODULE_FILE = /([^/]+)\.ko(?:\.\w+)?$/;

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
    if (path === undefined || MODULE_FILE.exec(path)?.[1] !== name) continue;
    return [...needed.split(" ").filter((word) => word !== "").reverse(), path];
  }
  throw new MissingError(`The kernel has no module ${name}`, "choose another kernel");
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
