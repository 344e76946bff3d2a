/**
 * `deno task test:std FOLDER`: whether all is the same with the real `@std` packages as with the
 * stand-ins in `offline/`. FOLDER is a checkout of https://github.com/denoland/std. The tests run in
 * a copy of this checkout whose `offline/` holds the real packages. The last line counts them:
 * `N passed, N failed`.
 *
 * @module
 */
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { withRunFolder } from "../../lab/run_folder.ts";
import { copyCheckout } from "../stages.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** The packages that there is a stand-in for, and `internal`, which the real ones need. */
const PACKAGES = ["assert", "cli", "internal", "yaml"];

/** Why the words do not name a checkout of denoland/std; `undefined` where they do. */
function problemWith(words: readonly string[]): string | undefined {
  const [folder] = words;
  if (folder === undefined || words.length > 1) {
    return "Name one folder, with a checkout of https://github.com/denoland/std";
  }
  const missing = PACKAGES.find((name) => nameOf(`${folder}/${name}`) !== `@std/${name}`);
  return missing &&
    `${JSON.stringify(folder)} is no checkout of denoland/std: it has no package "${missing}"`;
}

/** The name of the package in a folder; `undefined` if there is none. */
function nameOf(folder: string): unknown {
  try {
    return JSON.parse(Deno.readTextFileSync(`${folder}/deno.json`)).name;
  } catch {
    return undefined;
  }
}

/** Runs a program in a folder to its end. Resolves to its exit status. */
async function run(cwd: string, program: string, ...args: string[]): Promise<number> {
  const { code } = await new Deno.Command(program, { args, cwd, stdin: "null" }).spawn().status;
  return code;
}

/** Puts the real packages where the copy has the stand-ins. */
async function useReal(copy: string, folder: string): Promise<void> {
  await Deno.remove(`${copy}/offline`, { recursive: true });
  await Deno.mkdir(`${copy}/offline`);
  for (const name of PACKAGES) await run(copy, "cp", "-r", `${folder}/${name}`, `offline/${name}`);
  const config = JSON.parse(await Deno.readTextFile(`${copy}/deno.json`));
  const links = PACKAGES.map((name) => `./offline/${name}`);
  await Deno.writeTextFile(`${copy}/deno.json`, JSON.stringify({ ...config, links }));
}

const problem = problemWith(Deno.args);
if (problem !== undefined) {
  console.error(`test:std: ${problem}`);
  Deno.exit(2);
}
const status = await withRunFolder(async (copy) => {
  const outcomes = `${copy}/outcomes.tmp`;
  const deno = Deno.execPath();
  const ours = await run(ROOT, deno, "run", "-A", "tests/std/outcomes.ts", outcomes);
  if (ours !== 0) return ours;
  await copyCheckout(copy);
  await useReal(copy, resolve(Deno.args[0]!));
  // Files are found by git there too.
  await run(copy, "git", "init", "--quiet");
  return await run(copy, deno, "run", "-A", "tests/std/inside.ts", outcomes);
});
Deno.exit(status);
