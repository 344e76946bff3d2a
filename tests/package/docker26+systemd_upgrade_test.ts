// The package over the first version, on a machine that systemd starts, with Docker.
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { quoteAll } from "../../lab/shell.ts";
import { IMAGE, makeImage } from "../../scenarios/kit/engines/daemon.ts";
import { Systemd, withUnits } from "../engines/systemd.ts";
import { temporaryFolder } from "../kit/worlds.ts";
import { FIRST_CHECKOUT, packagePath } from "./prepare.ts";

const FIRST = [Deno.execPath(), "run", "-A", "--no-check", "--cached-only"];
const first = (...words: string[]) => [...FIRST, `${FIRST_CHECKOUT}/cli.ts`, ...words];
const now = (...words: string[]) => ["/usr/bin/ipvlan", ...words];

/** Starts pings in a namespace, five each second, until {@linkcode lost} ends them. */
async function ping(machine: Systemd, under: string[], address: string): Promise<string> {
  const words = quoteAll([...under, "ping", "-q", "-i", "0.2", address]);
  return await machine.succeed("sh", "-c", `${words} > /run/ping.${address} 2>&1 & echo $!`);
}

/** Ends pings, and returns how many were sent and lost. */
async function lost(machine: Systemd, pid: string, address: string): Promise<[number, number]> {
  await machine.succeed("kill", "-INT", pid);
  const path = machine.path(`/run/ping.${address}`);
  // The process writes its counts after the signal.
  for (;;) {
    const text = await Deno.readTextFile(path);
    const [, sent, received] =
      /(\d+) packets transmitted, (\d+) (?:packets )?received/.exec(text) ?? [];
    if (received !== undefined) return [Number(sent), Number(sent) - Number(received)];
  }
}

/** Calls CNI's plugin for a namespace. */
async function cni(machine: Systemd, command: string, name: string, more = {}): Promise<string> {
  const conf = JSON.stringify({
    ...{ cniVersion: "1.0.0", name: "lan", type: "ipvlan-kit", master: "eth0", ...more },
    subnets: [{ subnet: "10.3.0.0/24" }],
  });
  const words = [`CNI_COMMAND=${command}`, `CNI_CONTAINERID=${name}`, "CNI_IFNAME=eth0"];
  const env = quoteAll([...words, `CNI_NETNS=/run/netns/${name}`, "CNI_PATH=/opt/cni/bin"]);
  const script = `printf %s "$1" | env ${env} /opt/cni/bin/ipvlan-kit`;
  return await machine.succeed("sh", "-c", script, "sh", conf);
}

Deno.test("an upgrade from the first version interrupts nothing, and the way back is refused", async () => {
  await using folder = await temporaryFolder();
  await using _units = withUnits();
  await using machine = await Systemd.boot();
  const succeed = (...command: string[]) => machine.succeed(...command);
  await Deno.writeTextFile("/etc/group", "docker:x:61998:\n", { append: true });
  await succeed(...first("docker", "install"));
  await succeed(...first("cni", "install"));
  await succeed("systemctl", "daemon-reload");
  await succeed(
    ...["systemctl", "enable", "--now", "ipvlan-docker.socket", "ipvlan-docker.service"],
    ...["ipvlan-cni.socket", "containerd.service", "docker.socket", "docker.service"],
  );
  await succeed("docker", "load", "-q", "-i", await makeImage(folder.path, IMAGE));

  const create = ["network", "create", "-o", "parent=eth0"];
  await succeed(...first(...create, "--subnet=10.1.0.0/24", "one"));
  for (const name of ["c1", "c2"]) {
    await succeed(...first("run", "-d", "--net=one", `--name=${name}`));
  }
  await succeed("docker", ...create, "-d", "ipvlan-kit", "--subnet=10.2.0.0/24", "two");
  for (const name of ["d1", "d2"]) {
    await succeed("docker", "run", "-d", "--net=two", `--name=${name}`, IMAGE, "sleep", "100000");
  }
  const added = new Map<string, unknown>();
  for (const name of ["e1", "e2"]) {
    await succeed("ip", "netns", "add", name);
    added.set(name, JSON.parse(await cni(machine, "ADD", name)));
  }
  const pid = await succeed("docker", "inspect", "-f", "{{.State.Pid}}", "d1");
  const pairs = [
    { under: ["ip", "netns", "exec", "c1"], address: "10.1.0.3" },
    { under: ["nsenter", "--net", "--target", pid], address: "10.2.0.3" },
    { under: ["ip", "netns", "exec", "e1"], address: "10.3.0.3" },
  ];
  const pings = await Promise.all(
    pairs.map(async ({ under, address }) => ({
      address,
      pid: await ping(machine, under, address),
    })),
  );

  await succeed("dpkg", "-i", packagePath("amd64.deb"));
  for (const engine of ["docker", "cni"]) await succeed(...now(engine, "install"));
  await succeed("systemctl", "daemon-reload");
  await succeed("systemctl", "restart", "ipvlan-docker.socket", "ipvlan-docker.service");
  await succeed("systemctl", "restart", "ipvlan-cni.socket");

  const served = await machine.property("ipvlan-docker.service", "ExecStart");
  assertStringIncludes(served, "/usr/bin/ipvlan docker serve");
  assertMatch(
    await succeed(...now("ps")),
    /^c1 .* up .*10\.1\.0\.2\/24\nc2 .* up .*10\.1\.0\.3\/24$/m,
  );
  await succeed(...now("run", "--rm", "--net=one", "--", "ping", "-c1", "10.1.0.2"));
  await succeed("docker", "run", "--rm", "--net=two", IMAGE, "ping", "-c1", "d1");
  await cni(machine, "CHECK", "e1", { prevResult: added.get("e1") });
  await succeed("ip", "netns", "add", "e3");
  assertStringIncludes(await cni(machine, "ADD", "e3"), "10.3.0.4/24");

  // The records are newer now. The first version says so, and leaves all as it is.
  const state = () => succeed("sh", "-c", "ip -br link; cat /var/lib/ipvlan/ipvlan.db | sha256sum");
  const before = await state();
  const refused = await machine.run(...first("network", "rm", "one"));
  assertEquals(refused.code, 1);
  assertMatch(refused.stderr, /^ipvlan: .*newer.*\n$/);
  assertEquals(await state(), before);

  for (const { address, pid } of pings) {
    const [sent, missing] = await lost(machine, pid, address);
    assertEquals([sent > 10, missing], [true, 0], `${address}: ${sent} sent, ${missing} lost`);
  }
  await succeed("docker", "restart", "-t0", "d2");
  await succeed("docker", "exec", "d1", "ping", "-c1", "10.2.0.3");
  for (const name of ["e1", "e2", "e3"]) {
    await cni(machine, "DEL", name);
    await succeed("ip", "netns", "del", name);
  }
  await succeed("docker", "rm", "-f", "d1", "d2");
  await succeed("docker", "network", "rm", "two");
  await succeed(...now("rm", "-f", "c1", "c2"));
  await succeed(...now("network", "rm", "one"));
  await succeed("systemctl", "stop", "docker.socket", "docker.service", "containerd.service");
  await succeed("dpkg", "--purge", "ipvlan-kit");
  assertEquals(await succeed("sh", "-c", "ls /etc/systemd/system/ipvlan* || true"), "");
});
