import { assertEquals, assertStringIncludes } from "@std/assert";
import { Driver } from "../../lib/driver/mod.ts";
import { ipvlan, testHost } from "./command.ts";

const SITE = `
networks:
  web: { parent: eth0.20, subnets: [192.168.20.0/24], gateways: [192.168.20.1] }
  fabric: { mode: l3, parent: eth0, subnets: [10.1.214.0/24, "2001:db8:214::/64"] }
sandboxes:
  probe: { networks: { web: {}, fabric: {} } }
  nginx: { networks: { web: { ip: 192.168.20.2, aliases: [www] } }, command: [sleep, "1000"] }
checks:
  - probe reaches nginx
  - web probe reaches www by ip
  - fabric probe does not reach 192.168.20.2
`;

/** A site file that is there for a test. */
async function siteFile(text: string): Promise<{ path: string } & AsyncDisposable> {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/demo.yaml`;
  await Deno.writeTextFile(path, text);
  return { path, [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }) };
}

Deno.test("a site is shown, applied, applied again for nothing, and destroyed", async () => {
  await using host = await testHost();
  await using file = await siteFile(SITE);
  const before = await host.dump();
  const shown = await ipvlan("diff", file.path);
  assertEquals(shown, {
    status: 2,
    out: `+ network web: parent eth0.20 mode l2 192.168.20.0/24
+ network fabric: parent eth0 mode l3 10.1.214.0/24 2001:db8:214::/64
+ sandbox probe: web; fabric
+ sandbox nginx: web 192.168.20.2; command sleep 1000
4 added, 0 changed, 0 removed`,
    err: "",
  });
  assertEquals(await host.dump(), before);

  const applied = await ipvlan("apply", file.path);
  assertEquals([applied.status, applied.err.split("\n")], [0, [
    "ipvlan: Creating 2 networks",
    "ipvlan: Creating 2 sandboxes",
    "ipvlan: Starting 1 command",
    "ipvlan: Checking 3 things that must hold",
  ]]);
  assertEquals(applied.out.split("\n").slice(4), [
    "ok: probe reaches nginx",
    "ok: web probe reaches www by ip",
    "ok: fabric probe does not reach 192.168.20.2",
    "4 added, 0 changed, 0 removed",
  ]);
  const after = await host.dump();
  await using driver = await Driver.open();
  assertEquals((await driver.processes("nginx")).length, 1);
  // "nginx" has the address that was meant for it, although "probe" comes first in the file.
  assertEquals(driver.inspectSandbox("probe").endpoints[0]!.ip, "192.168.20.3/24");

  assertEquals(await ipvlan("diff", file.path), { status: 0, out: "", err: "" });
  const again = await ipvlan("apply", file.path);
  assertEquals([again.status, again.err], [0, "ipvlan: Checking 3 things that must hold"]);
  assertStringIncludes(again.out, `Nothing to do: everything is as ${file.path} says`);
  assertEquals(await host.dump(), after);

  const destroyed = await ipvlan("destroy", file.path);
  assertEquals([destroyed.status, destroyed.out.split("\n").at(-1)], [
    0,
    "0 added, 0 changed, 4 removed",
  ]);
  assertEquals(await host.dump(), before);
});
