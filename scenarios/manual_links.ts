/**
 * Sub-interfaces made by hand: the network `ipvlan40` on `eth0.40`, and on `foo`.
 *
 * @module
 */
import { reaches } from "./kit/machines/predicted.ts";
import { linkIsGone, linkShows } from "./kit/machines/lines.ts";
import { isEqual, isRefused } from "./kit/machines/checks.ts";
import { main, type Scenario, scenario } from "./kit/mod.ts";

/** The network `ipvlan40`: on `eth0.40` and on `foo`. */
const manualLinks: Scenario = scenario(
  "manual-links",
  "802.1q links made by hand, VLAN 40",
  async (tour) => {
    await using world = await tour.world({
      lan: { pc: { addresses: ["192.168.40.100/24"], vlan: 40 } },
    });
    const { host } = world;
    const { driver } = host;
    const { link } = host.ip;
    const readLink = async (name: string) => {
      const found = (await link.show()).find((each) => each.name === name);
      if (!found) return "gone";
      const { index, up, mtu, group, alias = "none", info } = found;
      return { index, up, mtu, group, alias, info };
    };
    const ipvlan40 = (parent: string) =>
      driver.createNetwork({
        name: "ipvlan40",
        subnets: [{ subnet: "192.168.40.0/24", gateway: "192.168.40.1" }],
        parent,
      });
    const create = "docker network create -d ipvlan --subnet=192.168.40.0/24 " +
      "--gateway=192.168.40.1 -o parent=";
    const run = async () => {
      for (const name of ["ivlan_test5", "ivlan_test6"]) {
        tour.step(`docker run --net=ipvlan40 -it --name ${name} --rm alpine /bin/sh`);
        await host.run(name, "ipvlan40");
      }
    };
    const remove = async () => {
      tour.step("docker rm -f ivlan_test5 ivlan_test6; docker network rm ipvlan40");
      await Promise.all(["ivlan_test5", "ivlan_test6"].map((name) => driver.removeSandbox(name)));
      await driver.removeNetwork("ipvlan40");
    };

    tour.step(`${create}foo ipvlan40`);
    await tour.holds(
      "MAN-4",
      isRefused("the missing parent foo", () => ipvlan40("foo"), "parent-not-found"),
      isRefused("eth9.40 without an eth9", () => ipvlan40("eth9.40"), "parent-not-found"),
    );

    tour.step("ip link add link eth0 name eth0.40 type vlan id 40");
    await link.add({ type: "vlan", link: "eth0", name: "eth0.40", id: 40 });
    tour.step("ip link set eth0.40 up");
    await link.set("eth0.40", { up: true });
    const before = await readLink("eth0.40");
    tour.step(`${create}eth0.40 ipvlan40`);
    await ipvlan40("eth0.40");
    await run();
    await tour.holds(
      "MAN-1",
      linkShows(
        "ivlan_test5",
        "eth0",
        `eth0@if${(await link.show("eth0.40")).index}:`,
        "ipvlan mode l2",
      ),
      reaches("ivlan_test5", "ivlan_test6"),
      reaches("ivlan_test6", "ivlan_test5"),
      reaches("ivlan_test5", "192.168.40.100"),
    );
    await remove();
    const unchanged = isEqual(
      "eth0.40 after the network is gone",
      await readLink("eth0.40"),
      before,
    );
    await tour.holds("VLAN-7", unchanged);
    await tour.holds("MAN-3", unchanged);

    tour.step("ip link del eth0.40; ip link add link eth0 name foo type vlan id 40");
    await link.del("eth0.40");
    await link.add({ type: "vlan", link: "eth0", name: "foo", id: 40 });
    const down = await readLink("foo");
    tour.step(`${create}foo ipvlan40`);
    const { notices } = await ipvlan40("foo");
    await tour.holds(
      "MAN-4",
      isEqual("the list of notices about a parent that is down", notices, [
        'The parent "foo" is down, so nothing passes: "ip link set foo up"',
      ]),
      isEqual("foo after the network is made", await readLink("foo"), down),
    );
    tour.step("ip link set foo up");
    await link.set("foo", { up: true });
    const foo = await readLink("foo");
    await run();
    await tour.holds(
      "MAN-2",
      linkShows(
        "ivlan_test5",
        "eth0",
        `eth0@if${(await link.show("foo")).index}:`,
        "ipvlan mode l2",
      ),
      reaches("ivlan_test5", "ivlan_test6"),
      reaches("ivlan_test6", "ivlan_test5"),
      reaches("ivlan_test5", "192.168.40.100"),
    );
    await remove();
    const fooUnchanged = isEqual("foo after the network is gone", await readLink("foo"), foo);
    await tour.holds("VLAN-7", fooUnchanged);
    tour.step("ip link del foo");
    await link.del("foo");
    await tour.holds("MAN-3", fooUnchanged, linkIsGone(host.netns, "foo"));
  },
);

export default manualLinks;
if (import.meta.main) Deno.exit(await main([manualLinks], Deno.args));
