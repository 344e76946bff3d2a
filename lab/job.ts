/**
 * The environment of a command in the lab, its folders, and the script that starts it, for every
 * engine.
 *
 * @module
 */
import { normalize } from "node:path/posix";
import { fileURLToPath } from "node:url";
import type { Job } from "./engine.ts";
import { exists } from "./machine.ts";
import { quote, quoteAll } from "./shell.ts";

/** The variables that the lab passes on to the command. */
// deno-fmt-ignore
const PASSED = new Set([
  "TERM", "COLORTERM", "NO_COLOR", "FORCE_COLOR", "CI", "GITHUB_ACTIONS",
  "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "TZ", "HOME", "USER", "LOGNAME",
  "XDG_CACHE_HOME", "IPVLAN_LAB_CACHE", "IPVLAN_TRANSPORT",
]);
/** More variables that the lab passes on. */
const PASSED_PREFIX = /^DENO_/;

const STANDARD_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * The environment of the command.
 *
 * @param outer The environment of the lab itself.
 * @param engine The engine's name, the value of `IPVLAN_LAB`.
 * @param run The folder of the run, as a path inside. PATH begins with its `bin` and ends with its
 * `tools`.
 */
export function jobEnvironment(
  outer: Record<string, string>,
  engine: string,
  run: string,
): Record<string, string> {
  const passed = Object.entries(outer)
    .filter(([name]) => PASSED.has(name) || PASSED_PREFIX.test(name));
  const path = `${run}/bin:${outer.PATH ?? ""}:${STANDARD_PATH}:${run}/tools`.split(":");
  return {
    HOME: "/root",
    ...Object.fromEntries(passed),
    PATH: [...new Set(path)].filter((folder) => folder !== "").join(":"),
    IPVLAN_LAB: engine,
  };
}

/** The script for `/bin/sh` that sets the environment and then runs the command by `exec`. */
export function jobScript(job: Job, env: Record<string, string>, shell: string): string {
  const variables = Object.entries(env)
    .filter(([name]) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
    .map(([name, value]) => `export ${name}=${quote(value)}\n`);
  const command = job.command.length > 0 ? job.command : [shell, "-i"];
  return `${variables.join("")}cd ${quote(job.cwd)} || exit 126\nexec ${quoteAll(command)}\n`;
}

/**
 * The needed paths that the lab must mount again, because it hides a folder above them behind an empty
 * one. Outer folders come first; a path below another one is left out.
 *
 * @param needed Absolute paths without symbolic links.
 * @param hidden The folders that the lab replaces.
 */
export function keptPaths(needed: readonly string[], hidden: readonly string[]): string[] {
  const within = (path: string, folder: string) => path === folder || path.startsWith(`${folder}/`);
  const kept: string[] = [];
  for (const path of [...needed].sort()) {
    if (!hidden.some((folder) => within(path, folder))) continue;
    if (!kept.some((folder) => within(path, folder))) kept.push(path);
  }
  return kept;
}

/**
 * The files and folders directly in the machine's /tmp that a command needs: for each word that is
 * the path of something in /tmp, the first name below /tmp. A script may import its neighbours.
 */
export function namedInTmp({ command, share }: Pick<Job, "command" | "share">): string[] {
  const paths = command.flatMap((word) => /^\/tmp\/[^/]+/.exec(normalize(word))?.[0] ?? []);
  // The lab mounts the share anyway.
  return paths.filter((path) => path !== share && exists(path));
}

/**
 * Locates a file of this project: its path, or its URL if this module was loaded from the network.
 */
export function projectFile(name: string): string {
  const url = new URL(`../${name}`, import.meta.url);
  return url.protocol === "file:" ? fileURLToPath(url) : url.href;
}

/** The folders that every command needs: its working folder, this project, Deno and its cache. */
export function neededFolders(job: Job): string[] {
  const project = new URL("..", import.meta.url);
  const home = Deno.env.get("HOME");
  const folders = [
    job.cwd,
    project.protocol === "file:" ? fileURLToPath(project) : undefined,
    Deno.execPath().replace(/\/[^/]*$/, ""),
    Deno.env.get("DENO_DIR") ?? (home && `${home}/.cache/deno`),
    Deno.env.get("XDG_CACHE_HOME"),
    home,
  ];
  return folders.filter((path) => path !== undefined).flatMap((path) => {
    try {
      return [Deno.realPathSync(path)];
    } catch {
      return [];
    }
  });
}
