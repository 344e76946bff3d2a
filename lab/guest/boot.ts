/**
 * Decisions before a guest of any kind boots: pure functions on values.
 *
 * @module
 */
import { MissingError } from "../errors.ts";

/** The devices of a guest that are connected to the streams of the lab. */
export interface Devices {
  /** The type of file system that mounts a folder of the machine: `hostfs`, `9p`. */
  share: string;
  /** The terminal of standard output. For a shell, it is also the keyboard. */
  outTty: string;
  /** The terminal of standard error. */
  errTty: string;
  /** The device that passes standard output on, byte for byte. */
  outPipe: string;
  /** The device that passes standard error on, byte for byte. */
  errPipe: string;
  /** The device that sends a line `ROWS COLUMNS` whenever the terminal's size changes. */
  size: string;
}

/** Matches the file of a module, which may be compressed. */
const MODULE_FILE = /([^/]+)\.ko(?:\.\w+)?$/;

/**
 * The files of a kernel module and of the modules that it needs, in the order for `insmod`.
 *
 * @param dep The text of `modules.dep` (modules.dep(5)): `path: needed needed…`. The last of the
 * needed modules has to be loaded first.
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
 * The modules that a kernel lacks.
 *
 * @param list The texts of `modules.dep` and `modules.builtin`, one after the other.
 * @param modules The names of modules, with `_` instead of `-`.
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
 * Describes a kernel panic in a line: the oops and its place, if known, and the panic.
 *
 * @param log The lines of its console.
 */
export function describePanic(log: readonly string[]): string | undefined {
  const find = (pattern: RegExp) =>
    log.map((line) => pattern.exec(line)?.[0]).find((found) => found !== undefined);
  const panic = find(/Kernel panic.*/);
  if (panic === undefined) return undefined;
  // The lines of an oops (Documentation/admin-guide/bug-hunting.rst).
  return [find(/(BUG|Oops|general protection fault)\b.*/), find(/RIP: .*/), panic]
    .filter((line) => line !== undefined).join("; ");
}

/**
 * A shell script that runs the kernel, `$2…`, and then kills its processes, which survive a killed
 * kernel. `$1` is the folder of this run. On SIGTERM the script kills the kernel and removes the folder.
 * It also gets SIGTERM when the lab dies, which then cannot remove the folder itself.
 *
 * A shell gives its background jobs /dev/null as standard input, so the script passes its own on as
 * file descriptor 6.
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
