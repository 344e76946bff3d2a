import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { Driver } from "../../lib/driver/mod.ts";
import type { NetworkSpec } from "../../lib/driver/model/types.ts";
import { type OwnStep, settingsIn } from "../../lib/driver/model/option_steps.ts";
import { NETWORK_OPTIONS, OPTION_NAMES, stepsOf } from "../../lib/driver/model/options.ts";
import { hostSteps, undoHostStep } from "../../lib/driver/network/host_steps.ts";
import { linkDel, linkSet } from "../../lib/iproute2/link.ts";
import type { Link } from "../../lib/iproute2/link_types.ts";
import { lookInto } from "../../lib/iproute2/view.ts";
import { assertConsistent, ETC } from "../kit/look.ts";
import { networkWith, twoValues } from "../kit/options.ts";
import { run, succeed } from "../kit/processes.ts";
import { type TestHost, withHost } from "../kit/worlds.ts";
import { writeSysctls } from "../../scenarios/kit/machines/in_netns.ts";

/** A connection with several addresses of each family. */
const TAGS = {
  ...{ network: "tags", ip: "10.20.0.2", ip6: "fd20::2" },
  moreAddresses: ["10.20.0.9", "10.20.0.7", "fd20::9"],
};

/** Two networks on one parent and a third on another, and a sandbox on two of them. */
async function twoEndpoints(host: TestHost, lines: string[] = []): Promise<Driver> {
  const driver = await host.driver({ verbose: (line) => lines.push(line) });
  const subnets = ["10.20.0.0/24", "fd20::/64"];
  await driver.createNetwork({ name: "tags", parent: "eth0.20", subnets, mtu: 1400 });
  await driver.createNetwork({ name: "l3", parent: "eth0", mode: "l3", subnets: ["10.3.0.0/24"] });
  await driver.createSandbox({
    name: "c",
    connections: [TAGS, { network: "l3" }],
  });
  return driver;
}

/** Asserts that `restore` puts back what was changed, and changes nothing after that. */
async function assertHealed(
  host: TestHost,
  change: () => Promise<unknown>,
): Promise<void> {
  const lines: string[] = [];
  const driver = await twoEndpoints(host, lines);
  const before = await host.dump();
  await change();
  assertEquals((await driver.seeSandboxes()).map(({ state }) => state), ["incomplete"]);
  assertEquals((await driver.restore()).missing, []);
  assertEquals(await host.dump(), before);
  assertEquals((await driver.seeSandboxes()).map(({ state }) => state), ["up"]);
  await assertConsistent(host);
  lines.length = 0;
  await driver.restore();
  assertEquals(lines, []);
}

const inside = (...words: string[]) => run("ip", "-n", "c", ...words);

for (
  const [what, ...changes] of [
    ["all addresses deleted", "addr flush dev eth0"],
    ["one address deleted", "addr del fd20::2/64 dev eth0"],
    [
      "an address with another length",
      "addr del 10.20.0.2/24 dev eth0",
      "addr add 10.20.0.2/32 dev eth0",
    ],
    ["further addresses deleted", "addr del 10.20.0.9/24 dev eth0", "addr del fd20::9/64 dev eth0"],
    [
      "several addresses with another length",
      "addr flush dev eth0",
      ...[2, 9, 7].map((last) => `addr add 10.20.0.${last}/16 dev eth0`),
    ],
    ["a default route deleted", "route del default dev eth0"],
    ["a default route to another gateway", "route replace default via 10.20.0.77 dev eth0"],
    ["an IPv6 default route deleted", "route del ::/0 dev eth0"],
    ["a link set down", "link set dev eth1 down", "link set dev eth0 down"],
    ["another group", "link set dev eth0 group 0"],
    ["a link deleted", "link del dev eth1"],
    [
      "a link that nothing but its index and its parent tells",
      "addr flush dev eth0",
      "link set dev eth0 down",
      "link set dev eth0 group 0",
      'link set dev eth0 alias ""',
      "link set dev eth0 name other",
    ],
    ["no alias, as a crash leaves a link", 'link set dev eth0 alias ""'],
    [
      "links that have each other's names",
      "link set dev eth0 down",
      "link set dev eth1 down",
      "link set dev eth0 name other",
      "link set dev eth1 name eth0",
      "link set dev other name eth1",
    ],
  ] as const
) {
  Deno.test(`restore heals a sandbox with ${what}`, () =>
    withHost((host) =>
      assertHealed(host, async () => {
        for (const line of changes) {
          const words = line.split(" ").map((word) => word === '""' ? "" : word);
          await inside(...words);
        }
      })
    ));
}

/** The lines by which somebody gives a link the settings of steps. */
function settingLines(steps: readonly OwnStep[], label: string, { index }: Link): string[] {
  return steps.filter((step) => step.label === label).flatMap((step) => {
    if (step.kind === "link.set") return [linkSet(step.link, step.set).line];
    const { mode, flag } = settingsIn(steps);
    return step.kind === "ipvlan.set"
      ? [linkSet({ index }, { type: "ipvlan", mode, flag }).line]
      : [];
  });
}

/** The settings of eth0 in a namespace by which its host does something for others. */
async function forwardingIn(netns: string): Promise<string> {
  const files = [
    "ipv4/conf/eth0/forwarding",
    "ipv6/conf/eth0/forwarding",
    "ipv6/conf/eth0/proxy_ndp",
  ];
  return await succeed(
    "ip",
    "netns",
    "exec",
    netns,
    "grep",
    "",
    ...files.map((each) => `/proc/sys/net/${each}`),
  );
}

/** The rules of the driver in a namespace, and the routes of their tables. */
async function policyIn(netns: string): Promise<string[]> {
  const { routes, rules } = await lookInto(netns, { routes: "all", rules: true });
  return [
    ...rules.filter(({ priority }) => priority === 20_000)
      .map(({ src, table }) => `from ${src} lookup ${table}`),
    ...routes.filter(({ table }) => Number(table) >= 2 ** 30)
      .map(({ dst, via, table }) => `${dst} via ${via} table ${table}`),
  ].toSorted();
}

Deno.test("what an option is in the kernel is set, seen when it is changed, mended, and gone", (t) =>
  withHost(async (host) => {
    const lines: string[] = [];
    const driver = await host.driver({ verbose: (line) => lines.push(line) });
    const kernel = async () => ({
      ...await host.dump() as object,
      store: "",
      policy: driver.listSandboxes().length > 0 ? await policyIn("c") : [],
      forwarding: await forwardingIn(host.ns.name),
    });
    const make = async (spec: NetworkSpec) => {
      const { value: network } = await driver.createNetwork(spec);
      await driver.createSandbox({ name: "c", connections: [{ network: spec.name }] });
      return network;
    };
    const empty = await kernel();
    const remove = async () => {
      await driver.removeSandbox("c");
      await driver.removeNetwork("n");
      assertEquals(await kernel(), empty, "something is left");
    };
    for (const name of OPTION_NAMES) {
      // What they do shows only with others on the LAN: see `driver_lan_test.ts`, and for `dhcp`
      // `tests/engines/dnsmasq_test.ts`.
      if (["ipv6Mode", "dad", "probe", "dhcp"].includes(name)) continue;
      const isWhole = await t.step(name, async () => {
        const [one, other] = twoValues(name);
        const otherwise = await make(networkWith(name, other));
        const unlike = await kernel();
        await remove();
        const network = await make(networkWith(name, one));
        const before = await kernel();
        assertNotEquals(before, unlike, "it has no effect");

        const [endpoint] = driver.inspectSandbox("c").endpoints;
        const { links } = await lookInto("c", { links: true });
        const link = links.find((each) => each.name === endpoint!.ifname)!;
        const inside = settingLines(
          stepsOf(otherwise, endpoint),
          NETWORK_OPTIONS[name].label,
          link,
        );
        const [ip, ip6] = [endpoint!.ip, endpoint!.ip6].map((each) => each?.replace(/\/.*/, ""));
        const plain = { ...endpoint!, ip, ip6 };
        const beside = [...hostSteps(network), ...hostSteps(network, plain)];
        // An option without steps decides what is made, and that is there or not.
        if (inside.length + beside.length === 0) inside.push(linkDel(endpoint!.ifname).line);
        for (const line of inside) await succeed("ip", "-n", "c", ...line.split(" "));
        for (const { line, settings = [] } of beside.toReversed().flatMap(undoHostStep)) {
          await succeed("ip", "-n", host.ns.name, ...line.split(" "));
          for (const each of settings) {
            const at = each.lastIndexOf("=");
            await writeSysctls(host.ns.name, [each.slice(0, at)], each.slice(at + 1));
          }
        }
        assertNotEquals(await kernel(), before, "it was not changed");

        const [seen] = await driver.seeSandboxes();
        assertEquals(seen!.state, "incomplete", "it is not seen");
        assertEquals(seen!.endpoints[0]!.changes.length, inside.length + beside.length);
        assertEquals((await driver.restore()).missing, []);
        assertEquals(await kernel(), before, "it is not mended");
        assertEquals((await driver.seeSandboxes()).map(({ state }) => state), ["up"]);
        lines.length = 0;
        await driver.restore();
        assertEquals(lines, []);
        await remove();
      });
      // The next one would find what is left.
      if (!isWhole) return;
    }
  }));

Deno.test("restore keeps what somebody has added in a sandbox", () =>
  withHost(async (host) => {
    const driver = await twoEndpoints(host);
    await inside("addr", "add", "10.20.0.99/24", "dev", "eth0");
    await inside("route", "add", "10.99.0.0/16", "via", "10.20.0.1");
    const changed = await host.dump();
    assertEquals((await driver.restore()).missing, []);
    assertEquals(await host.dump(), changed);
  }));

Deno.test("a sub-interface of the driver's that somebody has set down is set up", () =>
  withHost(async (host) => {
    const driver = await twoEndpoints(host);
    await run("ip", "-n", host.ns.name, "link", "set", "dev", "eth0.20", "down");
    assertEquals((await driver.restore()).missing, []);
    assert((await host.ns.ip.link.show("eth0.20")).up);
  }));

Deno.test("a sandbox whose name was unmounted is made anew", () =>
  withHost(async (host) => {
    const driver = await twoEndpoints(host);
    const before = await host.dump();
    await run("umount", "/run/netns/c");
    assertEquals((await driver.seeSandboxes()).map(({ state }) => state), ["down"]);
    assertEquals((await driver.restore()).missing, []);
    assertEquals(await host.dump(), before);
    await run("umount", "/run/netns/c");
    await driver.removeSandbox("c");
  }));

Deno.test("a hosts file that cannot be written keeps neither restore nor rm from the rest", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    await driver.createNetwork({ name: "n", parent: "eth0", subnets: ["10.0.0.0/24"] });
    for (const name of ["a", "b", "c"]) {
      await driver.createSandbox({ name, connections: [{ network: "n" }] });
    }
    await Deno.remove(`${ETC}/b`, { recursive: true });
    await Deno.writeTextFile(`${ETC}/b`, "in the way");
    await inside("addr", "flush", "dev", "eth0");
    const { networks, sandboxes, missing } = await driver.restore();
    assertEquals([networks, sandboxes], [["n"], ["a", "c"]]);
    assertEquals(missing.map(({ name }) => name), ["b"]);
    assertMatch(missing[0]!.reason, /hosts file of sandbox "b" cannot be changed: Not a directory/);
    const { notices } = await driver.createSandbox({ name: "d", connections: [{ network: "n" }] });
    assertEquals(notices.filter((notice) => notice.includes('"b"')).length, 1);
    assertMatch(await Deno.readTextFile(`${ETC}/c/hosts`), /10\.0\.0\.5 d d\.n/);
    await driver.removeSandbox("a");
    await driver.removeSandbox("b");
    assertEquals(await Deno.readTextFile(`${ETC}/b`), "in the way");
    await Deno.remove(`${ETC}/b`);
  }));

Deno.test("an endpoint that cannot be made keeps none of its sandbox's others from being made", () =>
  withHost(async (host) => {
    const driver = await twoEndpoints(host);
    await run("ip", "-n", "c", "link", "del", "eth0");
    await run("ip", "-n", "c", "link", "del", "eth1");
    // Another link takes the address.
    const { ip } = host.ns;
    await ip.link.add({ type: "ipvlan", name: "thief", link: "eth0.20", mode: "l2", up: true });
    await ip.addr.add({ dev: "thief", address: "10.20.0.2/24" });
    const { sandboxes, missing } = await driver.restore();
    assertEquals([sandboxes, missing.map(({ name }) => name)], [[], ["c"]]);
    const [seen] = await driver.seeSandboxes(["c"]);
    assertEquals(seen!.state, "incomplete");
    assertEquals(seen!.endpoints.map(({ state }) => state), ["missing", "up"]);
    await ip.link.del("thief");
    assertEquals((await driver.restore()).missing, []);
    assertEquals((await driver.seeSandboxes())[0]!.state, "up");
  }));

Deno.test("no character in the alias of a link keeps restore from its work", () =>
  withHost(async (host) => {
    const driver = await twoEndpoints(host);
    await host.ns.ip.link.add({ type: "dummy", name: "theirs" });
    await inside("link", "add", "theirs", "type", "dummy");
    const before = await host.dump();
    // A shell writes the character, as NUL cannot be in a word and other bytes are no UTF-8.
    for (const character of [1, 8, 9, 10, 13, 27, 31, 34, 39, 92, 127, 0x85, 0xff]) {
      const octal = character.toString(8).padStart(3, "0");
      for (const netns of ["c", host.ns.name]) {
        const set = `ip -n ${netns} link set dev theirs alias "$(printf 'a\\${octal}b')"`;
        await run("sh", "-c", set);
      }
      assertEquals((await driver.restore()).missing, [], `\\${octal}`);
    }
    for (const netns of ["c", host.ns.name]) {
      await run("ip", "-n", netns, "link", "set", "dev", "theirs", "alias", "");
    }
    assertEquals(await host.dump(), before);
    await host.ns.ip.link.del("theirs");
  }));

Deno.test("the modes of hosts files and of the state do not depend on the umask", async () => {
  for (const umask of [0o000, 0o077]) {
    await withHost(async (host) => {
      const stateDir = `${host.stateDir}/new`;
      const before = Deno.umask(umask);
      try {
        await using driver = await Driver.open({ host: host.ns.name, stateDir });
        await driver.createNetwork({ name: "n", parent: "eth0", subnets: ["10.0.0.0/24"] });
        await driver.createSandbox({ name: "c", connections: [{ network: "n" }] });
        const modeOf = (path: string) => (Deno.statSync(path).mode! & 0o777).toString(8);
        assertEquals(modeOf(`${ETC}/c/hosts`), "644");
        assertEquals(modeOf(`${ETC}/c`), "755");
        assertEquals(modeOf(stateDir), "700");
        for (const { name } of Deno.readDirSync(stateDir)) {
          assertEquals([name, modeOf(`${stateDir}/${name}`)], [name, "600"]);
        }
        await driver.removeSandbox("c");
        await driver.removeNetwork("n");
      } finally {
        Deno.umask(before);
      }
    });
  }
});

Deno.test("a hosts file that only its owner can read is opened to all", () =>
  withHost(async (host) => {
    await twoEndpoints(host);
    await Deno.chmod(`${ETC}/c/hosts`, 0o600);
    await (await host.driver()).restore();
    assertEquals(Deno.statSync(`${ETC}/c/hosts`).mode! & 0o777, 0o644);
  }));

Deno.test("an endpoint keeps its table for answers when another one brings a priority, and goes", async () => {
  await withHost(async (host) => {
    const driver = await host.driver();
    for (const id of [20, 30]) {
      const subnets = [`10.${id}.0.0/24`, `fd${id}::/64`];
      const name = `n${id}`;
      await driver.createNetwork({ name, parent: `eth0.${id}`, subnets, policyRoutes: true });
    }
    await driver.createSandbox({ name: "c", connections: [{ network: "n20" }] });
    const changes = async () =>
      (await driver.seeSandboxes()).flatMap(({ endpoints }) => endpoints)
        .flatMap(({ changes }) => changes);
    await driver.connect("n30", "c", { gatewayPriority: 1 });
    assertEquals(await changes(), []);
    await driver.disconnect("n30", "c");
    assertEquals(await changes(), []);
    await assertConsistent(host);
  });
});
