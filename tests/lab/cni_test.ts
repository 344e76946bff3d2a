// The CNI plugin, called as runtimes call it. The tests with real runtimes are in tests/engines/.
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { EngineDriver, settle } from "../../lib/driver/mod.ts";
import { planLink, readRequest } from "../../lib/engine/cni/translate.ts";
import { Ip } from "../../lib/iproute2/ip.ts";
import { type EngineNamespace, engineNamespace } from "../kit/borrowed.ts";
import {
  callPlugin,
  inputOf,
  KILLING_IP,
  PLUGIN,
  pluginFails,
  pluginSucceeds,
  runProgram,
  variablesOf,
} from "../kit/cni.ts";
import { runJob, succeeds } from "../kit/command.ts";
import { heldIp } from "../kit/faults.ts";
import { dumpSandbox, ETC, Eyes, filesOf } from "../kit/look.ts";
import { run } from "../kit/processes.ts";
import { commandHost, temporaryFolder } from "../kit/worlds.ts";

/** A configuration with subnets of its own, on a VLAN that is made on the fly. */
const LAN = {
  cniVersion: "1.1.0",
  name: "lan",
  type: "ipvlan-kit",
  master: "eth0.20",
  subnets: [{ subnet: "192.168.20.0/24", gateway: "192.168.20.1" }, "2001:db8:20::/64"],
};

/** What a container's namespace has, but for the loopback. */
async function seen({ netns }: EngineNamespace, eyes?: Eyes): Promise<unknown> {
  const { links, addrs, routes } = await dumpSandbox(netns, eyes);
  return {
    links: links.filter(({ name }) => name !== "lo")
      .map(({ name, up, mtu, info }) => ({ name, up, mtu, info })),
    addrs,
    routes: routes.filter((route) => !route.includes("dev lo")),
  };
}

/** What an empty namespace has. */
const EMPTY = { links: [], addrs: [], routes: [] };

Deno.test("ADD makes a link with addresses and routes, CHECK finds it, and DEL leaves nothing", async () => {
  await using host = await commandHost();
  // As on a machine where nobody has used "ip netns" yet.
  await run("sh", "-c", "umount /run/netns; rmdir /run/netns");
  const [before, files] = [await host.dump(), filesOf(ETC)];
  await using one = await engineNamespace();
  const call = { id: "default-c1", netns: one.path, conf: LAN };
  const result = await pluginSucceeds({ ...call, command: "ADD" });
  const parent = await host.ip.link.show("eth0.20");
  assertEquals(result, {
    cniVersion: "1.1.0",
    interfaces: [{ name: "eth0", mac: parent.address, sandbox: one.path }],
    ips: [
      { interface: 0, address: "192.168.20.2/24", gateway: "192.168.20.1" },
      { interface: 0, address: "2001:db8:20::2/64", gateway: "2001:db8:20::1" },
    ],
    routes: [
      { dst: "0.0.0.0/0", gw: "192.168.20.1" },
      { dst: "::/0", gw: "2001:db8:20::1" },
    ],
  } as unknown);
  assertEquals(await seen(one), {
    links: [{
      name: "eth0",
      up: true,
      mtu: 1500,
      info: { type: "ipvlan", mode: "l2", flag: "bridge" },
    }],
    addrs: ["192.168.20.2/24 dev eth0", "2001:db8:20::2/64 dev eth0"],
    routes: [
      "192.168.20.0/24 via undefined dev eth0 metric undefined",
      "2001:db8:20::/64 via undefined dev eth0 metric 256",
      "default via 192.168.20.1 dev eth0 metric undefined",
      "default via 2001:db8:20::1 dev eth0 metric 1024",
    ],
  });
  // No file is written for the containers of others.
  assertEquals(filesOf(ETC), files);
  const prevResult = result;
  await pluginSucceeds({ ...call, command: "CHECK", conf: { ...LAN, prevResult } });
  // The interface exists.
  assertMatch(await pluginFails({ ...call, command: "ADD" }), /^100 .*eth0/);
  // As containerd calls it: without a namespace, and more than once.
  for (let time = 0; time < 2; time++) {
    await pluginSucceeds({ ...call, command: "DEL", netns: "", conf: { ...LAN, prevResult } });
    assertEquals(await seen(one), EMPTY);
  }
  assertEquals(await host.dump(), before);
});

Deno.test("DEL and CHECK of what is gone or never was", async () => {
  await using host = await commandHost();
  const before = await host.dump();
  const one = await engineNamespace();
  const call = { id: "c1", netns: one.path, conf: LAN };
  await pluginSucceeds({ ...call, command: "DEL" });
  const prevResult = await pluginSucceeds({ ...call, command: "ADD" });
  // Another configuration has failed on the same link: its DEL leaves the link.
  const other = { ...LAN, name: "other", master: "eth0.30" };
  assertMatch(await pluginFails({ ...call, command: "ADD", conf: other }), /^100 /);
  await pluginSucceeds({ ...call, command: "DEL", conf: other });
  await pluginSucceeds({ ...call, command: "CHECK", conf: { ...LAN, prevResult } });
  const unknown = { ...call, command: "CHECK", id: "c2", conf: { ...LAN, prevResult } };
  assertMatch(await pluginFails(unknown), /^3 /);
  await one.end();
  assertMatch(
    await pluginFails({ ...call, command: "CHECK", conf: { ...LAN, prevResult } }),
    /^101 The network namespace .* is gone$/,
  );
  await pluginSucceeds({ ...call, command: "DEL" });
  assertEquals(await host.dump(), before);
});

Deno.test("CHECK finds a missing address, route and link, and another mode", async () => {
  await using _host = await commandHost();
  await using one = await engineNamespace();
  const conf = { ...LAN, master: "eth0", subnets: ["192.168.20.0/24"] };
  const call = { id: "c1", netns: one.path, conf };
  const breakages: [words: string, expected: RegExp][] = [
    [
      "ip addr del 192.168.20.2/24 dev eth0",
      // The default route has gone with it.
      /^101 .* not have the address 192.168.20.2\/24\nThe .* default route via 192.168.20.1$/,
    ],
    ["ip route del default", /^101 The link eth0 does not have the IPv4 default route via 192.*1$/],
    ["ip link set eth0 down", /^101 The link eth0 is down\nThe link .* IPv4 default route via/],
    [
      "ip link set eth0 type ipvlan mode l3 private",
      /^101 The ipvlan mode .* is l3 instead of l2\nThe ipvlan flag of the link eth0 is private instead of bridge$/,
    ],
    ["ip link del eth0", /^101 The link eth0 is missing$/],
  ];
  for (const [words, expected] of breakages) {
    const prevResult = await pluginSucceeds({ ...call, command: "ADD" });
    const check = { ...call, command: "CHECK", conf: { ...conf, prevResult } };
    await pluginSucceeds(check);
    assertStringIncludes(await one.run(...words.split(" ")), "(0)");
    assertMatch(await pluginFails(check), expected, words);
    await pluginSucceeds({ ...call, command: "DEL" });
    assertEquals(await seen(one), EMPTY, words);
  }
});

Deno.test("CHECK of another namespace, or with another result, is refused", async () => {
  await using _host = await commandHost();
  await using one = await engineNamespace();
  await using two = await engineNamespace();
  const call = { id: "c1", netns: one.path, conf: LAN };
  const prevResult = await pluginSucceeds({ ...call, command: "ADD" });
  const check = (netns: string, previous = {}) => {
    const conf = { ...LAN, prevResult: { ...prevResult, ...previous } };
    return { ...call, netns, command: "CHECK", conf };
  };
  await pluginSucceeds(check(one.path));
  const [link] = prevResult.interfaces;
  for (const netns of [two.path, "/proc/1/ns/net", `${one.path}-gone`]) {
    assertEquals(await pluginFails(check(netns)), `101 The container c1 is not in ${netns}`);
    const interfaces = [{ ...link, sandbox: netns }];
    assertMatch(await pluginFails(check(netns, { interfaces })), /^101 .* is not in /);
    assertMatch(await pluginFails(check(one.path, { interfaces })), /^101 .* not have the link/);
  }
  assertMatch(await pluginFails(check(one.path, { interfaces: [] })), /^101 .* not have the link/);
  const mac = [{ ...link, mac: "02:00:00:00:00:09" }];
  assertMatch(await pluginFails(check(one.path, { interfaces: mac })), /^101 The MAC of the link/);
  const routes = [...prevResult.routes, { dst: "10.9.0.0/16", gw: "192.168.20.1" }];
  assertMatch(await pluginFails(check(one.path, { routes })), /^101 .* route to 10.9.0.0\/16/);
  assertStringIncludes(
    await one.run("ip", "route", "add", "10.9.0.0/16", "via", "192.168.20.1"),
    "(0)",
  );
  await pluginSucceeds(check(one.path, { routes }));
  await pluginSucceeds({ ...call, command: "DEL" });
});

Deno.test("addresses are given as they are asked for, and taken ones and MAC addresses are refused", async () => {
  await using _host = await commandHost();
  await using one = await engineNamespace();
  await using two = await engineNamespace();
  const args = "IgnoreUnknown=1;K8S_POD_NAME=foo;IP=192.168.20.77";
  const first = { command: "ADD", id: "c1", netns: one.path, args, conf: LAN };
  const { ips } = await pluginSucceeds(first);
  assertEquals(ips.map(({ address }) => address), ["192.168.20.77/24", "2001:db8:20::2/64"]);
  const second = { ...first, id: "c2", netns: two.path };
  assertMatch(await pluginFails(second), /^100 .*192\.168\.20\.77/);
  const mac = { ...second, args: "MAC=02:00:00:00:00:09" };
  assertMatch(await pluginFails(mac), /^4 .*CNI_ARGS/);
  assertEquals(await seen(two), EMPTY);
  const runtimeConfig = { ips: ["192.168.20.78/24", "2001:db8:20::78"] };
  const other = await pluginSucceeds({ ...second, args: "", conf: { ...LAN, runtimeConfig } });
  assertEquals(other.ips.map(({ address }) => address), ["192.168.20.78/24", "2001:db8:20::78/64"]);
});

Deno.test("the parent is the default route's link without a master, or a VLAN of it", async () => {
  await using host = await commandHost();
  await using one = await engineNamespace();
  const { master: _, ...conf } = { ...LAN, mode: "l3", vlan: 30, mtu: 1400, routes: [] };
  const call = { id: "c1", netns: one.path, conf };
  assertMatch(await pluginFails({ ...call, command: "ADD" }), /^7 .*no default route/);
  await host.ip.addr.add({ dev: "eth0", address: "192.168.1.250/24" });
  await host.ip.route.add({ dst: "default", via: "192.168.1.1", dev: "eth0" });
  const { routes } = await pluginSucceeds({ ...call, command: "ADD" });
  assertEquals(routes, []);
  assertEquals((await host.ip.link.show("eth0.30")).info.type, "vlan");
  assertEquals((await seen(one) as { links: unknown }).links, [{
    name: "eth0",
    up: true,
    mtu: 1400,
    info: { type: "ipvlan", mode: "l3", flag: "bridge" },
  }]);
  await pluginSucceeds({ ...call, command: "DEL" });
  assertEquals((await host.ip.link.show()).some(({ name }) => name === "eth0.30"), false);
});

Deno.test("a network of ipvlan's own takes containers, and stays when they go", async () => {
  await using _host = await commandHost();
  await using one = await engineNamespace();
  await succeeds("network", "create", "-o", "parent=eth0", "--subnet=10.0.0.0/24", "web");
  await succeeds("run", "-d", "--net", "none", "--name", "lonely");
  const conf = { cniVersion: "1.1.0", name: "pods", type: "ipvlan-kit", network: "web" };
  const call = { id: "c1", netns: one.path, conf };
  const { ips } = await pluginSucceeds({ ...call, command: "ADD" });
  assertEquals(ips, [{ interface: 0, address: "10.0.0.2/24", gateway: "10.0.0.1" }]);
  // GC of another configuration on the same network leaves it.
  const valid = { "cni.dev/valid-attachments": [] };
  await pluginSucceeds({ command: "GC", conf: { ...conf, ...valid, name: "others" } });
  assertEquals((await seen(one) as { addrs: unknown }).addrs, ["10.0.0.2/24 dev eth0"]);
  await pluginSucceeds({ command: "GC", conf: { ...conf, ...valid } });
  assertEquals(await seen(one), EMPTY);
  assertEquals(await succeeds("network", "ls", "--format", "{{.Name}}"), "web");
  assertEquals(await succeeds("ps", "-a", "--format", "{{.Names}}"), "lonely");
  const { status, output } = await callPlugin({
    ...call,
    command: "ADD",
    conf: { ...conf, network: "wbe" },
  });
  assertEquals([status, output.code], [1, 7]);
});

/** An IPAM plugin that logs its calls, and gives one address. */
const IPAM = `#!/bin/sh
input=$(cat)
echo "$CNI_COMMAND $CNI_CONTAINERID $CNI_IFNAME $input" >> "\${0%/*}/log"
[ ! -e "\${0%/*}/$CNI_COMMAND" ] || { cat "\${0%/*}/$CNI_COMMAND"; exit 1; }
[ "$CNI_COMMAND" = ADD ] || exit 0
echo '{"cniVersion":"1.0.0","ips":[{"address":"10.9.0.1/24","gateway":"10.9.0.254"}],
  "routes":[{"dst":"0.0.0.0/0"},{"dst":"10.0.0.0/8","gw":"10.9.0.253"}],
  "dns":{"nameservers":["10.9.0.53"]}}'
`;

Deno.test("an ipam section is the business of its plugin, with every command", async () => {
  await using host = await commandHost();
  const before = await host.dump();
  await using folder = await temporaryFolder();
  await using one = await engineNamespace();
  await Deno.writeTextFile(`${folder.path}/my-ipam`, IPAM, { mode: 0o755 });
  const log = async () => {
    const text = await Deno.readTextFile(`${folder.path}/log`).catch(() => "");
    return text.trim().split("\n").map((line) => line.split(" ")[0]);
  };
  const conf = {
    ...{ cniVersion: "1.1.0", name: "std", type: "ipvlan-kit", master: "eth0" },
    ipam: { type: "my-ipam", secret: 7 },
  };
  const path = `/nowhere:${folder.path}`;
  const call = { id: "c1", netns: one.path, path, conf };
  const result = await pluginSucceeds({ ...call, command: "ADD" });
  assertEquals(result.ips, [{ interface: 0, address: "10.9.0.1/24", gateway: "10.9.0.254" }]);
  assertEquals(result.dns, { nameservers: ["10.9.0.53"] });
  const { addrs, routes } = await seen(one) as { addrs: string[]; routes: string[] };
  assertEquals(addrs, ["10.9.0.1/24 dev eth0"]);
  assertEquals(routes, [
    "10.0.0.0/8 via 10.9.0.253 dev eth0 metric undefined",
    "10.9.0.0/24 via undefined dev eth0 metric undefined",
    "default via 10.9.0.254 dev eth0 metric undefined",
  ]);
  // It has the whole configuration, as it came.
  assertEquals(
    await Deno.readTextFile(`${folder.path}/log`),
    `ADD c1 eth0 ${JSON.stringify(conf)}\n`,
  );
  const prevResult = result;
  await pluginSucceeds({ ...call, command: "CHECK", conf: { ...conf, prevResult } });
  await pluginSucceeds({ ...call, command: "STATUS" });
  const valid = { "cni.dev/valid-attachments": [{ containerID: "c1", ifname: "eth0" }] };
  await pluginSucceeds({ ...call, command: "GC", conf: { ...conf, ...valid } });
  await pluginSucceeds({ ...call, command: "DEL" });
  assertEquals(await log(), ["ADD", "CHECK", "STATUS", "GC", "DEL"]);
  assertEquals(await host.dump(), before);

  // When the link cannot be made, the plugin takes the address back.
  const bad = { ...conf, master: "nolink" };
  assertMatch(await pluginFails({ ...call, command: "ADD", conf: bad }), /^100 .*nolink/);
  assertEquals((await log()).slice(-2), ["ADD", "DEL"]);

  // What it says is passed on.
  await Deno.writeTextFile(
    `${folder.path}/ADD`,
    '{"cniVersion":"1.0.0","code":11,"msg":"no lease","details":"wait"}',
  );
  assertEquals(
    await pluginFails({ ...call, command: "ADD" }),
    '11 The IPAM plugin "my-ipam" has failed: no lease; wait',
  );
  await Deno.writeTextFile(`${folder.path}/ADD`, "nonsense");
  assertMatch(await pluginFails({ ...call, command: "ADD" }), /^103 .*ended with status 1$/);
  assertMatch(
    await pluginFails({ ...call, command: "ADD", path: "/nowhere" }),
    /^103 The IPAM plugin "my-ipam" is in no folder of CNI_PATH \(\/nowhere\)/,
  );
  assertEquals(await host.dump(), before);
});

Deno.test("a link has all addresses of its IPAM plugin, or none, and CHECK misses each", async () => {
  await using host = await commandHost();
  const before = await host.dump();
  await using folder = await temporaryFolder();
  await using one = await engineNamespace();
  await using two = await engineNamespace();
  const gives = async (...addresses: string[]) => {
    const ips = addresses.map((address) => ({ address }));
    const answer = JSON.stringify({ cniVersion: "1.0.0", ips });
    const script = `#!/bin/sh\ncat >/dev/null\n[ "$CNI_COMMAND" != ADD ] || echo '${answer}'\n`;
    await Deno.writeTextFile(`${folder.path}/my-ipam`, script, { mode: 0o755 });
  };
  const addresses = ["10.9.0.1/24", "10.9.0.2/24", "10.8.0.1/16", "fd09::1/64", "fd09::2/64"];
  await gives(...addresses);
  const conf = {
    ...{ cniVersion: "1.1.0", name: "std", type: "ipvlan-kit", master: "eth0" },
    ipam: { type: "my-ipam" },
  };
  const call = { id: "c1", netns: one.path, path: folder.path, conf };
  const prevResult = await pluginSucceeds({ ...call, command: "ADD" });
  assertEquals(prevResult.ips.map(({ address }) => address), addresses);
  const { addrs } = await seen(one) as { addrs: string[] };
  assertEquals(addrs, addresses.map((address) => `${address} dev eth0`).toSorted());
  const checked = { ...call, command: "CHECK", conf: { ...conf, prevResult } };
  await pluginSucceeds(checked);
  await run("ip", "-n", one.netns, "addr", "del", "10.9.0.2/24", "dev", "eth0");
  assertMatch(await pluginFails(checked), /10\.9\.0\.2\/24/);
  // One address that another link has, and one that is given twice: nothing is left.
  const other = { ...call, command: "ADD", id: "c2", netns: two.path };
  await gives("10.9.0.3/24", "10.8.0.1/16");
  assertMatch(await pluginFails(other), /10\.8\.0\.1/);
  await gives("10.9.0.3/24", "10.9.0.3/16");
  assertMatch(await pluginFails(other), /given twice/);
  assertEquals(await seen(two), EMPTY);
  await gives("10.9.0.3/24");
  await pluginSucceeds(other);
  await pluginSucceeds({ ...call, command: "DEL" });
  await pluginSucceeds({ ...other, command: "DEL" });
  assertEquals(await host.dump(), before);
});

Deno.test("a chained plugin takes parent and addresses from the plugin before", async () => {
  await using _host = await commandHost();
  await using one = await engineNamespace();
  const prevResult = {
    interfaces: [{ name: "eth0" }],
    ips: [{ address: "10.9.0.7/24", gateway: "10.9.0.1" }],
    routes: [{ dst: "0.0.0.0/0" }],
  };
  const conf = { cniVersion: "1.0.0", name: "chain", type: "ipvlan-kit", prevResult };
  const call = { id: "c1", netns: one.path, conf };
  const { ips } = await pluginSucceeds({ ...call, command: "ADD" });
  assertEquals(ips, [{ interface: 0, address: "10.9.0.7/24", gateway: "10.9.0.1" }]);
  assertEquals((await seen(one) as { addrs: unknown }).addrs, ["10.9.0.7/24 dev eth0"]);
});

Deno.test("with keepAddresses, a pod gets its addresses again, and nobody else does", async () => {
  await using host = await commandHost();
  const before = await host.dump();
  const conf = { ...LAN, keepAddresses: true };
  const add = async (id: string, pod: string, netns: string) => {
    const args = `IgnoreUnknown=1;K8S_POD_NAMESPACE=prod;K8S_POD_NAME=${pod}`;
    const { ips } = await pluginSucceeds({ command: "ADD", id, netns, args, conf });
    return ips.map(({ address }) => address);
  };
  const del = (id: string) => pluginSucceeds({ command: "DEL", id, netns: "", conf });
  const [db, web] = [
    ["192.168.20.2/24", "2001:db8:20::2/64"],
    ["192.168.20.3/24", "2001:db8:20::3/64"],
  ];
  {
    await using one = await engineNamespace();
    await using two = await engineNamespace();
    assertEquals(await add("c1", "db-0", one.path), db);
    // Kubernetes starts the next pod of a name only when the last one is gone.
    const twice = { command: "ADD", id: "c2", netns: two.path, conf };
    const args = "K8S_POD_NAMESPACE=prod;K8S_POD_NAME=db-0";
    assertMatch(await pluginFails({ ...twice, args }), /192\.168\.20\.2 .*in use/);
    await del("c1");
    assertEquals(await add("c2", "web-0", two.path), web);
    // A name of another namespace is another name.
    assertMatch(
      await pluginFails({
        ...twice,
        id: "c3",
        args: `IP=192.168.20.2;${args.replace("prod", "test")}`,
      }),
      /192\.168\.20\.2 .*"prod\/db-0"/,
    );
    await del("c2");
  }
  // Nothing that cleans up takes it: neither GC nor restore, nor another configuration.
  await pluginSucceeds({ command: "GC", conf: { ...conf, "cni.dev/valid-attachments": [] } });
  await succeeds("restore");
  await using three = await engineNamespace();
  const other = { command: "ADD", id: "c4", netns: three.path, conf: { ...conf, mode: "l3" } };
  const named = { ...other, args: "K8S_POD_NAMESPACE=prod;K8S_POD_NAME=x" };
  assertMatch(await pluginFails(named), /^7 .*reserved on it/);
  assertMatch(await pluginFails({ command: "STATUS", conf: other.conf }), /^50 .*reserved on it/);
  const listed = await succeeds("address", "ls");
  for (const address of [...db, ...web]) assertStringIncludes(listed, address.split("/")[0]!);
  // A node crashes without DEL, and the pod comes back before anybody cleans up.
  {
    const lost = await engineNamespace();
    assertEquals(await add("c5", "db-0", lost.path), db);
    await lost.end();
  }
  assertEquals(await add("c6", "db-0", three.path), db);
  await del("c6");
  await succeeds("address", "release", "cni:lan", "prod/db-0");
  assertEquals(await add("c7", "y", three.path), db);
  await del("c7");
  await succeeds("address", "release", "cni:lan", "prod/y");
  await succeeds("address", "release", "cni:lan", "prod/web-0");
  assertEquals(await host.dump(), before);
});

Deno.test("STATUS counts reserved addresses as used", async () => {
  await using _host = await commandHost();
  await using one = await engineNamespace();
  const conf = { ...LAN, master: "eth0", subnets: ["192.168.20.0/30"], keepAddresses: true };
  const args = "K8S_POD_NAMESPACE=prod;K8S_POD_NAME=db-0";
  await pluginSucceeds({ command: "ADD", id: "c1", netns: one.path, args, conf });
  await pluginSucceeds({ command: "DEL", id: "c1", conf });
  assertMatch(
    await pluginFails({ command: "STATUS", conf }),
    /^50 Subnet 192.168.20.0\/30 has no free address/,
  );
  await succeeds("address", "release", "cni:lan", "prod/db-0");
  await pluginSucceeds({ command: "STATUS", conf });
});

Deno.test("STATUS says what is in the way of another container", async () => {
  await using host = await commandHost();
  await using one = await engineNamespace();
  const conf = { ...LAN, master: "eth0", subnets: ["192.168.20.0/30"] };
  await pluginSucceeds({ command: "STATUS", conf });
  assertMatch(
    await pluginFails({ command: "STATUS", conf: { ...conf, master: "no" } }),
    /^50 .*"no"/,
  );
  await pluginSucceeds({ command: "ADD", id: "c1", netns: one.path, conf });
  assertMatch(
    await pluginFails({ command: "STATUS", conf }),
    /^50 Subnet 192.168.20.0\/30 has no free address/,
  );
  // Another network of the parent that shares the subnet counts what this one has given.
  const other = { ...conf, name: "other" };
  assertMatch(
    await pluginFails({ command: "STATUS", conf: other }),
    /^50 Subnet 192.168.20.0\/30 has no free address/,
  );
  // A network can be made all the same: its endpoints may ask for the addresses.
  await using driver = await EngineDriver.open();
  const full = { name: "n", parent: "eth0", subnets: conf.subnets };
  assertEquals(await driver.problemsOf([full]), []);
  assertEquals((await driver.problemsOfFirst(settle(full))).length, 1);
  // ADD would refuse another mode, too.
  assertMatch(
    await pluginFails({ command: "STATUS", conf: { ...conf, mode: "l3" } }),
    /^50 .*with another mode/,
  );
  await host.ip.link.set("eth0", { up: false });
  assertMatch(await pluginFails({ command: "STATUS", conf }), /^51 The parent "eth0" .* is down/);
});

Deno.test("GC removes exactly the attachments that are not valid: 150 of 200", async () => {
  await using host = await commandHost();
  const conf = { ...LAN, master: "eth0" };
  const ids = Array.from({ length: 50 }, (_, index) => `pod-${index}`);
  const ifnames = ["eth0", "net1", "net2", "net3"];
  await using undo = new AsyncDisposableStack();
  await Promise.all(ids.map((id) => host.ip.netns.add(id)));
  undo.defer(async () => {
    await using ip = await Ip.open();
    await Promise.all(ids.map((id) => ip.netns.del(id)));
  });
  // One driver makes them faster than 200 calls of the plugin, from the plugin's own plans.
  const add = async (driver: EngineDriver, id: string) => {
    const plans = ifnames.map((ifname) => {
      const call = { command: "ADD", id, netns: `/run/netns/${id}`, ifname, conf };
      return planLink(readRequest(variablesOf(call), inputOf(call)), undefined);
    });
    const labels = Object.assign({}, ...plans.map(({ labels }) => labels));
    const connections = plans.map(({ connection }) => ({ ...connection, network: "cni:lan" }));
    const { connection: _, ...sandbox } = plans[0]!;
    await driver.borrowSandbox({ ...sandbox, labels, connections });
  };
  const attachments = async () => {
    await using driver = await EngineDriver.open();
    return driver.listSandboxes().flatMap(({ owner, endpoints }) =>
      endpoints.map(({ ifname, ip }) => ({ containerID: owner!.id, ifname, ip }))
    );
  };
  // The plugin makes the network.
  const other = { ...conf, name: "other" };
  await using one = await engineNamespace();
  await pluginSucceeds({ command: "ADD", id: "one", netns: one.path, conf });
  {
    await using driver = await EngineDriver.open();
    await Promise.all(ids.map((id) => add(driver, id)));
  }
  await pluginSucceeds({ command: "DEL", id: "one", conf });
  const all = await attachments();
  assertEquals([all.length, new Set(all.map(({ ip }) => ip)).size], [200, 200]);
  // All links of some containers, some of one, and none of the others.
  const isValid = ({ containerID, ifname }: { containerID: string; ifname: string }) =>
    ids.indexOf(containerID) < 12 || containerID === "pod-12" && ifname < "net2";
  const valid = all.filter(isValid);
  assertEquals(valid.length, 50);
  const gc = (conf: unknown, valid: unknown) =>
    pluginSucceeds({
      command: "GC",
      conf: { ...conf as typeof LAN, "cni.dev/valid-attachments": valid },
    });
  await gc(other, []);
  assertEquals(await attachments(), all);
  await gc(conf, valid.map(({ containerID, ifname }) => ({ containerID, ifname })));
  assertEquals(await attachments(), valid);
  await using eyes = new Eyes();
  const linked = await Promise.all(ids.map(async (containerID) => {
    const { links } = await dumpSandbox(containerID, eyes);
    return links.filter(({ name }) => name !== "lo").map(({ name: ifname }) => ({
      containerID,
      ifname,
    }));
  }));
  const expected = ids.flatMap((containerID) =>
    ifnames.map((ifname) => ({ containerID, ifname })).filter(isValid)
  );
  assertEquals(linked.flat(), expected);
  await gc(conf, null);
  assertEquals(await attachments(), []);
});

Deno.test("the plugin as a process: VERSION with any environment, nonsense, and no rights", async () => {
  await using host = await commandHost();
  await using one = await engineNamespace();
  const before = await host.dump();
  // As Podman asks for the version.
  const dummy = { command: "VERSION", id: "dummy", netns: "dummy", ifname: "dummy", path: "dummy" };
  const version = await runProgram({ ...dummy, conf: { cniVersion: "1.0.0" } });
  assertEquals(version.output, {
    cniVersion: "1.0.0",
    supportedVersions: ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"],
  });
  const call = { command: "ADD", id: "c1", netns: one.path, conf: LAN };
  for (const conf of ["", "nonsense", "\u0000\uffff", "[1]"]) {
    const { status, output, stderr } = await runProgram({ ...call, conf });
    assertEquals([status, output.code, stderr], [1, 6, ""]);
  }
  const unknown = await runProgram({ ...call, command: "FROB" });
  assertEquals([unknown.status, unknown.output.code], [1, 4]);
  const nobody = await runProgram(call, { program: ["setpriv", "--bounding-set=-all", ...PLUGIN] });
  assertEquals(nobody.status, 1);
  assertMatch(`${nobody.output.code} ${nobody.output.msg}`, /^100 .*without rights/);
  assertEquals(await host.dump(), before);
});

Deno.test("20 processes attach at once: 20 addresses, and nothing is left when they are gone", async () => {
  await using host = await commandHost();
  const before = await host.dump();
  await using undo = new AsyncDisposableStack();
  const containers = await Promise.all(Array.from({ length: 20 }, () => engineNamespace()));
  containers.forEach((container) => undo.use(container));
  const calls = containers.map(({ path }, index) => ({ id: `c${index}`, netns: path, conf: LAN }));
  const added = await Promise.all(
    calls.map((call) => runProgram({ ...call, command: "ADD" })),
  );
  assertEquals(added.map(({ status, output }) => status === 0 ? 0 : output), Array(20).fill(0));
  const addresses = added.map(({ output }) => output.ips[0].address);
  assertEquals(new Set(addresses).size, 20);
  await using eyes = new Eyes();
  for (const [index, container] of containers.entries()) {
    const { addrs } = await seen(container, eyes) as { addrs: string[] };
    assert(addrs.includes(`${addresses[index]} dev eth0`));
  }
  await Promise.all(calls.map((call) => pluginSucceeds({ ...call, command: "DEL", netns: "" })));
  const left = await Promise.all(containers.map((container) => seen(container, eyes)));
  assertEquals(left, Array(20).fill(EMPTY));
  assertEquals(await host.dump(), before);
});

Deno.test("ADD is killed at any of its steps: DEL and another ADD do as if it had not been", async () => {
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
    for (let run = 1, wasKilled = true; wasKilled; run++) {
      await Deno.writeTextFile(`${folder.path}/left`, `${run}\n`);
      await using one = await engineNamespace();
      const call = { id: "c1", netns: one.path, conf: LAN };
      const { status } = await runProgram({ ...call, command: "ADD" }, { program, env });
      wasKilled = status !== 0;
      if (wasKilled) assertEquals(status, 137);
      else assert(run > 2, "it was never killed");
      const what = `${where} run ${run}`;
      await pluginSucceeds({ ...call, command: "DEL" });
      const { ips } = await pluginSucceeds({ ...call, command: "ADD" });
      assertEquals(ips[0]?.address, "192.168.20.2/24", what);
      await pluginSucceeds({ ...call, command: "DEL" });
      assertEquals(await seen(one), EMPTY, what);
      assertEquals(await host.dump(), before, what);
    }
  }
});

Deno.test("a network without a link, as a kill between the two leaves it, is in nobody's way and goes", async () => {
  await using host = await commandHost();
  const before = await host.dump();
  await using one = await engineNamespace();
  const call = { id: "c1", netns: one.path, conf: LAN };
  const leave = async () => {
    const add = { ...call, command: "ADD" };
    const { settled } = readRequest(variablesOf(add), inputOf(add));
    await using driver = await EngineDriver.open();
    await driver.createSettled(settled!);
  };
  const valid = { "cni.dev/valid-attachments": [] };
  for (const end of [{ ...call, command: "DEL" }, { command: "GC", conf: { ...LAN, ...valid } }]) {
    await leave();
    await pluginSucceeds(end);
    assertEquals(await host.dump(), before, end.command);
  }
  // Nobody has a link with the settings of before, so others may take their place.
  await leave();
  const changed = { ...call, conf: { ...LAN, mode: "l3", subnets: ["10.3.0.0/24"] } };
  const { ips } = await pluginSucceeds({ ...changed, command: "ADD" });
  assertEquals(ips[0]?.address, "10.3.0.2/24");
  // Now somebody has.
  await using two = await engineNamespace();
  assertMatch(
    await pluginFails({ ...call, command: "ADD", id: "c2", netns: two.path }),
    /^7 .*"cni:lan"/,
  );
  await pluginSucceeds({ ...changed, command: "DEL" });
  assertEquals(await host.dump(), before);
});

Deno.test("cni install writes an executable that is the plugin", async () => {
  await using _host = await commandHost();
  await using folder = await temporaryFolder();
  const { status, out, err } = await runJob(["cni", "install", `${folder.path}/bin`]);
  assertEquals([status, out], [0, `${folder.path}/bin/ipvlan-kit`]);
  assertMatch(
    err,
    /^ipvlan: Each call starts Deno, as no server is seen at \/run\/ipvlan\/cni.sock: /,
  );
  const { output } = await runProgram({ command: "VERSION", conf: "" }, { program: [out] });
  assertEquals(output.cniVersion, "1.1.0");
});

Deno.test("as an IPAM plugin, it gives addresses to other main plugins, each only once", async () => {
  await using _host = await commandHost();
  const ipam = {
    type: "ipvlan-kit",
    subnets: [
      { subnet: "10.7.0.0/30", gateway: "10.7.0.1" },
      { subnet: "10.7.1.0/30", gateway: "10.7.1.1" },
      "fd07::/64",
    ],
    routes: [{ dst: "0.0.0.0/0" }],
  };
  const conf = { cniVersion: "1.1.0", name: "br", type: "bridge", bridge: "cni0", ipam };
  const add = (id: string, more: object = {}) =>
    pluginSucceeds({ command: "ADD", id, netns: "/proc/1/ns/net", conf, ...more });
  assertEquals(await add("a"), {
    cniVersion: "1.1.0",
    ips: [{ address: "10.7.0.2/30", gateway: "10.7.0.1" }, { address: "fd07::1/64" }],
    routes: [{ dst: "0.0.0.0/0" }],
  } as unknown);
  // The first subnet is full.
  assertEquals((await add("b")).ips[0], { address: "10.7.1.2/30", gateway: "10.7.1.1" });
  const full = await pluginFails({ command: "ADD", id: "c", netns: "/proc/1/ns/net", conf });
  assertMatch(full, /^100 .*10\.7\.1\.0\/30/);
  await using one = await engineNamespace();
  // A network of the driver's knows of them.
  const lan = { ...LAN, master: "eth0", subnets: ["10.7.0.0/30"] };
  assertMatch(
    await pluginFails({ command: "ADD", id: "x", netns: one.path, conf: lan }),
    /^100 /,
  );
  const calls = { netns: "/proc/1/ns/net", conf: { ...conf, prevResult: {} } };
  await pluginSucceeds({ ...calls, command: "CHECK", id: "a" });
  assertMatch(await pluginFails({ ...calls, command: "CHECK", id: "c" }), /^101 /);
  for (let time = 0; time < 2; time++) await pluginSucceeds({ command: "DEL", id: "a", conf });
  assertEquals((await add("c", { args: "IP=10.7.0.2" })).ips[0]?.address, "10.7.0.2/30");
  await pluginSucceeds({ command: "DEL", id: "c", conf });
  const runtimeConfig = { ips: ["fd07::5", "fd07::6", "10.7.0.2"] };
  const asked = { ...conf, runtimeConfig };
  assertEquals((await add("c", { conf: asked })).ips.map(({ address }) => address), [
    "10.7.0.2/30",
    "fd07::5/64",
    "fd07::6/64",
  ]);
  const valid = [{ containerID: "b", ifname: "eth0" }];
  await pluginSucceeds({ command: "GC", conf: { ...conf, "cni.dev/valid-attachments": valid } });
  await using driver = await EngineDriver.open();
  const claims = () =>
    driver.listPools().flatMap(({ claims }) => claims.map(({ holder }) => holder)).toSorted();
  assertEquals(claims(), ["b/eth0", "b/eth0", "gateway"]);
  await pluginSucceeds({ command: "DEL", id: "b", conf });
  assertEquals(driver.listPools(), []);
});

Deno.test("a container on two networks: each link has its own configuration, check and removal", async () => {
  await using host = await commandHost();
  const before = await host.dump();
  await using folder = await temporaryFolder();
  await using one = await engineNamespace();
  await Deno.writeTextFile(`${folder.path}/my-ipam`, IPAM, { mode: 0o755 });
  const second = {
    ...{ cniVersion: "1.1.0", name: "second", type: "ipvlan-kit", master: "eth0.30" },
    ipam: { type: "my-ipam" },
  };
  const calls = [
    { id: "c1", netns: one.path, conf: LAN },
    { id: "c1", netns: one.path, ifname: "eth1", path: folder.path, conf: second },
    { id: "c1", netns: one.path, ifname: "net2", conf: { ...LAN, routes: [] } },
  ];
  const results = [];
  for (const call of calls) results.push(await pluginSucceeds({ ...call, command: "ADD" }));
  const { addrs, routes } = await seen(one) as { addrs: string[]; routes: string[] };
  assertEquals(addrs, [
    "10.9.0.1/24 dev eth1",
    "192.168.20.2/24 dev eth0",
    "192.168.20.3/24 dev net2",
    "2001:db8:20::2/64 dev eth0",
    "2001:db8:20::3/64 dev net2",
  ]);
  // The first network has the default route. Where the second one has the same, it comes after that.
  assertEquals(routes.filter((route) => /^default.*via \d+\.\d/.test(route)), [
    "default via 10.9.0.254 dev eth1 metric 1025",
    "default via 192.168.20.1 dev eth0 metric undefined",
  ]);
  for (const [index, call] of calls.entries()) {
    const conf = { ...call.conf, prevResult: results[index] };
    await pluginSucceeds({ ...call, command: "CHECK", conf });
  }
  const valid = { "cni.dev/valid-attachments": [{ containerID: "c1", ifname: "net2" }] };
  await pluginSucceeds({ command: "GC", conf: { ...LAN, ...valid } });
  const names = async () => (await dumpSandbox(one.netns)).links.map(({ name }) => name);
  assertEquals(await names(), ["eth1", "lo", "net2"]);
  await pluginSucceeds({ ...calls[1]!, command: "DEL" });
  assertEquals(await names(), ["lo", "net2"]);
  await pluginSucceeds({ ...calls[2]!, command: "DEL" });
  assertEquals(await host.dump(), before);
});

Deno.test("a route that another program has given the container stays first", async () => {
  await using host = await commandHost();
  const before = await host.dump();
  await using one = await engineNamespace();
  const lines = [
    "link add eth0 type dummy",
    "link set eth0 up",
    "address add 172.16.0.2/24 dev eth0",
    "route add default via 172.16.0.1",
  ];
  for (const line of lines) assertEquals(await one.run("ip", ...line.split(" ")), "(0)", line);
  const conf = { ...LAN, subnets: LAN.subnets.slice(0, 1) };
  const call = { id: "c1", ifname: "net1", netns: one.path, conf };
  const prevResult = await pluginSucceeds({ ...call, command: "ADD" });
  const { links, routes } = await seen(one) as { links: unknown[]; routes: string[] };
  assertEquals(routes.filter((route) => route.startsWith("default")), [
    "default via 172.16.0.1 dev eth0 metric undefined",
    "default via 192.168.20.1 dev net1 metric 1025",
  ]);
  await pluginSucceeds({ ...call, command: "CHECK", conf: { ...conf, prevResult } });
  await pluginSucceeds({ ...call, command: "DEL" });
  assertEquals(await host.dump(), before);
  // The same route twice cannot be had at all.
  const twice = { ...conf, routes: [{ dst: "10.0.0.0/8" }, { dst: "10.0.0.0/8" }] };
  assertMatch(
    await pluginFails({ ...call, command: "ADD", conf: twice }),
    /^100 The sandbox "cni:c1" has a route to 10\.0\.0\.0\/8 already/,
  );
  assertEquals((await seen(one) as { links: unknown[] }).links.length, links.length - 1);
  assertEquals(await host.dump(), before);
});

Deno.test("a route has every field of CNI's, and each is compared", async () => {
  await using host = await commandHost();
  await using one = await engineNamespace();
  const before = await host.dump();
  const gw = "192.168.20.1";
  const routes = [
    { dst: "0.0.0.0/0", gw, priority: 5, mtu: 1400, advmss: 1300 },
    { dst: "10.0.0.0/8", gw, table: 100 },
    { dst: "10.0.0.0/8", scope: 253 },
    { dst: "fd01::/16", gw: "2001:db8:20::1", table: 4_000_000_000, mtu: 1350, scope: 253 },
  ];
  const call = { id: "c1", netns: one.path, conf: { ...LAN, routes } };
  const prevResult = await pluginSucceeds({ ...call, command: "ADD" });
  const [, , , { scope: _, ...last }] = routes as [object, object, object, { scope: number }];
  assertEquals(prevResult.routes, [...routes.slice(0, 3), last]);
  const shown = async (...words: string[]) =>
    (await one.run("ip", ...words)).replace(/ +/g, " ").split("\n").map((line) => line.trim());
  const all = [
    ...await shown("route", "show", "table", "all"),
    ...await shown("-6", "route", "show", "table", "all"),
  ];
  for (
    const line of [
      "default via 192.168.20.1 dev eth0 metric 5 mtu 1400 advmss 1300",
      "10.0.0.0/8 via 192.168.20.1 dev eth0 table 100",
      "10.0.0.0/8 dev eth0 scope link",
      "fd01::/16 via 2001:db8:20::1 dev eth0 table 4000000000 metric 1024 mtu 1350 pref medium",
    ]
  ) assert(all.includes(line), `${line}\n${all.join("\n")}`);
  const check = { ...call, command: "CHECK", conf: { ...call.conf, prevResult } };
  await pluginSucceeds(check);
  for (
    const [line, sentence] of [
      ["del 10.0.0.0/8 table 100", "does not have the route to 10.0.0.0/8 in table 100 via"],
      [
        "change default via 192.168.20.1 dev eth0 metric 5 mtu 1450 advmss 1300",
        "metric 5 mtu 1450 advmss 1300 instead of via 192.168.20.1 metric 5 mtu 1400 advmss 1300",
      ],
    ] as const
  ) {
    assertStringIncludes(await one.run("ip", "route", ...line.split(" ")), "(0)");
    assertStringIncludes(await pluginFails(check), sentence);
    await succeeds("restore");
    await pluginSucceeds(check);
  }
  await pluginSucceeds({ ...call, command: "DEL" });
  assertEquals(await host.dump(), before);
});

Deno.test("an address of a container that has ended without DEL is given again when no other is left", async () => {
  await using _host = await commandHost();
  const conf = { ...LAN, master: "eth0", subnets: ["192.168.20.0/30"] };
  const one = await engineNamespace();
  await using two = await engineNamespace();
  await using three = await engineNamespace();
  await pluginSucceeds({ command: "ADD", id: "c1", netns: one.path, conf });
  const full = { command: "ADD", id: "c2", netns: two.path, conf };
  assertMatch(await pluginFails(full), /^100 .*192\.168\.20\.0\/30/);
  await one.end();
  assertEquals((await pluginSucceeds(full)).ips[0]?.address, "192.168.20.2/30");
  assertMatch(await pluginFails({ ...full, id: "c3", netns: three.path }), /^100 /);
});

Deno.test("ADD that is interrupted says so, and leaves nothing", async () => {
  await using host = await commandHost();
  const before = await host.dump();
  await using ip = await heldIp("behind");
  await using one = await engineNamespace();
  const call = { command: "ADD", id: "c1", netns: one.path, conf: LAN };
  await using folder = await temporaryFolder();
  const pid = `${folder.path}/pid`;
  const program = ["sh", "-c", `echo $$ > ${pid}; exec "$@"`, "sh", ...PLUGIN];
  ip.hold();
  const answer = runProgram(call, { program, env: ip.env });
  await ip.waits();
  Deno.kill(Number(await Deno.readTextFile(pid)), "SIGTERM");
  await ip.goOn();
  const { status, output } = await answer;
  assertEquals([status, output.code, output.msg], [1, 11, "It was interrupted"]);
  assertEquals(await seen(one), EMPTY);
  assertEquals(await host.dump(), before);
});
