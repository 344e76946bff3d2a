/**
 * Two Docker hosts on one segment.
 *
 * @module
 */
import { Ip } from "../../lib/iproute2/ip.ts";
import { DockerHost } from "../kit/engines/docker.ts";
import { twoDockerMachines } from "../kit/engines/docker_machines.ts";
import { shows } from "../kit/engines/checks.ts";
import { IMAGE } from "../kit/engines/daemon.ts";
import { engineScenario, type Scenario } from "../kit/mod.ts";

const dockerTwoHosts: Scenario[] = engineScenario(
  "docker-two-hosts",
  "Two Docker hosts on one segment",
  [["docker26"]],
  async (tour) => {
    await using ip = await Ip.open();
    await using lan = await twoDockerMachines(ip);
    const [one, two] = lan.machines;
    await using _one = await DockerHost.start(one);
    await using _two = await DockerHost.start(two);
    const create = "docker network create -d ipvlan-kit --subnet=192.168.1.0/24 " +
      "--gateway=192.168.1.1 -o parent=eth0";
    const run = `docker run -d --net=db_net`;
    await tour.perform(`${create} --ip-range=192.168.1.32/27 db_net`, one.under);
    await tour.perform(`${create} --ip-range=192.168.1.64/27 db_net`, two.under);
    await tour.perform(`${run} --name=a1 --ip=192.168.1.40 ${IMAGE} sleep 1000`, one.under);
    await tour.perform(`${run} --name=b1 --ip=192.168.1.70 ${IMAGE} sleep 1000`, two.under);
    const reaches = (host: typeof one, name: string, address: string) =>
      shows(
        `${name} reaches ${address}`,
        `${host.under.join(" ")} docker exec ${name} ping -c 1 -W 5 ${address}`,
      );
    await tour.holds(
      "ENG-3",
      reaches(one, "a1", "192.168.1.70"),
      reaches(one, "a1", "192.168.1.1"),
      reaches(two, "b1", "192.168.1.40"),
      reaches(two, "b1", "192.168.1.1"),
    );
  },
);

export default dockerTwoHosts;
