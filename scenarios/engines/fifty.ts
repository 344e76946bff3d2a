/**
 * 50 containers at once through each engine.
 *
 * @module
 */
import { Ip } from "../../lib/iproute2/ip.ts";
import { isEqual } from "../kit/machines/checks.ts";
import { nothingIsLeft } from "../kit/engines/checks.ts";
import { machineState, withIpvlan, withRouter } from "../kit/engines/machine.ts";
import { DockerHost } from "../kit/engines/docker.ts";
import { IMAGE } from "../kit/engines/daemon.ts";
import { engineScenario, type Scenario } from "../kit/mod.ts";
import { withPodman } from "../kit/engines/podman.ts";

/** The number of containers. */
const COUNT = 50;

/** The shell lines of one engine. NAME stands for the name of a container. */
interface EngineLines {
  /** Starts the engine, with its plugin. */
  start(): Promise<AsyncDisposable>;
  /** Makes the network `many`. */
  create: string;
  /** Runs a container on the network, in the background. */
  run: string;
  /** The number of these lines that run at once. @default {50} All. */
  atOnce?: number;
  /** Removes all containers. */
  remove: string;
  /** Removes the network, if the engine has a line for that. */
  removeNetwork?: string;
}

const NETWORK = "network create -d ipvlan-kit --subnet=192.168.1.0/24 -o parent=eth0 many";

/** The number of concurrent Docker commands: each takes 30 MB, and the guest has 1 GiB. */
const DOCKER_COMMANDS = 10;

const DOCKER: EngineLines = {
  start: () => DockerHost.start({ stateDir: "/var/lib/ipvlan" }),
  create: `docker ${NETWORK}`,
  run: `docker run -d --net=many --name=NAME ${IMAGE} sleep 1000`,
  atOnce: DOCKER_COMMANDS,
  remove: `docker ps -aq | xargs -P ${DOCKER_COMMANDS} -n 1 docker rm -f`,
  removeNetwork: "docker network rm many",
};

/** The configuration of the CNI network `many`. */
const CONF = JSON.stringify({
  cniVersion: "1.0.0",
  name: "many",
  plugins: [{ type: "ipvlan-kit", master: "eth0", subnets: ["192.168.1.0/24"] }],
});

/** The lines of each engine, by the bundle of its programs. */
const ENGINES = {
  podman4: {
    start: withPodman,
    create: "ipvlan cni install && mkdir -p /etc/cni/net.d && " +
      `echo '${CONF}' > /etc/cni/net.d/many.conflist`,
    run: `podman run -d --net=many --name=NAME ${IMAGE} sleep 1000`,
    // Podman and the plugin take 100 MB together.
    atOnce: 8,
    remove: "podman rm --force --all --time=0",
    removeNetwork: "rm /etc/cni/net.d/many.conflist",
  },
  docker26: DOCKER,
  podman5: {
    start: withPodman,
    create: `ipvlan netavark install && podman ${NETWORK}`,
    run: `podman run -d --net=many --name=NAME ${IMAGE} sleep 1000`,
    // Podman and the plugin take 100 MB together.
    atOnce: 8,
    remove: "podman rm --force --all --time=0",
    removeNetwork: "podman network rm many",
  },
} as const satisfies Record<string, EngineLines>;

const fifty: Scenario[] = engineScenario(
  "fifty",
  `${COUNT} containers at once`,
  (Object.keys(ENGINES) as (keyof typeof ENGINES)[]).map((bundle) => [bundle]),
  async (tour, [bundle]) => {
    const { start, create, run, atOnce = COUNT, remove, removeNetwork }: EngineLines =
      ENGINES[bundle as keyof typeof ENGINES];
    await using ip = await Ip.open();
    await using _router = await withRouter(ip);
    await using _ipvlan = await withIpvlan();
    await using _engine = await start();
    const before = await machineState(ip);
    await tour.perform(create);
    await tour.perform(`seq -f c%g ${COUNT} | xargs -P ${atOnce} -I NAME ${run}`);
    const shown = await tour.perform("ipvlan ps --format '{{.status}} {{json .endpoints}}'");
    const lines = shown.split("\n");
    const addresses = new Set(lines.map((line) => /"ip":"([^"]+)"/.exec(line)?.[1]));
    await tour.holds(
      "ENG-8",
      isEqual(
        "The kernel has all of each container",
        lines.filter((line) => /^up /.test(line)).length,
        COUNT,
      ),
      isEqual("No address is there twice", addresses.size, COUNT),
    );
    await tour.perform(remove);
    if (removeNetwork !== undefined) await tour.perform(removeNetwork);
    await tour.holds("ENG-8", nothingIsLeft(ip, before));
  },
);

export default fifty;
