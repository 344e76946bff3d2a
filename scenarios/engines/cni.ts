/**
 * containerd and Podman with CNI: the reference plugin's configurations, GC and CHECK.
 *
 * @module
 */
import type { Finding } from "../../lib/check/mod.ts";
import type { ResultAddress } from "../../lib/engine/cni/result.ts";
import { Ip } from "../../lib/iproute2/ip.ts";
import { lookInto } from "../../lib/iproute2/view.ts";
import { fromNetnsFolder } from "../../lib/iproute2/words.ts";
import {
  type CniNetwork,
  type CniRuntime,
  type Container,
  type PluginConf,
  seeContainer,
  startRuntime,
  writeNetwork,
} from "../kit/engines/cni.ts";
import { failsWith, nothingIsLeft, shows } from "../kit/engines/checks.ts";
import { machineState, withIpvlan, withRouter } from "../kit/engines/machine.ts";
import { engineScenario, type Scenario } from "../kit/mod.ts";
import { succeed } from "../kit/program.ts";

/** Configurations of CNI's own plugin, as its documentation and its users have them. */
const REFERENCE: readonly PluginConf[] = [
  {
    type: "ipvlan",
    master: "eth0",
    ipam: {
      type: "host-local",
      subnet: "192.168.1.0/24",
      rangeStart: "192.168.1.80",
      gateway: "192.168.1.1",
      routes: [{ dst: "0.0.0.0/0" }],
    },
  },
  {
    type: "ipvlan",
    master: "eth0",
    mode: "l3",
    mtu: 1400,
    ipam: {
      type: "host-local",
      ranges: [[{ subnet: "10.1.0.0/24" }], [{ subnet: "2001:db8:10::/64" }]],
      routes: [{ dst: "10.0.0.0/8" }, { dst: "172.16.0.0/12", gw: "10.1.0.9" }, { dst: "::/0" }],
    },
  },
  {
    type: "ipvlan",
    master: "eth0",
    mode: "l3s",
    ipam: { type: "static", addresses: [{ address: "10.2.0.1/24" }] },
  },
  // Several addresses of a family: of two sets of ranges, and of a list.
  {
    type: "ipvlan",
    master: "eth0",
    ipam: {
      type: "host-local",
      ranges: [
        [{ subnet: "2001:db8:10::/64", rangeStart: "2001:db8:10::10" }],
        [{ subnet: "10.10.0.0/16", rangeStart: "10.10.1.20", gateway: "10.10.0.254" }, {
          subnet: "172.16.5.0/24",
        }],
        [{ subnet: "10.20.0.0/24" }],
        [{ subnet: "2001:db8:20::/64" }],
      ],
      routes: [{ dst: "0.0.0.0/0" }, { dst: "192.168.0.0/16", gw: "10.10.5.1" }, { dst: "::/0" }],
    },
  },
  {
    type: "ipvlan",
    master: "eth0",
    ipam: {
      type: "static",
      addresses: [
        { address: "10.2.0.1/24", gateway: "10.2.0.254" },
        { address: "10.2.0.2/24" },
        { address: "2001:db8:2::1/64" },
        { address: "10.3.0.1/16", gateway: "10.3.0.254" },
        { address: "2001:db8:2::2/64", gateway: "2001:db8:2::fe" },
      ],
      routes: [{ dst: "0.0.0.0/0" }, { dst: "10.9.0.0/16", gw: "10.3.0.9" }, { dst: "::/0" }],
    },
  },
];

/** The first network of a container, which makes its eth0. */
const FIRST: PluginConf = {
  type: "ptp",
  ipam: { type: "host-local", subnet: "10.22.0.0/24", routes: [{ dst: "0.0.0.0/0" }] },
};

/** Configurations of the reference plugin for a second network, on the link of the first. */
const INSIDE: readonly PluginConf[] = [
  {
    type: "ipvlan",
    master: "eth0",
    linkInContainer: true,
    ipam: {
      type: "host-local",
      subnet: "10.8.0.0/24",
      gateway: "10.8.0.1",
      routes: [{ dst: "10.9.0.0/16" }],
    },
  },
  {
    type: "ipvlan",
    linkInContainer: true,
    mode: "l3",
    mtu: 1400,
    ipam: {
      type: "static",
      addresses: [{ address: "10.8.1.1/24" }, { address: "2001:db8:8::1/64" }],
      routes: [{ dst: "2001:db8:9::/64" }],
    },
  },
];

/** A network with subnets of its own. */
const LAN: PluginConf = {
  type: "ipvlan-kit",
  master: "eth0.20",
  subnets: [{ subnet: "192.168.20.0/24", gateway: "192.168.20.1" }],
};

/** Starts a container on a network, looks at it, and removes it. */
async function lookOnce(runtime: CniRuntime, network: CniNetwork): Promise<string[]> {
  await writeNetwork(network);
  const container = await runtime.start("c1", network.name);
  const seen = await seeContainer(container);
  await runtime.stop("c1");
  // Otherwise, host-local would go on with the next address for the next plugin.
  await Deno.remove(`/var/lib/cni/networks/${network.name}`, { recursive: true }).catch(() => {});
  return seen;
}

/** Checks that two plugins make the same container from a configuration. */
async function makesTheSame(runtime: CniRuntime, plugin: PluginConf): Promise<Finding> {
  const { cniVersion } = runtime;
  const types = ["ipvlan", "ipvlan-kit"];
  const evidence = [];
  for (const type of types) {
    const network = { cniVersion, name: "std", plugin: { ...plugin, type } };
    const lines = await lookOnce(runtime, network);
    evidence.push({ command: `ip link; ip address; ip route (${type})`, output: lines.join("\n") });
  }
  return {
    sentence: `"type": "ipvlan-kit" makes what "ipvlan" makes of ${JSON.stringify(plugin)}`,
    held: evidence[0]!.output === evidence[1]!.output,
    evidence,
  };
}

/** The effect of a second network on a container. */
interface SecondNetwork {
  /** The output of its ADD, without values that differ each time. */
  result: string;
  /** The links, addresses and routes of the container. */
  lines: string[];
}

/** Makes a second network of a container, as Multus does it, looks at it, and removes both. */
async function lookInside(runtime: CniRuntime, plugin: PluginConf): Promise<SecondNetwork> {
  const { cniVersion } = runtime;
  await writeNetwork({ cniVersion, name: "first", plugin: FIRST });
  const container = await runtime.start("c1", "first");
  const { id, netns } = container;
  const call = async (command: string) =>
    await succeed(
      ...["sh", "-c"],
      await pluginLine(command, { ...plugin, cniVersion, name: "second" }, {
        CNI_CONTAINERID: id,
        CNI_IFNAME: "net1",
        CNI_NETNS: netns,
      }),
    );
  const { interfaces: [link], ips, routes } = JSON.parse(await call("ADD"));
  const lines = await seeContainer(container);
  const [parent] = (await lookInto(fromNetnsFolder(netns), { links: true })).links
    .filter(({ name }) => name === "eth0");
  // Each container has a namespace and a MAC address of its own.
  const known = {
    name: link.name,
    mac: link.mac === parent?.address ? "its parent's" : link.mac,
    sandbox: link.sandbox === netns ? "its own" : link.sandbox,
  };
  await call("DEL");
  await runtime.stop("c1");
  for (const name of ["first", "second"]) {
    await Deno.remove(`/var/lib/cni/networks/${name}`, { recursive: true }).catch(() => {});
  }
  const shown = ips.map(({ interface: index, address, gateway }: ResultAddress) => ({
    index,
    address,
    gateway,
  }));
  return { result: JSON.stringify({ link: known, ips: shown, routes }), lines };
}

/** Checks that two plugins make the same on a link of the container. */
async function makesTheSameInside(runtime: CniRuntime, plugin: PluginConf): Promise<Finding> {
  const evidence = [];
  for (const type of ["ipvlan", "ipvlan-kit"]) {
    const { result, lines } = await lookInside(runtime, { ...plugin, type });
    evidence.push({
      command: `ADD; ip link; ip address; ip route (${type})`,
      output: [result, ...lines].join("\n"),
    });
  }
  return {
    sentence: `"type": "ipvlan-kit" makes what "ipvlan" makes of ${JSON.stringify(plugin)}`,
    held: evidence[0]!.output === evidence[1]!.output,
    evidence,
  };
}

/** The number of configurations written so far. */
let written = 0;

/** Returns a shell line that calls a plugin. */
async function pluginLine(
  command: string,
  conf: PluginConf,
  variables: Record<string, string> = {},
): Promise<string> {
  const file = `/tmp/${command.toLowerCase()}-${++written}.json`;
  await Deno.writeTextFile(file, JSON.stringify(conf));
  const all = { CNI_COMMAND: command, CNI_PATH: "/opt/cni/bin", ...variables };
  const words = Object.entries(all).map(([name, value]) => `${name}=${value}`).join(" ");
  return `${words} /opt/cni/bin/${conf.type} < ${file}`;
}

/** The result of ADD, as runtimes keep it for CHECK. */
function resultOf({ netns }: Container, address: string): unknown {
  return { interfaces: [{ name: "eth0", sandbox: netns }], ips: [{ interface: 0, address }] };
}

const cni: Scenario[] = engineScenario(
  "cni",
  "containerd and Podman with CNI",
  [["containerd16"], ["containerd21"], ["podman4"]],
  async (tour) => {
    await using ip = await Ip.open();
    await using _router = await withRouter(ip);
    await using _ipvlan = await withIpvlan();
    const before = await machineState(ip);
    await tour.perform("ipvlan cni install");
    {
      await using runtime = await startRuntime();
      for (const plugin of REFERENCE) {
        await tour.holds("ENG-5", makesTheSame(runtime, plugin));
      }
      // The plugin of Debian 12 (1.1.1) does not know linkInContainer. containerd 2.1 has a later
      // one.
      for (const plugin of runtime.cniVersion === "1.1.0" ? INSIDE : []) {
        await tour.holds("ENG-5", makesTheSameInside(runtime, plugin));
      }

      const network = { cniVersion: runtime.cniVersion, name: "lan", plugin: LAN };
      await writeNetwork(network);
      tour.step("two containers on a network with subnets of its own, on eth0.20");
      const [c1, c2] = [await runtime.start("c1", "lan"), await runtime.start("c2", "lan")];
      const conf = { ...LAN, cniVersion: "1.1.0", name: "lan" };
      const inside = ({ netns }: Container, words: string) => `nsenter --net=${netns} ${words}`;
      const check = (container: Container, address: string) =>
        pluginLine("CHECK", { ...conf, prevResult: resultOf(container, address) }, {
          CNI_CONTAINERID: container.id,
          CNI_IFNAME: "eth0",
          CNI_NETNS: container.netns,
        });
      const checks = [await check(c1, "192.168.20.2/24"), await check(c1, "192.168.20.9/24")];
      // A plugin prints its answer, also an error, on standard output. Standard error is for logs:
      // Deno may report there that it downloads packages.
      const answer = `${checks[0]} 2> /dev/null`;
      await tour.holds(
        "ENG-6",
        shows("CHECK finds the containers as they were made", answer, /^$/),
      );
      await tour.holds(
        "ENG-6",
        failsWith("CHECK wants the addresses of prevResult", checks[1]!, '"code": 101'),
      );
      const valid = [{ containerID: c1.id, ifname: "eth0" }];
      await tour.perform(await pluginLine("GC", { ...conf, "cni.dev/valid-attachments": valid }));
      await tour.holds(
        "ENG-6",
        shows("GC leaves what is valid", inside(c1, "ip address"), "192.168.20.2/24"),
        shows("c1 reaches the router", inside(c1, "ping -c 1 -W 5 192.168.20.1"), "bytes from"),
        failsWith("GC removes what is not valid", inside(c2, "ip link show eth0")),
      );
      const breakages = [
        ["ip address del 192.168.20.2/24 dev eth0", "does not have the address 192.168.20.2/24"],
        // The default route disappeared with the address.
        ["ip address add 192.168.20.2/24 dev eth0", "default route via 192.168.20.1"],
        ["ip link del eth0", "The link eth0 is missing"],
      ] as const;
      for (const [line, what] of breakages) {
        await tour.perform(inside(c1, line));
        await tour.holds(
          "ENG-6",
          failsWith(`CHECK finds what ${line} has done`, await check(c1, "192.168.20.2/24"), what),
        );
      }
      await runtime.stop("c2");

      tour.step("a pod db-0 comes and goes, others come, and db-0 comes again: keepAddresses");
      const keeps = { ...LAN, cniVersion: runtime.cniVersion, name: "kept", keepAddresses: true };
      const pod = async (command: string, id: string, name: string) =>
        await pluginLine(command, keeps, {
          CNI_CONTAINERID: id,
          CNI_IFNAME: "pod0",
          CNI_NETNS: c1.netns,
          CNI_ARGS: `"K8S_POD_NAMESPACE=prod;K8S_POD_NAME=${name}"`,
        });
      const gets = async (id: string, name: string, address: string) =>
        shows(`${name} gets ${address}`, await pod("ADD", id, name), `"${address}/24"`);
      await tour.holds("ENG-9", await gets("p1", "db-0", "192.168.20.3"));
      await tour.perform(await pod("DEL", "p1", "db-0"));
      await tour.holds(
        "ENG-9",
        shows("the list has db-0", "ipvlan address ls", "prod/db-0"),
        await gets("p2", "web-0", "192.168.20.4"),
      );
      await tour.perform(await pod("DEL", "p2", "web-0"));
      await tour.holds("ENG-9", await gets("p3", "db-0", "192.168.20.3"));
      await tour.perform(await pod("DEL", "p3", "db-0"));
      await tour.perform("ipvlan address release cni:kept prod/db-0");
      await tour.holds("ENG-9", await gets("p4", "new-0", "192.168.20.3"));
      await tour.perform(await pod("DEL", "p4", "new-0"));
      for (const name of ["new-0", "web-0"]) {
        await tour.perform(`ipvlan address release cni:kept prod/${name}`);
      }
      await runtime.stop("c1");
    }
    await tour.perform("rm /opt/cni/bin/ipvlan-kit");
    await tour.holds("ENG-6", nothingIsLeft(ip, before));
  },
);

export default cni;
