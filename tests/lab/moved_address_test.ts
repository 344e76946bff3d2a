// An address that moves to another host: the machines of the LAN have the new MAC address at once, and
// do not send to the old host for as long as they remember it.
import { assertEquals } from "@std/assert";
import { Driver } from "../../mod.ts";
import { until } from "../kit/lab.ts";
import { type FreshNetns, freshNetns, temporaryFolder } from "../kit/worlds.ts";

const NETWORK = { name: "n", parent: "eth0", subnets: ["192.168.20.0/24", "fd20::/64"] };
const ADDRESSES = { ip: "192.168.20.10", ip6: "fd20::10" };

/** A host: a namespace with `eth0` on the switch, and a driver with a state folder. */
interface Host {
  driver: Driver;
  /** The MAC address of `eth0`, which its sandboxes have too. */
  mac: string;
}

/** Runs a test on two hosts and a machine, which is the switch too. */
async function withTwoHosts(
  test: (hosts: Host[], machine: FreshNetns) => Promise<void>,
): Promise<void> {
  await using undo = new AsyncDisposableStack();
  const machine = undo.use(await freshNetns());
  await machine.ip.link.add({ type: "bridge", name: "br0", up: true });
  await machine.ip.addr.add({ dev: "br0", address: "192.168.20.50/24" });
  await machine.ip.addr.add({ dev: "br0", address: "fd20::50/64", nodad: true });
  const hosts: Host[] = [];
  for (const port of ["p1", "p2"]) {
    const ns = undo.use(await freshNetns());
    const peer = { name: port, netns: machine.name };
    await ns.ip.link.add({ type: "veth", name: "eth0", peer, up: true });
    await machine.ip.link.set(port, { master: "br0", up: true });
    const { path: stateDir } = undo.use(await temporaryFolder());
    const driver = undo.use(await Driver.open({ host: ns.name, stateDir }));
    undo.defer(async () => {
      for (const { name } of driver.listSandboxes()) await driver.removeSandbox(name);
      for (const { name } of driver.listNetworks()) await driver.removeNetwork(name);
    });
    hosts.push({ driver, mac: (await ns.ip.link.show("eth0")).address! });
  }
  await test(hosts, machine);
}

Deno.test("a machine of the LAN goes on reaching an address that has moved to another host", () =>
  withTwoHosts(async ([from, to], machine) => {
    const create = async ({ driver }: Host) => {
      await driver.createSandbox({ name: "c1", connections: [{ network: "n", ...ADDRESSES }] });
    };
    const ping = async (address: string) =>
      (await machine.run("ping", "-c", "1", "-W", "5", address)).code;
    /** The MAC addresses that the machine remembers of the addresses. */
    const remembered = async () => {
      const neighbours = await machine.ip.neigh.show();
      return [ADDRESSES.ip, ADDRESSES.ip6].map((address) =>
        neighbours.find(({ dst }) => dst === address)?.address
      );
    };
    for (const { driver } of [from!, to!]) await driver.createNetwork(NETWORK);
    await create(from!);
    assertEquals([await ping(ADDRESSES.ip), await ping(ADDRESSES.ip6)], [0, 0]);
    assertEquals(await remembered(), [from!.mac, from!.mac]);
    await from!.driver.removeSandbox("c1");
    await create(to!);
    // The announcement comes by itself: nobody asks until it is there.
    let now = await remembered();
    const watch = setInterval(async () => now = await remembered(), 20);
    try {
      await until(() => now.every((mac) => mac === to!.mac));
    } finally {
      clearInterval(watch);
    }
    assertEquals(await remembered(), [to!.mac, to!.mac]);
    assertEquals([await ping(ADDRESSES.ip), await ping(ADDRESSES.ip6)], [0, 0]);
  }));
