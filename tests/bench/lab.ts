import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { LabError } from "../../lab/errors.ts";
import { fetchPackages } from "../../lab/fetch/fetch.ts";
import type { Measured, Report } from "./results.ts";

/** A program of a bench that runs in the lab, and prints {@linkcode Measured} as JSON. */
export interface LabRun {
  /** The program. */
  inside: URL;
  /** Its arguments. */
  args: readonly (string | number)[];
  /** A folder that it sees. @default {undefined} This project, which it always sees. */
  folder?: string;
  /** Programs to bring along: `docker26`. */
  bundle?: string;
  /** The lab's engine. */
  engine?: string;
}

/** Fetches CNI's own plugins into the lab's cache. Resolves to their folder. */
export async function fetchPlugins(): Promise<string> {
  const names = ["containernetworking-plugins"] as const;
  const say = (line: string) => console.error(`bench: ${line}`);
  return dirname((await fetchPackages(names, { say }))["containernetworking-plugins"]);
}

/** Runs a bench in the lab. @throws {LabError} It has failed. */
export async function measureInLab(
  { inside, args, folder, bundle, engine }: LabRun,
): Promise<Report> {
  const path = (url: URL) => fileURLToPath(url);
  const command = new URL("../../cli.ts", import.meta.url);
  // The lab has no network, so cache the imports first.
  const cached = new Deno.Command(Deno.execPath(), {
    args: ["cache", "--quiet", path(inside), path(command)],
  });
  if (!(await cached.spawn().status).success) {
    throw new LabError("Cannot load the bench; see above");
  }
  const before = Deno.loadavg()[0]!;
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-A", path(new URL("../../lab/main.ts", import.meta.url))],
      ...(engine === undefined ? [] : ["--engine", engine]),
      ...(bundle === undefined ? [] : ["--with", bundle]),
      ...["--", "deno", "run", "-A", "--no-check", "--cached-only", path(inside)],
      ...args.map(String),
    ],
    // The lab shows its working folder inside.
    cwd: folder ?? path(new URL("../../", import.meta.url)),
    stderr: "inherit",
  }).output();
  if (code !== 0) throw new LabError(`The bench failed with exit status ${code}; see above`);
  const measured: Measured = JSON.parse(new TextDecoder().decode(stdout));
  // Read the machine's load average here: inside, the lab shows only its own.
  return { ...measured, load: [before, Deno.loadavg()[0]!] };
}
