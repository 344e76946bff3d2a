// What a package is made of; `deno task test:package` makes and installs it.
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { gunzipSync } from "node:zlib";
import { bundledPackages } from "../../../lab/package/bundle.ts";
import { changelogOf, controlOf, SCRIPTS } from "../../../lab/package/debian.ts";
import { compressed, copyrightOf, launcher, packagedUnits } from "../../../lab/package/files.ts";
import { commandPage, mainPage, roff } from "../../../lab/package/man.ts";
import { COMMANDS } from "../../../lib/cli/commands.ts";
import { run } from "../../kit/processes.ts";
import { temporaryFolder } from "../../kit/worlds.ts";

Deno.test("the packages in a bundle are named by its comments", () => {
  const code = [
    "// node_modules/.deno/yaml@2.9.1/node_modules/yaml/dist/index.js",
    "// node_modules/.deno/yaml@2.9.1/node_modules/yaml/dist/nodes/Node.js",
    "// node_modules/.deno/@std+x@1.0.0_yaml@2.9.1/node_modules/@std/x/mod.js",
    "// lib/cli/main.ts",
    'const text = "// node_modules/.deno/no@1.0.0/node_modules/no/index.js";',
  ].join("\n");
  assertEquals(bundledPackages(code).map(({ name, folder }) => [name, folder]), [
    ["@std/x", "node_modules/.deno/@std+x@1.0.0_yaml@2.9.1/node_modules/@std/x"],
    ["yaml", "node_modules/.deno/yaml@2.9.1/node_modules/yaml"],
  ]);
});

Deno.test("text in a manual page is no request of roff", () => {
  assertEquals(roff(".so /etc/passwd\n'x \\f --opt"), "\\&.so /etc/passwd\n\\&'x \\ef \\-\\-opt");
});

Deno.test("every command has a manual page with its options and its example", async () => {
  for (const [name, { summary, load }] of Object.entries(COMMANDS)) {
    const page = commandPage({ name, summary, command: await load() }, "1.2.3");
    assertMatch(page, /^\.TH IPVLAN-[A-Z-]+ 8 "" "ipvlan-kit 1\.2\.3"/, name);
    assertStringIncludes(page, name === "lab" ? ".SH EXAMPLE" : "\\-\\-help", name);
  }
  const { load, summary } = COMMANDS["network ls"]!;
  const command = await load();
  const main = mainPage([{ name: "network ls", summary, command }], "1.2.3");
  assertStringIncludes(main, ".BR ipvlan\\-network\\-ls (8)\n");
});

Deno.test("the launcher hands over the user's words and variables, and its own to Deno", async () => {
  await using folder = await temporaryFolder();
  const program = `${folder.path}/lib/ipvlan-kit`;
  await Deno.mkdir(program, { recursive: true });
  const script = '#!/bin/sh\necho "$DENO_DIR:${IPVLAN_USERS_DENO_DIR-}"\nprintf "<%s>" "$@"\n';
  await Deno.writeTextFile(`${program}/deno`, script, { mode: 0o755 });
  await Deno.writeTextFile(`${folder.path}/ipvlan`, launcher(folder.path, "/cache"));
  const { stdout } = await run("env", "DENO_DIR=/mine", "sh", `${folder.path}/ipvlan`, "a b", "");
  assertMatch(stdout, /^\/cache:\/mine\n<run><-A>.*\/cli\.js><a b><>$/);
  await Deno.writeTextFile(`${program}/deno`, "#!/bin/sh\npwd\n");
  const gone = 'mkdir "$1" && cd "$1" && rmdir "$1" && sh "$2"';
  const there = await run("sh", "-c", gone, "sh", `${folder.path}/gone`, `${folder.path}/ipvlan`);
  assertEquals(there.stdout, "/\n");
});

Deno.test("the units of a package start its program, and none but this one's", () => {
  const units = packagedUnits();
  for (const [name, text] of Object.entries(units)) {
    if (name.endsWith(".service")) assertMatch(text, /^ExecStart=\/usr\/bin\/ipvlan /m, name);
    assertEquals(text.match(/^Environment=.*$/gm), null, name);
  }
  assertEquals(Object.keys(units).length, 8);
});

Deno.test("the scripts of the package are scripts of sh", async () => {
  for (const [name, text] of Object.entries(SCRIPTS)) {
    assertEquals(await run("sh", "-n", "-c", text), { code: 0, stdout: "", stderr: "" }, name);
  }
});

Deno.test("the texts of a package are Debian's", () => {
  assertMatch(controlOf("1.2.3", "arm64", 7), /^Version: 1\.2\.3\nArchitecture: arm64$/m);
  assertMatch(changelogOf("1.2.3", 0), /^ipvlan-kit \(1\.2\.3\) [^]* {2}Thu, 01 Jan 1970 /);
  const licence = "MIT License\n\nCopyright (c) 2026 Somebody\n\nText";
  const text = copyrightOf(licence, [{ name: "yaml", version: "2.0.0", licence }]);
  assertStringIncludes(
    text,
    "Files: *\nCopyright: 2026 Somebody\nLicense: MIT\n MIT License\n .\n",
  );
  assertStringIncludes(text, "yaml 2.0.0");
});

Deno.test("a compressed file has no time, so that two builds are equal", () => {
  const bytes = compressed("text");
  assertEquals([...bytes.slice(4, 8)], [0, 0, 0, 0]);
  assertEquals(new TextDecoder().decode(gunzipSync(bytes)), "text");
});
