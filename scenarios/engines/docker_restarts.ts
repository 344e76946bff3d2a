/**
 * Docker and the plugin, killed and restarted in every order.
 *
 * @module
 */
import { Ip } from "../../lib/iproute2/ip.ts";
import { DockerHost } from "../kit/engines/docker.ts";
import { nothingIsLeft, shows, showsStill } from "../kit/engines/checks.ts";
import { machineState, withIpvlan, withRouter } from "../kit/engines/machine.ts";
import { IMAGE } from "../kit/engines/daemon.ts";
import { engineScenario, type Scenario } from "../kit/mod.ts";
import { succeed } from "../kit/program.ts";

/** Prints the state that a restart must keep: the host's links, and the records. */
const WORLD = "ip -o link | cut -d: -f2 | cut -d@ -f1; " +
  "ipvlan network ls --format '{{.Name}} on {{.Parent}}, {{.Mode}}'; " +
  "ipvlan ps --format '{{range .endpoints}}{{.network}} {{.ip}}{{end}}' | sort";

/** Returns a line that waits until a container reaches an address: Docker gives no notice. */
function whenBack(name: string, address: string): string {
  return `for try in $(seq 100); do docker exec ${name} ping -c 1 -W 2 ${address} && exit; ` +
    "sleep 0.2; done; exit 1";
}

const dockerRestarts: Scenario[] = engineScenario(
  "docker-restarts",
  "Docker and the plugin, killed and restarted in every order",
  [["docker20"], ["docker26"]],
  async (tour) => {
    await using ip = await Ip.open();
    await using _router = await withRouter(ip);
    await using _ipvlan = await withIpvlan();
    await using docker = await DockerHost.start({ stateDir: "/var/lib/ipvlan" });
    const before = await machineState(ip);
    const create = "docker network create -d ipvlan-kit";
    const run = "docker run -d --restart=always";
    await tour.perform(`${create} --subnet=192.168.1.0/24 -o parent=eth0 db_net`);
    await tour.perform(`${create} --subnet=192.168.20.0/24 -o parent=eth0.20 vlan20`);
    await tour.perform(`${run} --name=c1 --net=db_net ${IMAGE} sleep 1000`);
    await tour.perform(`${run} --name=c2 --net=vlan20 --ip=192.168.20.20 ${IMAGE} sleep 1000`);
    const world = await succeed("sh", "-c", WORLD);

    const endPlugin = () => docker.endPlugin();
    const endDocker = () => docker.endDaemon();
    const startPlugin = () => docker.startPlugin();
    const startDocker = () => docker.startDaemon();
    const orders: [words: string, steps: (() => Promise<unknown>)[]][] = [
      ["kill -9 ipvlan; ipvlan docker serve", [endPlugin, startPlugin]],
      ["kill -9 dockerd; dockerd", [endDocker, startDocker]],
      [
        "kill -9 dockerd ipvlan; ipvlan docker serve; dockerd",
        [endDocker, endPlugin, startPlugin, startDocker],
      ],
      [
        "kill -9 ipvlan dockerd; dockerd & ipvlan docker serve",
        [endPlugin, endDocker, () => Promise.all([startDocker(), startPlugin()])],
      ],
      [
        "# as after a restart of the machine: kill -9 dockerd ipvlan; ip link del eth0.20",
        [endDocker, endPlugin, () => ip.link.del("eth0.20"), startPlugin, startDocker],
      ],
    ];
    for (const [words, steps] of orders) {
      tour.step(words);
      for (const step of steps) await step();
      await tour.holds(
        "ENG-2",
        await shows("c1 reaches the router", whenBack("c1", "192.168.1.1")),
        await shows("c2 reaches the router", whenBack("c2", "192.168.20.1")),
        shows("c2 has its address", "docker exec c2 ip address", "192.168.20.20/24"),
        showsStill("The links and the records are as before", WORLD, world),
      );
    }
    await tour.perform("docker rm -f c1 c2 && docker network rm db_net vlan20");
    await tour.holds("ENG-2", nothingIsLeft(ip, before));
  },
);

export default dockerRestarts;
