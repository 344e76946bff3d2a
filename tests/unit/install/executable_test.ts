import { assertEquals } from "@std/assert";
import { executableText, writeExecutable } from "../../../lib/install/executable.ts";
import { run } from "../../kit/processes.ts";
import { temporaryFolder } from "../../kit/worlds.ts";
import { assertRejectsError } from "../../kit/errors.ts";

Deno.test("an executable starts the program with its words, in the environment that it needs", async () => {
  await using folder = await temporaryFolder();
  const program = ["/usr/bin/printf", "%s|", "it's $HOME", "a  b"];
  const text = executableText(program, "cni", { DENO_DIR: "/a 'b'", TERM: "dumb" });
  assertEquals(text.includes("TERM"), false);
  const path = await writeExecutable(`${folder.path}/opt/bin/`, "ipvlan-kit", text);
  assertEquals(path, `${folder.path}/opt/bin/ipvlan-kit`);
  assertEquals(await run(path, "last"), {
    code: 0,
    stdout: "it's $HOME|a  b|cni|last|",
    stderr: "",
  });
  const shown = executableText(["/usr/bin/env"], "env", { DENO_DIR: "/a 'b'", HOME: "/root" });
  const { stdout } = await run(await writeExecutable(folder.path, "env", shown));
  assertEquals(stdout.split("\n").filter((line) => /^(DENO_DIR|HOME)=/.test(line)).sort(), [
    "DENO_DIR=/a 'b'",
    "HOME=/root",
  ]);
});

Deno.test("an executable takes the place of the one before, and leaves no other file", async () => {
  await using folder = await temporaryFolder();
  await writeExecutable(folder.path, "x", "#!/bin/sh\nexit 3\n");
  const path = await writeExecutable(folder.path, "x", "#!/bin/sh\nexit 4\n");
  assertEquals((await run(path)).code, 4);
  assertEquals([...Deno.readDirSync(folder.path)].map(({ name }) => name), ["x"]);
  await assertRejectsError(
    () => writeExecutable(path, "y", ""),
    "invalid-option",
    "cannot be written",
  );
});
