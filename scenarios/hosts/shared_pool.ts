/**
 * Two Docker hosts and one with `ipvlan`, which share one pool in etcd.
 *
 * @module
 */
import { Ip } from "../../lib/iproute2/ip.ts";
import { isEqual } from "../kit/machines/checks.ts";
import { CREATE, DockerHost } from "../kit/engines/docker.ts";
import { plug, twoDockerMachines } from "../kit/engines/docker_machines.ts";
import { failsWith, shows } from "../kit/engines/checks.ts";
import { withIpvlan } from "../kit/engines/machine.ts";
import { IMAGE } from "../kit/engines/daemon.ts";
import { ENDPOINTS, startEtcdOnRouter } from "../kit/hosts/etcd.ts";
import { engineScenario, type Scenario, type Tour } from "../kit/mod.ts";

const LAN = `--ipam-opt=endpoints=${ENDPOINTS} --subnet=192.168.1.0/24 --gateway=192.168.1.1 ` +
  "-o parent=eth0 lan";

/** Runs a program until the end of the scope. */
function startInBackground(tour: Tour, line: string, under: readonly string[]): AsyncDisposable {
  tour.step(`${line} &`);
  const [program = "", ...args] = [...under, ...line.split(" ")];
  const child = new Deno.Command(program, { args, stdin: "null" }).spawn();
  return {
    [Symbol.asyncDispose]: async () => {
      child.kill();
      await child.status;
    },
  };
}

const sharedPool: Scenario[] = engineScenario(
  "shared-pool",
  "An ipvlan host and two Docker hosts share a pool in etcd",
  [["docker26", "dnsmasq", "etcd"]],
  async (tour) => {
    await using ip = await Ip.open();
    await using _ipvlan = await withIpvlan();
    await using undo = new AsyncDisposableStack();
    const { machines: [one, two] } = undo.use(await twoDockerMachines(ip));
    undo.use(await startEtcdOnRouter());
    const three = [
      `nsenter`,
      `--net=/run/netns/${await plug(ip, undo, "host3", "192.168.1.253/24")}`,
    ];
    await using first = await DockerHost.start(one);
    await using second = await DockerHost.start(two);
    // The first Docker host runs a DNS server with the names of all hosts, for its containers.
    await tour.perform(
      "mkdir /run/names && echo nameserver 127.0.0.1 > /run/resolv.conf && " +
        "mount --bind /run/resolv.conf /etc/resolv.conf",
      one.under,
    );
    undo.use(startInBackground(tour, "ipvlan agent --hosts-file=/run/names/hosts", [
      ...one.under,
      ...["env", `IPVLAN_STATE_DIR=${first.stateDir}`],
    ]));
    undo.use(startInBackground(
      tour,
      "dnsmasq --keep-in-foreground --no-resolv --no-hosts --hostsdir=/run/names " +
        "--listen-address=127.0.0.1 --bind-interfaces",
      one.under,
    ));

    const docker = `docker ${CREATE.join(" ")} --ipam-driver=ipvlan-kit`;
    const nas = "--aux-address=nas=192.168.1.9";
    await tour.perform(`${docker} ${nas} ${LAN}`, one.under);
    await tour.perform(`${docker} ${LAN}`, two.under);
    await tour.perform(`ipvlan network create --ipam-driver=etcd ${LAN}`, three);
    const run = (name: string) => `docker run -d --net=lan --name=${name} ${IMAGE} sleep 1000`;
    await tour.perform(run("d1"), one.under);
    await tour.perform("ipvlan run -d --net=lan --name=i1 sleep 1000", three);
    await tour.perform(run("d2"), two.under);
    await tour.perform("ipvlan run -d --net=lan --name=i2 sleep 1000", three);

    const inspect = "docker inspect -f '{{.NetworkSettings.Networks.lan.IPAddress}}'";
    const d1 = await tour.perform(`${inspect} d1`, one.under);
    const d2 = await tour.perform(`${inspect} d2`, two.under);
    const ofIpvlan = await tour.perform(
      "ipvlan ps --format '{{range .endpoints}}{{.ip}}{{end}}'",
      three,
    );
    const [i1 = "", i2 = ""] = ofIpvlan.split("\n").map((text) => text.split("/")[0]!);
    const ping = (target: string) => `ping -c 1 -W 5 ${target}`;
    const on = (host: { under: readonly string[] }) => host.under.join(" ");
    await tour.holds(
      "HOSTS-7",
      isEqual(
        "Four addresses on three hosts, none is there twice",
        new Set([d1, d2, i1, i2]).size,
        4,
      ),
      shows(
        "A container reaches the sandboxes of ipvlan and the other container",
        `${on(one)} docker exec d1 sh -c '${[d2, i1, i2, "192.168.1.1"].map(ping).join(" && ")}'`,
      ),
      shows("A sandbox reaches d1", `ipvlan exec i1 ${ping(d1)}`),
      shows("A sandbox reaches d2", `ipvlan exec i1 ${ping(d2)}`),
      failsWith(
        "Docker refuses an address that ipvlan has on another host",
        `${on(two)} docker run --rm --net=lan --ip=${i1} ${IMAGE} true`,
        i1,
      ),
      failsWith(
        "Docker refuses an auxiliary address of another host",
        `${on(two)} docker run --rm --net=lan --ip=192.168.1.9 ${IMAGE} true`,
        'address 192.168.1.9 is held by "docker:lan, auxiliary address nas" on the host "host1"',
      ),
      failsWith(
        "ipvlan refuses an address that Docker has on another host",
        `${three.join(" ")} ipvlan run --rm --net=lan --ip=${d2} true`,
        d2,
      ),
    );

    undo.use(startInBackground(tour, "ipvlan agent", three));
    const tried = (name: string) =>
      `sh -c 'for try in $(seq 300); do ping -c 1 -W 5 ${name} && exit; sleep 0.1; done; exit 1'`;
    await tour.holds(
      "HOSTS-7",
      shows(
        "A container finds a sandbox of another host by name",
        `${on(one)} docker exec d1 ${tried("i1.lan")}`,
        i1,
      ),
      shows(
        "and a container of another Docker host",
        `${on(one)} docker exec d1 ${tried("d2")}`,
        d2,
      ),
      failsWith(
        "An unknown name is not found",
        `${on(one)} docker exec d1 ping -c 1 -W 5 nobody`,
        "bad address",
      ),
    );
    await tour.perform("docker rename d1 web", one.under);
    const d3 = "docker run -d --net=lan --name=d3 --network-alias=db";
    await tour.perform(`${d3} ${IMAGE} sleep 1000`, two.under);
    await tour.holds(
      "HOSTS-7",
      shows(
        "A sandbox finds a container of one Docker host by its new name",
        `ipvlan exec i1 ${tried("web")}`,
        d1,
      ),
      shows("and one of the other by its alias", `ipvlan exec i1 ${tried("db")}`),
      failsWith("By its old name, it is not found", "ipvlan exec i1 ping -c 1 -W 5 d1"),
    );

    tour.step("# the second host is killed");
    await second.endDaemon();
    await second.endPlugin();
    await two.kill();
    const take = `ipvlan run -d --net=lan --name=i3 --ip=${d2} sleep 1000`;
    await tour.holds(
      "HOSTS-7",
      failsWith("A host that was killed keeps its address", `${three.join(" ")} ${take}`, d2),
    );
    const etcd = `--ipam-opt endpoints=${ENDPOINTS}`;
    await tour.perform(`ipvlan host rm --yes --force ${etcd} host2`, three);
    await tour.perform(take, three);
    await tour.perform("ipvlan rm -f i1 i2 i3 && ipvlan network rm lan", three);
    await tour.perform("docker rm -f web && docker network rm lan", one.under);
    await tour.holds(
      "HOSTS-7",
      shows(
        "No host holds an address any more",
        `${three.join(" ")} ipvlan host ls ${etcd} --format '{{.Addresses}}' | sort -u | grep -x 0`,
      ),
    );
  },
);

export default sharedPool;
