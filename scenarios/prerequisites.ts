/**
 * The prerequisites of the examples: a kernel with ipvlan, and a parent, which may be any link or
 * none.
 *
 * @module
 */
import { IpvlanError } from "../lib/base/errors.ts";
import type { Finding } from "../lib/check/mod.ts";
import { doesNotReach, reaches } from "./kit/machines/predicted.ts";
import { linkIsGone, linkShows } from "./kit/machines/lines.ts";
import { run } from "./kit/command.ts";
import { explainLinkAdd } from "../lib/iproute2/kernel.ts";
import { isRefused } from "./kit/machines/checks.ts";
import { type Host, main, type Scenario, scenario, type Tour } from "./kit/mod.ts";

/** Whether the kernel is the lab's own, so that the scenario may unload modules. */
const ownKernel = ["uml", "vagrant"].includes(Deno.env.get("IPVLAN_LAB") ?? "none");

/** The kernel, and the parent. */
const prerequisites: Scenario = scenario(
  "prerequisites",
  "Kernel and parent links",
  async (tour) => {
    await using world = await tour.world({
      host: { eth0: ["192.168.1.250/24"], eth1: [], eth2: [], uplink: [] },
      router: { eth0: ["192.168.1.1/24"] },
      lan: { pc: { addresses: ["192.168.1.100/24"] } },
    });
    const { host } = world;
    const { driver } = host;
    const create = (name: string, parent?: string) =>
      driver.createNetwork({
        name,
        subnets: [{ subnet: "192.168.1.0/24", gateway: "192.168.1.1" }],
        parent,
      });
    const line = "docker network create -d ipvlan --subnet=192.168.1.0/24 --gateway=192.168.1.1";

    tour.step("uname -r");
    await tour.show("uname", "-r");
    await tour.holds("GEN-1", await onOldKernel(host), ...await withoutModule(tour, host));

    tour.step(`${line} db_net`);
    const { value: isolated } = await create("db_net");
    await Promise.all([host.run("c1", "db_net"), host.run("c2", "db_net")]);
    await tour.holds(
      "GEN-4",
      linkShows(host.netns, isolated.parent, "dummy", "UP"),
      reaches("c1", "c2"),
      reaches("c2", "c1"),
      doesNotReach("c1", "192.168.1.100", { control: "lab-router", reaches: "c2" }),
      doesNotReach("lab-pc", "192.168.1.2", { control: "c2", reaches: "192.168.1.1" }),
      doesNotReach(host.netns, "192.168.1.2", { control: "c2", reaches: "192.168.1.1" }),
    );
    await Promise.all([driver.removeSandbox("c1"), driver.removeSandbox("c2")]);
    await driver.removeNetwork("db_net");

    tour.step("docker network create -d ipvlan --subnet=192.168.10.0/24 -o parent=eth0.10 vlan10");
    const before = await linkIsGone(host.netns, "eth0.10");
    await driver.createNetwork({ name: "vlan10", subnets: ["192.168.10.0/24"], parent: "eth0.10" });
    await tour.show("ip", "-n", host.netns, "-d", "link", "show", "eth0.10");
    await tour.holds(
      "GEN-3",
      before,
      linkShows(host.netns, "eth0.10", "eth0.10@eth0:", "vlan protocol 802.1Q id 10", "UP"),
    );

    await makeBond(tour, host);
    await host.ip.link.add({ type: "bridge", name: "br0" });
    await host.ip.link.set("eth2", { master: "br0" });
    const parents = { eth0: "192.168.1.2", bond0: "192.168.1.3", uplink: "192.168.1.4" };
    for (const [parent, ip] of Object.entries(parents)) {
      tour.step(`${line} -o parent=${parent} on_${parent}`);
      await create(`on_${parent}`, parent);
      tour.step(`docker run --net=on_${parent} --ip=${ip} -it --rm alpine /bin/sh`);
      await host.run(`${parent}-c`, `on_${parent}`, { ip });
    }
    tour.step(`${line} -o parent=lo …`);
    const refused = (parent: string) =>
      isRefused(`the parent ${parent}`, () => create("refused", parent), "invalid-parent");
    await tour.holds(
      "GEN-2",
      refused("lo"),
      refused("eth2"),
      ...(ownKernel ? [refused("eth1")] : []),
      ...Object.entries(parents).flatMap(([parent, ip]) => [
        reaches(`${parent}-c`, "192.168.1.1"),
        reaches("lab-pc", ip),
      ]),
    );
  },
);

/** Creates a network on a kernel that seems to be too old. */
async function onOldKernel(host: Host): Promise<Finding> {
  const folder = await Deno.makeTempDir({ prefix: "ipvlan-scenario-" });
  try {
    await Deno.writeTextFile(`${folder}/osrelease`, "4.1.52\n");
    const options = JSON.stringify({ host: host.netns, stateDir: `${folder}/state` });
    const program = `import { Driver } from "${import.meta.resolve("../lib/driver/mod.ts")}";
      await using driver = await Driver.open(${options});
      await driver.createNetwork({ name: "db_net" });`;
    // Replace the file with the release for this process only. setarch(8) would not do: it changes
    // uname(2), but Deno reads the file.
    const { command, output, success } = await run(
      ...["unshare", "--mount", "sh", "-c"] as const,
      'mount --bind "$0" /proc/sys/kernel/osrelease && exec "$@"',
      ...[`${folder}/osrelease`, Deno.execPath(), "eval", "--cached-only", program],
    );
    return {
      sentence: "On Linux 4.1.52 a network is refused, and the error has the version",
      held: !success && /IpvlanError: The kernel is 4\.1\.52\b/.test(output),
      evidence: [{ command, output }],
    };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Creates a network on a kernel without ipvlan. */
async function withoutModule(tour: Tour, host: Host): Promise<Finding[]> {
  const attempt = () => host.driver.createNetwork({ name: "db_net", parent: "eth0.10" });
  if (!ownKernel) {
    tour.note(
      "the scenario must not unload modules of this machine's kernel, so it uses an unknown kind of " +
        "link, ipvlan0, instead of ipvlan",
    );
    const refusal = host.ip.session.change("link add name x type ipvlan0")
      .catch((error) => explainLinkAdd(error, "ipvlan0"));
    return [namesTheWaysOut(await refusal, "ipvlan0")];
  }
  // The kernel runs this program to load a module.
  const loader = "/proc/sys/kernel/modprobe";
  const program = await Deno.readTextFile(loader);
  await Deno.writeTextFile(loader, "/bin/false");
  try {
    tour.step("rmmod ipvlan");
    await tour.show("rmmod", "ipvlan");
    const refusal = await attempt().catch((error) => error);
    return [namesTheWaysOut(refusal, "ipvlan"), await linkIsGone(host.netns, "eth0.10")];
  } finally {
    await Deno.writeTextFile(loader, program);
  }
}

function namesTheWaysOut(refusal: unknown, module: string): Finding {
  const words = ["missing-module", `"${module}"`, `modprobe ${module}`, "install a kernel"];
  const said = refusal instanceof IpvlanError ? `${refusal.code}: ${refusal.message}` : "Nothing";
  return {
    sentence: `Without ipvlan in the kernel a network is refused, with ${words.join(", ")}`,
    held: words.every((word) => said.includes(word)),
    evidence: [{ command: "docker network create -d ipvlan …", output: said }],
  };
}

/** Makes a bond `bond0` of `eth1`. On a kernel that is not the lab's, only renames `eth1`. */
async function makeBond(tour: Tour, { ip }: Host): Promise<void> {
  await ip.link.set("eth1", { up: false });
  if (ownKernel) {
    tour.step("ip link add bond0 type bond mode active-backup miimon 100");
    await ip.session.change("link add name bond0 type bond mode active-backup miimon 100");
    await ip.link.set("eth1", { master: "bond0" });
  } else {
    tour.note(
      "a bond would load a module into this machine's kernel, so bond0 is an ordinary link",
    );
    await ip.link.set("eth1", { name: "bond0" });
  }
  await ip.link.set("bond0", { up: true });
}

export default prerequisites;
if (import.meta.main) Deno.exit(await main([prerequisites], Deno.args));
