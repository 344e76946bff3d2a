/**
 * Networks persist: they come back after a restart of the host.
 *
 * @module
 */
import { reaches } from "./kit/machines/predicted.ts";
import {
  addressesEqual,
  hasMac,
  linkIsGone,
  linkShows,
  routesEqual,
} from "./kit/machines/lines.ts";
import { isEqual } from "./kit/machines/checks.ts";
import { main, scenario } from "./kit/mod.ts";

const persistence = scenario("persistence", "Networks outlive a restart", async (tour) => {
  await using world = await tour.world({
    router: { "eth0.20": ["192.168.20.1/24"], "eth0.40": ["192.168.40.1/24"] },
  });
  const { host } = world;

  tour.step(
    "docker network create -d ipvlan --subnet=192.168.20.0/24 --gateway=192.168.20.1 " +
      "-o parent=eth0.20 ipvlan20",
  );
  await host.driver.createNetwork({
    name: "ipvlan20",
    subnets: [{ subnet: "192.168.20.0/24", gateway: "192.168.20.1" }],
    parent: "eth0.20",
  });
  tour.step("docker network create -d ipvlan --subnet=192.168.10.0/24 isolated1");
  const { value: isolated1 } = await host.driver.createNetwork({
    name: "isolated1",
    subnets: ["192.168.10.0/24"],
  });
  tour.step("ip link add link eth0 name foo type vlan id 40; ip link set foo up");
  const addFoo = async () => {
    await host.ip.link.add({ type: "vlan", link: "eth0", name: "foo", id: 40 });
    await host.ip.link.set("foo", { up: true });
  };
  await addFoo();
  tour.step(
    "docker network create -d ipvlan --subnet=192.168.40.0/24 --gateway=192.168.40.1 " +
      "-o parent=foo ipvlan40",
  );
  await host.driver.createNetwork({
    name: "ipvlan40",
    subnets: [{ subnet: "192.168.40.0/24", gateway: "192.168.40.1" }],
    parent: "foo",
  });
  const containers = [
    // Not an address that the driver would choose: so a new choice after the restart would differ.
    { name: "c1", network: "ipvlan20", ip: "192.168.20.9" },
    { name: "c2", network: "ipvlan20" },
    { name: "cid1", network: "isolated1" },
    { name: "c4", network: "ipvlan40" },
  ];
  for (const { name, network, ip } of containers) {
    const option = ip === undefined ? "" : ` --ip=${ip}`;
    tour.step(`docker run --net=${network}${option} --name=${name} -itd alpine /bin/sh`);
  }
  await Promise.all(containers.map(({ name, network, ip }) => host.run(name, network, { ip })));

  const macBefore = (await host.ip.link.show("eth0")).address;
  tour.step("reboot");
  const { networks, missing } = await host.restart();
  const { address: mac = "" } = await host.ip.link.show("eth0");
  await tour.holds(
    "VLAN-11",
    {
      ...isEqual("whether eth0 has the same MAC as before", mac === macBefore, false),
      sentence: "After the restart, eth0 is a new link with another MAC",
    },
    isEqual("the list of restored networks", networks, ["ipvlan20", "isolated1"]),
    linkShows("lab-host", "eth0.20", "UP", "vlan protocol 802.1Q id 20"),
    linkShows("lab-host", isolated1.parent, "UP", "dummy"),
    hasMac("c1", "eth0", mac),
    addressesEqual("c1", "eth0", ["192.168.20.9/24"]),
    addressesEqual("c2", "eth0", ["192.168.20.2/24"]),
    addressesEqual("cid1", "eth0", ["192.168.10.2/24"]),
    routesEqual("c1", 4, [
      "default via 192.168.20.1 dev eth0",
      "192.168.20.0/24 dev eth0 src 192.168.20.9",
    ]),
    reaches("c1", "c2"),
    reaches("c1", "192.168.20.1"),
  );
  for (const { kind, name, reason } of missing) tour.note(`Missing: ${kind} ${name}: ${reason}`);
  await tour.holds(
    "MAN-3",
    linkIsGone("lab-host", "foo"),
    isEqual("the list of missing networks and sandboxes", missing.map(({ name }) => name), [
      "ipvlan40",
      "c4",
    ]),
    isEqual("the parent on record", host.driver.inspectNetwork("ipvlan40").parent, "foo"),
  );

  tour.step("ip link add link eth0 name foo type vlan id 40; ip link set foo up");
  await addFoo();
  const again = await host.driver.restore();
  await tour.holds(
    "MAN-3",
    isEqual("the list of what is still missing", again.missing, []),
    addressesEqual("c4", "eth0", ["192.168.40.2/24"]),
    reaches("c4", "192.168.40.1"),
  );

  tour.step("docker rm -f c1 c2 c4; docker network rm ipvlan20 ipvlan40");
  await Promise.all(["c1", "c2", "c4"].map((name) => host.driver.removeSandbox(name)));
  for (const name of ["ipvlan20", "ipvlan40"]) await host.driver.removeNetwork(name);
  await tour.holds("VLAN-6", linkIsGone("lab-host", "eth0.20"));
  await tour.holds("MAN-3", linkShows("lab-host", "foo", "UP", "vlan protocol 802.1Q id 40"));
});

export default persistence;
if (import.meta.main) Deno.exit(await main([persistence], Deno.args));
