import { assert, assertEquals, assertMatch } from "@std/assert";
import { familyOf } from "../../lib/ipam/address.ts";
import { assertOnly, doctor, ipvlan, succeeds } from "../kit/command.ts";
import { inEnv, run } from "../kit/processes.ts";
import { commandHost, freshNetns } from "../kit/worlds.ts";

Deno.test("doctor finds nothing where all is well, and leaves nothing", async () => {
  await using host = await commandHost();
  await using undo = new AsyncDisposableStack();
  await succeeds("network", "create", "--subnet=10.0.0.0/24", "-o", "parent=eth0", "web");
  await succeeds("network", "create", "--subnet=10.1.0.0/24", "-o", "parent=eth0.20", "vlan");
  await succeeds("network", "create", "--internal", "--subnet=10.2.0.0/24", "alone");
  // On a dummy that is somebody's own, as one has who tries things out, nobody can be asked for.
  await host.ip.link.add({ type: "dummy", name: "d0", up: true });
  undo.defer(() => host.ip.link.del("d0"));
  await succeeds("network", "create", "--subnet=10.3.0.0/24", "-o", "parent=d0.20", "trial");
  await succeeds("run", "-d", "--net=web", "--net=vlan", "--net=alone", "--net=trial", "--name=c1");
  const before = await host.dump();
  assertEquals(await doctor(), []);
  assertEquals(await doctor("--parent", "eth0.30"), []);
  assertEquals(await host.dump(), before);
  const { status, out } = await ipvlan("doctor");
  assertEquals(status, 0);
  assertMatch(
    out,
    /^ok {7}kernel +\S+, and ipvlan needs 4\.2 or later\n[^]*\n\nipvlan works here$/,
  );
});

Deno.test("doctor says what is wrong with a parent", async (t) => {
  await using host = await commandHost();
  const { ip } = host;
  const only = async (parent: string, pattern: RegExp) =>
    assertOnly(await doctor("--parent", parent), pattern);

  await t.step("it is the loopback", async () => {
    await only("lo", /^broken parent lo: .* it is the loopback, /);
  });
  await t.step("it is not there", async () => {
    await only("eth9", /^broken parent eth9: There is no link "eth9" /);
  });
  await t.step("it is down", async () => {
    await ip.link.set("eth0", { up: false });
    await only("eth0", /^broken parent eth0: It is down, .* → ip link set dev eth0 up$/);
    await only("eth0.20", /The link "eth0" below it is down, .* → ip link set dev eth0 up$/);
    await ip.link.set("eth0", { up: true });
  });
  await t.step("it has no carrier", async () => {
    await ip.link.set("eth0-peer", { up: false });
    await only("eth0", /^broken parent eth0: It has no carrier, /);
    await ip.link.set("eth0-peer", { up: true });
  });
  await t.step("it is a port of a bridge", async () => {
    await ip.link.add({ type: "bridge", name: "br0" });
    await ip.link.set("eth0", { master: "br0" });
    await only("eth0", /port of the bridge "br0"; .* → ip link set dev eth0 nomaster$/);
    await ip.link.del("br0");
  });
  await t.step("it is a port of a bond", async () => {
    await ip.session.change("link add name bond7 type bond");
    await ip.link.set("eth0", { up: false });
    await ip.link.set("eth0", { master: "bond7" });
    // The bond has set it up.
    await only("eth0", /port of the bond "bond7"; .* → ip link set dev eth0 nomaster$/);
    await ip.link.del("bond7");
    await ip.link.set("eth0", { up: true });
  });
  await t.step("it is a macvlan's", async () => {
    await ip.link.add({ type: "macvlan", name: "mv0", link: "eth0" });
    await only("eth0", /carries the macvlan link "mv0", .* → ip link del dev mv0$/);
    await ip.link.del("mv0");
  });
  await t.step("it is a macvlan's that is in another namespace", async () => {
    await using other = await freshNetns();
    await ip.link.add({ type: "macvlan", name: "mv0", link: "eth0", netns: other.name });
    await only("eth0", /^broken parent eth0: .* it is busy, as if it carried a macvlan link, /);
    // With its namespace, it would go in its own time.
    await other.ip.link.del("mv0");
  });
  assertEquals(await doctor("--parent", "eth0"), []);
});

Deno.test("doctor says why a sandbox does not reach its gateway, and what helps", async () => {
  await using host = await commandHost();
  await host.ip.addr.add({ dev: "eth0", address: "10.0.0.9/24" });
  const create = ["network", "create", "-o", "parent=eth0"] as const;
  await succeeds(...create, "--subnet=10.0.0.0/24", "--gateway=10.0.0.9", "web");
  await succeeds(...create, "--subnet=10.1.0.0/24", "--gateway=none", "apart");
  await succeeds("run", "-d", "--net=web", "--net=apart", "--name=c1");
  assertOnly(
    await doctor(),
    /^warning gateway: "c1" does not reach its gateway 10\.0\.0\.9: .* never hear each other/,
  );
  await succeeds("run", "-d", "--net=web", "--name=c2");
  assertOnly(await doctor(), /^warning gateway: "c1" .* \(nor do 1 more\)/);
  await succeeds("rm", "-f", "c2");
  await host.ip.addr.del({ dev: "eth0", address: "10.0.0.9/24" });
  assertEquals(await doctor(), []);
  await run("ip", "-n", "c1", "route", "flush", "table", "main");
  assertOnly(
    await doctor(),
    /^warning gateway: .* c1: has no route to 10\.0\.0\.9 → see where .*: ipvlan why c1 10\.0\.0\.9$/,
  );
});

Deno.test("doctor says what has become of a network's parent", async (t) => {
  await using host = await commandHost();
  const { ip } = host;
  await succeeds(
    "network",
    "create",
    "--subnet=10.0.0.0/24",
    "-o",
    "parent=eth0",
    "-o",
    "mtu=1400",
    "web",
  );
  await succeeds("network", "create", "--subnet=10.1.0.0/24", "-o", "parent=eth0.20", "vlan");
  await succeeds("run", "-d", "--net", "web", "--name", "c1");

  await t.step("its mode was changed", async () => {
    await using other = await freshNetns();
    await ip.link.add({
      ...{ type: "ipvlan", name: "ipvl0", link: "eth0", netns: other.name },
      ...{ mode: "l3", flag: "private" },
    });
    const [conflict = "", ...more] = await doctor();
    assertEquals(more, []);
    assertMatch(
      conflict,
      /^broken parent eth0: .* the kernel mode l3, flag private for all links on it: /,
    );
    // What it says to do helps.
    const [program = "", ...words] = conflict.split(" → ")[1]!.split(" ");
    assertEquals((await run(program, ...words)).code, 0);
    assertEquals(await doctor(), []);
  });
  await t.step("its MTU was changed", async () => {
    await ip.link.set("eth0", { mtu: 1300 });
    assertMatch(
      (await doctor())[0]!,
      /^broken parent eth0: Its MTU is 1300 and that of the network "web" is 1400: /,
    );
    await ip.link.set("eth0", { mtu: 1500 });
    const [overwritten = "", ...more] = await doctor();
    assertEquals(more, []);
    assertMatch(
      overwritten,
      /^warning parent eth0: The MTU of eth0 in "c1" is 1500, not the 1400 /,
    );
    const [program = "", ...words] = overwritten.split(" → ")[1]!.split(" ");
    assertEquals((await run(program, ...words)).code, 0);
    assertEquals(await doctor(), []);
  });
  await t.step("it is gone", async () => {
    await ip.link.del("eth0.20");
    assertOnly(
      await doctor(),
      /^broken parent eth0\.20: It is not there, and .* on it: vlan → ipvlan restore$/,
    );
    await succeeds("restore");
  });
  await t.step("its sandbox is gone", async () => {
    await ip.netns.del("c1");
    assertOnly(
      await doctor(),
      /^warning state folder: On record but not there, .*: c1 → ipvlan restore$/,
    );
    await succeeds("restore");
  });
  assertEquals(await doctor(), []);
});

Deno.test("doctor says which addresses another machine has", async () => {
  await using host = await commandHost();
  await using lan = await freshNetns();
  await using undo = new AsyncDisposableStack();
  await host.ip.link.add({
    type: "veth",
    name: "p0",
    up: true,
    peer: { name: "pc", netns: lan.name },
  });
  undo.defer(() => host.ip.link.del("p0"));
  await lan.ip.link.set("pc", { up: true });
  await succeeds(
    ...["network", "create", "--subnet=10.0.0.0/24", "--subnet=2001:db8::/64"],
    ...["-o", "parent=p0", "web"],
  );
  await succeeds("run", "-d", "--net", "web", "--name", "c1");
  // The kernel asks for nobody until its own address is known to be nobody else's.
  await waitFor(async () =>
    (await host.ip.addr.show({ dev: "p0" })).some(({ scope, flags }) =>
      scope === "link" && !flags.includes("tentative")
    )
  );
  assertEquals(await doctor(), []);

  const { address: mac } = await lan.ip.link.show("pc");
  // The one that c1 has, and the next one, of both families.
  for (const address of ["10.0.0.2/24", "10.0.0.3/24", "2001:db8::2/64", "2001:db8::3/64"]) {
    await lan.ip.addr.add({ dev: "pc", address, nodad: familyOf(address) === 6 });
  }
  const expected = [
    `10.0.0.2 is that of "c1" on the network "web", and the machine ${mac} has it`,
    `2001:db8::2 is that of "c1" on the network "web", and the machine ${mac} has it`,
    `10.0.0.3 is the next that the network "web" would give, and the machine ${mac} has it`,
    `2001:db8::3 is the next that the network "web" would give, and the machine ${mac} has it`,
  ].map((what) => `broken parent p0: ${what}`);
  const found = async () => (await doctor()).map((line) => line.split(" → ")[0]);
  assertEquals(await found(), expected);
  {
    // `ip` asks where netlink may not be used.
    using _transport = inEnv("IPVLAN_TRANSPORT", "ip");
    assertEquals(await found(), expected);
  }
  // It leaves no neighbour of its own behind.
  const known = await host.ip.neigh.show({ dev: "p0" });
  assertEquals(known.filter(({ dst }) => !dst.startsWith("fe80:")), []);
});

/** Waits until something holds that the kernel tells nobody of. */
async function waitFor(holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!await holds()) {
    assert(Date.now() < deadline, "It never came to be");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

Deno.test("doctor says which links that are not the driver's hold addresses of a network", async () => {
  await using host = await commandHost();
  await using elsewhere = await freshNetns();
  await succeeds("network", "create", "--subnet=10.0.0.0/24", "-o", "parent=eth0", "web");
  await succeeds("run", "-d", "--net=web", "--name=c1");
  await host.ip.link.add({
    type: "ipvlan",
    name: "f0",
    link: "eth0",
    mode: "l2",
    netns: elsewhere.name,
  });
  await elsewhere.ip.link.set("f0", { up: true });
  await elsewhere.ip.addr.add({ dev: "f0", address: "10.0.0.3/24" });
  const holder = `the link "f0" in the namespace "${elsewhere.name}"`;
  assertOnly(
    await doctor(),
    new RegExp(`^warning parent eth0: 10.0.0.3 of the network "web" is held by ${holder}, so `),
  );
  const { status, err } = await ipvlan("run", "-d", "--net=web", "--ip=10.0.0.3", "--name=c2");
  assertEquals(status, 125);
  assert(err.includes(`The address 10.0.0.3 is held by ${holder}: `), err);
});
