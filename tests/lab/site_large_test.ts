import { assertEquals, assertStringIncludes } from "@std/assert";
import type { World } from "../../lib/graph/mod.ts";
import { ipvlan } from "../kit/command.ts";
import { seeWorld } from "../kit/look.ts";
import { commandHost, siteFile } from "../kit/worlds.ts";

const VLANS = [11, 12, 13, 14, 15];

/** The VLAN of each sandbox: twenty on each. */
const SANDBOXES: Record<string, number> = Object.fromEntries(
  VLANS.flatMap((vlan) => Array.from({ length: 20 }, (_, i) => [`s${vlan}-${i + 1}`, vlan])),
);

/** A site of these sandboxes, and checks within a VLAN and across two. */
function siteOf(sandboxes: Record<string, number>): string {
  return [
    "networks:",
    ...VLANS.map((vlan) => `  v${vlan}: { parent: eth0.${vlan}, subnets: [10.0.${vlan}.0/24] }`),
    "sandboxes:",
    ...Object.entries(sandboxes).map(([name, vlan]) => `  ${name}: { networks: [v${vlan}] }`),
    "checks:",
    ...VLANS.map((vlan) => `  - s${vlan}-1 reaches s${vlan}-18`),
    "  - s11-2 does not reach s12-2",
    "  - s12-2 does not reach s11-2",
  ].join("\n");
}

/** What `graph` counts. */
async function counts(): Promise<unknown> {
  const { status, out, err } = await ipvlan("graph", "--json");
  assertEquals([status, err], [0, ""]);
  const { links, absent, closed }: World = JSON.parse(out);
  const all = links.flatMap((link) => [link, ...link.subInterfaces]);
  const networks = all.flatMap((link) => link.networks);
  const endpoints = networks.flatMap((network) => network.endpoints);
  return {
    ...{ absent, closed },
    networks: networks.map(({ name, endpoints }) => [name, endpoints.length]),
    sandboxes: new Set(endpoints.map(({ sandbox }) => sandbox)).size,
    addresses: new Set(endpoints.flatMap(({ addresses }) => addresses)).size,
    up: endpoints.every(({ up }) => up),
  };
}

Deno.test("100 sandboxes on 5 VLANs are applied, shown, checked, changed, applied again and destroyed", async (t) => {
  await using host = await commandHost();
  await using file = await siteFile(siteOf(SANDBOXES), "large");
  const before = [await seeWorld(), await host.dump()];
  const whole = { absent: [], closed: [], up: true };

  await t.step("applied and checked", async () => {
    const { status, out, err } = await ipvlan("apply", file.path);
    assertEquals(status, 0, err);
    const lines = out.split("\n");
    assertEquals(lines.filter((line) => line.startsWith("ok: ")).length, 7);
    assertEquals(lines.at(-1), "105 added, 0 changed, 0 removed");
  });
  await t.step("shown", async () => {
    const networks = VLANS.map((vlan) => [`v${vlan}`, 20]);
    assertEquals(await counts(), { ...whole, networks, sandboxes: 100, addresses: 100 });
    const { out } = await ipvlan("graph");
    for (const name of Object.keys(SANDBOXES)) assertStringIncludes(out, name);
  });
  await t.step("a check that does not hold undoes nothing that was there", async () => {
    await Deno.writeTextFile(file.path, `${siteOf(SANDBOXES)}\n  - s11-3 reaches s15-3`);
    const { status, err } = await ipvlan("apply", file.path);
    assertEquals(status, 1);
    assertStringIncludes(err, "ipvlan: This does not hold: s11-3 reaches s15-3");
    await Deno.writeTextFile(file.path, siteOf(SANDBOXES));
    assertEquals(await ipvlan("diff", file.path), { status: 0, out: "", err: "" });
  });
  await t.step("changed", async () => {
    const { "s15-19": _one, "s15-20": _other, ...rest } = SANDBOXES;
    await Deno.writeTextFile(
      file.path,
      siteOf({ ...rest, "s13-20": 14, "s11-21": 11, "s12-21": 12 }),
    );
    const lines = [
      "~ sandbox s13-20: is disconnected from v13; is connected to v14",
      "+ sandbox s11-21: v11",
      "+ sandbox s12-21: v12",
      "- sandbox s15-19",
      "- sandbox s15-20",
      "2 added, 1 changed, 2 removed",
    ];
    assertEquals(await ipvlan("diff", file.path), { status: 2, out: lines.join("\n"), err: "" });
    const { status, out, err } = await ipvlan("apply", "--yes", file.path);
    assertEquals(status, 0, err);
    assertEquals(out.split("\n").filter((line) => !line.startsWith("ok: ")), lines);
    const networks = [["v11", 21], ["v12", 21], ["v13", 19], ["v14", 21], ["v15", 18]];
    assertEquals(await counts(), { ...whole, networks, sandboxes: 100, addresses: 100 });
  });
  await t.step("applied again, for nothing", async () => {
    const { status, out } = await ipvlan("apply", file.path);
    assertEquals(status, 0);
    assertStringIncludes(out, `Nothing to do: everything is as ${file.path} says`);
  });
  await t.step("destroyed", async () => {
    const { status, out } = await ipvlan("destroy", "--yes", file.path);
    assertEquals([status, out.split("\n").at(-1)], [0, "0 added, 0 changed, 105 removed"]);
    assertEquals([await seeWorld(), await host.dump()], before);
  });
});
