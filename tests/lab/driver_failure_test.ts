import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import type { Driver } from "../../lib/driver/mod.ts";
import { Ip } from "../../lib/iproute2/ip.ts";
import { eachLine, type Fault, Faults } from "../kit/faults.ts";
import { assertConsistent } from "../kit/look.ts";
import { inEnv, succeed } from "../kit/processes.ts";
import { type TestHost, withHost } from "../kit/worlds.ts";
import { lookInto } from "../../lib/iproute2/view.ts";
import { isIpvlanError } from "../../lib/base/errors.ts";
import { assertRejectsError } from "../kit/errors.ts";

/** Two networks, of which one has both families. */
async function twoNetworks(driver: Driver): Promise<void> {
  await driver.createNetwork({
    name: "dual",
    parent: "eth0.20",
    subnets: ["10.20.0.0/24", "fd20::/64"],
  });
  await driver.createNetwork({ name: "iso", subnets: ["10.30.0.0/24"] });
}

/** What a network that advertises has besides. */
const ROUTED = { parent: "eth0", mode: "l3", subnets: ["10.50.0.0/24", "fd50::/64"] } as const;

const LAN = { parent: "eth0", subnets: ["10.60.0.0/24", "fd60::/64"] };

const CONNECTIONS = [{ network: "dual", aliases: ["db"] }, { network: "iso" }];

/** Calls that make something: what has to be there, and what removes it again. */
const MAKING: Record<string, {
  before?: (driver: Driver) => Promise<void>;
  make: (driver: Driver) => Promise<unknown>;
  remove: (driver: Driver) => Promise<void>;
}> = {
  "a network on a sub-interface": {
    make: (driver) => driver.createNetwork({ name: "n", parent: "eth0.20" }),
    remove: (driver) => driver.removeNetwork("n"),
  },
  "a network on two tags, of which the outer one serves another": {
    before: async (driver) =>
      void await driver.createNetwork({ name: "outer", parent: "eth0.20.31" }),
    make: (driver) => driver.createNetwork({ name: "n", parent: "eth0.20.30" }),
    remove: (driver) => driver.removeNetwork("n"),
  },
  "a network on two tags": {
    make: (driver) => driver.createNetwork({ name: "n", parent: "eth0.20.30" }),
    remove: (driver) => driver.removeNetwork("n"),
  },
  "a network on a dummy": {
    make: (driver) => driver.createNetwork({ name: "n" }),
    remove: (driver) => driver.removeNetwork("n"),
  },
  "a network on a parent that exists": {
    make: (driver) => driver.createNetwork({ name: "n", parent: "eth0" }),
    remove: (driver) => driver.removeNetwork("n"),
  },
  "a sandbox on two networks": {
    before: async (driver) => {
      await twoNetworks(driver);
      await driver.createSandbox({ name: "neighbour", connections: [{ network: "dual" }] });
    },
    make: (driver) => driver.createSandbox({ name: "c1", connections: CONNECTIONS }),
    remove: (driver) => driver.removeSandbox("c1"),
  },
  "a network that advertises its subnets": {
    make: (driver) => driver.createNetwork({ name: "n", advertise: "subnet", ...ROUTED }),
    remove: (driver) => driver.removeNetwork("n"),
  },
  "a sandbox whose addresses are advertised": {
    before: async (driver) =>
      void await driver.createNetwork({ name: "n", advertise: "address", ...ROUTED }),
    make: (driver) => driver.createSandbox({ name: "c1", connections: [{ network: "n" }] }),
    remove: (driver) => driver.removeSandbox("c1"),
  },
  "a network with host access": {
    make: (driver) => driver.createNetwork({ name: "n", hostAccess: true, ...LAN }),
    remove: (driver) => driver.removeNetwork("n"),
  },
  "a sandbox with host access": {
    before: async (driver) =>
      void await driver.createNetwork({ name: "n", hostAccess: true, ...LAN }),
    make: (driver) => driver.createSandbox({ name: "c1", connections: [{ network: "n" }] }),
    remove: (driver) => driver.removeSandbox("c1"),
  },
  "a network with proxy": {
    make: (driver) => driver.createNetwork({ name: "n", proxy: true, ...LAN, mode: "l3s" }),
    remove: (driver) => driver.removeNetwork("n"),
  },
  "a sandbox with proxy": {
    before: async (driver) =>
      void await driver.createNetwork({ name: "n", proxy: true, ...LAN, mode: "l3s" }),
    make: (driver) => driver.createSandbox({ name: "c1", connections: [{ network: "n" }] }),
    remove: (driver) => driver.removeSandbox("c1"),
  },
  "an endpoint": {
    before: async (driver) => {
      await twoNetworks(driver);
      await driver.createSandbox({ name: "c1", connections: [{ network: "iso" }] });
      await driver.createSandbox({ name: "neighbour", connections: [{ network: "dual" }] });
    },
    make: (driver) =>
      driver.connect("dual", "c1", {
        ...{ ip: "10.20.0.9", moreAddresses: ["10.20.0.10"] },
        aliases: ["db"],
      }),
    remove: (driver) => driver.disconnect("dual", "c1"),
  },
};

/** Runs a test on a host of its own, with lines that can be made to fail. */
async function withFaults(
  fault: Fault,
  test: (host: TestHost, faults: Faults) => Promise<void>,
): Promise<void> {
  await withHost(async (host) => {
    await using faults = await Faults.of(fault);
    await test(host, faults);
  });
}

for (const [what, { before, make, remove }] of Object.entries(MAKING)) {
  const faults: Fault[] = [
    ...["refused", "lost", "unanswered"] as const,
    // What `ip` ends over by itself is refused in the host, and like a line that was lost in a sandbox.
    ...(what === "an endpoint" ? ["fatal"] as const : []),
  ];
  for (const fault of faults) {
    Deno.test(`making ${what} leaves nothing when a line is ${fault}`, () =>
      withFaults(fault, async (host, faults) => {
        const driver = await host.driver({ wrap: faults.wrap });
        await before?.(driver);
        const at = await host.dump();
        const lines = await eachLine(faults, () => make(driver), async (n, error) => {
          const isExpected = fault !== "refused" && isIpvlanError(error, "session-closed") ||
            ["refused", "fatal"].includes(fault) && isIpvlanError(error, "ip-command");
          assert(isExpected, `line ${n}: ${error}`);
          assertEquals(await host.dump(), at, `line ${n}`);
        });
        assert(lines >= 1);
        if (fault === "refused") assert(lines >= 2, `only ${lines} lines`);
        // The last time nothing was made to fail, and it was made.
        await assertConsistent(host);
        await remove(driver);
        assertEquals(await host.dump(), at);
      }));
  }

  Deno.test(`making ${what} is undone by the next call when it could not be at once`, () =>
    withFaults("from then on", async (host, faults) => {
      const driver = await host.driver({ wrap: faults.wrap });
      await before?.(driver);
      const at = await host.dump();
      const stuck: Error[] = [];
      await eachLine(faults, () => make(driver), async (n, error) => {
        if (isIpvlanError(error, "not-undone")) stuck.push(error);
        // A failure that left something on record does not stand in the way of another attempt.
        await make(driver);
        await remove(driver);
        assertEquals(await host.dump(), at, `line ${n}`);
      });
      assert(stuck.length > 0);
    }));
}

for (const fault of ["refused", "lost", "unanswered"] as const) {
  Deno.test(`default routes that gave way are put back when a line is ${fault}`, () =>
    withFaults(fault, async (host, faults) => {
      const driver = await host.driver({ wrap: faults.wrap });
      await twoNetworks(driver);
      const nowhere = ["10.40.0.0/24", "fd40::/64"];
      await driver.createNetwork({ name: "nowhere", mode: "l3", subnets: nowhere });
      await driver.createSandbox({ name: "c1", connections: [{ network: "nowhere" }] });
      const at = await host.dump();
      await eachLine(faults, () => driver.connect("dual", "c1"), async (n) => {
        assertEquals(await host.dump(), at, `line ${n}`);
      });
      await assertConsistent(host);
    }));
}

Deno.test("rules for answers are taken back when a line is refused, and go with their endpoint", () =>
  withFaults("refused", async (host, faults) => {
    const driver = await host.driver({ wrap: faults.wrap });
    for (
      const [name, subnet, ipv4] of [["one", "10.20.0.0/24", true], [
        "two",
        "fd30::/64",
        false,
      ]] as const
    ) {
      const spec = { name, parent: "eth0", subnets: [subnet], ipv4 };
      await driver.createNetwork({ ...spec, policyRoutes: "auto" });
    }
    // The namespace stays when the sandbox goes, and so would its rules.
    await succeed("ip", "netns", "add", "c1");
    try {
      const rules = async () =>
        (await lookInto("c1", { rules: true })).rules
          .filter(({ priority }) => priority === 20_000).map(({ src }) => src);
      await driver.adoptSandbox({ name: "c1", connections: [{ network: "one" }] });
      const at = await host.dump();
      const lines = await eachLine(faults, () => driver.connect("two", "c1"), async (n) => {
        assertEquals([await rules(), await host.dump()], [[], at], `line ${n}`);
      });
      assert(lines >= 12, `only ${lines} lines`);
      assertEquals(await rules(), ["10.20.0.2", "fd30::2"]);
      await driver.disconnect("two", "c1");
      assertEquals(await rules(), []);
      await driver.connect("two", "c1");
      await driver.removeSandbox("c1");
      assertEquals(await rules(), []);
    } finally {
      await succeed("ip", "netns", "del", "c1");
    }
  }));

/** Calls that remove something. */
const REMOVING: Record<string, {
  make: (driver: Driver) => Promise<unknown>;
  remove: (driver: Driver) => Promise<void>;
}> = {
  "a network on two tags": MAKING["a network on two tags"]!,
  "a network whose sub-interface serves another":
    MAKING["a network on two tags, of which the outer one serves another"]!,
  "a sandbox": MAKING["a sandbox on two networks"]!,
  "a network that advertises its subnets": MAKING["a network that advertises its subnets"]!,
  "a sandbox whose addresses are advertised": MAKING["a sandbox whose addresses are advertised"]!,
  "a network with host access": MAKING["a network with host access"]!,
  "a sandbox with host access": MAKING["a sandbox with host access"]!,
  "an endpoint": MAKING["an endpoint"]!,
};

async function prepared(host: TestHost, what: string, faults: Faults): Promise<Driver> {
  const driver = await host.driver({ wrap: faults.wrap });
  await Object.values(MAKING).find(({ make }) => make === REMOVING[what]!.make)!.before?.(driver);
  return driver;
}

for (const [what, { make, remove }] of Object.entries(REMOVING)) {
  for (const fault of ["refused", "lost", "unanswered"] as const) {
    Deno.test(`removing ${what} can be done again when a line was ${fault}`, () =>
      withFaults(fault, async (host, faults) => {
        const driver = await prepared(host, what, faults);
        const at = await host.dump();
        await make(driver);
        const lines = await eachLine(faults, () => remove(driver), async (n) => {
          // What the record says is there can be brought back, …
          const { missing } = await driver.restore();
          assertEquals(missing, [], `line ${n}`);
          await assertConsistent(host);
          faults.arm(n);
          await assertRejects(() => remove(driver));
          faults.disarm();
          // … or removed by the next call, after which it can be made again.
          await remove(driver);
          assertEquals(await host.dump(), at, `line ${n}`);
          await make(driver);
        });
        assert(lines >= 1);
        assertEquals(await host.dump(), at);
      }));
  }
}

Deno.test("every call reports a missing host namespace, and uses it as soon as it exists", () =>
  withHost(async (host) => {
    const name = `${host.ns.name}-late`;
    const driver = await host.driver({ host: name });
    for (let i = 0; i < 2; i++) {
      await assertRejects(() => driver.createNetwork({ name: "n" }), Error, `"${name}"`);
    }
    await using outer = await Ip.open();
    await outer.netns.add(name);
    try {
      await driver.createNetwork({ name: "n" });
      await driver.removeNetwork("n");
    } finally {
      await outer.netns.del(name);
    }
  }));

for (const [transport, code] of [["netlink", "ip-command"], ["ip", "session-closed"]] as const) {
  Deno.test(`a sandbox is undone when the kernel refuses a setting, by ${transport}`, () =>
    withHost(async (host) => {
      using _transport = inEnv("IPVLAN_TRANSPORT", transport);
      const driver = await host.driver();
      await driver.createNetwork({ name: "iso", subnets: ["10.30.0.0/24"] });
      const spec = { name: "c1", connections: [{ network: "iso" }] };
      const at = await host.dump();
      await succeed("mount", "--bind", "/proc/sys", "/proc/sys");
      try {
        await succeed("mount", "-o", "remount,bind,ro", "/proc/sys");
        const error = await assertRejectsError(() => driver.createSandbox(spec), code);
        assertMatch(error.message, /disable_ipv6.*[Rr]ead-only file system/);
      } finally {
        await succeed("umount", "/proc/sys");
      }
      assertEquals(await host.dump(), at);
      await driver.createSandbox(spec);
      await assertConsistent(host);
      await driver.removeSandbox("c1");
      assertEquals(await host.dump(), at);
    }));
}

Deno.test("a call that cannot write a hosts file is undone, and the next call writes the others", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    await twoNetworks(driver);
    await driver.createSandbox({ name: "neighbour", connections: [{ network: "dual" }] });
    const at = await host.dump();
    // A folder in the way of a file that is to be written.
    await Deno.mkdir("/etc/netns/c1/hosts", { recursive: true });
    try {
      await assertRejectsError(
        () => driver.createSandbox({ name: "c1", connections: CONNECTIONS }),
        "hosts-file",
        "/etc/netns/c1/hosts",
      );
    } finally {
      await Deno.remove("/etc/netns/c1", { recursive: true });
    }
    const { value } = await driver.createSandbox({ name: "c1", connections: CONNECTIONS });
    assertEquals(value.endpoints.map(({ ip }) => ip), ["10.20.0.3/24", "10.30.0.2/24"]);
    await assertConsistent(host);
    await driver.removeSandbox("c1");
    assertEquals(await host.dump(), at);
  }));

Deno.test("a hosts file that a kill left half written is written again, and removed with its sandbox", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    await twoNetworks(driver);
    const at = await host.dump();
    const begin = async (text: string | undefined) => {
      await Deno.remove("/etc/netns/c1", { recursive: true }).catch(() => {});
      await Deno.mkdir("/etc/netns/c1", { recursive: true });
      if (text !== undefined) await Deno.writeTextFile("/etc/netns/c1/hosts", text);
    };
    for (const text of [undefined, "", "# Writ"]) {
      await begin(text);
      await driver.createSandbox({ name: "c1", connections: CONNECTIONS });
      await assertConsistent(host);
      await begin(text);
      await driver.removeSandbox("c1");
      assertEquals(await host.dump(), at);
    }
  }));
