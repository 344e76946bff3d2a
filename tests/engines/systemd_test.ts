// The units for systemd, with a real systemd in a guest of the lab.
import { assertArrayIncludes, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { request } from "node:http";
import { quoteAll } from "../../lab/shell.ts";
import { inEnv } from "../kit/processes.ts";
import { temporaryFolder } from "../kit/worlds.ts";
import { Systemd, UNITS, withUnits } from "./systemd.ts";

/** Runs a test with a state folder of its own, and leaves no unit. */
function unitTest(name: string, test: () => Promise<void>): void {
  Deno.test(name, async () => {
    await using state = await temporaryFolder();
    using _state = inEnv("IPVLAN_STATE_DIR", state.path);
    await using _units = withUnits();
    await test();
  });
}

/** Writes a unit as a user does. */
async function writeUnit(machine: Systemd, unit: string, ...words: string[]): Promise<void> {
  const text = await machine.ipvlan(...words, "--print-unit");
  await Deno.writeTextFile(`${UNITS}/${unit}`, text);
}

/** Asserts that systemd has no complaint about units. */
async function verifies(machine: Systemd, ...units: string[]): Promise<void> {
  const { code, stderr } = await machine.run("systemd-analyze", "verify", "--man=no", ...units);
  assertEquals([code, stderr], [0, ""]);
}

/** The state of a unit, and its first process; 0 if there is none. */
async function stateOf(machine: Systemd, unit: string): Promise<[state: string, pid: number]> {
  const state = await machine.property(unit, "ActiveState");
  return [state, Number(await machine.property(unit, "MainPID"))];
}

unitTest("a machine that starts again has its networks and sandboxes", async () => {
  {
    await using machine = await Systemd.boot();
    await writeUnit(machine, "ipvlan.service", "restore");
    await verifies(machine, "ipvlan.service");
    await machine.succeed("systemctl", "enable", "ipvlan.service");
    await machine.ipvlan("network", "create", "--subnet=10.9.0.0/24", "-o", "parent=eth0.20", "n");
    await machine.ipvlan("run", "-d", "--net=n", "--name=c1");
  }
  await using machine = await Systemd.boot();
  assertEquals(await machine.property("ipvlan.service", "ActiveState"), "active");
  const addresses = await machine.succeed("ip", "-n", "c1", "-br", "address");
  assertMatch(addresses, /^eth0@\S+ +\w+ +10\.9\.0\.2\/24/m);
  await machine.ipvlan("rm", "c1");
  await machine.ipvlan("network", "rm", "n");
});

unitTest(
  "systemd starts the servers of CNI and netavark with a call, and again after a kill",
  async () => {
    await using machine = await Systemd.boot();
    await machine.ipvlan("cni", "install");
    await verifies(machine, "ipvlan-cni.socket", "ipvlan-cni.service");
    await machine.succeed("systemctl", "daemon-reload");
    await machine.succeed("systemctl", "enable", "--now", "ipvlan-cni.socket");
    await machine.succeed("ip", "netns", "add", "engine");
    const conf = JSON.stringify({
      ...{ cniVersion: "1.0.0", name: "lan", type: "ipvlan-kit", master: "eth0" },
      subnets: [{ subnet: "10.9.0.0/24" }],
    });
    const call = async (command: string) => {
      const words = [`CNI_COMMAND=${command}`, "CNI_CONTAINERID=c1", "CNI_IFNAME=eth0"];
      const env = quoteAll([...words, "CNI_NETNS=/run/netns/engine", "CNI_PATH=/opt/cni/bin"]);
      const script = `printf %s "$1" | env ${env} /opt/cni/bin/ipvlan-kit`;
      return await machine.succeed("sh", "-c", script, "sh", conf);
    };
    assertEquals(await stateOf(machine, "ipvlan-cni.service"), ["inactive", 0]);
    assertMatch(await call("ADD"), /"10\.9\.0\.1\/24"|"10\.9\.0\.2\/24"/);
    const [state, pid] = await stateOf(machine, "ipvlan-cni.service");
    assertEquals(state, "active");
    await machine.succeed("systemctl", "kill", "--signal=KILL", "ipvlan-cni.service");
    assertEquals(await call("DEL"), "");
    const [again, other] = await stateOf(machine, "ipvlan-cni.service");
    assertEquals(again, "active");
    assertNotEquals(other, pid);
    await machine.succeed("systemctl", "stop", "ipvlan-cni.socket", "ipvlan-cni.service");
    assertEquals(await machine.property("ipvlan-cni.service", "Result"), "success");
    assertEquals(await call("ADD").then(() => call("DEL")), "");
    await machine.ipvlan("netavark", "install");
    const units = ["ipvlan-netavark.socket", "ipvlan-netavark.service"];
    await verifies(machine, ...units);
    await machine.succeed("systemctl", "daemon-reload");
    await machine.succeed("systemctl", "enable", "--now", units[0]!);
    assertEquals(await stateOf(machine, units[1]!), ["inactive", 0]);
    const network = { id: "0".repeat(64), name: "lan", subnets: [{ subnet: "10.9.0.0/24" }] };
    const script = `printf %s "$1" | /usr/local/libexec/netavark/ipvlan-kit create`;
    const answer = await machine.succeed("sh", "-c", script, "sh", JSON.stringify(network));
    assertEquals(JSON.parse(answer), network);
    assertEquals((await stateOf(machine, units[1]!))[0], "active");
    await machine.succeed("systemctl", "stop", ...units);
  },
);

unitTest("systemd starts the plugin for Docker again, and Docker's call waits for it", async () => {
  await using machine = await Systemd.boot();
  await machine.ipvlan("docker", "install");
  await verifies(machine, "ipvlan-docker.socket", "ipvlan-docker.service");
  await machine.succeed("systemctl", "daemon-reload");
  const units = ["ipvlan-docker.socket", "ipvlan-docker.service"];
  await machine.succeed("systemctl", "enable", "--now", ...units);
  for (const unit of units) {
    assertArrayIncludes((await machine.property(unit, "Before")).split(" "), ["docker.service"]);
  }
  const socket = machine.path("/run/docker/plugins/ipvlan-kit.sock");
  assertMatch(await activate(socket), /NetworkDriver/);
  const [, pid] = await stateOf(machine, "ipvlan-docker.service");
  await machine.succeed("systemctl", "kill", "--signal=KILL", "ipvlan-docker.service");
  assertMatch(await activate(socket), /NetworkDriver/);
  const [state, other] = await stateOf(machine, "ipvlan-docker.service");
  assertEquals(state, "active");
  assertNotEquals(other, pid);
  await machine.succeed("systemctl", "stop", ...units);
  assertEquals(await machine.property("ipvlan-docker.service", "Result"), "success");
});

unitTest("systemd starts the agent, and it ends when systemd asks for it", async () => {
  await using machine = await Systemd.boot();
  await writeUnit(machine, "ipvlan-agent.service", "agent");
  await verifies(machine, "ipvlan-agent.service");
  await machine.succeed("systemctl", "daemon-reload");
  await machine.succeed("systemctl", "enable", "--now", "ipvlan-agent.service");
  assertEquals((await stateOf(machine, "ipvlan-agent.service"))[0], "active");
  await machine.succeed("systemctl", "stop", "ipvlan-agent.service");
  assertEquals(await machine.property("ipvlan-agent.service", "Result"), "success");
});

/** Calls the plugin at a socket, as Docker does first. */
function activate(socketPath: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { socketPath, path: "/Plugin.Activate", method: "POST", headers: { host: "" } };
    const sent = request(options, async (response) => {
      let text = "";
      for await (const chunk of response) text += chunk;
      resolve(text);
    });
    sent.on("error", reject);
    sent.end();
  });
}
