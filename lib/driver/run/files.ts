// Finds files with `stat`, or without it where Deno may read them: `/proc` needs every permission.
import type { RunProgram } from "../../iproute2/shell.ts";
import { statOf } from "../../base/files.ts";
import { IpvlanError } from "../../base/errors.ts";
import { ipCommandError } from "../../iproute2/errors.ts";

export interface FoundFile {
  path: string;
  dev: number;
  ino: number;
}

const STAT = "stat -L -c '%n %d %i'";

/** A file that is always there: the last one that `stat` is asked for. */
const LAST = "/";

/** Finds the files that paths or a shell's patterns lead to, unless they are gone or hidden. */
export async function findFiles(run: RunProgram, ...paths: string[]): Promise<FoundFile[]> {
  // `stat` also exits with 1 if it left out a file. So only the line of the last file shows that it
  // finished.
  const { code, out, err } = await run([STAT, ...paths, LAST].join(" "), []);
  if (code === 127) throw new IpvlanError("program-not-found", { program: "stat" });
  if (!out.at(-1)?.startsWith(`${LAST} `)) throw ipCommandError("stat", err.at(-1) ?? "");
  return out.slice(0, -1).flatMap(parseFile);
}

/** The same by paths, not patterns. It starts no process if this one may read the files. */
export async function findKnownFiles(run: RunProgram, ...paths: string[]): Promise<FoundFile[]> {
  try {
    return paths.flatMap((path) => {
      const file = statOf(path);
      return file ? { path, dev: file.dev, ino: file.ino! } : [];
    });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotCapable)) throw error;
    return await findFiles(run, ...paths);
  }
}

/** Reads a file of `/proc`. It starts no process if this one may read it. */
export async function readKnown(run: RunProgram, path: string): Promise<string> {
  try {
    return Deno.readTextFileSync(path).trimEnd();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotCapable)) throw error;
    return (await run(`cat ${path}`, [])).out.join("\n");
  }
}

/**
 * Prints the files that processes have open. `printf` is part of the shell, so the list may be longer
 * than a command line. The braces keep `xargs` from reading the script's standard input.
 */
const OPEN_FILES = `{ printf '%s\\0' /proc/[0-9]*/fd/* | timeout 5 xargs -0 ${STAT}; }`;

/** Finds the files that processes have open. A server that does not answer costs 5 seconds. */
export async function findOpenFiles(run: RunProgram): Promise<FoundFile[]> {
  return (await run(OPEN_FILES, [])).out.flatMap(parseFile);
}

function parseFile(line: string): FoundFile[] {
  const [, path, dev, ino] = /^(\/.*) (\d+) (\d+)$/.exec(line) ?? [];
  return path === undefined ? [] : [{ path, dev: Number(dev), ino: Number(ino) }];
}
