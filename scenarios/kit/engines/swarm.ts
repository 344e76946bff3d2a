/**
 * A Docker Swarm of two nodes in one guest, and its services.
 *
 * @module
 */
import { type Finding, finding } from "../../../lib/check/reach.ts";
import { run as runForEvidence } from "../command.ts";
import type { DockerHost } from "./docker.ts";
import type { DockerMachine } from "./docker_machines.ts";
import { IMAGE } from "./daemon.ts";
import { run } from "../program.ts";
import type { Tour } from "../report/tour.ts";

/** A node of a swarm. */
export interface SwarmNode {
  /** The machine that its programs run on. */
  machine: DockerMachine;
  /** Its Docker. */
  docker: DockerHost;
  /** Its address. */
  address: string;
}

/** The number of a node: 1 is the manager. */
export type NodeNumber = 1 | 2;

/** A replica of a service. */
export interface Replica {
  /** Its node. */
  node: NodeNumber;
  /** The id of its container. */
  container: string;
  /** Its address. */
  address: string;
}

/** A swarm whose first node is the manager. At the end of the scope, both nodes leave it. */
export class Swarm implements AsyncDisposable {
  readonly #tour: Tour;
  readonly #nodes: Readonly<Record<NodeNumber, SwarmNode>>;

  private constructor(tour: Tour, nodes: Readonly<Record<NodeNumber, SwarmNode>>) {
    this.#tour = tour;
    this.#nodes = nodes;
  }

  /** Makes a swarm of two nodes. */
  static async start(tour: Tour, manager: SwarmNode, worker: SwarmNode): Promise<Swarm> {
    // With the default heartbeat, a slow node would count as dead.
    await tour.perform(
      `docker swarm init --advertise-addr ${manager.address} --dispatcher-heartbeat 10s > /dev/null`,
      manager.machine.under,
    );
    // The token is a secret, so print a command in its place.
    const to = `${manager.address}:2377`;
    tour.step(`docker swarm join --token $(docker swarm join-token --quiet worker) ${to}`);
    const token = await manager.docker.succeed("swarm", "join-token", "--quiet", "worker");
    const from = ["--advertise-addr", worker.address];
    await worker.docker.succeed("swarm", "join", ...from, "--token", token, to);
    return new Swarm(tour, { 1: manager, 2: worker });
  }

  /** Performs a line on a node. Resolves to its output. */
  async perform(node: NodeNumber, line: string): Promise<string> {
    return await this.#tour.perform(line, this.#nodes[node].machine.under);
  }

  /** Performs a line on both nodes. */
  async performOnBoth(line: string): Promise<void> {
    for (const node of [1, 2] as const) await this.perform(node, line);
  }

  /**
   * Starts a service of idle replicas, and waits until all run.
   *
   * @throws {StepError} They do not run after ten minutes. It has Docker's state of each.
   */
  async startService(name: string, network: string, replicas: number): Promise<void> {
    // Without registry lookups. Other endpoint modes need ip_vs. Without --detach, the command
    // itself would wait for the replicas, without a limit and without their errors.
    await this.perform(
      1,
      "docker service create --quiet --detach --no-resolve-image --endpoint-mode dnsrr " +
        `--name ${name} --network ${network} --replicas ${replicas} ${IMAGE} sleep 100000`,
    );
    const running = `docker service ps --format '{{.CurrentState}}' ${name} | grep -c ^Running`;
    await this.#until(
      1,
      `[ "$(${running})" = ${replicas} ]`,
      `docker service ps --no-trunc ${name}`,
    );
  }

  /**
   * Waits until a number of replicas of a service run on a node.
   *
   * @throws {StepError} Fewer run after ten minutes. It has all containers of the node.
   */
  async untilOn(node: NodeNumber, service: string, replicas: number): Promise<void> {
    const running = `docker ps --quiet --filter name=${service}. | wc -l`;
    await this.#until(node, `[ "$(${running})" = ${replicas} ]`, "docker ps --all");
  }

  /**
   * Performs a line on a node that polls until a check holds, as Docker gives no notice.
   *
   * @param shown A command whose output explains a check that does not hold.
   * @throws {StepError} The check does not hold after ten minutes.
   */
  async #until(node: NodeNumber, check: string, shown: string): Promise<void> {
    await this.perform(
      node,
      // Each check takes seconds on a busy machine, so count the time, and not the checks.
      `end=$(($(date +%s) + 600)); until ${check}; do sleep 0.5; ` +
        `[ $(date +%s) -lt $end ] || { ${shown}; exit 1; }; done`,
    );
  }

  /** Removes a service and a network. */
  async remove(service: string, network: string): Promise<void> {
    await this.perform(1, `docker service rm ${service}`);
    for (const node of [1, 2] as const) {
      const left = `docker ps --all --quiet --filter name=${service}.`;
      await this.#until(node, `[ -z "$(${left})" ]`, "docker ps --all");
    }
    await this.perform(1, `docker network rm ${network}`);
    await this.performOnBoth(`docker network rm ${network}-here`);
  }

  /** The replicas that run, in the order of nodes. */
  async replicas(service: string, nodes: readonly NodeNumber[] = [1, 2]): Promise<Replica[]> {
    const all = await Promise.all(nodes.map(async (node) => {
      const { docker } = this.#nodes[node];
      const ids = await docker.succeed("ps", "--quiet", "--filter", `name=${service}.`);
      if (ids === "") return [];
      const format = "{{.Id}} {{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
      const text = await docker.succeed("inspect", "--format", format, ...ids.split("\n"));
      return text.split("\n").map((line) => {
        const [container = "", address = ""] = line.split(" ");
        return { node, container, address };
      });
    }));
    return all.flat();
  }

  /** Checks which addresses replicas have. */
  addresses(
    sentence: string,
    replicas: readonly Replica[],
    isSo: (replicas: readonly Replica[]) => boolean,
  ): Finding {
    const lines = [1, 2].map((node) => {
      const own = replicas.filter((replica) => replica.node === node);
      return `node ${node}: ${own.map(({ address }) => address).sort(byNumber).join(" ")}`;
    });
    return {
      sentence,
      held: isSo(replicas),
      evidence: [{ command: "docker inspect # of all replicas", output: lines.join("\n") }],
    };
  }

  /** Checks that the first replica of each node reaches the router and all other replicas. */
  async reaches(sentence: string, replicas: readonly Replica[]): Promise<Finding> {
    const first = [1, 2].flatMap((node) => replicas.find((each) => each.node === node) ?? []);
    const results = await Promise.all(first.map(async ({ node, container, address }) => {
      const others = replicas.map((each) => each.address).filter((other) => other !== address);
      const pings = ["192.168.1.1", ...others].map((target) => `ping -c 1 -W 5 ${target}`);
      const [program = "", ...words] = this.#nodes[node].machine.under;
      const script = `${pings.join(" && ")}`;
      const exec = ["docker", "exec", container, "sh", "-c", script];
      const { output, success } = await runForEvidence(program, ...words, ...exec);
      return { success, command: `${script} # on node ${node}`, output };
    }));
    return finding(sentence, results.every(({ success }) => success), ...results);
  }

  /** Checks that a line succeeds on a node, and what it prints. */
  async shows(
    sentence: string,
    node: NodeNumber,
    line: string,
    printed: string,
  ): Promise<Finding> {
    const [program = "", ...words] = [...this.#nodes[node].machine.under, "sh", "-c", line];
    const { output, success } = await runForEvidence(program, ...words);
    return {
      sentence,
      held: success && output === printed,
      evidence: [{ command: `${line} # on node ${node}`, output }],
    };
  }

  /** Kills a node as a power cut does: all of its programs and containers at once. */
  async kill(node: NodeNumber): Promise<void> {
    this.#tour.step(`# node ${node} is killed: Docker, the plugin, and all containers`);
    const { docker, machine } = this.#nodes[node];
    const ids = await docker.succeed("ps", "--quiet");
    const pids = await docker.succeed("inspect", "-f", "{{.State.Pid}}", ...ids.split("\n"));
    await docker.endDaemon();
    await docker.endPlugin();
    await machine.kill();
    // Some may have ended together with their supervisors.
    await run("kill", "-s", "KILL", ...pids.split("\n"));
  }

  /** The nodes leave the swarm: its services and networks go. */
  async [Symbol.asyncDispose](): Promise<void> {
    const leave = ["docker", "swarm", "leave", "--force"];
    for (const { machine } of [this.#nodes[2], this.#nodes[1]]) {
      const [program = "", ...words] = [...machine.under, ...leave];
      await run(program, ...words);
    }
  }
}

/** Orders addresses of one subnet by their numbers. */
function byNumber(one: string, other: string): number {
  return one.localeCompare(other, "en", { numeric: true });
}

/** Whether the number of replicas is right, and all have different addresses. */
export function areUnique(replicas: readonly Replica[], count: number): boolean {
  return replicas.length === count &&
    new Set(replicas.map(({ address }) => address)).size === count;
}
