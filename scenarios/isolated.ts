/**
 * Isolated networks: without a parent, or with `--internal`. A dummy link is the parent.
 *
 * @module
 */
import { doesNotReach, reaches } from "./kit/machines/predicted.ts";
import {
  addressesEqual,
  hasMac,
  linkIsGone,
  linkShows,
  routesEqual,
} from "./kit/machines/lines.ts";
import { isEqual, linksAlike } from "./kit/machines/checks.ts";
import { main, scenario } from "./kit/mod.ts";

const isolated = scenario("isolated", "Isolated: no parent, or --internal", async (tour) => {
  await using world = await tour.world({
    host: { eth0: ["192.168.1.250/24"] },
    router: { eth0: ["192.168.1.1/24", "192.168.10.1/24"] },
    // On the LAN, in isolated1's subnet: this machine answers only if isolated1 is not isolated.
    lan: { pc: { addresses: ["192.168.10.100/24"] } },
  });
  const { host } = world;
  const { driver } = host;

  tour.step("docker network create -d ipvlan --subnet=192.168.10.0/24 isolated1");
  const { value: one } = await driver.createNetwork({
    name: "isolated1",
    subnets: ["192.168.10.0/24"],
  });
  tour.step("docker network create -d ipvlan --subnet=192.168.11.0/24 --internal isolated2");
  const { value: two } = await driver.createNetwork({
    name: "isolated2",
    subnets: ["192.168.11.0/24"],
    internal: true,
  });
  tour.step("docker network create -d ipvlan isolated3");
  const { value: three } = await driver.createNetwork({ name: "isolated3" });

  tour.step("ip route add 172.19.0.0/16 via 192.168.1.1 (so that the host routes the next pool)");
  await host.ip.route.add({ dst: "172.19.0.0/16", via: "192.168.1.1" });
  tour.step("docker network create -d ipvlan --internal -o parent=eth0 isolated4");
  const { value: four, notices } = await driver.createNetwork({
    name: "isolated4",
    internal: true,
    parent: "eth0",
  });
  for (const notice of notices) tour.note(notice);

  for (const number of [1, 2, 3, 4]) {
    tour.step(`docker run --net=isolated${number} --name=cid${number} -it --rm alpine /bin/sh`);
  }
  await Promise.all([1, 2, 3, 4].map((number) => host.run(`cid${number}`, `isolated${number}`)));
  await Promise.all([1, 2, 3].map((number) => host.run(`peer${number}`, `isolated${number}`)));

  const links = await host.ip.link.show();
  const macOf = (dev: string) => links.find(({ name }) => name === dev)?.address ?? "";
  await tour.holds(
    "ISO-1",
    linkShows("lab-host", one.parent, "UP", "dummy"),
    linksAlike({ netns: "lab-host", dev: two.parent }, { netns: "lab-host", dev: one.parent }),
    ...[one, two, three, four].map(({ parent }, index) =>
      hasMac(`cid${index + 1}`, "eth0", macOf(parent))
    ),
    routesEqual("cid1", 4, ["192.168.10.0/24 dev eth0 src 192.168.10.2"]),
    routesEqual("cid2", 4, ["192.168.11.0/24 dev eth0 src 192.168.11.2"]),
    isEqual("the list of notices about isolated4", notices, [
      'The parent "eth0" is not used, as an internal network has a dummy of its own',
    ]),
  );
  await tour.holds(
    "ISO-3",
    addressesEqual("cid3", "eth0", ["172.18.0.2/16"]),
    addressesEqual("cid4", "eth0", ["172.20.0.2/16"]),
  );

  tour.note(
    "A missing route alone would not isolate a container, so each one gets a default route",
  );
  for (const name of ["cid1", "cid2", "cid3"]) {
    tour.step(`docker exec -it ${name} ip route add default dev eth0`);
  }
  await Promise.all(
    ["cid1", "cid2", "cid3"].map((name) =>
      driver.exec(name, ["ip", "route", "add", "default", "dev", "eth0"]).output()
    ),
  );
  await tour.holds(
    "ISO-4",
    routesEqual("cid1", 4, ["default dev eth0", "192.168.10.0/24 dev eth0 src 192.168.10.2"]),
    routesEqual("cid2", 4, ["default dev eth0", "192.168.11.0/24 dev eth0 src 192.168.11.2"]),
    routesEqual("cid3", 4, ["default dev eth0", "172.18.0.0/16 dev eth0 src 172.18.0.2"]),
  );

  tour.step(`ip addr add 192.168.10.254/24 dev ${one.parent} (the host, on the dummy itself)`);
  await host.ip.addr.add({ dev: one.parent, address: "192.168.10.254/24" });
  const ownOnly = [
    reaches("cid3", "peer3"),
    doesNotReach("cid3", "192.168.1.250", { control: "lab-router", reaches: "peer3" }),
    doesNotReach("cid3", "192.168.10.2", { control: "peer1", reaches: "peer3" }),
  ];
  await tour.holds(
    "ISO-2",
    reaches("cid1", "peer1"),
    reaches("cid2", "peer2"),
    doesNotReach("cid1", "192.168.10.254", { control: "lab-host", reaches: "peer1" }),
    doesNotReach("lab-host", "192.168.10.2", { control: "peer1", reaches: "192.168.1.1" }),
    doesNotReach("cid1", "192.168.11.2", { control: "peer2", reaches: "peer1" }),
    doesNotReach("cid2", "172.18.0.2", { control: "peer3", reaches: "peer2" }),
    doesNotReach("cid1", "192.168.10.100", { control: "lab-router", reaches: "peer1" }),
    ...ownOnly,
  );
  await tour.holds("GEN-4", linkShows("lab-host", three.parent, "UP", "dummy"), ...ownOnly);

  tour.step("docker network rm isolated2");
  await Promise.all([driver.removeSandbox("cid2"), driver.removeSandbox("peer2")]);
  await driver.removeNetwork("isolated2");
  await tour.holds(
    "ISO-5",
    linkIsGone("lab-host", two.parent),
    linkShows("lab-host", one.parent, "UP", "dummy"),
  );
});

export default isolated;
if (import.meta.main) Deno.exit(await main([isolated], Deno.args));
