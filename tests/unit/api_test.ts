import { assert, assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import config from "../../deno.json" with { type: "json" };

/*
 * What the package exports is a promise to its users. api.txt lists it, so that a review sees every
 * change. UPDATE_GOLDEN=1 writes api.txt again.
 */
const LIST = new URL("api.txt", import.meta.url);
const ROOT = new URL("../../", import.meta.url);

/** An exported name, from what `deno doc --json` prints of it. */
interface Exported {
  /** The entry point that exports it: `@ipvlan/kit/check`. */
  entry: string;
  name: string;
  /** What it is in the source: `class`, `function`, `variable`, `interface` or `typeAlias`. */
  declaration: string;
  /** Whether a program can use it as a value, and not only as a type. */
  isValue: boolean;
  isError: boolean;
  /** Whether it has an example of its own, or is called in that of its module. */
  hasExample: boolean;
}

/** What `deno doc --json` prints of a module, as far as it is read here. */
interface PrintedModule {
  module_doc?: Doc;
  symbols: {
    name: string;
    declarations: { kind: string; jsDoc?: Doc; def?: { extends?: string } }[];
  }[];
}

interface Doc {
  tags?: { kind: string; doc?: string }[];
}

function examplesOf(doc: Doc | undefined): string[] {
  return doc?.tags?.flatMap(({ kind, doc }) => kind === "example" ? doc ?? "" : []) ?? [];
}

const exported: Exported[] = (await Promise.all(
  Object.entries(config.exports).map(([name, path]) =>
    readExports(config.name + name.slice(1), new URL(path, ROOT))
  ),
)).flat();

async function readExports(entry: string, file: URL): Promise<Exported[]> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["doc", "--json", fileURLToPath(file)],
  }).output();
  assert(success, new TextDecoder().decode(stderr));
  const { symbols, module_doc: about }: PrintedModule =
    JSON.parse(new TextDecoder().decode(stdout)).nodes[file.href];
  const examples = examplesOf(about).join("\n");
  const values = Object.keys(await import(file.href));
  return symbols.map(({ name, declarations }) => ({
    entry,
    name,
    declaration: declarations[0]!.kind,
    isValue: values.includes(name),
    isError: name.endsWith("Error") && declarations[0]!.def?.extends !== undefined,
    hasExample: declarations.some(({ jsDoc }) => examplesOf(jsDoc).length > 0) ||
      new RegExp(`\\b${name}\\(|\\b${name}\\.of\\(`).test(examples),
  }));
}

/** The lines of api.txt about one entry point: the values first, and then the types. */
function describe(entry: string, names: readonly Exported[]): string {
  const lines = names.map(({ name, declaration, isValue }) =>
    `  ${!isValue ? "type" : declaration === "variable" ? "const" : declaration} ${name}`
  );
  const count = names.filter(({ isValue }) => isValue).length;
  return [
    `${entry}: ${count} values, ${names.length - count} types`,
    ...lines.sort(),
  ].join("\n");
}

Deno.test("api.txt lists what each entry point exports", async () => {
  const parts = [...Map.groupBy(exported, ({ entry }) => entry)];
  const text = parts.map(([entry, names]) => `${describe(entry, names)}\n`).join("\n");
  if (Deno.env.get("UPDATE_GOLDEN")) await Deno.writeTextFile(LIST, text);
  const hint = "What the package exports has changed. If you want that, write the list again: " +
    "UPDATE_GOLDEN=1 deno test -A tests/unit/api_test.ts";
  assertEquals(text.split("\n"), (await Deno.readTextFile(LIST)).split("\n"), hint);
});

Deno.test("the main module exports all that its rooms do", async () => {
  const rooms = await Promise.all(
    ["driver"].map((room) => readExports(room, new URL(`lib/${room}/mod.ts`, ROOT))),
  );
  const names = [...rooms.flat().map(({ name }) => name), "Decision", "IpvlanError"];
  const main = exported.filter(({ entry }) => entry === config.name).map(({ name }) => name);
  // What other rooms take from the driver, and nobody else.
  const own = [
    "AddressPool",
    "AddressPoolDetails",
    "BorrowSpec",
    "Claim",
    "ClaimPlace",
    "ClaimRequest",
    "ClaimUser",
    "EngineDriver",
    "EngineNetworkSpec",
    "PoolRequest",
    "Settlement",
    "SubnetPoolRequest",
    "extrasOf",
    "possibleParents",
    "restoreSentences",
    "settle",
    "settleAll",
    "toSettled",
  ];
  assertEquals(names.filter((name) => !main.includes(name)).sort(), own);
});

Deno.test("every exported function and class has an example, except for errors", () => {
  const without = exported.filter(({ declaration, isError, hasExample }) =>
    ["function", "class"].includes(declaration) && !isError && !hasExample
  );
  assertEquals(without.map(({ entry, name }) => `${name} of ${entry}`), []);
});

Deno.test("a script elsewhere imports the modules by their paths, with no map of its own", async () => {
  const folder = await Deno.makeTempDir();
  try {
    // The command is a program.
    const paths = Object.entries(config.exports).filter(([name]) => name !== "./cli");
    const lines = paths.map(([, path]) => `import ${JSON.stringify(new URL(path, ROOT).href)};\n`);
    await Deno.writeTextFile(`${folder}/script.ts`, lines.join("") + 'console.log("loaded");\n');
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "script.ts"],
      cwd: folder,
    }).output();
    const decoder = new TextDecoder();
    assertEquals(decoder.decode(stdout), "loaded\n", decoder.decode(stderr));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
