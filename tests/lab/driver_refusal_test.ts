import type { ErrorCode } from "../../lib/base/errors.ts";
import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Driver } from "../../mod.ts";
import type { IpvlanMode } from "../../lib/iproute2/mod.ts";
import { run, unloadModule } from "../kit/processes.ts";
import { freshNetns, type TestHost, withHost } from "../kit/worlds.ts";
import { assertError, assertRejectsError } from "../kit/errors.ts";

/** A call that is refused: what it asks for, the code of the error, and values that it names. */
type Refusal = [(driver: Driver) => Promise<unknown>, ErrorCode, ...string[]];

const SUBNET = "192.168.1.0/24";
const net = (spec: object) => (driver: Driver) =>
  driver.createNetwork({ name: "n", parent: "eth0", subnets: ["10.0.0.0/24"], ...spec });
const subnet = (spec: object) => net({ subnets: [{ subnet: "10.0.0.0/24", ...spec }] });
const conn = (options: object, network = "old", sandbox = "free") => (driver: Driver) =>
  driver.connect(network, sandbox, options);

const LONG = "x".repeat(64);

const REFUSED: Record<string, Refusal> = {
  "the loopback": [net({ parent: "lo" }), "invalid-parent", '"lo"', "loopback"],
  "a missing parent": [net({ parent: "eth7" }), "parent-not-found", '"eth7"'],
  "a missing parent's sub-interface": [net({ parent: "eth7.20" }), "parent-not-found", '"eth7"'],
  "VLAN 0": [net({ parent: "eth0.0" }), "invalid-option", "eth0.0", "1 to 4094"],
  "VLAN 4095": [net({ parent: "eth0.4095" }), "invalid-option", "4095", "1 to 4094"],
  "a service VLAN 4095": [net({ parent: "eth0.4095.1" }), "invalid-option", "eth0.4095"],
  "a parent's name too long": [net({ parent: "eth0.20.30.40.50" }), "invalid-option", "15"],
  "an empty parent": [net({ parent: "" }), "invalid-word", "empty"],
  "a parent of two words": [net({ parent: "eth0 up" }), "invalid-word", '"eth0 up"'],
  "a bridge's port": [net({ parent: "port0" }), "invalid-parent", '"port0"', '"br0"'],
  "a bridge's port's sub-interface": [net({ parent: "port0.2" }), "invalid-parent", '"port0"'],
  "a VRF": [net({ parent: "red" }), "invalid-parent", '"red"', "it is a VRF"],
  "a link that is not Ethernet": [
    net({ parent: "tun1" }),
    "invalid-parent",
    '"tun1"',
    "type sit",
  ],
  "a bond's member": [net({ parent: "slave0" }), "invalid-parent", '"slave0"', '"bond0"'],
  "a macvlan's parent": [net({ parent: "below" }), "invalid-parent", '"below"', '"mv0"'],
  "a parent of a macvlan elsewhere": [net({ parent: "away" }), "invalid-parent", '"away"'],
  "a tag that another link has": [net({ parent: "plain.33" }), "invalid-parent", '"tagged"'],
  "an ipvlan link": [net({ parent: "iv0" }), "invalid-parent", '"iv0"', '"plain"'],
  "the mode of a link not the driver's": [
    net({ parent: "plain", mode: "l3s", subnets: ["10.9.0.0/24"] }),
    "parent-conflict",
    '"plain"',
    "mode l2",
    "l3s",
  ],
  "another mode": [net({ mode: "l3" }), "parent-conflict", "mode l3", "mode l2", '"old"'],
  "another flag": [net({ flag: "private" }), "parent-conflict", "private", "bridge", '"old"'],
  "an unknown mode": [
    net({ parent: undefined, mode: "l4" as IpvlanMode }),
    "invalid-option",
    "l4",
  ],
  "an unknown flag": [net({ parent: undefined, flag: "x" }), "invalid-option", '"x"', "vepa"],
  "an MTU too large": [net({ mtu: 1501 }), "invalid-option", "1501", "1500"],
  "an MTU too large for what is to be made": [
    net({ parent: "eth0.20", mtu: 1501 }),
    "invalid-option",
    "1501",
    '"eth0"',
  ],
  "an MTU too small": [net({ mtu: 67 }), "invalid-option", '"67"', "68"],
  "no subnet": [net({ subnets: ["10.0.0.0"] }), "invalid-prefix", '"10.0.0.0"'],
  "no address": [net({ subnets: ["10.0.0.256/24"] }), "invalid-prefix", "10.0.0.256/24"],
  "the same subnet twice": [net({ subnets: ["10.0.0.0/24", "10.0.0.0/8"] }), "subnets-overlap"],
  "a neighbour's subnet": [net({ subnets: ["192.168.1.128/25"] }), "subnet-in-use", SUBNET],
  "the parent's subnet in L3": [
    net({ parent: "routed", mode: "l3", subnets: ["192.168.50.0/25"] }),
    "parent-subnet",
    "192.168.50.250/24",
    '"routed"',
  ],
  "a gateway outside": [subnet({ gateway: "10.0.1.1" }), "outside-subnet", "10.0.1.1"],
  "the network's address as gateway": [
    subnet({ gateway: "10.0.0.0" }),
    "unusable-address",
    "10.0.0.0",
  ],
  "the broadcast address as gateway": [
    subnet({ gateway: "10.0.0.255" }),
    "unusable-address",
    "10.0.0.255",
  ],
  "an ip-range outside": [subnet({ ipRange: "10.0.1.0/28" }), "outside-subnet", "10.0.1.0/28"],
  "an aux address that is the gateway": [
    subnet({ auxAddresses: { a: "10.0.0.1" } }),
    "reserved-address",
    "10.0.0.1",
    "gateway",
  ],
  "IPv6 without a subnet": [net({ ipv6: true }), "missing-subnet", '"n"'],
  "a network's name taken": [
    net({ name: "old", parent: "eth0.20" }),
    "network-exists",
    "network with name old already exists",
  ],
  "a network's name too long": [net({ name: LONG }), "invalid-name", LONG, "63"],
  "a network's name unfit": [net({ name: "../etc" }), "invalid-name", '"../etc"'],
  "a sandbox's name taken": [
    (driver) => driver.createSandbox({ name: "used" }),
    "sandbox-exists",
    '"used"',
    "remove it first",
  ],
  "a namespace that is not the driver's": [
    (driver) => driver.createSandbox({ name: "foreign" }),
    "sandbox-exists",
    '"foreign"',
    "not a sandbox",
  ],
  "a sandbox's name too long": [
    (driver) => driver.createSandbox({ name: LONG }),
    "invalid-name",
    "63",
  ],
  "a sandbox's name unfit": [
    (driver) => driver.createSandbox({ name: "a/b" }),
    "invalid-name",
    '"a/b"',
  ],
  "a process id for a name": [
    (driver) => driver.createSandbox({ name: "1" }),
    "invalid-name",
    '"1"',
  ],
  "a network in use": [
    (driver) => driver.removeNetwork("old"),
    "network-in-use",
    "network old has active endpoints",
    '"used"',
  ],
  "removing no network": [
    (driver) => driver.removeNetwork("x"),
    "network-not-found",
    "network x not found",
  ],
  "removing no sandbox": [(driver) => driver.removeSandbox("x"), "sandbox-not-found", '"x"'],
  "connecting no sandbox": [conn({}, "old", "x"), "sandbox-not-found", '"x"'],
  "connecting to no network": [conn({}, "x"), "network-not-found", "network x not found"],
  "connecting twice": [conn({}, "old", "used"), "already-connected", "name used ", "network old"],
  "connecting twice in one call": [
    (driver) =>
      driver.createSandbox({ name: "c", connections: [{ network: "old" }, { network: "old" }] }),
    "already-connected",
    "network old",
  ],
  "a subnet that overlaps another of the sandbox": [
    conn({}, "half", "used"),
    "route-overlap",
    "192.168.1.128/25 dev eth2",
    `${SUBNET} dev eth0 of network "old"`,
  ],
  "subnets that overlap in one new sandbox": [
    (driver) =>
      driver.createSandbox({ name: "c", connections: [{ network: "half" }, { network: "old" }] }),
    "route-overlap",
    `${SUBNET} dev eth1`,
    '192.168.1.128/25 dev eth0 of network "half"',
  ],
  "connecting what is gone": [conn({}, "old", "gone"), "sandbox-gone", '"gone"', "restore"],
  "disconnecting what is not connected": [
    (driver) => driver.disconnect("old", "free"),
    "not-connected",
    '"free"',
    '"old"',
  ],
  "a MAC address": [conn({ macAddress: "02::1" }), "mac-address", '"02::1"'],
  "an address outside": [conn({ ip: "10.0.0.5" }), "outside-subnet", "10.0.0.5", SUBNET],
  "an IPv6 address without a subnet": [conn({ ip6: "fd00::5" }), "outside-subnet", "fd00::5"],
  "an address in use": [conn({ ip: "192.168.1.2" }), "address-in-use", "192.168.1.2"],
  "the parent's address": [
    conn({ ip: "192.168.1.250" }),
    "address-held",
    'The address 192.168.1.250 is held by the parent "eth0" of the host',
  ],
  "the network's own address": [conn({ ip: "192.168.1.0" }), "unusable-address", "192.168.1.0"],
  "the broadcast address": [conn({ ip: "192.168.1.255" }), "unusable-address", "192.168.1.255"],
  "the gateway's address": [conn({ ip: "192.168.1.1" }), "reserved-address", "192.168.1.1"],
  "no address at all": [conn({ ip: "192.168.1" }), "invalid-address", '"192.168.1"'],
  "an alias unfit to be a host name": [conn({ aliases: ["a b"] }), "invalid-name", '"a b"'],
  "an alias that is an address": [conn({ aliases: ["8.8.8.8"] }), "invalid-name", '"8.8.8.8"'],
  "an alias that is localhost": [conn({ aliases: ["localhost"] }), "invalid-name", "itself"],
  "a sandbox localhost": [
    (driver) => driver.createSandbox({ name: "localhost" }),
    "invalid-name",
    "itself",
  ],
  "an alias that is another sandbox's name": [
    conn({ aliases: ["Used"] }),
    "name-in-use",
    '"Used" is the name of the sandbox "used" on network "old"',
  ],
  "an alias that is another sandbox's long name": [
    conn({ aliases: ["used.old"] }),
    "name-in-use",
    '"used.old" is the name of the sandbox "used"',
  ],
  "a sandbox's name that is an alias": [
    (driver) => driver.createSandbox({ name: "db", connections: [{ network: "old" }] }),
    "name-in-use",
    '"db" is an alias of the sandbox "used" on network "old"',
  ],
  "a link's name taken": [conn({ ifname: "lo" }), "link-exists", '"lo"'],
  "a link's name too long": [conn({ ifname: "x".repeat(16) }), "invalid-word", "15"],
  "a network that is full": [conn({}, "full"), "pool-exhausted", "10.77.0.0/30"],
};

/** Links of all kinds that can be in the way, a network in use, and sandboxes in all states. */
async function crowdedHost({ ns }: TestHost, driver: Driver, elsewhere: string): Promise<void> {
  const dummies = ["port0", "slave0", "below", "away", "plain", "routed"];
  await Promise.all(dummies.map((name) => ns.ip.link.add({ type: "dummy", name, up: true })));
  await ns.ip.link.add({ type: "bridge", name: "br0" });
  await ns.ip.link.set("port0", { master: "br0" });
  await ns.ip.session.change("link add name bond0 type bond");
  await ns.ip.link.add({ type: "vrf", name: "red", table: 10 });
  await ns.ip.session.change("link add name tun1 type sit local 127.0.0.1");
  await ns.ip.link.set("slave0", { up: false });
  await ns.ip.link.set("slave0", { master: "bond0" });
  await ns.ip.link.add({ type: "macvlan", name: "mv0", link: "below" });
  await ns.ip.link.add({ type: "macvlan", name: "mv1", link: "away", netns: elsewhere });
  await ns.ip.link.add({ type: "vlan", name: "tagged", link: "plain", id: 33 });
  await ns.ip.link.add({ type: "ipvlan", name: "iv0", link: "plain", mode: "l2" });
  await ns.ip.addr.add({ dev: "eth0", address: "192.168.1.250/24" });
  await ns.ip.addr.add({ dev: "routed", address: "192.168.50.250/24" });
  await driver.createNetwork({ name: "old", parent: "eth0", subnets: [SUBNET] });
  await driver.createNetwork({ name: "half", subnets: ["192.168.1.128/25"] });
  await driver.createNetwork({ name: "full", subnets: ["10.77.0.0/30"] });
  await driver.createSandbox({
    name: "used",
    connections: [{ network: "old", aliases: ["db"] }, { network: "full" }],
  });
  await Promise.all(["free", "gone"].map((name) => driver.createSandbox({ name })));
  await run("ip", "netns", "del", "gone");
  await run("ip", "netns", "add", "foreign");
}

Deno.test("each impossible call is refused with an error class of its own, and changes nothing", async (t) => {
  await withHost(async (host) => {
    await using elsewhere = await freshNetns();
    const driver = await host.driver();
    await crowdedHost(host, driver, elsewhere.name);
    const before = await host.dump();
    for (const [what, [call, type, ...values]] of Object.entries(REFUSED)) {
      await t.step(what, async () => {
        const error = await assertRejects(() => call(driver), Error);
        assertError(error, type);
        for (const value of values) assert(error.message.includes(value), error.message);
        // Docker's own words begin with a small letter.
        assert(/^([A-Z]|network |endpoint ).*[^.]$/s.test(error.message), error.message);
        assertEquals(await host.dump(), before);
      });
    }
    await t.step("several problems are reported at once, and nothing changes", async () => {
      const error = await assertRejectsError(() =>
        driver.createSandbox({
          name: "used",
          connections: [
            { network: "old", ip: "10.0.0.1", macAddress: "02::1" },
            { network: "none" },
          ],
        }), "problems");
      assertEquals(error.problems.map((problem) => problem.code), [
        "sandbox-exists",
        "mac-address",
        "outside-subnet",
        "network-not-found",
      ]);
      assertEquals(error.message, error.problems.map(({ message }) => message).join("\n"));
      assertEquals(await host.dump(), before);
    });
    await run("ip", "netns", "del", "foreign");
  });
});

Deno.test("a kernel that is too old is refused with the release found", () =>
  withHost(async (host) => {
    await host.driver();
    const before = await host.dump();
    const child = new URL("driver_child.ts", import.meta.url).pathname;
    // Where Deno reads the release, in a mount namespace of the process's own.
    const script = 'echo 3.16.0-4-amd64 > "$0/release" && ' +
      'mount --bind "$0/release" /proc/sys/kernel/osrelease && rm "$0/release" && exec "$@"';
    const { stdout, stderr } = await run(
      ...["unshare", "--mount", "sh", "-c", script, host.stateDir, Deno.execPath()] as const,
      ...["run", "-A", "--no-check", child, "refused", host.ns.name, host.stateDir],
    );
    const message = "kernel-too-old: The kernel is 3.16.0-4-amd64, and ipvlan needs 4.2 or later";
    assert(stdout.startsWith(message), stdout + stderr);
    assertEquals(await host.dump(), before);
  }));

Deno.test("a kernel without ipvlan is refused with the module's name and the ways out", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    const before = await host.dump();
    const path = "/proc/sys/kernel/modprobe";
    const modprobe = await Deno.readTextFile(path);
    // The kernel would load it again by itself.
    await Deno.writeTextFile(path, "/bin/false");
    try {
      // The links of the test before may go a moment later.
      await unloadModule("ipvlan");
      const error = await assertRejects(() => driver.createNetwork({ name: "n" }));
      assertError(error, "missing-module");
      assertEquals(error.module, "ipvlan");
      assert(error.message.includes('"modprobe ipvlan"') && error.message.includes("install"));
    } finally {
      await Deno.writeTextFile(path, modprobe.trim());
      assertEquals((await run("modprobe", "ipvlan")).stderr, "");
    }
    assertEquals(await host.dump(), before);
    await driver.createNetwork({ name: "n" });
  }));
