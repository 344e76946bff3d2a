import { assertEquals, assertStringIncludes } from "@std/assert";
import { Driver } from "../../lib/driver/mod.ts";
import { ipvlan } from "../kit/command.ts";
import { sandboxFiles, seeSandbox } from "../kit/look.ts";
import { commandHost, siteFile } from "../kit/worlds.ts";

/** What is on record and in the kernel, without what is new each time it is made. */
async function essence(driver: Driver): Promise<unknown> {
  const sandboxes = driver.listSandboxes();
  return {
    networks: driver.listNetworks().map(({ id: _id, created: _created, ...network }) => ({
      ...network,
      parent: network.isolated ? "its own" : network.parent,
      labels: {},
    })),
    sandboxes: sandboxes.map(({ id: _id, created: _created, endpoints, ...sandbox }) => ({
      ...sandbox,
      endpoints: endpoints.map(({ parent: _parent, ...endpoint }) => endpoint),
      labels: {},
    })),
    kernel: await Promise.all(sandboxes.map(({ name }) => seeSandbox(name))),
    files: sandboxFiles(),
    settings: await Promise.all(sandboxes.map(({ name }) => commandSettings(driver, name))),
  };
}

/** What a command in a sandbox sees of its settings. */
async function commandSettings(driver: Driver, sandbox: string): Promise<string> {
  const script =
    "hostname; cat /etc/resolv.conf /etc/hosts; cd /proc/sys/net/ipv4; cat ip_forward " +
    "conf/*/rp_filter";
  const { stdout } = await driver.exec(sandbox, ["sh", "-c", script]).output();
  return new TextDecoder().decode(stdout);
}

Deno.test("applying an export makes the same world again", async () => {
  await using host = await commandHost();
  await using driver = await Driver.open();
  await driver.createNetwork({
    name: "30",
    parent: "eth0.20.30",
    mode: "l3",
    flag: "vepa",
    mtu: 1400,
    subnets: [
      {
        subnet: "10.20.0.0/24",
        gateway: "10.20.0.9",
        ipRange: "10.20.0.128/25",
        auxAddresses: { printer: "10.20.0.5" },
      },
      { subnet: "fd20::/64", auxAddresses: { printer: "fd20::5" } },
    ],
  });
  await driver.createNetwork({ name: "20", parent: "eth0", flag: "private" });
  await driver.createNetwork({ name: "pool", subnets: ["fd30::/64"], mtu: 9000 });
  await driver.createNetwork({ name: "inner", internal: true, subnets: ["10.40.0.0/31"] });
  await driver.createSandbox({
    name: "a",
    connections: [
      { network: "30", aliases: ["www", "true"] },
      { network: "20", ifname: "lan", linkLocalAddresses: ["169.254.7.1"], gatewayPriority: 2 },
    ],
    labels: { tier: "front", "12:30": "no" },
  });
  await driver.createSandbox({
    name: "b",
    connections: [{ network: "pool", ip6: "fd30::9" }, { network: "inner" }],
    hostname: "b.example.com",
    hosts: [{ name: "db", address: "2001:DB8::9" }, { name: "db", address: "192.0.2.9" }],
    dns: { servers: [], search: ["."], options: ["ndots:2"] },
    sysctls: { "net.ipv4.ip_forward": "1", "net/ipv4/conf/eth0/rp_filter": "2" },
  });
  await driver.createSandbox({ name: "idle" });
  const before = await essence(driver);

  const { status, out, err } = await ipvlan("export");
  assertEquals([status, err], [0, ""]);
  await using file = await siteFile(out, "copy");
  for (const { name } of driver.listSandboxes()) await driver.removeSandbox(name);
  assertEquals((await driver.pruneNetworks()).failed, []);
  const applied = await ipvlan("apply", file.path);
  assertEquals([applied.status, applied.out.split("\n").at(-1)], [
    0,
    "7 added, 0 changed, 0 removed",
  ]);
  assertEquals(await essence(driver), before);

  // Now that it is a site's, what is exported changes nothing.
  const again = await ipvlan("export");
  assertEquals(again, { status: 0, out: `name: copy\n${out}`, err: "" });
  await Deno.writeTextFile(file.path, again.out);
  // But for the text that it came from.
  const dump = async () =>
    JSON.stringify(await host.dump()).replace(/("ipvlan.site.content":)"\w+"/g, "$1");
  const once = await dump();
  assertEquals((await ipvlan("diff", file.path)).out, "");
  assertEquals((await ipvlan("apply", file.path)).status, 0);
  assertEquals(await dump(), once);
  // In another file, too, which may not change it from then on.
  await using other = await siteFile(again.out, "other");
  const changed = out.replace("tier: front", "tier: back");
  await Deno.writeTextFile(other.path, `name: copy\n# The same, and another text.\n${out}`);
  assertEquals((await ipvlan("apply", other.path)).status, 0);
  assertEquals(await dump(), once);
  await Deno.writeTextFile(other.path, `name: copy\n${changed}`);
  assertStringIncludes(
    (await ipvlan("apply", other.path)).err,
    `~ sandbox a: labels 12:30=no, tier=front -> 12:30=no, tier=back; belongs to ${file.path}`,
  );
});

Deno.test("names select what is exported, and a notice says what a site file cannot make", async () => {
  await using host = await commandHost();
  await using driver = await Driver.open();
  await driver.createNetwork({ name: "web", parent: "eth0.20", subnets: ["10.20.0.0/24"] });
  await driver.createNetwork({ name: "lan", parent: "eth0.30", subnets: ["10.30.0.0/24"] });
  await driver.createSandbox({ name: "c1", connections: [{ network: "web" }] });
  await driver.createSandbox({ name: "c2", connections: [{ network: "lan" }] });
  await host.ip.netns.add("theirs");
  try {
    await driver.adoptSandbox({ name: "theirs", connections: [{ network: "web" }] });
    assertEquals((await ipvlan("export", "c1")).out.split("\n"), [
      "networks:",
      "  web:",
      "    parent: eth0.20",
      "    subnets:",
      "      - subnet: 10.20.0.0/24",
      "        gateway: 10.20.0.1",
      "sandboxes:",
      "  c1:",
      "    networks:",
      "      web:",
      "        ip: 10.20.0.2",
    ]);
    const theirs = await ipvlan("export", "theirs", "lan");
    assertEquals(theirs.err.split("\n"), [
      'ipvlan: The sandbox "theirs" is left out: a site file makes namespaces, and this one was ' +
      "there before",
    ]);
    assertEquals(theirs.out.match(/^ {2}\S+:$/gm), ["  lan:", "  web:"]);
    assertEquals(await ipvlan("export", "c1", "wbe"), {
      status: 1,
      out: "",
      err: 'ipvlan: There is no network or sandbox "wbe" (did you mean "web"?)',
    });
  } finally {
    await driver.removeSandbox("theirs");
    await host.ip.netns.del("theirs");
  }
});
