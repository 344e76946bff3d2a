// The CNI plugin with linkInContainer: the parent is a link of the container.
import { assert, assertEquals, assertMatch } from "@std/assert";
import { EngineDriver } from "../../lib/driver/mod.ts";
import type { WrapRunner } from "../../lib/driver/run/namespaces.ts";
import { runPlugin } from "../../lib/engine/cni/mod.ts";
import { lookInto } from "../../lib/iproute2/view.ts";
import { type EngineNamespace, engineNamespace } from "../kit/borrowed.ts";
import {
  type CniCall,
  KILLING_IP,
  passedOf,
  PLUGIN,
  pluginFails,
  pluginSucceeds,
  runProgram,
} from "../kit/cni.ts";
import { runJob, succeeds } from "../kit/command.ts";
import { dumpSandbox } from "../kit/look.ts";
import { commandHost, temporaryFolder } from "../kit/worlds.ts";
import { onChange } from "../kit/faults.ts";

/** A configuration whose parent has the name of a link of the host, too. */
const INSIDE = {
  cniVersion: "1.1.0",
  name: "inside",
  type: "ipvlan-kit",
  master: "eth0",
  linkInContainer: true,
  subnets: [{ subnet: "10.8.0.0/24", gateway: "10.8.0.1" }, "2001:db8:8::/64"],
};

/** Runs lines of `ip` in a container. */
async function ipInside(container: EngineNamespace, ...lines: string[]): Promise<void> {
  for (const line of lines) {
    assertEquals(await container.run("ip", ...line.split(" ")), "(0)", line);
  }
}

/** A container with a link of its own, as a virtual function has it that was moved there. */
async function containerWith(link = "eth0", address = "172.16.0.2/24"): Promise<EngineNamespace> {
  // "ip -n" needs it.
  await Deno.mkdir("/run/netns", { recursive: true });
  return await engineNamespace([
    `link add ${link} address 02:00:00:00:08:01 type dummy`,
    `link set ${link} up`,
    `address add ${address} dev ${link}`,
    `route add default via 172.16.0.1 dev ${link}`,
  ]);
}

/** The call of the plugin for a second network of a container. */
function callFor({ path }: EngineNamespace, id = "c1", conf: object = INSIDE) {
  return { id, netns: path, ifname: "net1", conf };
}

Deno.test("linkInContainer: ADD makes the link on a link of the container, and DEL takes it away", async () => {
  await using host = await commandHost();
  const before = await host.dump();
  await using one = await containerWith();
  await using two = await containerWith();
  const [empty, emptyToo] = [await dumpSandbox(one.netns), await dumpSandbox(two.netns)];
  const hostLinks = await host.ip.link.show();
  const call = callFor(one);
  const result = await pluginSucceeds({ ...call, command: "ADD" });
  assertEquals(result, {
    cniVersion: "1.1.0",
    interfaces: [{ name: "net1", mac: "02:00:00:00:08:01", sandbox: one.path }],
    ips: [
      { interface: 0, address: "10.8.0.2/24", gateway: "10.8.0.1" },
      { interface: 0, address: "2001:db8:8::2/64", gateway: "2001:db8:8::1" },
    ],
    routes: [{ dst: "0.0.0.0/0", gw: "10.8.0.1" }, { dst: "::/0", gw: "2001:db8:8::1" }],
  } as unknown);
  const { links, addrs, routes } = await dumpSandbox(one.netns);
  const [link, parent] = ["net1", "eth0"].map((name) => links.find((each) => each.name === name)!);
  assertEquals([link!.up, link!.link, link!.linkNetnsid], [true, "eth0", undefined]);
  assertEquals(link!.info, { type: "ipvlan", mode: "l2", flag: "bridge" });
  assertEquals(parent?.info?.type, "dummy");
  assertEquals(addrs.filter((addr) => addr.includes("net1")), [
    "10.8.0.2/24 dev net1",
    "2001:db8:8::2/64 dev net1",
  ]);
  // The container keeps the default route that it had. The second one is for when that is gone.
  assertEquals(routes.filter((route) => /^default via \d+\./.test(route)), [
    "default via 10.8.0.1 dev net1 metric 1025",
    "default via 172.16.0.1 dev eth0 metric undefined",
  ]);
  // Nothing of the host's has changed.
  assertEquals(await host.ip.link.show(), hostLinks);
  const conf = { ...INSIDE, prevResult: result };
  await pluginSucceeds({ ...call, command: "CHECK", conf });
  assertMatch(await pluginFails({ ...call, command: "ADD" }), /^100 .*"net1"/);
  await pluginSucceeds({ ...call, command: "CHECK", conf });

  // Another container has another parent of the same name, and other addresses.
  const other = callFor(two, "c2");
  assertEquals(
    (await pluginSucceeds({ ...other, command: "ADD" })).ips.map(({ address }) => address),
    ["10.8.0.3/24", "2001:db8:8::3/64"],
  );
  assertMatch(await succeeds("network", "ls"), /cni:inside .*\(in the sandbox\)/);
  assertEquals(
    JSON.parse(await succeeds("network", "inspect", "cni:inside"))[0].Options.parent,
    "(in the sandbox)",
  );
  assertMatch(await succeeds("ps"), /cni:c1/);
  assertMatch(await succeeds("graph"), /cni:inside is not drawn, as its parents are links of/);
  const doctor = await runJob(["doctor"]);
  assertEquals(/in the sandbox/.test(doctor.out + doctor.err), false, doctor.out);
  await pluginSucceeds({ command: "STATUS", conf: INSIDE });

  const valid = [{ containerID: "c1", ifname: "net1" }];
  await pluginSucceeds({
    command: "GC",
    conf: { ...INSIDE, "cni.dev/valid-attachments": valid },
  });
  assertEquals(await dumpSandbox(two.netns), emptyToo);
  for (let time = 0; time < 2; time++) {
    await pluginSucceeds({ ...call, command: "DEL", netns: "" });
    assertEquals(await dumpSandbox(one.netns), empty);
  }
  await pluginSucceeds({ ...other, command: "DEL" });
  assertEquals(await succeeds("network", "ls", "-q"), "");
  assertEquals(await host.dump(), before);
});

Deno.test("linkInContainer: without a master, each container's default route says which link", async () => {
  await using host = await commandHost();
  const before = await host.dump();
  await using one = await containerWith("up0");
  await using two = await containerWith("wan");
  await using three = await engineNamespace();
  const { master: _, ...conf } = { ...INSIDE, mode: "l3", mtu: 1400 };
  for (const [container, id, parent] of [[one, "c1", "up0"], [two, "c2", "wan"]] as const) {
    const call = callFor(container, id, conf);
    const prevResult = await pluginSucceeds({ ...call, command: "ADD" });
    await pluginSucceeds({ ...call, command: "CHECK", conf: { ...conf, prevResult } });
    const link = (await dumpSandbox(container.netns)).links.find(({ name }) => name === "net1")!;
    assertEquals([link.link, link.mtu], [parent, 1400]);
    assertEquals(link.info, { type: "ipvlan", mode: "l3", flag: "bridge" });
  }
  assertEquals(
    await pluginFails({ ...callFor(three, "c3", conf), command: "ADD" }),
    '7 The key "master" is missing, and the container has no default route to take its link from',
  );
  await two.end();
  for (const id of ["c1", "c2", "c3"]) {
    await pluginSucceeds({ command: "DEL", id, ifname: "net1", conf });
  }
  assertEquals(await host.dump(), before);
});

Deno.test("linkInContainer: what cannot be a parent is refused, and changes nothing", async () => {
  await using host = await commandHost();
  await using undo = new AsyncDisposableStack();
  await host.ip.link.add({ type: "dummy", name: "onlyhost", up: true });
  undo.defer(() => host.ip.link.del("onlyhost"));
  const before = await host.dump();
  await using one = await containerWith();
  await ipInside(
    one,
    "link add up1 type dummy",
    "link add iv link up1 type ipvlan mode l3",
  );
  const seen = await dumpSandbox(one.netns);
  const cases: [change: object, expected: RegExp][] = [
    [{ master: "onlyhost" }, /^100 The sandbox "cni:c1" has no link "onlyhost" to be the parent/],
    // A VLAN is not made on the fly.
    [{ master: "eth0.20" }, /^100 The sandbox "cni:c1" has no link "eth0\.20" to be the parent/],
    [{ master: "lo" }, /^100 The link "lo" cannot be a parent: it is the loopback/],
    [{ master: "iv" }, /^100 The link "iv" cannot be a parent: it is an ipvlan link itself/],
    [{ master: "up1" }, /^100 The parent "up1" is used with mode l3, flag bridge by "iv"/],
    [{ mtu: 9000 }, /^100 The MTU.*9000.*eth0/],
    [{ mode: "l3", subnets: ["172.16.0.0/24"] }, /^100 The subnet .* of the parent "eth0"/],
    [
      { subnets: ["172.16.0.0/24"], args: { cni: { ips: ["172.16.0.2"] } } },
      /^100 .*172\.16\.0\.2/,
    ],
    [{ vlan: 20 }, /^7 The key "vlan" does not go with "linkInContainer"/],
    [{ mode: "l3", advertise: "subnet" }, /^7 The advertise "subnet" is not valid/],
    [{ linkInContainer: "yes" }, /^7 linkInContainer is "yes", and should be true or false/],
  ];
  for (const [change, expected] of cases) {
    const call = callFor(one, "c1", { ...INSIDE, ...change });
    assertMatch(await pluginFails({ ...call, command: "ADD" }), expected, JSON.stringify(change));
    assertEquals(await dumpSandbox(one.netns), seen);
    assertEquals(await host.dump(), before);
  }
  // The container has a link of this name.
  const taken = { ...callFor(one), ifname: "eth0", command: "ADD" };
  assertMatch(await pluginFails(taken), /^100 The sandbox "cni:c1" has a link "eth0" already/);
  assertEquals(await dumpSandbox(one.netns), seen);
  assertEquals(await succeeds("network", "ls", "-q"), "");
  assertEquals(await host.dump(), before);
  // The parent's own addresses are passed over.
  const shared = { ...INSIDE, subnets: ["172.16.0.0/24"] };
  const { ips } = await pluginSucceeds({ ...callFor(one, "c1", shared), command: "ADD" });
  assertEquals(ips[0]?.address, "172.16.0.3/24");
});

/** An IPAM plugin that gives the same address to all. */
const STATIC = `#!/bin/sh
cat > /dev/null
[ "$CNI_COMMAND" = ADD ] || exit 0
echo '{"cniVersion":"1.0.0","ips":[{"address":"10.9.0.1/24"}],"routes":[{"dst":"10.0.0.0/8"}]}'
`;

Deno.test("linkInContainer: an IPAM plugin may give two containers one address, and a chain goes on", async () => {
  await using host = await commandHost();
  const before = await host.dump();
  await using folder = await temporaryFolder();
  await Deno.writeTextFile(`${folder.path}/same`, STATIC, { mode: 0o755 });
  await using one = await containerWith();
  await using two = await containerWith();
  const { subnets: _, ...conf } = { ...INSIDE, ipam: { type: "same" } };
  for (const [container, id] of [[one, "c1"], [two, "c2"]] as const) {
    const call = { ...callFor(container, id, conf), path: folder.path };
    const prevResult = await pluginSucceeds({ ...call, command: "ADD" });
    assertEquals(prevResult.ips, [{ interface: 0, address: "10.9.0.1/24" }]);
    await pluginSucceeds({ ...call, command: "CHECK", conf: { ...conf, prevResult } });
    const { routes } = await dumpSandbox(container.netns);
    assert(routes.includes("10.0.0.0/8 via undefined dev net1 metric undefined"), `${routes}`);
    await pluginSucceeds({ ...call, command: "DEL" });
  }
  // The plugin before has made one link, and it says which addresses the next one gets.
  const prevResult = {
    interfaces: [{ name: "eth0", sandbox: one.path }],
    ips: [{ address: "10.9.0.7/24", interface: 0 }],
  };
  const { master: __, ipam: ___, ...chained } = { ...conf, prevResult };
  const call = callFor(one, "c1", chained);
  const { interfaces, ips } = await pluginSucceeds({ ...call, command: "ADD" });
  assertEquals(interfaces, [{ name: "net1", mac: "02:00:00:00:08:01", sandbox: one.path }]);
  assertEquals(ips, [{ interface: 0, address: "10.9.0.7/24" }]);
  await pluginSucceeds({ ...call, command: "DEL" });
  assertEquals(await host.dump(), before);
});

Deno.test("linkInContainer: CHECK finds what is missing or changed, and restore mends it", async () => {
  await using _host = await commandHost();
  await using one = await containerWith();
  const call = callFor(one);
  const breakages: [line: string, expected: RegExp, isMended: boolean][] = [
    [
      "addr del 10.8.0.2/24 dev net1",
      /^101 The link net1 does not have the address 10.8.0.2\/24\n/,
      true,
    ],
    [
      "route del default dev net1",
      /^101 The link net1 does not have the IPv4 default route via 10\.8\.0\.1 metric 1025$/,
      true,
    ],
    [
      "link set net1 type ipvlan mode l3",
      /^101 The ipvlan mode of the link net1 is l3 instead of l2$/,
      true,
    ],
    ["link del net1", /^101 The link net1 is missing$/, true],
    // An older kernel gives no other name to a link that is up.
    [
      "link set eth0 down; link set eth0 name eth9; link set eth9 up",
      /^101 The parent of the link net1 is eth9 instead of eth0$/,
      false,
    ],
    ["link del eth0", /^101 The link net1 is missing$/, false],
  ];
  for (const [line, expected, isMended] of breakages) {
    const prevResult = await pluginSucceeds({ ...call, command: "ADD" });
    const check = { ...call, command: "CHECK", conf: { ...INSIDE, prevResult } };
    await pluginSucceeds(check);
    await ipInside(one, ...line.split("; "));
    assertMatch(await pluginFails(check), expected, line);
    const { status } = await runJob(["restore"]);
    if (isMended) {
      assertEquals(status, 0, line);
      await pluginSucceeds(check);
    } else {
      assertMatch(await pluginFails(check), expected, line);
    }
    await pluginSucceeds({ ...call, command: "DEL" });
    assertEquals((await dumpSandbox(one.netns)).links.some(({ name }) => name === "net1"), false);
    await one.run("ip", "link", "set", "eth9", "down");
    await one.run("ip", "link", "set", "eth9", "name", "eth0");
    await one.run("ip", "link", "set", "eth0", "up");
    await one.run("ip", "route", "add", "default", "via", "172.16.0.1", "dev", "eth0");
  }
});

Deno.test("linkInContainer: the end of the namespace is the end of all, with and without restore", async () => {
  await using host = await commandHost();
  const before = await host.dump();
  const [one, two] = [await containerWith(), await containerWith()];
  await pluginSucceeds({ ...callFor(one, "c1"), command: "ADD" });
  await pluginSucceeds({ ...callFor(two, "c2"), command: "ADD" });
  await one.end();
  await pluginSucceeds({ ...callFor(one, "c1"), command: "DEL" });
  await two.end();
  assertEquals((await runJob(["restore"])).status, 0);
  assertEquals(await succeeds("network", "ls", "-q"), "");
  assertEquals(await succeeds("ps", "-a", "-q"), "");
  assertEquals(await host.dump(), before);
});

/** Calls the plugin with a wrapper around what runs its lines. */
async function wrapped(call: CniCall, wrap: WrapRunner): Promise<string> {
  const { status, output } = await runPlugin(passedOf(call), {
    withDriver: async (run) => {
      await using driver = await EngineDriver.open({}, wrap);
      return await run(driver);
    },
    warn: () => {},
    log: () => {},
  });
  const { code, msg } = (output ?? {}) as { code?: number; msg?: string };
  return `${status} ${code} ${msg}`;
}

Deno.test("linkInContainer: root in the container renames, deletes or exchanges the parent meanwhile", async () => {
  await using host = await commandHost();
  const empty = await host.dump();
  const gone = /^1 100 The sandbox "cni:c1" has no link "eth0" to be the parent/;
  // An older kernel gives no other name to a link that is up.
  const away = ["link set eth0 down", "link set eth0 name eth9"];
  const mischief: [at: RegExp, lines: string[], expected: RegExp][] = [
    [/^link add link eth0/, away, gone],
    [/^link add link eth0/, ["link del eth0"], gone],
    [/^link set dev e-.* name net1/, ["link del eth0"], gone],
    [/^addr add/, ["link del eth0"], gone],
    [
      /^link add link eth0/,
      [...away, "link set up1 name eth0"],
      /^1 100 The link "eth0" cannot be a parent: another link of the sandbox/,
    ],
    // The parent of this one is a link of the host.
    [
      /^link add link eth0/,
      [...away, "link set iv name eth0"],
      /^1 100 The link "eth0" cannot be a parent: another link of the sandbox/,
    ],
  ];
  for (const [at, lines, expected] of mischief) {
    await using one = await containerWith();
    await ipInside(one, "link add up1 type dummy");
    const to = { type: "ipvlan", mode: "l2", link: "eth0", name: "iv", netns: one.path } as const;
    await host.ip.link.add(to);
    const look = async () => (await lookInto(one.netns, { links: true })).links;
    const before = (await look()).length;
    let isDone = false;
    let last: Promise<unknown> = Promise.resolve();
    // One line after another: the mischief is between two of them, and not beside others.
    const wrap = onChange((line, pass) => {
      const change = last.catch(() => {}).then(async () => {
        if (!isDone && at.test(line)) {
          isDone = true;
          await ipInside(one, ...lines);
        }
        return await pass();
      });
      last = change;
      return change;
    });
    const what = `${at} ${lines}`;
    assertMatch(await wrapped({ ...callFor(one), command: "ADD" }, wrap), expected, what);
    assert(isDone, what);
    // Nothing of the driver's is left, and nothing else is gone.
    const left = await look();
    assertEquals(left.filter(({ index }) => index >= 2 ** 30), [], what);
    assertEquals(left.length, lines.includes("link del eth0") ? before - 1 : before, what);
    await ipInside(one, `link del ${left.some(({ name }) => name === "iv") ? "iv" : "eth0"}`);
    assertEquals(await succeeds("network", "ls", "-q"), "");
    assertEquals(await host.dump(), empty, what);
  }
});

Deno.test("linkInContainer: ADD is killed at any of its steps: DEL and another ADD do as if it had not been", async () => {
  await using host = await commandHost();
  const before = await host.dump();
  await using folder = await temporaryFolder();
  await Deno.writeTextFile(`${folder.path}/ip`, KILLING_IP, { mode: 0o755 });
  const env = { PATH: `${folder.path}:${Deno.env.get("PATH")}`, IPVLAN_TRANSPORT: "ip" };
  const script = `echo $$ > ${folder.path}/pid; exec "$@"`;
  const program = ["sh", "-c", script, "sh", ...PLUGIN];
  for (const where of ["before", "behind"]) {
    if (where === "before") await Deno.writeTextFile(`${folder.path}/before`, "");
    else await Deno.remove(`${folder.path}/before`);
    for (let time = 1, wasKilled = true; wasKilled; time++) {
      await Deno.writeTextFile(`${folder.path}/left`, `${time}\n`);
      await using one = await containerWith();
      const empty = await dumpSandbox(one.netns);
      const call = callFor(one);
      const { status } = await runProgram({ ...call, command: "ADD" }, { program, env });
      wasKilled = status !== 0;
      if (wasKilled) assertEquals(status, 137);
      else assert(time > 3, "it was never killed");
      const what = `${where} run ${time}`;
      // Some runtimes do not say DEL after a kill.
      if (wasKilled && time % 2 === 0) {
        const valid = { "cni.dev/valid-attachments": [] };
        await pluginSucceeds({ command: "GC", conf: { ...INSIDE, ...valid } });
        assertEquals((await runJob(["restore"])).status, 0);
      } else await pluginSucceeds({ ...call, command: "DEL" });
      assertEquals(await dumpSandbox(one.netns), empty, what);
      const { ips } = await pluginSucceeds({ ...call, command: "ADD" });
      assertEquals(ips[0]?.address, "10.8.0.2/24", what);
      await pluginSucceeds({ ...call, command: "DEL" });
      assertEquals(await dumpSandbox(one.netns), empty, what);
      assertEquals(await host.dump(), before, what);
    }
  }
});
