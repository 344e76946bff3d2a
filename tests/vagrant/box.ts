import { fileURLToPath } from "node:url";
import { LabError } from "../../lab/errors.ts";
import { cacheFolder } from "../../lab/fetch/cache.ts";
import { exists } from "../../lab/machine.ts";
import { run, sh } from "./checks.ts";
import { apt } from "./packages.ts";

const RECIPE = fileURLToPath(new URL("box.sh", import.meta.url));

/**
 * Returns the file of the box. Builds the box unless the lab's cache has one of the same recipe.
 */
export async function findOrBuildBox(say: (line: string) => void): Promise<string> {
  const recipe = await Deno.readFile(RECIPE);
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", recipe)).toHex().slice(0, 16);
  const folder = `${cacheFolder(Deno.env.toObject())}/vagrant-box`;
  const file = `${folder}/${hash}.box`;
  if (exists(file)) {
    say(`the box is in the cache: ${file}`);
    return file;
  }
  await apt(["update"]);
  const [key] = (await sh("dpkg -L vagrant | grep /keys/vagrant.pub$")).split("\n");
  // Take the machine's own sources, so that we need not name a mirror.
  const format = "deb $(REPO_URI) $(RELEASE) $(COMPONENT)|$(ORIGIN)";
  const { stdout } = await run("apt-get", [
    ...["indextargets", "--format", format, "Created-By: Packages"],
  ]);
  const sources = stdout.split("\n").filter((line) => line.endsWith("|Debian"))
    .map((line) => line.split("|")[0]);
  if (!key || sources.length === 0) {
    throw new LabError("Cannot build a box: this machine's apt has no lists of Debian's packages");
  }

  // Remove boxes of other recipes, and files of a build that was killed.
  if (exists(folder)) await Deno.remove(folder, { recursive: true });
  await Deno.mkdir(folder, { recursive: true });
  const build = await Deno.makeTempDir({ dir: folder, prefix: "build-" });
  try {
    say("building a box, which takes a minute or two");
    await Deno.writeTextFile(`${build}/sources`, `${sources.join("\n")}\n`);
    await Deno.mkdir(`${build}/tree`);
    const { code, stdout, stderr } = await run("setpriv", [
      // Its mounts end with its namespace, and its processes die with us.
      ...["--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child"],
      ...["--mount-proc", "sh", "-c"],
      'cd "$1/tree" && exec sh "$2" "$3" "$1/lab.box" < "$1/sources"',
      ...["sh", build, RECIPE, key],
    ]);
    if (code !== 0) throw new LabError(`Cannot build the box:\n${stdout}${stderr}`);
    await Deno.rename(`${build}/lab.box`, file);
    say(`the box has ${Math.round((await Deno.stat(file)).size / 1e6)} MB: ${file}`);
    return file;
  } finally {
    await Deno.remove(build, { recursive: true });
  }
}
