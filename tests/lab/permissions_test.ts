import { assertEquals } from "@std/assert";
import { run } from "../kit/processes.ts";

/** What a script of a user's does with the driver. */
const SCRIPT = `
import { Driver } from "${new URL("../../mod.ts", import.meta.url)}";
const driver = await Driver.open();
await driver.createNetwork({ name: "n", subnets: ["192.168.20.0/24", "2001:db8:20::/64"] });
await driver.createSandbox({ name: "c1", connections: [{ network: "n" }] });
await driver.createSandbox({ name: "c2" });
await driver.connect("n", "c2", { aliases: ["db"] });
console.log((await driver.exec("c1", ["ping", "-c", "1", "db"]).spawn().status).code);
console.log(await driver.processes("c1"), (await driver.restore()).missing);
await driver.disconnect("n", "c2");
for (const name of ["c1", "c2"]) await driver.removeSandbox(name);
await driver.removeNetwork("n");
await driver[Symbol.asyncDispose]();
`;

Deno.test("the rights in the README are enough", async () => {
  const readme = await Deno.readTextFile(new URL("../../README.md", import.meta.url));
  const [, words = ""] = /^deno run (--allow-[^]*?) script\.ts$/m.exec(readme) ?? [];
  const flags = words.replaceAll("\\\n", "").split(/ +/);
  assertEquals(flags.filter((flag) => !flag.startsWith("--allow-")), []);
  const script = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(script, SCRIPT);
    const { code, stdout, stderr } = await run(
      ...[Deno.execPath(), "run", "--no-prompt", "--no-check", "--cached-only"],
      ...["--config", new URL("../../deno.json", import.meta.url).pathname, ...flags, script],
    );
    assertEquals([code, stderr], [0, ""]);
    assertEquals(stdout.trimEnd().split("\n").slice(-2), ["0", "[] []"]);
  } finally {
    await Deno.remove(script);
  }
});
