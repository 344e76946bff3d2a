import { InvalidOptionError } from "../driver/errors.ts";

/**
 * A process in the network namespace that a file stands for, such as `/proc/PID/ns/net` or what a
 * container engine has mounted. It is by a process that `ip netns attach` gives a namespace a name.
 *
 * @throws {InvalidOptionError} There is no such file, it is something else, or no process is there.
 */
export function processAt(path: string): number {
  const [, pid] = /^\/proc\/([1-9]\d*)\/ns\/net$/.exec(path) ?? [];
  if (pid !== undefined) return Number(pid);
  const refused = (rule: string) => new InvalidOptionError("namespace", path, rule);
  const file = statOf(path);
  if (!file) throw refused("there is no such file, or it cannot be looked at");
  // All namespaces are files of one file system (nsfs), and no others are.
  if (file.dev !== statOf("/proc/self/ns/net")?.dev) throw refused("it is no namespace");
  for (const { name } of Deno.readDirSync("/proc")) {
    if (/^\d+$/.test(name) && statOf(`/proc/${name}/ns/net`)?.ino === file.ino) return Number(name);
  }
  throw refused("no process is in it as a network namespace: give it a name in /run/netns");
}

/** What a file is; nothing where it is gone, as a process may be, or not for the caller to see. */
function statOf(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.statSync(path);
  } catch {
    return undefined;
  }
}
