import { assertEquals } from "@std/assert";
import { replaceFile } from "../../../lib/base/files.ts";
import { executableText } from "../../../lib/install/service.ts";
import { run } from "../../kit/processes.ts";
import { temporaryFolder } from "../../kit/worlds.ts";

Deno.test("an executable starts the program with its words, in the environment that it needs", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/x`;
  const program = ["/usr/bin/printf", "%s|", "it's $HOME", "a  b"];
  const text = executableText(program, "cni", { DENO_DIR: "/a 'b'", TERM: "dumb" });
  assertEquals(text.includes("TERM"), false);
  replaceFile(path, text, 0o755);
  assertEquals(await run(path, "last"), {
    code: 0,
    stdout: "it's $HOME|a  b|cni|last|",
    stderr: "",
  });
  const shown = executableText(["/usr/bin/env"], "env", { DENO_DIR: "/a 'b'", HOME: "/root" });
  replaceFile(path, shown, 0o755);
  const { stdout } = await run(path);
  assertEquals(stdout.split("\n").filter((line) => /^(DENO_DIR|HOME)=/.test(line)).sort(), [
    "DENO_DIR=/a 'b'",
    "HOME=/root",
  ]);
});
