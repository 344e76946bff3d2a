import { assertEquals } from "@std/assert";
import { readSite } from "../../../lib/site/mod.ts";
import { run } from "../../kit/processes.ts";
import { siteFile } from "../../kit/worlds.ts";
import { assertRejectsError } from "../../kit/errors.ts";

Deno.test("a site that is read has its file's path without links, and a hash of its text", async () => {
  await using file = await siteFile("networks: { a: }");
  await Deno.symlink(file.path, `${file.path}.link`);
  const { name, source } = await readSite(`${file.path}.link`);
  assertEquals(name, "demo.yaml");
  assertEquals(source, { path: await Deno.realPath(file.path), content: "c0458428c3a106ed" });
});

Deno.test("a file may be large", async () => {
  await using file = await siteFile(`name: web\n#${" ".repeat(2 ** 21)}\n`);
  assertEquals((await readSite(file.path)).name, "web");
});

Deno.test("a file that cannot be read is an error that says why", async () => {
  const reasons: [file: string, reason: string][] = [
    ["/no/such/file.yaml", "There is no such file"],
    ["/proc/self/mem", "It cannot be read: Input/output error (os error 5)"],
    ["/dev", "It cannot be read: Is a directory (os error 21)"],
    ["/dev/zero", "It is larger than 16 MiB"],
  ];
  for (const [file, reason] of reasons) {
    await assertRejectsError(() => readSite(file), "site-file", `${file}: ${reason}`);
  }
});

Deno.test("a signal ends the wait for the other end of a pipe", async () => {
  await using file = await siteFile("");
  const pipe = `${file.path}.pipe`;
  await run("mkfifo", pipe);
  const interrupt = new AbortController();
  const reading = readSite(pipe, interrupt.signal);
  interrupt.abort();
  await assertRejectsError(() => reading, "interrupted");
  await assertRejectsError(() => readSite(pipe, AbortSignal.abort()), "interrupted");
  // So that the thread that opens the pipe comes to its end.
  (await Deno.open(pipe, { write: true })).close();
});
