// The program as a package has it; `deno task test:package` makes and installs whole packages.
import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import metadata from "../../deno.json" with { type: "json" };
import { bundleProgram, type Dependency } from "../../lab/package/bundle.ts";
import { run } from "../kit/processes.ts";
import { temporaryFolder } from "../kit/worlds.ts";

/** Bundles the program below a folder. */
async function bundle(folder: string): Promise<Dependency[]> {
  await Deno.mkdir(`${folder}/stage`, { recursive: true });
  const { signal } = new AbortController();
  return await bundleProgram(Deno.execPath(), `${folder}/stage`, `${folder}/code`, signal);
}

/** The files of a folder with their content. */
function contents(folder: string): [name: string, text: string][] {
  return [...Deno.readDirSync(folder)].map(({ name }): [string, string] => [
    name,
    Deno.readTextFileSync(`${folder}/${name}`),
  ]).sort();
}

Deno.test("the bundled program is the same from each folder, starts alone, and has all licences", async () => {
  await using folder = await temporaryFolder();
  const [one, other] = await Promise.all([
    bundle(`${folder.path}/one`),
    bundle(`${folder.path}/other/below`),
  ]);
  const names = one.map(({ name }) => name);
  assertEquals(names, ["ip-address", "js-yaml", "sorted-btree", "yaml"]);
  for (const { name, licence } of one) assertMatch(licence, /copyright/i, name);
  assertEquals(one, other);
  const [first, second] = [
    contents(`${folder.path}/one/code`),
    contents(`${folder.path}/other/below/code`),
  ];
  assertEquals(first.map(([name]) => name), second.map(([name]) => name));
  for (const [index, [name, text]] of first.entries()) {
    assertEquals(text === second[index]![1], true, name);
  }

  // No other file of the checkout is needed, and no package.
  await Deno.remove(`${folder.path}/one/stage`, { recursive: true });
  const start = async (...words: string[]) => {
    const options = ["--no-config", "--no-lock", "--no-remote", "--no-npm", "--no-prompt"];
    const program = `${folder.path}/one/code/cli.js`;
    return await run(Deno.execPath(), "run", "-A", ...options, program, ...words);
  };
  const { code, stdout, stderr } = await start("--version");
  assertEquals([code, stdout, stderr], [0, `ipvlan ${metadata.version}\n`, ""]);
  assertMatch(
    (await start("network", "create", "--help")).stdout,
    /^Usage: ipvlan network create /,
  );
  const lab = await start("lab", "l2");
  assertMatch(lab.stderr, /^ipvlan: The package has no lab: .*\n$/);
  assertNotEquals(lab.code, 0);
});
