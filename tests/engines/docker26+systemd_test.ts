// Docker and the plugin on a machine that systemd starts, in a guest of the lab that has both.
import { assertEquals } from "@std/assert";
import { makeImage } from "../../scenarios/kit/engines/daemon.ts";
import { temporaryFolder } from "../kit/worlds.ts";
import { Systemd, withUnits } from "./systemd.ts";

const IMAGE = "docker.io/library/box:latest";

/** Waits until a container runs, and returns its address. Docker gives no notice of its restart. */
async function addressOf(machine: Systemd, container: string): Promise<string | undefined> {
  const state = ["docker", "inspect", "-f", "{{.State.Running}}", container];
  while (await machine.succeed(...state) !== "true");
  const shown = await machine.succeed("docker", "exec", container, "ip", "address", "show", "eth0");
  return /inet (\S+)/.exec(shown)?.[1];
}

Deno.test("Docker's containers are back after a restart of the machine, as the plugin starts first", async () => {
  await using folder = await temporaryFolder();
  await using _units = withUnits();
  // The user who installs Docker's package has the group of its socket.
  const groups = await Deno.readTextFile("/etc/group");
  if (!/^docker:/m.test(groups)) {
    await Deno.writeTextFile("/etc/group", `${groups}docker:x:61998:\n`);
  }
  {
    await using machine = await Systemd.boot();
    await machine.ipvlan("docker", "install");
    await machine.succeed("systemctl", "daemon-reload");
    await machine.succeed(
      ...["systemctl", "enable", "--now", "ipvlan-docker.socket", "ipvlan-docker.service"],
      ...["containerd.service", "docker.socket", "docker.service"],
    );
    await machine.succeed(
      "docker",
      "load",
      "--quiet",
      "--input",
      await makeImage(folder.path, IMAGE),
    );
    const create = ["docker", "network", "create", "-d", "ipvlan-kit", "--subnet=192.168.20.0/24"];
    await machine.succeed(...create, "-o", "parent=eth0.20", "vlan20");
    const run = ["docker", "run", "-d", "--restart=always", "--net=vlan20"];
    await machine.succeed(...run, "--ip=192.168.20.20", "--name=c1", IMAGE, "sleep", "100000");
    await machine.succeed(...run, "--name=c2", IMAGE, "sleep", "100000");
    await machine.succeed("docker", "exec", "c2", "ping", "-c", "1", "c1");
    assertEquals(await addressOf(machine, "c2"), "192.168.20.2/24");
    // Root in a container hides its link, in vain.
    await machine.succeed(...run, "--name=evil", "--cap-add=NET_ADMIN", IMAGE, "sleep", "100000");
    const hide = "ip link set eth0 down && ip link set eth0 name mine";
    await machine.succeed("docker", "exec", "evil", "sh", "-c", hide);
    await machine.succeed("docker", "rm", "-f", "evil");
    const links = ["ip", "-d", "-o", "link", "show", "type", "ipvlan"];
    assertEquals(await machine.succeed(...links), "");
  }
  await using machine = await Systemd.boot();
  assertEquals(await addressOf(machine, "c2"), "192.168.20.2/24");
  assertEquals(await addressOf(machine, "c1"), "192.168.20.20/24");
  await machine.succeed("docker", "exec", "c2", "ping", "-c", "1", "c1");
  await machine.succeed("docker", "rm", "-f", "c1", "c2");
  await machine.succeed("docker", "network", "rm", "vlan20");
  assertEquals(await machine.succeed("ip", "-o", "link", "show", "type", "vlan"), "");
});
