import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { LabError } from "../../lab/errors.ts";
import { fetchPackages } from "../../lab/fetch/fetch.ts";
import { assertPrograms } from "../../lab/machine.ts";
import { PARTS } from "./args.ts";
import type { Figure } from "./figures.ts";
import type { Job } from "./inside.ts";
import { say } from "./turns.ts";

/** What a part measured in the lab. */
export interface Measured {
  /** The lab's engine with its kernel. */
  kernel?: string;
  /** The figures, up to the failure if it failed. */
  figures: Figure[];
  /** Why it failed. */
  problem?: string;
}

/** Runs a part of the bench in the lab. @throws {LabError} It cannot be started. */
export async function measureInLab(name: string, job: Job, engine?: string): Promise<Measured> {
  const path = (url: string) => fileURLToPath(new URL(url, import.meta.url));
  const { bundle, program } = PARTS[name]!;
  const hasOwn = engine === "native" && program !== undefined;
  if (hasOwn) assertPrograms([program], "install it, or use another --engine");
  const plugins = name === "cni" ? await fetchPlugins() : undefined;
  // The lab has no network, so cache the imports first.
  const inside = path("inside.ts");
  const cached = new Deno.Command(Deno.execPath(), {
    args: ["cache", "--quiet", inside, path("../../cli.ts")],
  });
  if (!(await cached.spawn().status).success) {
    throw new LabError("Cannot load the bench; see above");
  }
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-A", path("../../lab/main.ts")],
      ...(engine === undefined ? [] : ["--engine", engine]),
      ...(bundle === undefined || hasOwn ? [] : ["--with", bundle]),
      ...["--", "deno", "run", "-A", "--no-check", "--cached-only", inside],
      ...[name, JSON.stringify({ ...job, plugins })],
    ],
    // The lab shows its working folder inside, and always this project.
    cwd: plugins ?? path("../../"),
    stderr: "inherit",
  }).output();
  // A line without its end is of a guest that died.
  const lines = new TextDecoder().decode(stdout).split("\n").slice(0, -1);
  const [kernel, ...figures] = lines.map((line) => JSON.parse(line));
  return {
    kernel,
    figures,
    ...code !== 0 && { problem: `The part ${name} failed with exit status ${code}; see above` },
  };
}

/** Fetches CNI's own plugins into the lab's cache. Resolves to their folder. */
async function fetchPlugins(): Promise<string> {
  const names = ["containernetworking-plugins"] as const;
  return dirname((await fetchPackages(names, { say }))["containernetworking-plugins"]);
}
