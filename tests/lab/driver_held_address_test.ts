import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Driver } from "../../mod.ts";
import { run } from "../kit/processes.ts";
import { freshNetns, type TestHost, withHost } from "../kit/worlds.ts";
import { assertError, assertRejectsError } from "../kit/errors.ts";
import { ipCommandError } from "../../lib/iproute2/errors.ts";
import { onChange } from "../kit/faults.ts";

const NETWORK = { name: "n", parent: "eth0", subnets: ["10.0.0.0/24", "fd00::/64"] };

/** Makes an ipvlan link on `eth0` that is not the driver's, in a namespace, and gives it addresses. */
async function foreignLink(
  { ns }: TestHost,
  netns: string,
  addresses: readonly string[],
): Promise<void> {
  await ns.run(
    "ip",
    "link",
    "add",
    "f0",
    "link",
    "eth0",
    "netns",
    netns,
    "type",
    "ipvlan",
    "mode",
    "l2",
  );
  const enter = /^\d+$/.test(netns)
    ? ["nsenter", `--net=/proc/${netns}/ns/net`]
    : ["ip", "netns", "exec", netns];
  const lines = ["link set f0 up", ...addresses.map((address) => `addr add ${address} dev f0`)];
  for (const line of lines) {
    const [program, ...words] = [...enter, "ip", ...line.split(" ")];
    const { code, stderr } = await run(program!, ...words);
    assertEquals(code, 0, stderr);
  }
}

/** Makes a sandbox. Returns its addresses and what is said. */
async function made(driver: Driver, name: string) {
  const { value, notices } = await driver.createSandbox({ name, connections: [{ network: "n" }] });
  const [{ ip, ip6 } = {}] = value.endpoints;
  return { addresses: [ip, ip6], notices };
}

Deno.test("an address that a link of somebody else holds is passed over, and the holder is named", () =>
  withHost(async (host) => {
    await using elsewhere = await freshNetns();
    const driver = await host.driver();
    await driver.createNetwork(NETWORK);
    await foreignLink(host, elsewhere.name, ["10.0.0.2/24", "10.0.0.3/24", "fd00::3/64"]);
    const holder = `the link "f0" in the namespace "${elsewhere.name}"`;
    const notice = (address: string) => `The address ${address} was passed over: ${holder} has it`;
    assertEquals(await made(driver, "c1"), {
      addresses: ["10.0.0.4/24", "fd00::2/64"],
      notices: [notice("10.0.0.2"), notice("10.0.0.3")],
    });
    assertEquals(await made(driver, "c2"), {
      addresses: ["10.0.0.5/24", "fd00::4/64"],
      notices: ["10.0.0.2", "10.0.0.3", "fd00::3"].map(notice),
    });
    const at = await host.dump();
    const given = [{ ip: "10.0.0.3" }, { ip6: "fd00::3" }];
    for (const options of given) {
      const connections = [{ network: "n", ...options }];
      const error = await assertRejects(() => driver.createSandbox({ name: "c3", connections }));
      assertError(error, "address-held");
      const [address] = Object.values(options);
      assertEquals(
        error.message,
        `The address ${address} is held by ${holder}: give another one, or take it away from there`,
      );
      assertEquals(await host.dump(), at);
    }
  }));

Deno.test("a holder is found in a namespace that has no name", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    await driver.createNetwork(NETWORK);
    const inside = new Deno.Command("unshare", { args: ["--net", "sleep", "60"] }).spawn();
    try {
      // The namespace is there when the process runs its program.
      while ((await Deno.readTextFile(`/proc/${inside.pid}/comm`)).trim() !== "sleep");
      await foreignLink(host, String(inside.pid), ["10.0.0.2/24"]);
      const { addresses, notices } = await made(driver, "c1");
      assertEquals(addresses, ["10.0.0.3/24", "fd00::2/64"]);
      assertEquals(notices, [
        'The address 10.0.0.2 was passed over: the link "f0" in the namespace of process ' +
        `${inside.pid} has it`,
      ]);
    } finally {
      inside.kill("SIGKILL");
      await inside.status;
    }
  }));

Deno.test("a holder is found in a namespace that only an open file keeps", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    await driver.createNetwork(NETWORK);
    const gone = await freshNetns();
    await foreignLink(host, gone.name, ["10.0.0.2/24"]);
    using _file = await Deno.open(`/run/netns/${gone.name}`);
    await gone[Symbol.asyncDispose]();
    const { addresses, notices: [notice] } = await made(driver, "c1");
    assertEquals(addresses, ["10.0.0.3/24", "fd00::2/64"]);
    assert(notice?.includes(`in a namespace that process ${Deno.pid} keeps open`), notice);
  }));

Deno.test("an address of the host's own links is passed over, and refused with the link's name", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    await driver.createNetwork(NETWORK);
    const { ip } = host.ns;
    await ip.link.add({ type: "ipvlan", name: "shim0", link: "eth0", mode: "l2", up: true });
    await ip.addr.add({ dev: "shim0", address: "10.0.0.2/32" });
    await ip.addr.add({ dev: "eth0", address: "10.0.0.3/24" });
    assertEquals(await made(driver, "c1"), {
      addresses: ["10.0.0.4/24", "fd00::2/64"],
      notices: ['The address 10.0.0.2 was passed over: the link "shim0" of the host has it'],
    });
    const refused = async (address: string) => {
      const connections = [{ network: "n", ip: address }];
      const error = await assertRejects(() => driver.createSandbox({ name: "c2", connections }));
      assertError(error, "address-held");
      return error.holder;
    };
    assertEquals(await refused("10.0.0.2"), 'the link "shim0" of the host');
    assertEquals(await refused("10.0.0.3"), 'the parent "eth0" of the host');
    await ip.link.del("shim0");
    const connections = [{ network: "n", ip: "10.0.0.2" }];
    await driver.createSandbox({ name: "c2", connections });
  }));

Deno.test("an address is passed over if its holder cannot be found, but not for ever", () =>
  withHost(async (host) => {
    const held = ["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"];
    const tried: string[] = [];
    const driver = await host.driver({
      wrap: onChange((line, pass) => {
        const address = held.find((each) => line.startsWith(`addr add ${each}/`));
        if (address === undefined) return pass();
        if (tried.at(-1) !== address) tried.push(address);
        const said = "Error: Address already assigned to an ipvlan device";
        return Promise.reject(ipCommandError(line, said));
      }),
    });
    await driver.createNetwork(NETWORK);
    const at = await host.dump();
    const connections = [{ network: "n" }];
    await assertRejectsError(
      () => driver.createSandbox({ name: "c1", connections }),
      "address-held",
      'The address 10.0.0.5 is held by an ipvlan link on "eth0" that cannot be found: ',
    );
    assertEquals(tried, held);
    assertEquals(await host.dump(), at);
  }));
