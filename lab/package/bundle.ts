/**
 * Bundles this program for a package. The result is only JavaScript, and fetches nothing.
 *
 * @module
 */
import { cp } from "node:fs/promises";
import { LabError } from "../errors.ts";
import { projectFile } from "../job.ts";
import { runProgram } from "../program.ts";

/** What the bundle is made of, in the checkout. */
const SOURCES = ["deno.json", "deno.lock", "lib", "offline", "lab/package"];

/** A package of npm whose code is in the bundle. */
export interface Dependency {
  name: string;
  version: string;
  /** The text of its licence. */
  licence: string;
}

/**
 * Bundles the program into a folder, one file for each part that commands share, and names the
 * packages that are inside.
 *
 * @param deno The Deno that does it.
 * @param stage An empty folder: the paths in the bundle must not depend on where the checkout is.
 * @param into The folder of the bundle. It begins with `cli.js`.
 */
export async function bundleProgram(
  deno: string,
  stage: string,
  into: string,
  signal: AbortSignal,
): Promise<Dependency[]> {
  for (const path of SOURCES) {
    await cp(projectFile(path), `${stage}/${path}`, { recursive: true });
  }
  await Deno.rename(`${stage}/lab/package/no_lab.ts`, `${stage}/lab/main.ts`);
  const config = JSON.parse(await Deno.readTextFile(`${stage}/deno.json`));
  // Packages are in a folder beside the code then, and not in the cache of the user who builds.
  const staged = { ...config, nodeModulesDir: "auto" };
  await Deno.writeTextFile(`${stage}/deno.json`, JSON.stringify(staged));
  const words = ["bundle", "--quiet", "--code-splitting", "--outdir", into, "lab/package/cli.ts"];
  const { ok, text } = await runProgram(deno, words, { signal, cwd: stage });
  if (!ok) throw new LabError(`Cannot bundle the program: ${text}`);
  const code = [...Deno.readDirSync(into)]
    .map(({ name }) => Deno.readTextFileSync(`${into}/${name}`)).join("\n");
  return await Promise.all(
    bundledPackages(code).map(async ({ folder, ...each }) => ({
      ...each,
      licence: await licenceOf(`${stage}/${folder}`),
    })),
  );
}

/** Names the packages in a bundle by the comments before each module, with their folders. */
export function bundledPackages(
  code: string,
): { name: string; version: string; folder: string }[] {
  const comment =
    /^\/\/ (node_modules\/\.deno\/[^/\n]+@([^/@\n]+)\/node_modules\/((?:@[^/\n]+\/)?[^/\n]+))\//gm;
  const found = new Map(
    [...code.matchAll(comment)].map(([, folder = "", version = "", name = ""]) => [
      folder,
      { name, version: version.replace(/_.*/, ""), folder },
    ]),
  );
  return [...found.values()].sort((a, b) => a.name < b.name ? -1 : 1);
}

async function licenceOf(folder: string): Promise<string> {
  const file = [...Deno.readDirSync(folder)].find(({ name }) => /^licen[cs]e/i.test(name));
  if (!file) throw new LabError(`The package ${folder} has no licence`);
  return (await Deno.readTextFile(`${folder}/${file.name}`)).trimEnd();
}
