/**
 * Docker Swarm of two nodes: a service on networks that each node has for itself.
 *
 * @module
 */
import { Ip } from "../../lib/iproute2/ip.ts";
import { DockerHost, type DockerHostOptions } from "../kit/engines/docker.ts";
import { twoDockerMachines } from "../kit/engines/docker_machines.ts";
import { withIpvlan } from "../kit/engines/machine.ts";
import { ENDPOINTS, startEtcdOnRouter } from "../kit/hosts/etcd.ts";
import { engineScenario, type Scenario, type Tour } from "../kit/mod.ts";
import { areUnique, Swarm } from "../kit/engines/swarm.ts";

/** The number of replicas of the service with shared addresses. */
const REPLICAS = 20;

/** The number of replicas when a node is killed: the new ones are on the second node. */
const MORE = REPLICAS + 4;

/** The start of a line that makes a node's own part of a swarm network. */
const LAN = "docker network create --config-only --subnet=192.168.1.0/24 --gateway=192.168.1.1 " +
  "-o parent=eth0";

/** The address of etcd, for Docker and for `ipvlan`. */
const ETCD = `--ipam-opt endpoints=${ENDPOINTS}`;

/** Two nodes, the swarm that they are in, and etcd on the router. */
async function withSwarm(
  tour: Tour,
  ip: Ip,
  options: Pick<DockerHostOptions, "plugin"> = {},
): Promise<AsyncDisposable & { swarm: Swarm; hosts: [DockerHost, DockerHost] }> {
  await using undo = new AsyncDisposableStack();
  const { machines: [one, two] } = undo.use(await twoDockerMachines(ip));
  undo.use(await startEtcdOnRouter());
  const first = undo.use(await DockerHost.start({ ...one, ...options }));
  const second = undo.use(await DockerHost.start({ ...two, ...options }));
  const swarm = undo.use(
    await Swarm.start(
      tour,
      { machine: one, docker: first, address: "192.168.1.251" },
      { machine: two, docker: second, address: "192.168.1.252" },
    ),
  );
  const kept = undo.move();
  return { swarm, hosts: [first, second], [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/** A line that prints the number of addresses of each host in etcd, if it has any. */
const HOLDERS = `ipvlan host ls ${ETCD} --format '{{.Name}} {{.Addresses}}' | grep -v ' 0$' | sort`;

/** A line that prints the number of claims with the name of the service. */
const NAMED =
  `etcdctl --endpoints=${ENDPOINTS} get --prefix --print-value-only /ipvlan/claims/ | ` +
  `grep -c '"web"'`;

/** Returns a line that waits up to a deadline until the hosts have these numbers of addresses. */
function untilHeld(holders: string): string {
  return `for try in $(seq 100); do [ "$(${HOLDERS})" = "${holders}" ] && exit; sleep 0.5; done`;
}

const dockersDriver: Scenario[] = engineScenario(
  "swarm",
  "A service of Docker Swarm with Docker's own driver",
  [["docker26", "etcd"]],
  async (tour) => {
    await using ip = await Ip.open();
    await using _ipvlan = await withIpvlan();
    await using nodes = await withSwarm(tour, ip);
    const { swarm } = nodes;

    // Docker's own driver and its own addresses: each node begins at the first one.
    await swarm.performOnBoth(`${LAN} own-here`);
    await swarm.perform(
      1,
      "docker network create -d ipvlan --scope swarm --config-from own-here own",
    );
    await swarm.startService("doubled", "own", 4);
    await tour.holds(
      "HOSTS-7",
      swarm.addresses(
        "With Docker's own addresses, addresses are there twice (moby#49921)",
        await swarm.replicas("doubled"),
        (replicas) => replicas.length === 4 && !areUnique(replicas, 4),
      ),
    );
    await swarm.remove("doubled", "own");

    await swarm.performOnBoth(`${LAN} --ipam-driver=ipvlan-kit ${ETCD} lan-here`);
    await swarm.perform(
      1,
      "docker network create -d ipvlan --scope swarm --config-from lan-here lan",
    );
    await swarm.startService("web", "lan", REPLICAS);
    const started = await swarm.replicas("web");
    await tour.holds(
      "HOSTS-7",
      swarm.addresses(
        `With addresses of one pool in etcd, ${REPLICAS} replicas have ${REPLICAS} addresses`,
        started,
        (replicas) => areUnique(replicas, REPLICAS),
      ),
      swarm.reaches("A replica of each node reaches the router and all others", started),
    );

    await swarm.perform(1, "docker node update --availability drain host2");
    await swarm.untilOn(2, "web", 0);
    await swarm.untilOn(1, "web", REPLICAS);
    await swarm.perform(1, untilHeld(`host1 ${REPLICAS}`));
    await tour.holds(
      "HOSTS-7",
      swarm.addresses(
        "When a node is drained, its replicas come up on the other one, and none is doubled",
        await swarm.replicas("web"),
        (replicas) => areUnique(replicas, REPLICAS) && replicas.every(({ node }) => node === 1),
      ),
      swarm.shows("The drained node holds no address", 1, HOLDERS, `host1 ${REPLICAS}`),
    );

    await swarm.perform(1, "docker node update --availability active host2");
    await swarm.perform(1, `docker service scale --detach web=${MORE}`);
    await swarm.untilOn(2, "web", MORE - REPLICAS);
    const before = await swarm.replicas("web");
    await swarm.kill(2);
    await swarm.untilOn(1, "web", MORE);
    const lost = before.filter(({ node }) => node === 2);
    const after = await swarm.replicas("web", [1]);
    await tour.holds(
      "HOSTS-7",
      swarm.addresses(
        "When a node is killed, its replicas come up on the other one, with addresses of their own",
        after,
        (replicas) => areUnique([...replicas, ...lost], MORE + lost.length),
      ),
    );
    await swarm.perform(1, "docker service rm web");
    await swarm.untilOn(1, "web", 0);
    await swarm.perform(1, untilHeld(`host2 ${lost.length}`));
    await tour.holds(
      "HOSTS-7",
      swarm.shows(
        "Without the service, only the node that was killed holds addresses",
        1,
        HOLDERS,
        `host2 ${lost.length}`,
      ),
    );
    await swarm.perform(1, `ipvlan host rm ${ETCD} --yes --force host2`);
    await tour.holds(
      "HOSTS-7",
      swarm.shows("When it is removed as a host, no host holds an address", 1, HOLDERS, ""),
    );
  },
);

const managed: Scenario[] = engineScenario(
  "swarm-managed",
  "A service of Docker Swarm with ipvlan-kit as a managed plugin",
  [["docker26", "etcd"]],
  async (tour) => {
    await using ip = await Ip.open();
    await using _ipvlan = await withIpvlan();
    await using nodes = await withSwarm(tour, ip, { plugin: false });
    const { swarm, hosts } = nodes;
    await tour.perform("ipvlan docker bundle /tmp/plugin");
    for (const [index, { stateDir }] of hosts.entries()) {
      const node = index === 0 ? 1 : 2;
      await swarm.perform(node, "docker plugin create ipvlan-kit /tmp/plugin");
      await swarm.perform(node, `docker plugin set ipvlan-kit state.source=${stateDir}`);
      await swarm.perform(node, "docker plugin enable ipvlan-kit");
    }
    await tour.perform("rm -r /tmp/plugin");

    await swarm.performOnBoth(`${LAN} --ipam-driver=ipvlan-kit:latest ${ETCD} lan-here`);
    await swarm.perform(
      1,
      "docker network create -d ipvlan-kit:latest --scope swarm --config-from lan-here lan",
    );
    await swarm.startService("web", "lan", 6);
    const started = await swarm.replicas("web");
    await tour.holds(
      "HOSTS-7",
      swarm.addresses(
        "With ipvlan-kit as the network driver, no address is there twice either",
        started,
        (replicas) => areUnique(replicas, 6),
      ),
      swarm.reaches("A replica of each node reaches the router and all others", started),
      swarm.shows(
        "The claims of all replicas have the name of the service, by which sandboxes find them",
        1,
        `for try in $(seq 100); do [ "$(${NAMED})" = 6 ] && break; sleep 0.5; done; ${NAMED}`,
        "6",
      ),
    );
    await swarm.remove("web", "lan");
    await swarm.perform(1, untilHeld(""));
    await tour.holds(
      "HOSTS-7",
      swarm.shows("Without the service, no host holds an address", 1, HOLDERS, ""),
    );
    await swarm.performOnBoth("docker plugin rm --force ipvlan-kit");
  },
);

export default [...dockersDriver, ...managed];
