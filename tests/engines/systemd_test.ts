// The units for systemd, with a real systemd in a guest of the lab.
import {
  assertArrayIncludes,
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertStringIncludes,
} from "@std/assert";
import { request } from "node:http";
import { DatabaseSync } from "node:sqlite";
import { quoteAll } from "../../lab/shell.ts";
import { storeFile } from "../../lib/driver/model/state_folder.ts";
import { ipvlanCommand } from "../../scenarios/kit/engines/machine.ts";
import { MISCHIEF } from "../attack/hostile.ts";
import { readPage } from "../kit/pages.ts";
import { inEnv, type Ran } from "../kit/processes.ts";
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

/** Asserts that systemd has no complaint about a unit, nor rates its exposure above a limit, of 10. */
async function verifies(machine: Systemd, unit: string, limit?: number): Promise<void> {
  const { code, stderr } = await machine.run("systemd-analyze", "verify", "--man=no", unit);
  assertEquals([code, stderr], [0, ""]);
  if (limit === undefined) return;
  const rated = await machine.succeed("systemd-analyze", "security", "--no-pager", unit);
  const exposure = Number(/exposure level for \S+: ([\d.]+)/.exec(rated)![1]);
  assertEquals([exposure, exposure <= limit], [exposure, true]);
}

/** Runs the lines that a command said to run next, and returns the other ones. */
async function follow(machine: Systemd, { code, stderr }: Ran): Promise<string[]> {
  assertEquals(code, 0, stderr);
  const lines = stderr.trimEnd().split("\n");
  for (const [, next] of stderr.matchAll(/^ipvlan: Next: (.*)$/gm)) {
    await machine.succeed(...next!.split(" "));
  }
  return lines.filter((line) => !line.startsWith("ipvlan: Next: "));
}

/** Uninstalls a service: not before it is disabled and has ended. Nothing is left then. */
async function uninstalls(machine: Systemd, units: string[], ...words: string[]): Promise<void> {
  const files = () => Array.from(Deno.readDirSync(UNITS), ({ name }) => name);
  const before = files();
  const refused = await machine.run(...ipvlanCommand(), ...words, "uninstall");
  const first = `so first: systemctl disable --now ${units.join(" ")}`;
  assertEquals([refused.code, refused.stderr.includes(first)], [1, true], refused.stderr);
  assertEquals(files(), before);
  await machine.succeed("systemctl", "disable", "--now", ...units);
  assertEquals(
    await follow(machine, await machine.run(...ipvlanCommand(), ...words, "uninstall")),
    [],
  );
  assertEquals(files().filter((name) => units.includes(name)), []);
  for (const folder of files()) assertEquals([...Deno.readDirSync(`${UNITS}/${folder}`)], []);
  for (const unit of units) assertEquals(await machine.property(unit, "LoadState"), "not-found");
}

/** The state of a unit, and its first process; 0 if there is none. */
async function stateOf(machine: Systemd, unit: string): Promise<[state: string, pid: number]> {
  const state = await machine.property(unit, "ActiveState");
  return [state, Number(await machine.property(unit, "MainPID"))];
}

/**
 * An IPAM plugin of CNI that has one address, and notes it where `host-local` does. It fails without the
 * limits of the server's unit.
 */
const HOST_LOCAL = `#!/bin/sh
set -e
cat > /dev/null
grep -q "NoNewPrivs:.1" /proc/self/status
folder=/var/lib/cni/networks/other
if [ "$CNI_COMMAND" = DEL ]; then
  rm $folder/10.8.0.5
  rmdir $folder /var/lib/cni/networks
else
  mkdir -p $folder
  echo "$CNI_CONTAINERID" > $folder/10.8.0.5
  echo '{"cniVersion":"1.0.0","ips":[{"address":"10.8.0.5/24"}]}'
fi
`;

/** Starts a process of another user in a network namespace of its own, and prints its id. */
const CONTAINER = "unshare --net setpriv --reuid 65534 --regid 65534 --clear-groups " +
  "sh -c 'echo $$; exec sleep 100000 > /dev/null 2>&1' &";

unitTest("a machine that starts again has its networks and sandboxes", async () => {
  {
    await using machine = await Systemd.boot();
    const unit = await machine.ipvlan("restore", "--print-unit");
    await Deno.writeTextFile(`${UNITS}/ipvlan.service`, unit);
    await verifies(machine, "ipvlan.service", 6);
    await machine.succeed("systemctl", "enable", "ipvlan.service");
    await machine.ipvlan("network", "create", "--subnet=10.9.0.0/24", "-o", "parent=eth0.20", "n");
    const run = ["run", "-d", "--net=n"];
    await machine.ipvlan(...run, "--sysctl=net.ipv4.ip_forward=1", "--name=c1");
    await machine.ipvlan(...run, "--name=c2");
    // Root in a sandbox owns its hosts file.
    const spoil = "chown 65534 /etc/hosts && : > /etc/hosts && chmod 0 /etc/hosts";
    await machine.succeed("ip", "netns", "exec", "c1", "sh", "-c", spoil);
  }
  await using machine = await Systemd.boot();
  assertEquals(await machine.property("ipvlan.service", "ActiveState"), "active");
  const inside = (...words: string[]) => machine.succeed("ip", "netns", "exec", "c1", ...words);
  assertMatch(await inside("ip", "-br", "address"), /^eth0@\S+ +\w+ +10\.9\.0\.2\/24/m);
  assertEquals(await inside("cat", "/proc/sys/net/ipv4/ip_forward"), "1");
  await inside("ping", "-c", "1", "c2");
  await machine.ipvlan("rm", "c1", "c2");
  await machine.ipvlan("network", "rm", "n");
});

unitTest(
  "systemd starts the servers of CNI and netavark with a call, and again after a kill",
  async () => {
    await using machine = await Systemd.boot();
    const installed = await machine.run(...ipvlanCommand(), "cni", "install");
    const [said = ""] = await follow(machine, installed);
    assertMatch(said, /^ipvlan: Each call starts Deno, as no server is seen/);
    await verifies(machine, "ipvlan-cni.socket");
    await verifies(machine, "ipvlan-cni.service", 4.4);
    await machine.succeed("ip", "netns", "add", "engine");
    await using plugins = await temporaryFolder();
    const ipam = `${plugins.path}/host-local`;
    await Deno.writeTextFile(ipam, HOST_LOCAL, { mode: 0o755 });
    const conf = JSON.stringify({
      ...{ cniVersion: "1.0.0", name: "lan", type: "ipvlan-kit", master: "eth0" },
      subnets: [{ subnet: "10.9.0.0/24" }],
    });
    const run = (command: string, netns = "/run/netns/engine", text = conf) => {
      const words = [`CNI_COMMAND=${command}`, "CNI_CONTAINERID=c1", "CNI_IFNAME=eth0"];
      const env = quoteAll([...words, `CNI_NETNS=${netns}`, `CNI_PATH=${plugins.path}`]);
      const script = `printf %s "$1" | env ${env} /opt/cni/bin/ipvlan-kit`;
      return machine.run("sh", "-c", script, "sh", text);
    };
    const call = async (...words: Parameters<typeof run>) => {
      const { code, stdout } = await run(...words);
      assertEquals(code, 0, stdout);
      return stdout;
    };
    assertEquals(await stateOf(machine, "ipvlan-cni.service"), ["inactive", 0]);
    assertMatch(await call("ADD"), /"10\.9\.0\.2\/24"/);
    const [state, pid] = await stateOf(machine, "ipvlan-cni.service");
    assertEquals(state, "active");
    await machine.succeed("systemctl", "kill", "--signal=KILL", "ipvlan-cni.service");
    assertEquals(await call("DEL"), "");
    const [again, other] = await stateOf(machine, "ipvlan-cni.service");
    assertEquals(again, "active");
    assertNotEquals(other, pid);
    // A container of another user, whose addresses another program gives and has on record.
    const container = await machine.succeed("sh", "-c", CONTAINER);
    const delegated = JSON.stringify({
      ...{ cniVersion: "1.0.0", name: "other", type: "ipvlan-kit", master: "eth0.20" },
      ipam: { type: "host-local" },
    });
    const netns = `/proc/${container}/ns/net`;
    assertMatch(await call("ADD", netns, delegated), /"10\.8\.0\.5\/24"/);
    const enter = ["nsenter", `--net=${netns}`, "ip"];
    assertMatch(
      await machine.succeed(...enter, "-br", "address", "show", "eth0"),
      /^eth0@\S+ +\w+ +10\.8\.0\.5\/24/,
    );
    assertEquals(await call("DEL", "", delegated), "");
    assertEquals(await machine.succeed("ls", "-A", "/var/lib/cni"), "");
    // A link that is on no record has an address.
    const hold = `ip link add held link eth0 netns ${container} type ipvlan mode l2 && ` +
      `${enter.join(" ")} address add 10.9.0.2/24 dev held`;
    await machine.succeed("sh", "-c", hold);
    const asked = { ...JSON.parse(conf), args: { cni: { ips: ["10.9.0.2"] } } };
    const { stdout } = await run("ADD", undefined, JSON.stringify(asked));
    assertMatch(stdout, /10\.9\.0\.2 is held by the link \\"held\\" in the namespace of process/);
    await machine.succeed("sh", "-c", `rmdir /var/lib/cni && kill ${container}`);
    // Root in a container does what he can, in vain.
    for (const mischief of MISCHIEF) {
      await machine.succeed("ip", "netns", "add", "evil");
      assertMatch(await call("ADD", "/run/netns/evil"), /"10\.9\.0\.\d\/24"/, mischief);
      await machine.run("ip", "netns", "exec", "evil", "sh", "-c", mischief);
      assertEquals(await call("DEL", "/run/netns/evil"), "", mischief);
      const left = await machine.succeed(
        "ip",
        "-n",
        "evil",
        "-o",
        "link",
        "show",
        "type",
        "ipvlan",
      );
      assertEquals([mischief, left], [mischief, ""]);
      await machine.succeed("ip", "netns", "del", "evil");
    }
    assertEquals(await machine.ipvlan("ps", "-q"), "");
    assertEquals((await stateOf(machine, "ipvlan-cni.service"))[1], other);
    await uninstalls(machine, ["ipvlan-cni.socket", "ipvlan-cni.service"], "cni");
    const units = ["ipvlan-netavark.socket", "ipvlan-netavark.service"];
    await follow(machine, await machine.run(...ipvlanCommand(), "netavark", "install"));
    for (const unit of units) await verifies(machine, unit);
    assertEquals(await stateOf(machine, units[1]!), ["inactive", 0]);
    const network = { id: "0".repeat(64), name: "lan", subnets: [{ subnet: "10.9.0.0/24" }] };
    const script = `printf %s "$1" | /usr/local/libexec/netavark/ipvlan-kit create`;
    const answer = await machine.succeed("sh", "-c", script, "sh", JSON.stringify(network));
    assertEquals(JSON.parse(answer), network);
    assertEquals((await stateOf(machine, units[1]!))[0], "active");
    await machine.succeed("systemctl", "stop", ...units);
    assertEquals(await machine.property(units[1]!, "Result"), "success");
  },
);

unitTest("systemd starts the plugin for Docker again, and Docker's call waits for it", async () => {
  await using machine = await Systemd.boot();
  // A command was killed while it removed a sandbox.
  await machine.ipvlan("network", "create", "n");
  await machine.ipvlan("run", "-d", "--net=n", "--name=left");
  {
    using store = new DatabaseSync(storeFile(Deno.env.get("IPVLAN_STATE_DIR")!));
    store.exec("UPDATE sandbox SET state = 'removing'");
  }
  const units = ["ipvlan-docker.socket", "ipvlan-docker.service"];
  const installed = await machine.run(...ipvlanCommand(), "docker", "install");
  assertEquals(await follow(machine, installed), []);
  await verifies(machine, units[0]!);
  await verifies(machine, units[1]!, 4.4);
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
  assertEquals(await machine.succeed("ip", "netns", "list"), "");
  await machine.ipvlan("network", "rm", "n");
  await uninstalls(machine, units, "docker");
});

unitTest("systemd starts the agent, and it ends when systemd asks for it", async () => {
  await using machine = await Systemd.boot();
  const unit = "ipvlan-agent.service";
  const installed = await machine.run(...ipvlanCommand(), "agent", "install");
  assertEquals(await follow(machine, installed), []);
  await verifies(machine, unit, 6);
  assertEquals((await stateOf(machine, unit))[0], "active");
  await machine.succeed("systemctl", "stop", unit);
  assertEquals(await machine.property(unit, "Result"), "success");
  // It is enabled.
  await uninstalls(machine, [unit], "agent");
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

/** The lines of the page that keep networkd's hands off a parent, and off the host's links. */
const HANDS_OFF = ["[Network]\nIPv6ProxyNDP=yes", "[Match]\nName=h-*\n\n[Link]\nUnmanaged=yes"];

unitTest(
  "what networkd takes away when it starts is seen and restored, or stays by the page's lines",
  async () => {
    const page = readPage("docs/beyond.md");
    for (const lines of HANDS_OFF) assertStringIncludes(page, lines);
    await using machine = await Systemd.boot();
    const state = Deno.env.get("IPVLAN_STATE_DIR")!;
    const ipvlan = (...words: string[]) =>
      machine.succeed("env", `IPVLAN_STATE_DIR=${state}`, ...ipvlanCommand(), ...words);
    // Without udev, networkd takes links at once only where /sys cannot be written.
    await machine.succeed("sh", "-ec", "mount --bind /sys /sys; mount -o remount,bind,ro /sys");
    const start = async (links: number, files: Record<string, string>) => {
      const folder = "/etc/systemd/network";
      const script = [
        `umask 022; rm -f ${folder}/* /run/networkd; mkdir -p ${folder} /run/systemd/netif; mkfifo /run/networkd`,
        "exec 3<> /run/networkd",
        ...Object.entries(files).map(([name, text]) =>
          `printf '%s\\n' '${text}' > ${folder}/${name}`
        ),
        `chmod 755 ${folder}; SYSTEMD_LOG_LEVEL=debug /lib/systemd/systemd-networkd >&3 2>&1 &`,
        `timeout 60 grep -m ${links} 'eth0: State changed: configuring -> configured' <&3`,
        "kill $!; wait $! || true",
      ];
      await machine.succeed("sh", "-ec", script.join("\n"));
    };
    const isUp = async () => (await ipvlan("ps", "--format", "{{.status}}")).trim();
    const foreign = () => machine.succeed("ip", "-4", "-o", "addr", "show", "dev", "h-eth0");
    const all = "[Match]\nName=*\n\n[Network]\nAddress=192.168.1.250/24\nLinkLocalAddressing=no";
    try {
      await machine.succeed("ip", "link", "set", "lo", "up");
      await ipvlan(
        ...["network", "create", "--subnet=10.1.0.0/24", "--subnet=fd01::/64", "-o", "parent=eth0"],
        ...["-o", "ipvlan_mode=l3s", "-o", "proxy=true", "-o", "host_access=true", "near"],
      );
      await ipvlan("run", "-d", "--net=near", "--name=c1");
      assertEquals(await isUp(), "up");
      await start(2, { "10-all.network": all });
      assertEquals(await isUp(), "incomplete");
      assertStringIncludes(await ipvlan("inspect", "c1"), "eth0 on near is changed");
      assertStringIncludes(await foreign(), "192.168.1.250");
      await ipvlan("restore");
      assertEquals(await isUp(), "up");
      await machine.succeed("ip", "addr", "del", "192.168.1.250/24", "dev", "h-eth0");
      const [own, host] = HANDS_OFF;
      await start(1, { "05-host.network": host!, "10-all.network": `${all}\n${own}` });
      assertEquals(await isUp(), "up");
      assertEquals((await foreign()).includes("192.168.1.250"), false);
    } finally {
      await machine.run("sh", "-c", "rm -f /etc/systemd/network/*");
      await ipvlan("rm", "-f", "c1");
      await ipvlan("network", "rm", "near");
    }
  },
);
