/**
 * Ipvlan L2 mode on an 802.1q trunk: the networks `ipvlan20` and `ipvlan30`.
 *
 * @module
 */
import { doesNotReach, reaches } from "./kit/machines/predicted.ts";
import { linkIsGone, linkShows, routesEqual } from "./kit/machines/lines.ts";
import { Ip } from "../lib/iproute2/ip.ts";
import type { Link } from "../lib/iproute2/link_types.ts";
import { isEqual, linksAlike, taggedWith } from "./kit/machines/checks.ts";
import { main, scenario } from "./kit/mod.ts";

const trunk = scenario("trunk", "Ipvlan L2 mode on an 802.1q trunk", async (tour) => {
  await using world = await tour.world({
    host: { eth0: [] },
    lan: { pc: { addresses: ["192.168.20.100/24"], vlan: 20 } },
    vlans: [20, 30, 40, 50],
  });
  const { host } = world;
  const { driver } = host;
  const before = await host.ip.link.show("eth0");

  const absent = await linkIsGone("lab-host", "eth0.20");
  tour.step(
    "docker network create -d ipvlan --subnet=192.168.20.0/24 --gateway=192.168.20.1 " +
      "-o parent=eth0.20 ipvlan20",
  );
  await driver.createNetwork({
    name: "ipvlan20",
    subnets: [{ subnet: "192.168.20.0/24", gateway: "192.168.20.1" }],
    parent: "eth0.20",
  });
  await tour.holds(
    "GEN-3",
    absent,
    linkShows("lab-host", "eth0.20", "UP", "vlan protocol 802.1Q id 20"),
  );
  tour.step("The guide's equivalent, by hand on another machine");
  const line = "link add link eth0 name eth0.20 type vlan id 20";
  await tour.show("ip", "-n", "lab-pc", ...line.split(" "));
  await world.ip("lab-pc").link.set("eth0.20", { up: true });
  await tour.holds(
    "VLAN-1",
    linksAlike({ netns: "lab-host", dev: "eth0.20" }, { netns: "lab-pc", dev: "eth0.20" }),
  );

  tour.step("docker run --net=ipvlan20 -it --name ivlan_test1 --rm alpine /bin/sh (and test2)");
  await host.run("ivlan_test1", "ipvlan20");
  await host.run("ivlan_test2", "ipvlan20");
  await tour.holds(
    "VLAN-2",
    taggedWith("lab-switch", "host-eth0", [20], () => reaches("ivlan_test1", "192.168.20.100")),
  );

  tour.step(
    "docker network create -d ipvlan --subnet=192.168.30.0/24 --gateway=192.168.30.1 " +
      "-o parent=eth0.30 -o ipvlan_mode=l2 ipvlan30",
  );
  await driver.createNetwork({
    name: "ipvlan30",
    subnets: [{ subnet: "192.168.30.0/24", gateway: "192.168.30.1" }],
    parent: "eth0.30",
    mode: "l2",
  });
  tour.step("docker run --net=ipvlan30 -it --name ivlan_test3 --rm alpine /bin/sh (and test4)");
  await host.run("ivlan_test3", "ipvlan30");
  await host.run("ivlan_test4", "ipvlan30");
  await tour.show("ip", "-n", "lab-host", "-brief", "link");
  await tour.holds(
    "VLAN-5",
    routesEqual("ivlan_test3", 4, [
      "default via 192.168.30.1 dev eth0",
      "192.168.30.0/24 dev eth0 src 192.168.30.2",
    ]),
  );

  tour.note("Without an address in VLAN 20 the host could reach no container, so it gets one");
  await host.ip.addr.add({ dev: "eth0.20", address: "192.168.20.250/24" });
  await tour.holds(
    "VLAN-8",
    doesNotReach("lab-host", "192.168.20.2", { control: "ivlan_test2", reaches: "192.168.20.100" }),
    doesNotReach("ivlan_test1", "192.168.20.250", { control: "lab-pc", reaches: "ivlan_test2" }),
  );
  tour.note(
    "Without routes, containers of different subnets would not reach each other in any case, so " +
      "these two get routes",
  );
  {
    await using one = await Ip.open({ netns: "ivlan_test1" });
    await using three = await Ip.open({ netns: "ivlan_test3" });
    const to20 = { dst: "192.168.20.0/24", dev: "eth0" };
    const to30 = { dst: "192.168.30.0/24", dev: "eth0" };
    await Promise.all([one.route.add(to30), three.route.add(to20)]);
    await tour.holds(
      "VLAN-3",
      reaches("ivlan_test1", "192.168.20.3"),
      reaches("ivlan_test4", "192.168.30.2"),
      doesNotReach("ivlan_test1", "192.168.30.2", {
        control: "ivlan_test4",
        reaches: "ivlan_test2",
      }),
      doesNotReach("ivlan_test3", "192.168.20.2", {
        control: "ivlan_test2",
        reaches: "ivlan_test4",
      }),
    );
    await Promise.all([one.route.del(to30), three.route.del(to20)]);
  }

  tour.step("A router, with an address in each VLAN on its trunk");
  await world.addRouter({ "eth0.20": ["192.168.20.1/24"], "eth0.30": ["192.168.30.1/24"] });
  await tour.holds(
    "VLAN-4",
    reaches("ivlan_test1", "192.168.30.3"),
    reaches("ivlan_test3", "192.168.20.3"),
  );

  tour.step("docker network rm ipvlan30 ipvlan20");
  const names = driver.listSandboxes().map(({ name }) => name);
  await Promise.all(names.map((name) => driver.removeSandbox(name)));
  for (const name of ["ipvlan30", "ipvlan20"]) await driver.removeNetwork(name);
  await tour.holds(
    "VLAN-6",
    linkIsGone("lab-host", "eth0.20"),
    linkIsGone("lab-host", "eth0.30"),
    isEqual("the index of eth0", (await host.ip.link.show("eth0")).index, before.index),
  );

  const byHand = [{ name: "web", id: 40 }, { name: "eth0.50", id: 50 }];
  for (const { name, id } of byHand) {
    tour.step(`ip link add link eth0 name ${name} type vlan id ${id}; ip link set ${name} up`);
    await host.ip.link.add({ type: "vlan", link: "eth0", name, id });
    await host.ip.link.set(name, { up: true });
  }
  const shown = await vlanLinks(host.ip);
  for (const { name } of byHand) {
    tour.step(`docker network create -d ipvlan -o parent=${name} net_${name}`);
    await driver.createNetwork({ name: `net_${name}`, parent: name });
    tour.step(`docker run --net=net_${name} --name=on_${name} -it --rm alpine /bin/sh`);
    await host.run(`on_${name}`, `net_${name}`);
  }
  const inUse = await vlanLinks(host.ip);
  const onLinks = await Promise.all(
    shown.map(({ name, index }) => linkShows(`on_${name}`, "eth0", `eth0@if${index}:`)),
  );
  for (const { name } of byHand) {
    tour.step(`docker network rm net_${name}`);
    await driver.removeSandbox(`on_${name}`);
    await driver.removeNetwork(`net_${name}`);
  }
  await tour.holds(
    "VLAN-7",
    {
      ...isEqual("the links made by hand", inUse, shown),
      sentence: "web and eth0.50 are unchanged while networks use them",
    },
    {
      ...isEqual("the links made by hand", await vlanLinks(host.ip), shown),
      sentence: "web and eth0.50 are unchanged when the networks are gone",
    },
    ...onLinks,
  );
});

/** Reads the sub-interfaces, without their state, which changes a little later. */
async function vlanLinks(ip: Ip): Promise<Omit<Link, "state" | "flags">[]> {
  return (await ip.link.show({ type: "vlan" }))
    .map(({ state: _state, flags: _flags, ...link }) => link);
}

export default trunk;
if (import.meta.main) Deno.exit(await main([trunk], Deno.args));
