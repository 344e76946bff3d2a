// netavark's requests, answered with a real kernel, by a process and by the server of calls.
// `cni_server_test.ts` tries the server itself, and `tests/engines/podman5_test.ts` Podman.
import {
  assert,
  assertEquals,
  assertObjectMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import type { EngineDriver } from "../../lib/driver/mod.ts";
import { IpvlanError } from "../../mod.ts";
import { createNetwork, setUp, tearDown } from "../../lib/engine/netavark/mod.ts";
import type { StatusBlock } from "../../lib/engine/netavark/translate.ts";
import { NETAVARK } from "../../lib/engine/plugins.ts";
import { engineNamespace } from "../kit/borrowed.ts";
import { IPVLAN } from "../kit/command.ts";
import { eachLine, Faults, heldIp } from "../kit/faults.ts";
import { dumpSandbox } from "../kit/look.ts";
import { type Ran, runWith } from "../kit/processes.ts";
import { serving } from "../kit/serving.ts";
import { commandHost, temporaryFolder, withHost } from "../kit/worlds.ts";

/** A network as Podman keeps it. */
function config(name: string, changes: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    name,
    id: name.padEnd(64, "0"),
    driver: "ipvlan-kit",
    internal: false,
    ipv6_enabled: true,
    dns_enabled: true,
    options: { parent: "eth0.20" },
    subnets: [
      { subnet: "192.168.20.0/24", gateway: "192.168.20.1" },
      { subnet: "fd20::/64", gateway: "fd20::1" },
    ],
    ...changes,
  };
}

const LAN = config("lan");

/** A request for the container `ab…` with the last octet of its addresses. */
function request(
  octet: number,
  { network = LAN, container = "ab", ifname = "eth0", options = {} }: {
    network?: Record<string, unknown>;
    container?: string;
    ifname?: string;
    options?: Record<string, unknown>;
  } = {},
): string {
  const addresses = (network.subnets as { subnet: string }[])
    .map(({ subnet }) =>
      subnet.replace(/(\.0|::)\/.*/, (_, zero) => `${zero === "::" ? "::" : "."}${octet}`)
    );
  return JSON.stringify({
    container_id: container.padEnd(64, "0"),
    container_name: container,
    port_mappings: null,
    network,
    network_options: {
      aliases: ["web"],
      interface_name: ifname,
      static_ips: addresses,
      static_mac: null,
      ...options,
    },
  });
}

/** The names of what is on record. */
function recorded(driver: EngineDriver): string[] {
  return [...driver.listNetworks(), ...driver.listSandboxes()].map(({ name }) => name);
}

/** The addresses that an answer has of a link. */
function addressesIn({ interfaces }: StatusBlock, ifname = "eth0"): unknown {
  return interfaces[ifname]?.subnets;
}

Deno.test("create makes nothing, and says what the driver would refuse", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    const before = await host.dump();
    const { value } = await createNetwork(driver, JSON.stringify(LAN));
    assertEquals(value, { ...LAN, network_interface: "eth0.20" });
    const options = { parent: "eth9" };
    await assertRejects(
      () => createNetwork(driver, JSON.stringify({ ...LAN, options })),
      IpvlanError,
      'There is no link "eth9"',
    );
    assertEquals(await host.dump(), before);
  }));

Deno.test("setup and teardown connect and disconnect, and a repeated call changes nothing", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    await using one = await engineNamespace();
    const { value } = await setUp(driver, request(7), one.path);
    assertEquals(addressesIn(value), [
      { ipnet: "192.168.20.7/24", gateway: "192.168.20.1" },
      { ipnet: "fd20::7/64", gateway: "fd20::1" },
    ]);
    const { address } = await host.ns.ip.link.show("eth0.20");
    assertEquals(value.interfaces.eth0?.mac_address, address);
    const { addrs, routes } = await dumpSandbox(one.netns);
    assertEquals(addrs, ["192.168.20.7/24 dev eth0", "fd20::7/64 dev eth0"]);
    assertStringIncludes(routes.join("\n"), "default via 192.168.20.1 dev eth0");
    assertEquals(driver.listSandboxes()[0]?.endpoints[0]?.aliases, ["web"]);
    const made = await host.dump();
    assertEquals((await setUp(driver, request(7), one.path)).value, value);
    assertEquals(await host.dump(), made);
    // Another address for the same link is another request.
    await assertRejects(() => setUp(driver, request(8), one.path), IpvlanError, '"eth0" already');
    assertEquals(await host.dump(), made);
    await tearDown(driver, request(7));
    await tearDown(driver, request(7));
    assertEquals(recorded(driver), []);
    assertEquals((await dumpSandbox(one.netns)).links.map(({ name }) => name), ["lo"]);
  }));

Deno.test("a container has an address of each subnet of its network", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    await using one = await engineNamespace();
    const subnets = [
      ...LAN.subnets as object[],
      { subnet: "10.20.0.0/16", gateway: "10.20.0.1" },
      { subnet: "fd21::/64", gateway: "fd21::1" },
    ];
    const network = config("lan", { subnets });
    await createNetwork(driver, JSON.stringify(network));
    const text = request(7, { network });
    const { value } = await setUp(driver, text, one.path);
    assertEquals(addressesIn(value), [
      { ipnet: "192.168.20.7/24", gateway: "192.168.20.1" },
      { ipnet: "10.20.0.7/16" },
      { ipnet: "fd20::7/64", gateway: "fd20::1" },
      { ipnet: "fd21::7/64" },
    ]);
    const { addrs } = await dumpSandbox(one.netns);
    assertEquals(addrs.length, 4);
    assertEquals((await setUp(driver, text, one.path)).value, value);
    await tearDown(driver, text);
    assertEquals(recorded(driver), []);
  }));

Deno.test("setup makes again what somebody has deleted, and takes a new namespace for the old", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    await using one = await engineNamespace();
    await using two = await engineNamespace();
    const { value } = await setUp(driver, request(7), one.path);
    await one.run("ip", "addr", "flush", "dev", "eth0");
    assertEquals((await setUp(driver, request(7), one.path)).value, value);
    assertEquals((await dumpSandbox(one.netns)).addrs.length, 2);
    // Podman was killed, and starts the container anew.
    assertEquals((await setUp(driver, request(7), two.path)).value, value);
    assertEquals((await dumpSandbox(one.netns)).links.map(({ name }) => name), ["lo"]);
    assertEquals((await dumpSandbox(two.netns)).addrs.length, 2);
  }));

Deno.test("a container is on several networks, and each goes with its last container", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    await using one = await engineNamespace();
    const subnets = [{ subnet: "10.1.0.0/24", gateway: "10.1.0.1" }];
    const options = { parent: "eth0", ipvlan_mode: "l3" };
    const network = config("l3net", { subnets, options, ipv6_enabled: false });
    await setUp(driver, request(7), one.path);
    const { value } = await setUp(driver, request(9, { network, ifname: "eth1" }), one.path);
    assertEquals(addressesIn(value, "eth1"), [{ ipnet: "10.1.0.9/24" }]);
    assertEquals(driver.listNetworks().map(({ name }) => name), ["netavark:l3net", "netavark:lan"]);
    await tearDown(driver, request(7));
    assertEquals(driver.listNetworks().map(({ name }) => name), ["netavark:l3net"]);
    assertEquals((await dumpSandbox(one.netns)).addrs, ["10.1.0.9/24 dev eth1"]);
    await tearDown(driver, request(9, { network, ifname: "eth1" }));
    assertEquals(recorded(driver), []);
  }));

Deno.test("the routes of a network are made, behind its default route", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    await using one = await engineNamespace();
    const routes = [{ destination: "10.9.0.0/16", gateway: "192.168.20.5", metric: null }];
    // Nobody named the gateway of the subnet, so it is the first address.
    const subnets = [{ subnet: "192.168.20.0/24" }, { subnet: "fd20::/64" }];
    await setUp(driver, request(7, { network: config("lan", { routes, subnets }) }), one.path);
    const { routes: made } = await dumpSandbox(one.netns);
    assertStringIncludes(made.join("\n"), "default via 192.168.20.1 dev eth0");
    assertStringIncludes(made.join("\n"), "10.9.0.0/16 via 192.168.20.5 dev eth0");
    await tearDown(driver, request(7));
  }));

Deno.test("what Podman has left without a word is cleaned by the next call", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    await using one = await engineNamespace();
    await using two = await engineNamespace();
    await setUp(driver, request(7), one.path);
    await one.end();
    assertEquals(recorded(driver).length, 2);
    const other = config("other", { options: { parent: "eth0" } });
    await createNetwork(driver, JSON.stringify(other));
    assertEquals(recorded(driver), []);
    // The address of a container that is gone is free at once.
    await setUp(driver, request(7), two.path);
    await two.end();
    await using three = await engineNamespace();
    const { value } = await setUp(driver, request(7, { container: "cd" }), three.path);
    assertObjectMatch(value, { dns_search_domains: [] });
    assertEquals(driver.listSandboxes().length, 1);
    await tearDown(driver, request(7, { container: "cd" }));
  }));

Deno.test("a setup that fails at any line leaves nothing, and can be repeated", () =>
  withHost(async (host) => {
    await using faults = await Faults.of("refused");
    const driver = await host.driver({ wrap: faults.wrap });
    await using one = await engineNamespace();
    const before = await host.dump();
    let lines = 0;
    for (let n = 1;; n++) {
      faults.arm(n);
      const failed = await setUp(driver, request(7), one.path).then(() => false, () => true);
      faults.disarm();
      if (!faults.fired) break;
      lines++;
      // Of some lines, such as the notes on a link, the driver does without.
      if (failed) {
        assertEquals(recorded(driver), [], `line ${n}`);
        assertEquals((await dumpSandbox(one.netns)).links.map(({ name }) => name), ["lo"]);
        assertEquals(await host.dump(), before, `line ${n}`);
      }
      await setUp(driver, request(7), one.path);
      await tearDown(driver, request(7));
      assertEquals(await host.dump(), before, `line ${n}`);
    }
    assertEquals(lines > 5, true, `${lines} lines`);
    await tearDown(driver, request(7));
  }));

Deno.test("teardown removes what a setup that was killed at any line has left", () =>
  withHost(async (host) => {
    await using faults = await Faults.of("from then on");
    const failing = await host.driver({ wrap: faults.wrap });
    const driver = await host.driver();
    await using one = await engineNamespace();
    const network = config("other", { options: { parent: "eth0.30" } });
    // The first one makes the sandbox, too.
    for (const text of [request(7), request(8, { network, ifname: "eth1" })]) {
      const before = [await host.dump(), await dumpSandbox(one.netns), recorded(driver)];
      await eachLine(faults, () => setUp(failing, text, one.path), async (n) => {
        await tearDown(driver, text);
        const after = [await host.dump(), await dumpSandbox(one.netns), recorded(driver)];
        assertEquals(after, before, `line ${n}`);
      });
    }
    await tearDown(driver, request(8, { ifname: "eth1" }));
    await tearDown(driver, request(7));
  }));

Deno.test("30 containers at once have 30 addresses, and nothing is left when they have gone", () =>
  withHost(async (host) => {
    await using undo = new AsyncDisposableStack();
    const numbers = Array.from({ length: 30 }, (_, index) => index + 10);
    const places = await Promise.all(numbers.map(() => engineNamespace()));
    places.forEach((place) => undo.use(place));
    // Each call of Podman's is a process of its own.
    const drivers = await Promise.all(numbers.slice(0, 6).map(() => host.driver()));
    const before = await host.dump();
    const container = (number: number) => `c${number}`;
    const all = await Promise.all(numbers.map((number, index) =>
      setUp(
        drivers[index % drivers.length]!,
        request(number, { container: container(number) }),
        places[index]!.path,
      )
    ));
    const addresses = all.map(({ value }) => JSON.stringify(addressesIn(value)));
    assertEquals(new Set(addresses).size, 30);
    await Promise.all(
      numbers.map((number, index) =>
        tearDown(
          drivers[index % drivers.length]!,
          request(number, { container: container(number) }),
        )
      ),
    );
    assertEquals(recorded(drivers[0]!), []);
    assertEquals(await host.dump(), before);
  }));

/** Runs the plugin as netavark does. */
async function runPlugin(program: readonly string[], words: string[], input: string): Promise<Ran> {
  const [file = "", ...args] = [...program, ...words];
  return await runWith(input, file, { args });
}

Deno.test("netavark serve answers as the plugin itself, and ends on a signal with status 0", async () => {
  await using running = await serving(NETAVARK);
  await using one = await engineNamespace();
  const alone = (words: string[], input: string) =>
    runPlugin([...IPVLAN, "netavark"], words, input);
  const served = (words: string[], input: string) => runPlugin([running.program], words, input);
  const cases: [words: string[], input: string][] = [
    [["create"], JSON.stringify(LAN)],
    [["create"], JSON.stringify({ ...LAN, options: { parent: "eth9", mode: "l3" } })],
    [["setup", one.path], "nonsense"],
    [["setup", "/nowhere"], request(7)],
  ];
  for (const [words, input] of cases) {
    assertEquals(await served(words, input), await alone(words, input), words.join(" "));
  }
  const { code, stdout, stderr } = await served(["setup", one.path], request(7));
  assertEquals([code, stderr], [0, ""]);
  assertObjectMatch(JSON.parse(stdout), { dns_search_domains: [] });
  assertEquals((await dumpSandbox(one.netns)).addrs.length, 2);
  // A process of its own has the same records, and answers a repeated call with the same text.
  assertEquals((await alone(["setup", one.path], request(7))).stdout, stdout);
  assertEquals((await alone(["teardown", one.path], request(7))).code, 0);
  assertEquals(await served(["teardown", one.path], request(7)), {
    code: 0,
    stdout: "",
    stderr: "",
  });
  running.server.kill("SIGTERM");
  const { status, err } = await running.server.ended;
  const lines = err.split("\n").filter((line) => /: status/.test(line));
  assertEquals([status, lines.length], [0, cases.length + 2], err);
  assert(/^ipvlan: setup ab0+: status 0 in \d+ ms$/.test(lines.at(-2)!), err);
});

Deno.test("12 setups at once, and the server is killed meanwhile: each has one answer, and teardown removes all", async () => {
  await using running = await serving(NETAVARK);
  const before = await running.host.dump();
  await using undo = new AsyncDisposableStack();
  const places = await Promise.all(Array.from({ length: 12 }, () => engineNamespace()));
  places.forEach((place) => undo.use(place));
  const call = (command: string, index: number) =>
    runPlugin(
      [running.program],
      [command, places[index]!.path],
      // Of two digits, as "c1" and "c10" would be the same once filled up with zeros.
      request(index + 10, { container: `c${index + 10}` }),
    );
  const all = (command: string) => Promise.all(places.map((_, index) => call(command, index)));
  const answers = places.map((_, index) => call("setup", index));
  await Promise.race(answers);
  running.server.kill("SIGKILL");
  const made = await Promise.all(answers);
  for (const { code, stdout } of made) {
    if (code !== 0) {
      assertStringIncludes(JSON.parse(stdout).error, "The server of ipvlan has ended");
    }
  }
  assert(made.some(({ code }) => code === 0));
  // The first one starts the program, and finds what the server has left half done. All of them may
  // have been answered before its end.
  const lost = made.findLastIndex(({ code }) => code !== 0);
  const first = await call("teardown", Math.max(lost, 0));
  assertEquals([first.code, first.stdout], [0, ""]);
  await using _again = await running.start();
  for (const { code, stdout } of await all("teardown")) assertEquals([code, stdout], [0, ""]);
  assertEquals(await running.host.dump(), before);
  for (const { code, stdout } of await all("setup")) assertEquals(code, 0, stdout);
  for (const { code, stdout } of await all("teardown")) assertEquals([code, stdout], [0, ""]);
  assertEquals(await running.host.dump(), before);
});

Deno.test("a setup whose caller was killed comes to its end, and teardown waits for it", async () => {
  await using ip = await heldIp("behind");
  await using running = await serving(NETAVARK, ip.env);
  const before = await running.host.dump();
  await using one = await engineNamespace();
  await using folder = await temporaryFolder();
  const pid = `${folder.path}/pid`;
  const under = ["sh", "-c", `echo $$ > ${pid}; exec "$@"`, "sh", running.program];
  ip.hold();
  const made = runPlugin(under, ["setup", one.path], request(7));
  await ip.waits();
  Deno.kill(Number(await Deno.readTextFile(pid)), "SIGKILL");
  assertEquals((await made).code, 137);
  const removed = runPlugin([running.program], ["teardown", one.path], request(7));
  await ip.goOn();
  assertEquals((await removed).code, 0);
  await running.server.line(/setup ab0+: status 0/);
  assertEquals((await dumpSandbox(one.netns)).links.map(({ name }) => name), ["lo"]);
  assertEquals(await running.host.dump(), before);
});

Deno.test("a setup without the server that gets a signal is undone, and answers with an error", async () => {
  await using host = await commandHost();
  await using ip = await heldIp("behind");
  const before = await host.dump();
  await using one = await engineNamespace();
  ip.hold();
  await using folder = await temporaryFolder();
  const pid = `${folder.path}/pid`;
  const env = Object.entries(ip.env).map((pair) => pair.join("="));
  const under = ["env", ...env, "sh", "-c", `echo $$ > ${pid}; exec "$@"`, "sh"];
  const made = runPlugin([...under, ...IPVLAN, "netavark"], ["setup", one.path], request(7));
  await ip.waits();
  Deno.kill(Number(await Deno.readTextFile(pid)), "SIGTERM");
  await ip.goOn();
  assertEquals(await made, {
    code: 1,
    stdout: `{\n    "error": "It was interrupted"\n}\n`,
    stderr: "",
  });
  assertEquals(await host.dump(), before);
});
