/**
 * Podman with netavark: networks, static addresses, aliases, teardown.
 *
 * @module
 */
import { Ip } from "../../lib/iproute2/ip.ts";
import { failsWith, nothingIsLeft, shows } from "../kit/engines/checks.ts";
import { machineState, withIpvlan, withRouter } from "../kit/engines/machine.ts";
import { IMAGE } from "../kit/engines/daemon.ts";
import { engineScenario, type Scenario } from "../kit/mod.ts";
import { withPodman } from "../kit/engines/podman.ts";

const netavark: Scenario[] = engineScenario(
  "netavark",
  "Podman with netavark, on ipvlan networks of its own",
  [["podman5"]],
  async (tour) => {
    await using ip = await Ip.open();
    await using _router = await withRouter(ip);
    await using _ipvlan = await withIpvlan();
    await using _podman = await withPodman();
    await tour.perform("ipvlan netavark install");
    const before = await machineState(ip);
    const create = "podman network create -d ipvlan-kit";
    const run = "podman run -d --cap-add=NET_RAW";
    const reaches = (name: string, address: string) =>
      shows(`${name} reaches ${address}`, `podman exec ${name} ping -c 1 -W 5 ${address}`);

    await tour.perform(
      `${create} --subnet=192.168.1.0/24 --gateway=192.168.1.1 -o parent=eth0 db_net`,
    );
    await tour.perform(
      `${run} --net=db_net --ip=192.168.1.77 --network-alias=web --name=c1 ${IMAGE} sleep 1000`,
    );
    await tour.perform(`${run} --net=db_net --name=c2 ${IMAGE} sleep 1000`);
    await tour.holds(
      "ENG-7",
      shows("c1 has its static address", "podman exec c1 ip address", "192.168.1.77/24"),
      shows("c1 has the default route", "podman exec c1 ip route", "default via 192.168.1.1"),
      reaches("c1", "192.168.1.1"),
      reaches("c2", "192.168.1.77"),
      shows(
        "podman inspect shows the address, the gateway and the alias of c1",
        "podman inspect -f '{{json .NetworkSettings.Networks.db_net}}' c1",
        '"IPAddress":"192.168.1.77"',
        '"Gateway":"192.168.1.1"',
        '"web"',
      ),
      shows("ipvlan shows c1 with its alias", "ipvlan ps --json", '"web"', '"192.168.1.77/24"'),
      failsWith(
        "An address that is taken is refused",
        `podman run --rm --net=db_net --ip=192.168.1.77 ${IMAGE} true`,
        "192.168.1.77",
      ),
      failsWith(
        "A MAC address is refused",
        `podman run --rm --net=db_net --mac-address=02:00:00:00:00:01 ${IMAGE} true`,
        "every ipvlan link has the MAC address of its parent",
      ),
      failsWith("An unknown option is refused", `${create} -o mode=l3 bad`, "mode=l3"),
    );

    await tour.perform(`${create} --subnet=192.168.20.0/24 -o parent=eth0.20 vlan20`);
    await tour.perform(`${run} --net=vlan20 --name=c3 ${IMAGE} sleep 1000`);
    await tour.holds(
      "ENG-7",
      shows("eth0.20 is made on the fly", "ip -d link show eth0.20", "vlan protocol 802.1Q id 20"),
      reaches("c3", "192.168.20.1"),
    );

    await tour.perform("podman rm -f -t 0 c1 c2");
    await tour.perform(
      `${create} --subnet=10.1.0.0/24 --subnet=2001:db8:10::/64 -o parent=eth0 ` +
        "-o ipvlan_mode=l3 l3_net",
    );
    await tour.perform(`${run} --net=l3_net --ip=10.1.0.9 --name=c4 ${IMAGE} sleep 1000`);
    await tour.holds(
      "ENG-7",
      shows(
        "In L3 mode the default route is the link",
        "podman exec c4 ip route",
        "default dev eth0",
      ),
      shows(
        "c4 has an address of both families",
        "podman exec c4 ip address",
        "10.1.0.9/24",
        "2001:db8:10::",
      ),
      reaches("c4", "192.168.1.1"),
      reaches("c4", "2001:db8:1::1"),
    );

    await tour.perform(`${create} --internal --subnet=10.9.0.0/24 inside`);
    await tour.perform(`${run} --net=inside --name=c5 ${IMAGE} sleep 1000`);
    await tour.perform(`${run} --net=inside --name=c6 ${IMAGE} sleep 1000`);
    await tour.holds(
      "ENG-7",
      shows(
        "An internal network has no default route",
        "podman exec c5 ip route",
        /^10\.9\.0\.0\/24 dev eth0.*$/,
      ),
      reaches("c6", "10.9.0.2"),
    );

    await tour.perform("podman rm -f -t 0 c3 c4 c5 c6");
    await tour.perform("podman network rm db_net vlan20 l3_net inside");
    await tour.holds("ENG-7", nothingIsLeft(ip, before));
  },
);

export default netavark;
