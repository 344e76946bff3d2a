import { assertEquals, assertRejects } from "@std/assert";
import { InstallError, installPlugin, PLUGIN, pluginScript } from "../../../lib/cli/plugin.ts";
import { temporaryFolder } from "../../kit/worlds.ts";

Deno.test("the script of a plugin sets what ipvlan needs, and passes on what the engine adds", () => {
  const env = { HOME: "/ro ot", DENO_DIR: "/d'd", TERM: "dumb", IPVLAN_STATE_DIR: "" };
  assertEquals(
    pluginScript(["/opt/deno", "run", "-A", "/srv/k it/cli.ts"], ["netavark"], env),
    "#!/bin/sh\nexport HOME='/ro ot'\nexport DENO_DIR='/d'\\''d'\n" +
      "exec /opt/deno run -A '/srv/k it/cli.ts' netavark \"$@\"\n",
  );
});

Deno.test("a plugin is installed as a program that any user may run, in place of an older one", async () => {
  await using folder = await temporaryFolder();
  const target = `${folder.path}/new/plugins`;
  const umask = Deno.umask(0o077);
  try {
    for (const word of ["one", "two"]) {
      const path = await installPlugin(target, pluginScript(["/bin/echo"], [word], {}));
      assertEquals(path, `${target}/${PLUGIN}`);
      const { stdout } = await new Deno.Command(path, { args: ["a  b"] }).output();
      assertEquals(new TextDecoder().decode(stdout), `${word} a  b\n`);
      assertEquals((await Deno.stat(path)).mode! & 0o777, 0o755);
    }
  } finally {
    Deno.umask(umask);
  }
  assertEquals([...Deno.readDirSync(target)].map(({ name }) => name), [PLUGIN]);
});

Deno.test("a folder that cannot be written is an error that names it", async () => {
  const error = await assertRejects(() => installPlugin("/dev/null/plugins", ""), InstallError);
  assertEquals(
    error.message.startsWith('The plugin cannot be installed in "/dev/null/plugins": '),
    true,
  );
});
