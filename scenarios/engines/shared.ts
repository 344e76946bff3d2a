/**
 * Docker, CNI and `ipvlan` on one parent, with addresses of one subnet.
 *
 * @module
 */
import { Ip } from "../../lib/iproute2/ip.ts";
import { isEqual } from "../kit/machines/checks.ts";
import { DockerHost } from "../kit/engines/docker.ts";
import { failsWith, nothingIsLeft, shows } from "../kit/engines/checks.ts";
import { machineState, withIpvlan, withRouter } from "../kit/engines/machine.ts";
import { IMAGE, loadImage } from "../kit/engines/daemon.ts";
import { engineScenario, type Scenario } from "../kit/mod.ts";

/** The socket of Docker's own containerd. */
const SOCKET = "/run/docker/containerd/containerd.sock";

/** The configuration of the CNI network. */
const CONF = {
  cniVersion: "0.4.0",
  name: "lan20",
  plugins: [{
    type: "ipvlan-kit",
    master: "eth0.20",
    subnets: [{ subnet: "192.168.20.0/24", gateway: "192.168.20.1" }],
  }],
};

const shared: Scenario[] = engineScenario(
  "shared",
  "Docker, CNI and ipvlan share a parent and a subnet",
  [["docker20", "containerd16"]],
  async (tour) => {
    await using ip = await Ip.open();
    await using _router = await withRouter(ip);
    await using _ipvlan = await withIpvlan();
    await using _docker = await DockerHost.start({ stateDir: "/var/lib/ipvlan" });
    await loadImage("ctr", "--address", SOCKET, "image", "import");
    await tour.perform("ipvlan cni install");
    await tour.perform(
      `mkdir -p /etc/cni/net.d && echo '${JSON.stringify(CONF)}' > /etc/cni/net.d/lan20.conflist`,
    );
    const before = await machineState(ip);
    const lan = "--subnet=192.168.20.0/24 --gateway=192.168.20.1 -o parent=eth0.20";
    const ctr = `ctr --address ${SOCKET}`;
    // Without -d, in the background of a shell: ctr 1.6 does not detach.
    const startByCtr = async (name: string) => {
      await tour.perform(`${ctr} run --rm --cni ${IMAGE} ${name} sleep 1000 > /tmp/${name} 2>&1 &`);
      await tour.perform(
        `until ${ctr} task ls | grep -q "^${name} .*RUNNING"; do sleep 0.1; done`,
      );
    };

    await tour.perform(`ipvlan network create ${lan} own`);
    await tour.perform(`docker network create -d ipvlan-kit --ipam-driver=ipvlan-kit ${lan} dock`);
    await tour.perform("ipvlan run -d --net=own --name=i1 sleep 1000");
    await tour.perform(`docker run -d --net=dock --name=d1 ${IMAGE} sleep 1000`);
    await startByCtr("k1");
    await tour.perform("ipvlan run -d --net=own --name=i2 sleep 1000");
    await tour.perform(`docker run -d --net=dock --name=d2 ${IMAGE} sleep 1000`);
    await startByCtr("k2");
    const shown = await tour.perform(
      "ipvlan ps --format '{{range .endpoints}}{{.ip}}{{end}}' | sort",
    );
    await tour.holds(
      "ENG-4",
      isEqual(
        "Six addresses, and none is there twice",
        shown.split("\n"),
        [2, 3, 4, 5, 6, 7].map((last) => `192.168.20.${last}/24`),
      ),
      shows(
        "The sandbox i1 reaches all the others and the router",
        "for last in 1 3 4 5 6 7; do ipvlan exec i1 ping -c 1 -W 5 192.168.20.$last || exit 1; done",
      ),
      shows("d1 of Docker reaches k1 of CNI", "docker exec d1 ping -c 1 -W 5 192.168.20.4"),
      failsWith(
        "ipvlan refuses an address of Docker's, and says who has it",
        "ipvlan run --rm --net=own --ip=192.168.20.3 true",
        "192.168.20.3 is held by",
      ),
      failsWith(
        "Docker refuses an address of CNI's, and says who has it",
        `docker run --rm --net=dock --ip=192.168.20.4 ${IMAGE} true`,
        "192.168.20.4 is held by the sandbox",
      ),
    );

    await tour.perform("ipvlan rm -f i1 i2 && ipvlan network rm own");
    await tour.perform("docker rm -f d1 d2 && docker network rm dock");
    await tour.holds(
      "ENG-4",
      shows("eth0.20 stays for CNI", "ip link show eth0.20", "UP"),
      shows(
        "k1 still reaches the router",
        `${ctr} task exec --exec-id e1 k1 ping -c 1 -W 5 192.168.20.1`,
      ),
    );
    await tour.perform(`${ctr} task kill -s KILL k1; ${ctr} task kill -s KILL k2`);
    await tour.perform(`while ${ctr} container ls -q | grep -q .; do sleep 0.1; done`);
    await tour.holds(
      "ENG-4",
      failsWith("eth0.20 goes with the last of the three", "ip link show eth0.20", "not exist"),
    );

    // Docker's own network drivers can also use an address pool of the plugin.
    await tour.perform("docker network create -d ipvlan-kit --ipam-driver=ipvlan-kit chosen");
    await tour.perform(
      "docker network create -d ipvlan --ipam-driver=ipvlan-kit --subnet=192.168.1.0/24 " +
        "-o parent=eth0 dockers",
    );
    await tour.perform("ipvlan network create --subnet=192.168.1.0/24 -o parent=eth0 own");
    await tour.perform("ipvlan run -d --net=own --name=i1 sleep 1000");
    await tour.perform(`docker run -d --net=dockers --name=d1 ${IMAGE} sleep 1000`);
    await tour.holds(
      "ENG-4",
      shows(
        "The subnet that Docker was given is a default pool",
        "docker network inspect -f '{{range .IPAM.Config}}{{.Subnet}}{{end}}' chosen",
        "172.18.0.0/16",
      ),
      shows("i1 reaches d1 of Docker's own ipvlan driver", "ipvlan exec i1 ping -c 1 192.168.1.3"),
    );
    await tour.perform("ipvlan rm -f i1 && ipvlan network rm own");
    await tour.perform("docker rm -f d1 && docker network rm chosen dockers");
    await tour.holds("ENG-4", nothingIsLeft(ip, before));
  },
);

export default shared;
