/**
 * Hosts on one segment that share a pool in an etcd of three members, each a machine of its own on
 * the same segment.
 *
 * @module
 */
import { isOwn } from "../../../lib/claims/types.ts";
import type { NetworkSpec } from "../../../lib/driver/mod.ts";
import { Ip } from "../../../lib/iproute2/ip.ts";
import { Daemon } from "../engines/daemon.ts";
import { type Cable, PoolHost, type SharingHost } from "./pool_host.ts";
import { succeed } from "../program.ts";
import type { SecondKernel } from "../machines/second_kernel.ts";
import { plugWire, WIRE } from "../machines/wire.ts";

/** The members of etcd, by name, with their addresses. */
const MEMBERS = { etcd1: "192.168.1.241", etcd2: "192.168.1.242", etcd3: "192.168.1.243" };

/** The name of a member. */
export type MemberName = keyof typeof MEMBERS;

/** The names of the members. */
export const MEMBER_NAMES = Object.keys(MEMBERS) as MemberName[];

/** The endpoint of a member. */
export function endpointOf(member: MemberName): string {
  return `http://${MEMBERS[member]}:2379`;
}

/** The hosts, with their addresses. */
const HOSTS = { host1: "192.168.1.251", host2: "192.168.1.252" };

/** The name of a host. */
export type HostName = keyof typeof HOSTS;

/** The `ipvlan network create` line of the network that the hosts share. */
export const CREATE_LINE = [
  "ipvlan network create --subnet=192.168.1.0/24 -o parent=eth0 --ipam-driver etcd",
  `--ipam-opt endpoints=${MEMBER_NAMES.map(endpointOf).join(",")}`,
  "lan",
].join(" ");

/** The same network for the driver. */
export const LAN: NetworkSpec = {
  name: "lan",
  parent: "eth0",
  subnets: ["192.168.1.0/24"],
  ipam: { driver: "etcd", access: { endpoints: MEMBER_NAMES.map(endpointOf) } },
};

/** Two hosts and three members, until the end of the scope. */
export class PoolWorld implements AsyncDisposable {
  /** The hosts. */
  readonly hosts: [PoolHost, SharingHost];
  readonly #daemons: Map<MemberName, Daemon>;
  readonly #ip: Ip;
  readonly #undo: AsyncDisposableStack;

  private constructor(
    hosts: [PoolHost, SharingHost],
    daemons: Map<MemberName, Daemon>,
    ip: Ip,
    undo: AsyncDisposableStack,
  ) {
    this.hosts = hosts;
    this.#daemons = daemons;
    this.#ip = ip;
    this.#undo = undo;
  }

  /**
   * Makes the machines, and starts etcd and the hosts.
   *
   * @param second The kernel of the second host. By default, all machines are in this kernel.
   */
  static async start(second?: SecondKernel): Promise<PoolWorld> {
    await using undo = new AsyncDisposableStack();
    const ip = undo.use(await Ip.open());
    await ip.link.add({ type: "bridge", name: "lan", up: true });
    undo.defer(() => ip.link.del("lan"));
    const folder = await Deno.makeTempDir({ prefix: "ipvlan-etcd-" });
    undo.defer(() => Deno.remove(folder, { recursive: true }));
    const started = await Promise.all(MEMBER_NAMES.map(async (name) => {
      const netns = `lab-${name}`;
      await ip.netns.add(netns);
      undo.defer(() => ip.netns.del(netns));
      await portOf(ip, name, `${MEMBERS[name]}/24`).plug(netns);
      return [name, await startMember(name, folder)] as const;
    }));
    const daemons = new Map(started);
    undo.defer(async () => {
      await Promise.all([...daemons.values()].map((daemon) => daemon.end()));
    });
    const start = (name: HostName) => PoolHost.start(name, portOf(ip, name, `${HOSTS[name]}/24`));
    const startFar = async (kernel: SecondKernel) => {
      // The wire is a port of the segment.
      await ip.link.set(WIRE, { master: "lan", up: true });
      return await kernel.startPoolHost("host2");
    };
    const hosts: [PoolHost, SharingHost] = [
      undo.use(await start("host1")),
      undo.use(second ? await startFar(second) : await start("host2")),
    ];
    return new PoolWorld(hosts, daemons, ip, undo.move());
  }

  /** Waits until the running members follow one of them, and returns its name. */
  async leader(): Promise<MemberName> {
    for (;;) {
      const statuses = JSON.parse(await this.etcdctl("endpoint", "status", "-w", "json")) as {
        Endpoint: string;
        Status: { header: { member_id: number }; leader: number };
      }[];
      const led = statuses.find(({ Status }) =>
        statuses.every((other) => other.Status.leader === Status.header.member_id)
      );
      const name = MEMBER_NAMES.find((name) => endpointOf(name) === led?.Endpoint);
      if (name !== undefined && statuses.length === this.#daemons.size) return name;
    }
  }

  /** Runs `etcdctl` on the first host, with the running members as endpoints. */
  async etcdctl(...words: string[]): Promise<string> {
    const endpoints = [...this.#daemons.keys()].map(endpointOf).join(",");
    const command = ["etcdctl", `--endpoints=${endpoints}`, ...words];
    const [program = "", ...args] = [...this.hosts[0].under, ...command];
    return await succeed(program, ...args);
  }

  /** Takes a member's cable out, or puts it in again. */
  async setCable(member: MemberName, up: boolean): Promise<void> {
    await this.#ip.link.set(member, { up });
  }

  /** Kills a member. It does not come back. */
  async kill(member: MemberName): Promise<void> {
    await this.#daemons.get(member)?.end();
    this.#daemons.delete(member);
  }

  /** The addresses of sandboxes in etcd, by the name of their host, sorted. */
  async claims(): Promise<Map<string, string[]>> {
    const read = async (kind: string) => {
      const printed = await this.etcdctl("get", "--prefix", `/ipvlan/${kind}/`, "-w", "json");
      const { kvs = [] } = JSON.parse(printed) as { kvs?: { key: string; value: string }[] };
      return kvs.map(({ key, value }) => ({ key: atob(key), value: JSON.parse(atob(value)) }));
    };
    const names = new Map(
      (await read("hosts")).map(({ key, value }) => [key.split("/").at(-1)!, value.name as string]),
    );
    const claims = (await read("claims")).filter(({ value }) => !isOwn(value)).map((
      { key, value },
    ) => ({
      host: names.get(value.host) ?? value.host,
      address: key.split("/").at(-1)!.match(/../g)!.map((hex) => parseInt(hex, 16)).join("."),
    }));
    const byHost = Map.groupBy(claims, ({ host }) => host);
    return new Map(
      [...byHost].map(([host, all]) => [host, all.map(({ address }) => address).sort()]),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#undo.disposeAsync();
  }
}

/** A port of the segment in this kernel. */
function portOf(ip: Ip, port: string, address: string): Cable {
  return {
    plug: async (netns) => {
      await ip.link.add({ type: "veth", name: port, peer: { name: "eth0", netns }, up: true });
      await ip.link.set(port, { master: "lan" });
      await setUp(netns, address);
    },
    // Otherwise, the kernel deletes it some time after the namespace.
    unplug: () => ip.link.del(port),
  };
}

/** Starts a host in the second kernel, where the wire is its `eth0`. */
export function startHostOnWire(ip: Ip, name: HostName): Promise<PoolHost> {
  return PoolHost.start(name, {
    plug: async (netns) => {
      await plugWire(ip, netns, "eth0");
      await setUp(netns, `${HOSTS[name]}/24`);
    },
  });
}

/** Sets the links of a machine up. */
async function setUp(netns: string, address: string): Promise<void> {
  await using inside = await Ip.open({ netns });
  // A member of etcd connects to its own address.
  await inside.link.set("lo", { up: true });
  await inside.link.set("eth0", { up: true });
  await inside.addr.add({ dev: "eth0", address });
}

async function startMember(name: MemberName, folder: string): Promise<Daemon> {
  const address = MEMBERS[name];
  const peers = Object.entries(MEMBERS).map(([each, at]) => `${each}=http://${at}:2380`).join(",");
  return await Daemon.start([
    ...["nsenter", `--net=/run/netns/lab-${name}`, "etcd", "--name", name],
    ...["--data-dir", `${folder}/${name}`, "--unsafe-no-fsync", "--logger=zap"],
    ...["--listen-client-urls", `http://${address}:2379`],
    ...["--advertise-client-urls", `http://${address}:2379`],
    ...["--listen-peer-urls", `http://${address}:2380`],
    ...["--initial-advertise-peer-urls", `http://${address}:2380`],
    ...["--initial-cluster", peers],
  ], { ready: /serving (insecure )?client/, signal: "SIGKILL" });
}
