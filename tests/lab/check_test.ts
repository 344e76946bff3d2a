import { assertEquals, assertMatch } from "@std/assert";
import { doesNotReach, type Finding, reaches } from "../../lib/check/mod.ts";
import { groupDoesNotPass, groupPasses } from "../../scenarios/kit/machines/group.ts";
import {
  addressesEqual,
  hasMac,
  linkIsGone,
  linkShows,
  routesEqual,
} from "../../scenarios/kit/machines/lines.ts";
import { macsLearned, taggedWith } from "../../scenarios/kit/machines/checks.ts";
import { World, type WorldSpec } from "../../scenarios/kit/machines/world.ts";
import { inEnv, run } from "../kit/processes.ts";
import { freshNetns } from "../kit/worlds.ts";
import { assertRejectsError } from "../kit/errors.ts";
import { writeSysctls } from "../../scenarios/kit/machines/in_netns.ts";

const SPEC: WorldSpec = {
  host: { eth0: ["10.0.1.2/24", "2001:db8:1::2/64"], "eth0.20": ["10.0.20.2/24"] },
  lan: {
    pc: { addresses: ["10.0.1.4/24", "2001:db8:1::4/64"], gateways: ["10.0.1.2", "2001:db8:1::2"] },
    nas: { addresses: ["10.0.20.4/24"], vlan: 20 },
  },
};

/** Runs checks side by side and compares which of them held. */
async function held(findings: Promise<Finding>[], expected: boolean[]): Promise<void> {
  const found = await Promise.all(findings);
  assertEquals(
    found.map((finding) => finding.held),
    expected,
    JSON.stringify(found.filter((finding, index) => finding.held !== expected[index])),
  );
}

Deno.test("reaches and doesNotReach say who answers, and distinguish a dead target from isolation", async () => {
  await using _world = await World.build(SPEC);
  const fromNas = { control: "lab-host", reaches: "10.0.20.2" };
  const fromPc = { control: "lab-host", reaches: "2001:db8:1::2" };
  await held([
    reaches("lab-host", "10.0.1.4"),
    reaches("lab-pc", "2001:db8:1::2"),
    reaches("lab-pc", "10.0.20.2"),
    // Isolation: another VLAN, without a route.
    doesNotReach("lab-nas", "10.0.1.4", fromNas),
    doesNotReach("lab-nas", "2001:db8:1::4", fromNas),
    // It does reach it.
    doesNotReach("lab-pc", "10.0.1.2", fromPc),
    // Nobody is there.
    doesNotReach("lab-pc", "10.0.1.77", fromPc),
    // The asker reaches nobody, so that it may be cut off.
    doesNotReach("lab-nas", "10.0.1.4", { ...fromNas, reaches: "10.0.20.77" }),
    // Neither the asker nor the name exists.
    doesNotReach("lab-nobody", "10.0.1.4", fromNas),
    doesNotReach("lab-nas", "no-such-name", fromNas),
    reaches("lab-nas", "10.0.20.77"),
    reaches("lab-nas", "no-such-name"),
    reaches("lab-nobody", "10.0.1.4"),
  ], [...Array(5).fill(true), ...Array(8).fill(false)]);
});

Deno.test("without an answer, the evidence says why", async () => {
  await using world = await World.build(SPEC);
  const why = async (target: string) =>
    (await reaches("lab-pc", target)).evidence.slice(1).map(({ command, output }) =>
      `${command}: ${output.split("\n").at(0)}`
    );
  // What the switch does with tags is not part of the model.
  assertMatch((await why("10.0.1.77"))[0]!, /^ipvlan why lab-pc 10\.0\.1\.77: .* \[unknown\]$/);
  await world.ip("lab-pc").route.del({ dst: "default", via: "10.0.1.2" });
  assertMatch((await why("10.0.20.2"))[0]!, / lab-pc: has no route to 10\.0\.20\.2 \[no-route\]$/);
  assertEquals(await why("10.0.1.2"), []);
  assertEquals(await why("no-such-name"), []);
});

Deno.test("a name is the one in the namespace's hosts file", async () => {
  await using _world = await World.build(SPEC);
  const folder = "/etc/netns/lab-host";
  await Deno.mkdir(folder, { recursive: true });
  try {
    await Deno.writeTextFile(`${folder}/hosts`, "10.0.1.4 v4-pc\n2001:db8:1::4 v6-pc\n");
    await held([reaches("lab-host", "v4-pc"), reaches("lab-host", "v6-pc")], [true, true]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("routes, addresses and links are compared with what ip prints", async () => {
  await using world = await World.build(SPEC);
  const { address: mac = "" } = await world.ip("lab-pc").link.show("eth0");
  await held([
    routesEqual("lab-pc", 4, [
      "default via 10.0.1.2 dev eth0",
      "10.0.1.0/24 dev eth0 src 10.0.1.4",
    ]),
    routesEqual("lab-pc", 6, ["default via 2001:db8:1::2 dev eth0", "2001:db8:1::/64 dev eth0"]),
    routesEqual("lab-pc", 4, ["10.0.1.0/24 dev eth0 src 10.0.1.4"]),
    routesEqual("lab-nobody", 4, []),
    addressesEqual("lab-pc", "eth0", ["10.0.1.4/24", "2001:db8:1::4/64 nodad"]),
    addressesEqual("lab-pc", "eth0", ["10.0.1.4/24"]),
    addressesEqual("lab-pc", "eth1", []),
    hasMac("lab-pc", "eth0", mac),
    hasMac("lab-host", "eth0", mac),
    linkShows("lab-host", "eth0.20", "vlan protocol 802.1Q id 20", "UP", "eth0.20@eth0:"),
    linkShows("lab-host", "eth0.20", "vlan protocol 802.1Q id 2"),
    linkShows("lab-host", "eth0.20", "NOARP"),
    linkIsGone("lab-host", "eth1"),
    linkIsGone("lab-host", "eth0"),
    linkIsGone("lab-nobody", "eth0"),
  ], [
    ...[true, true, false, false],
    ...[true, false, false],
    ...[true, false],
    ...[true, false, false],
    ...[true, false, false],
  ]);
});

Deno.test("an address that cannot be used is noticed", async () => {
  await using world = await World.build(SPEC);
  // The same address on the same segment: duplicate address detection fails for the second.
  await writeSysctls("lab-pc", ["net/ipv6/conf/eth0/dad_transmits"], "1");
  await world.ip("lab-pc").addr.add({ dev: "eth0", address: "2001:db8:1::2/64" });
  await held([
    addressesEqual("lab-pc", "eth0", ["10.0.1.4/24", "2001:db8:1::4/64", "2001:db8:1::2/64"]),
  ], [false]);
});

Deno.test("taggedWith and macsLearned see what a port sees", async () => {
  await using world = await World.build(SPEC);
  const { address: mac = "" } = await world.host.ip.link.show("eth0");
  // Who has answered a ping asks 5 seconds later whether its sender is still there. That would count.
  for (const netns of ["lab-pc", "lab-nas"]) {
    await writeSysctls(netns, ["net/ipv4/neigh/eth0/delay_first_probe_time"], "3600");
  }
  const to20 = () => reaches("lab-host", "10.0.20.4");
  const untagged = () => reaches("lab-host", "10.0.1.4");
  // The switch knows nothing of VLAN 99.
  await world.host.ip.link.add({ type: "vlan", link: "eth0", name: "eth0.99", id: 99 });
  await world.host.ip.link.set("eth0.99", { addrgenmode: "none" });
  await world.host.ip.link.set("eth0.99", { up: true });
  await world.host.ip.addr.add({ dev: "eth0.99", address: "10.0.99.1/24" });
  const to99 = () => run("ip", "netns", "exec", "lab-host", "ping", "-c1", "-W1", "10.0.99.2");
  const port = ["lab-switch", "host-eth0"] as const;
  const qdiscs = () => run("tc", "-n", port[0], "qdisc", "show", "dev", port[1]);
  const before = (await qdiscs()).stdout;
  await held([taggedWith(...port, [20], to20)], [true]);
  // What the host's kernel says of itself, without a tag, when it joins a group.
  const reports = async () => {
    const file = "/proc/net/dev_snmp6/eth0";
    const { stdout } = await run("ip", "netns", "exec", "lab-host", "cat", file);
    return Number(/^Icmp6OutMLDv2Reports\s+(\d+)/m.exec(stdout)?.[1]);
  };
  const joining = async () => {
    const before = await reports();
    await world.host.ip.addr.add({ dev: "eth0", address: "2001:db8:1::9/64", nodad: true });
    while (await reports() === before);
    return await to20();
  };
  await held([taggedWith(...port, [20], joining)], [true]);
  await held([taggedWith(...port, [1], untagged)], [true]);
  await held([taggedWith(...port, [20], untagged)], [false]);
  await held([taggedWith(...port, [1, 20], () => Promise.all([to20(), untagged()]))], [true]);
  await held([taggedWith(...port, [20], () => Promise.all([to20(), untagged()]))], [false]);
  await held([taggedWith(...port, [20], () => Promise.all([to20(), to99()]))], [false]);
  await held([taggedWith(...port, [20], () => Promise.resolve())], [false]);
  // The check leaves a qdisc alone that it did not make.
  assertEquals((await qdiscs()).stdout, before);
  assertEquals((await run("tc", "-n", port[0], "qdisc", "add", "dev", port[1], "ingress")).code, 0);
  const theirs = (await qdiscs()).stdout;
  await assertRejectsError(() => taggedWith(...port, [20], to20), "ip-command", "Exclusivity");
  assertEquals((await qdiscs()).stdout, theirs);
  await held([
    macsLearned(...port, [mac]),
    macsLearned(...port, []),
    macsLearned("lab-switch", "nas-eth0", [mac]),
  ], [true, false, false]);
});

Deno.test("broadcast and multicast pass in an L2 network, and not in an L3 one", async () => {
  await using world = await World.build({});
  const { driver } = world.host;
  await driver.createNetwork({ name: "flat", mode: "l2", subnets: ["10.1.0.0/24"] });
  await driver.createNetwork({ name: "routed", mode: "l3", subnets: ["10.3.0.0/24"] });
  for (const network of ["flat", "routed"]) {
    // The check finds the link to send on, whatever its name.
    await world.host.run(`${network}-a`, network, { ifname: "up0" });
    await world.host.run(`${network}-b`, network);
  }
  const flat = { netns: "flat-b", address: "10.1.0.3" };
  const routed = { netns: "routed-b", address: "10.3.0.3" };
  await held([
    groupPasses("broadcast", "flat-a", flat),
    groupPasses("multicast", "flat-a", flat),
    groupDoesNotPass("broadcast", "routed-a", routed),
    groupDoesNotPass("multicast", "routed-a", routed),
    groupPasses("broadcast", "routed-a", routed),
    groupPasses("multicast", "routed-a", routed),
    groupDoesNotPass("broadcast", "flat-a", flat),
    groupDoesNotPass("multicast", "flat-a", flat),
  ], [true, true, true, true, false, false, false, false]);
  await held([
    groupPasses("broadcast", "flat-a", flat, { dev: "up0" }),
    groupPasses("broadcast", "flat-a", flat, { dev: "eth0" }),
    // There is no route to the receiver.
    groupPasses("broadcast", "flat-a", routed),
    groupDoesNotPass("broadcast", "flat-a", routed),
  ], [true, false, false, false]);
});

Deno.test("a signal ends the pings of a check", async () => {
  await using _world = await World.build(SPEC);
  const nobody = "10.0.1.77";
  const receiver = { netns: "lab-host", address: nobody };
  // The check that no signal ends is through last.
  const order: string[] = [];
  const unhurried = reaches("lab-pc", nobody).then(() => order.push("unhurried"));
  const abort = new AbortController();
  const { signal } = abort;
  const checks = [
    reaches("lab-pc", nobody, { signal }),
    doesNotReach("lab-pc", nobody, { control: "lab-nas", reaches: nobody, signal }),
    groupPasses("broadcast", "lab-pc", receiver, { signal }),
    groupDoesNotPass("multicast", "lab-pc", receiver, { signal }),
  ];
  const reason = new Error("Enough");
  abort.abort(reason);
  for (const outcome of await Promise.allSettled(checks)) {
    assertEquals(outcome, { status: "rejected", reason });
  }
  order.push("ended");
  await unhurried;
  assertEquals(order, ["ended", "unhurried"]);
});

Deno.test("a ping that is missing is named, here and in a namespace", async () => {
  await using ns = await freshNetns();
  const folder = await Deno.makeTempDir();
  try {
    await Deno.symlink((await run("sh", "-c", "command -v ip")).stdout.trim(), `${folder}/ip`);
    using _path = inEnv("PATH", folder);
    for (const from of [undefined, ns.name]) {
      await assertRejectsError(() => reaches(from, "127.0.0.1"), "program-not-found", '"ping"');
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
