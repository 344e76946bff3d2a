/**
 * What a command sees when it runs in the lab, whatever the engine: its environment, its folders
 * and the script that starts it.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import type { Job } from "./engine.ts";
import { quote, quoteAll } from "./shell.ts";

/** Variables that are passed on; those with the prefix below are too. */
// deno-fmt-ignore
const PASSED = new Set([
  "TERM", "COLORTERM", "NO_COLOR", "FORCE_COLOR", "CI", "GITHUB_ACTIONS",
  "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "TZ", "HOME", "USER", "LOGNAME",
  "XDG_CACHE_HOME", "IPVLAN_LAB_CACHE",
]);
const PASSED_PREFIX = /^DENO_/;

const STANDARD_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * The environment of the command.
 *
 * @param outer The environment of the lab itself.
 * @param engine The engine's name, which becomes `IPVLAN_LAB`.
 * @param run The folder of the run, as seen from inside: its `bin` is the first on PATH, its
 * `tools` the last.
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

/** The script, for `/bin/sh`, that becomes the command. */
export function jobScript(job: Job, env: Record<string, string>, shell: string): string {
  const variables = Object.entries(env)
    .filter(([name]) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
    .map(([name, value]) => `export ${name}=${quote(value)}\n`);
  const command = job.command.length > 0 ? job.command : [shell, "-i"];
  return `${variables.join("")}cd ${quote(job.cwd)} || exit 126\nexec ${quoteAll(command)}\n`;
}

/**
 * The folders that must stay visible in the lab, although they lie under one of those that the lab
 * replaces with an empty one: without doubles, outer ones first.
 *
 * @param needed Absolute paths without symbolic links.
 * @param hidden The folders that the lab replaces.
 */
export function keptFolders(needed: readonly string[], hidden: readonly string[]): string[] {
  const within = (path: string, folder: string) => path === folder || path.startsWith(`${folder}/`);
  const kept: string[] = [];
  for (const path of [...needed].sort()) {
    if (!hidden.some((folder) => within(path, folder))) continue;
    if (!kept.some((folder) => within(path, folder))) kept.push(path);
  }
  return kept;
}

/** The folders that any command needs: where it runs, this project, Deno and its cache. */
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
