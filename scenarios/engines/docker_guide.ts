/**
 * The guide's examples through Docker.
 *
 * @module
 */
import { groupDoesNotPass } from "../kit/machines/group.ts";
import { Ip } from "../../lib/iproute2/ip.ts";
import { isEqual } from "../kit/machines/checks.ts";
import { DockerHost } from "../kit/engines/docker.ts";
import { failsWith, nothingIsLeft, shows, showsStill } from "../kit/engines/checks.ts";
import { machineState, withIpvlan, withRouter } from "../kit/engines/machine.ts";
import { IMAGE } from "../kit/engines/daemon.ts";
import { engineScenario, type Scenario, type StatementId } from "../kit/mod.ts";
import { STATEMENT_IDS } from "../kit/report/statements.ts";

/** The guide's statements that this scenario does not check, with the reasons. */
const ELSEWHERE: Partial<Record<StatementId, string>> = {
  "GEN-1": "it is about the kernel, which the plugin checks as the command does",
  "ISO-3": "Docker chooses the subnet, unless it is told to ask the plugin: see ENG-4",
  "L2-7": "it is ENG-3",
  "VLAN-11": "it is ENG-2",
  "V6-1": "Docker gives every network IPv4, and chooses the addresses itself",
  "V6-4": "it is about addresses that the kernel assigns, whatever runs in the sandbox",
  "MAN-3": "its second half is about ipvlan restore; the first is VLAN-7",
};

const RUN = `docker run -d --rm`;

/** Returns the line that starts an idle container. */
function container(name: string, options: string): string {
  return `${RUN} --name=${name} ${options} ${IMAGE} sleep 1000`;
}

/** Returns the line that runs a program of the host in the network namespace of a container. */
function inside(name: string, line: string): string {
  return `nsenter --net=$(docker inspect -f '{{.NetworkSettings.SandboxKey}}' ${name}) ${line}`;
}

const dockerGuide: Scenario[] = engineScenario(
  "docker-guide",
  "The guide's lines for Docker, with -d ipvlan-kit",
  [["docker20"], ["docker26"]],
  async (tour) => {
    await using ip = await Ip.open();
    await using _router = await withRouter(ip);
    await using _ipvlan = await withIpvlan();
    await using _docker = await DockerHost.start({ stateDir: "/var/lib/ipvlan" });
    const before = await machineState(ip);
    const create = "docker network create -d ipvlan-kit";
    const proven = new Set<string>();
    /** Makes the sentence of a check, which begins with the statements that it proves. */
    const about = (ids: string, words: string) => {
      for (const id of ids.split(" ")) proven.add(id);
      return `${ids}: ${words}`;
    };
    const reaches = (ids: string, name: string, target: string) =>
      shows(
        about(ids, `${name} reaches ${target}`),
        `docker exec ${name} ping -c 1 -W 5 ${target}`,
      );
    const reachesNot = (ids: string, name: string, target: string) =>
      failsWith(
        about(ids, `${name} does not reach ${target}`),
        `docker exec ${name} ping -c 1 -W 1 ${target}`,
        /0 packets received|Network is unreachable/,
      );
    const fromRouter = (ids: string, target: string) =>
      shows(
        about(ids, `The router reaches ${target}`),
        `ip netns exec lab-router ping -c 1 -W 5 ${target}`,
      );
    const fromHost = (ids: string, target: string) =>
      failsWith(about(ids, `The host does not reach ${target}`), `ping -c 1 -W 1 ${target}`);
    const remove = async (containers: string, networks: string) => {
      await tour.perform(`docker rm -f ${containers}`);
      await tour.perform(`docker network rm ${networks}`);
    };

    const lan = "--subnet=192.168.1.0/24 --gateway=192.168.1.1";
    await tour.perform(`${create} ${lan} -o ipvlan_mode=l2 -o parent=eth0 db_net`);
    await tour.perform(container("c1", "--net=db_net"));
    await tour.perform(container("c2", "--net=db_net"));
    await tour.holds(
      "ENG-1",
      reaches("L2-1 ISO-4", "c1", "192.168.1.1"),
      fromRouter("L2-1", "192.168.1.2"),
      reachesNot("L2-2", "c1", "192.168.1.250"),
      fromHost("L2-2", "192.168.1.2"),
      reaches("L2-6", "c1", "c2"),
      shows(
        about("L2-8", "c1 has the MAC address of eth0"),
        `docker exec c1 ip link show eth0 | grep $(cat /sys/class/net/eth0/address)`,
      ),
    );
    // Leave out its index and its alias, which differ each time.
    const links = `(${inside("c1", "ip -d link show eth0")}; ${inside("c1", "ip route")}) | ` +
      "sed 's/^[0-9]*: //; s/link-netnsid [0-9]*//; /alias/d'";
    const all = await tour.perform(links);
    await remove("c1 c2", "db_net");
    await tour.perform(`${create} --subnet=192.168.1.0/24 -o parent=eth0 db_net`);
    await tour.perform(container("c1", "--net=db_net"));
    await tour.holds(
      "ENG-1",
      showsStill(about("L2-5", "The link and its routes are the same by defaults"), links, all),
      shows(about("L2-3 L3-1", "The mode is l2"), inside("c1", "ip -d link show eth0"), "mode l2"),
      shows(
        about("L2-4", "The gateway"),
        "docker exec c1 ip route",
        "default via 192.168.1.1 dev eth0",
      ),
      failsWith(
        about("GEN-2", "lo is refused"),
        `${create} --subnet=10.8.0.0/24 -o parent=lo bad`,
        '"lo"',
      ),
      failsWith(
        about("MAN-4", "A missing parent is refused"),
        `${create} --subnet=10.8.1.0/24 -o parent=eth9 bad`,
        'There is no link "eth9"',
      ),
    );

    await tour.perform(`${create} --subnet=192.168.10.0/24 isolated1`);
    await tour.perform(`${create} --subnet=192.168.11.0/24 --internal isolated2`);
    for (const [name, net] of [["cid1", 1], ["cid2", 1], ["cid3", 2]]) {
      await tour.perform(container(`${name}`, `--net=isolated${net}`));
    }
    await tour.holds(
      "ENG-1",
      shows(
        about("GEN-4", "The parents are dummies"),
        "ip link show type dummy | grep -c di-",
        /^2$/,
      ),
      reaches("GEN-4 ISO-2", "cid1", "cid2"),
      reachesNot("ISO-2", "cid1", "192.168.11.2"),
      reachesNot("ISO-2", "cid3", "192.168.10.2"),
      ...["cid1", "cid3"].map((name) =>
        shows(
          about("ISO-1", `${name} has no default route`),
          `! docker exec ${name} ip route | grep default`,
        )
      ),
    );
    await remove("cid1 cid2 cid3", "isolated1 isolated2");
    await tour.holds(
      "ENG-1",
      shows(about("ISO-5", "The dummies are gone"), "! ip link show type dummy | grep di-"),
    );

    await tour.perform(
      `${create} --subnet=192.168.20.0/24 --gateway=192.168.20.1 -o parent=eth0.20 ipvlan20`,
    );
    await tour.perform(
      `${create} --subnet=192.168.30.0/24 --gateway=192.168.30.1 -o parent=eth0.30 ipvlan30`,
    );
    await tour.perform(container("v20", "--net=ipvlan20 --ip=192.168.20.10"));
    await tour.perform(container("w20", "--net=ipvlan20"));
    await tour.perform(container("v30", "--net=ipvlan30 --ip=192.168.30.10"));
    await tour.holds(
      "ENG-1",
      shows(
        about("GEN-3 VLAN-1", "eth0.20 is made"),
        "ip -d link show eth0.20",
        "vlan protocol 802.1Q id 20",
      ),
      reaches("VLAN-2 VLAN-10", "v20", "192.168.20.1"),
      reaches("VLAN-2 VLAN-10", "v30", "192.168.30.1"),
      reaches("VLAN-3", "w20", "192.168.20.10"),
      reachesNot("VLAN-3", "v20", "192.168.30.10"),
      shows(
        about("VLAN-5", "The routes are the documented ones"),
        "docker exec v20 ip route",
        "default via 192.168.20.1 dev eth0",
        "192.168.20.0/24 dev eth0",
      ),
      fromHost("VLAN-8", "192.168.20.10"),
    );
    await tour.perform("ip netns exec lab-router sysctl -w net.ipv4.ip_forward=1");
    await tour.holds("ENG-1", reaches("VLAN-4", "v20", "192.168.30.10"));
    await remove("v20 w20 v30", "ipvlan20 ipvlan30");
    await tour.perform("ip link add link eth0 name foo up type vlan id 20");
    await tour.perform(
      `${create} --subnet=192.168.20.0/24 --gateway=192.168.20.1 -o parent=foo ipvlan20`,
    );
    await tour.perform(container("m1", "--net=ipvlan20"));
    await tour.perform(container("m2", "--net=ipvlan20 --ip=192.168.20.12"));
    await tour.holds(
      "ENG-1",
      shows(
        about("VLAN-6", "eth0.20 and eth0.30 are gone, and eth0 is not"),
        "ip link show eth0 && ! ip link show eth0.20 && ! ip link show eth0.30",
      ),
      reaches("MAN-1 MAN-2 GEN-2", "m1", "192.168.20.12"),
      reaches("MAN-2", "m1", "192.168.20.1"),
    );
    await remove("m1 m2", "ipvlan20");
    await tour.holds("ENG-1", shows(about("VLAN-7", "foo stays"), "ip link show foo", "UP"));
    await tour.perform("ip link del foo");

    await tour.perform(
      `${create} --subnet=192.168.114.0/24 --subnet=192.168.116.0/24 --gateway=192.168.114.254 ` +
        "--gateway=192.168.116.254 -o parent=eth0.114 ipvlan114",
    );
    await tour.perform(container("a114", "--net=ipvlan114 --ip=192.168.114.10"));
    await tour.perform(container("a116", "--net=ipvlan114 --ip=192.168.116.10"));
    await tour.holds("ENG-1", reaches("VLAN-9", "a114", "192.168.116.10"));
    await tour.perform("ip netns exec lab-router sysctl -w net.ipv4.ip_forward=0");
    await tour.holds("ENG-1", reachesNot("VLAN-9", "a114", "192.168.116.10"));
    await remove("a114 a116", "ipvlan114");

    await tour.perform(
      `${create} --ipv6 --subnet=192.168.30.0/24 --gateway=192.168.30.1 --subnet=192.168.31.0/24 ` +
        "--subnet=2001:db8:abc8::/64 --gateway=2001:db8:abc8::22 -o parent=eth0.30 dual_l2",
    );
    await tour.perform(container("s1", "--net=dual_l2 --ip=192.168.30.10"));
    await tour.perform(container("s2", "--net=dual_l2 --ip=192.168.31.20 --ip6=2001:db8:abc8::20"));
    await tour.holds(
      "ENG-1",
      reaches("V6-2 V6-6", "s1", "2001:db8:abc8::20"),
      shows(
        about("V6-2 V6-5", "Addresses and routes are the documented ones"),
        "docker exec s1 ip address; docker exec s1 ip route; docker exec s1 ip -6 route",
        "192.168.30.10/24",
        "default via 192.168.30.1 dev eth0",
        "default via 2001:db8:abc8::22 dev eth0",
      ),
      shows(
        about("V6-3", "No address is tentative"),
        "! docker exec s2 ip address | grep -E 'tentative|dadfailed'",
      ),
      reachesNot("V6-7", "s1", "192.168.31.20"),
    );
    await tour.perform("docker rm -f s2");
    await tour.perform(container("s3", "--net=dual_l2 --ip6=2001:db8:abc8::20"));
    await tour.holds("ENG-1", reaches("V6-10", "s1", "2001:db8:abc8::20"));

    await tour.perform(
      `${create} --ipv6 --subnet=10.1.1.0/24 --subnet=10.1.2.0/24 --gateway=10.1.1.99 ` +
        "--subnet=2001:db8:10:1::/64 --subnet=2001:db8:10:2::/64 -o ipvlan_mode=l3 -o parent=eth0.50 dual_l3",
    );
    await tour.perform(
      `${create} --subnet=10.1.3.0/24 -o ipvlan_mode=l3 -o parent=eth0.50 other_l3`,
    );
    await tour.perform(`${create} --subnet=10.1.9.0/24 -o ipvlan_mode=l3 alone_l3`);
    await tour.perform(container("t1", "--net=dual_l3 --ip=10.1.1.10 --ip6=2001:db8:10:1::10"));
    await tour.perform(container("t2", "--net=dual_l3 --ip=10.1.2.10 --ip6=2001:db8:10:2::10"));
    await tour.perform(container("t3", "--net=other_l3 --ip=10.1.3.10"));
    await tour.perform(container("t4", "--net=alone_l3"));
    for (const name of ["t1", "t2"]) {
      await tour.perform(`ip netns attach ${name} $(docker inspect -f '{{.State.Pid}}' ${name})`);
    }
    await tour.holds(
      "ENG-1",
      reaches("L3-2 V6-8", "t1", "10.1.2.10"),
      reaches("V6-8", "t1", "2001:db8:10:2::10"),
      reaches("L3-3", "t1", "10.1.3.10"),
      shows(
        about("L3-4 L3-5 V6-9", "The default routes are the device"),
        "docker exec t1 ip route; docker exec t1 ip -6 route",
        /^default dev eth0/m,
        /^default dev eth0.*metric 1024/m,
      ),
      failsWith(
        about("L3-5", "The gateway's address is reserved"),
        `docker run --rm --net=dual_l3 --ip=10.1.1.99 ${IMAGE} true`,
      ),
      shows(about("L3-6", "The link has no ARP"), "docker exec t1 ip link show eth0", "NOARP"),
      groupDoesNotPass("broadcast", "t1", { netns: "t2", address: "10.1.2.10" }),
      groupDoesNotPass("multicast", "t1", { netns: "t2", address: "10.1.2.10" }),
      reaches("GEN-5", "s1", "192.168.30.1"),
      shows(about("L3-9", "Without a parent, it is a dummy"), "ip link show type dummy", "di-"),
    );
    await tour.perform("ip netns del t1 && ip netns del t2");
    await remove("s1 s3 c1 t1 t2 t3 t4", "dual_l2 db_net dual_l3 other_l3 alone_l3");
    await tour.perform(`${create} --subnet=10.1.1.0/24 -o ipvlan_mode=l3 -o parent=eth0 remote_l3`);
    await tour.perform(container("r1", "--net=remote_l3 --ip=10.1.1.10"));
    await tour.holds(
      "ENG-1",
      fromRouter("L3-8", "10.1.1.10"),
      reaches("L3-8", "r1", "192.168.1.1"),
      failsWith(
        about("L3-7", "A subnet of the parent's own addresses is refused"),
        `${create} --subnet=192.168.1.0/24 -o ipvlan_mode=l3 -o parent=eth0 bad`,
        "cannot be in l3 mode",
      ),
    );
    await remove("r1", "remote_l3");

    for (const [id, why] of Object.entries(ELSEWHERE)) tour.note(`${id} is left out: ${why}`);
    const missing = STATEMENT_IDS.filter((id) => !proven.has(id) && !(id in ELSEWHERE));
    await tour.holds(
      "ENG-1",
      isEqual("The statements that are neither checked nor left out for a reason", missing, []),
      nothingIsLeft(ip, before),
    );
  },
);

export default dockerGuide;
