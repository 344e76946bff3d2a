/**
 * The world of a run: a cluster of etcd with three members, and hosts with processes of their own, each
 * of which reaches each member through a link of its own.
 *
 * @module
 */
import { listClaims } from "../../lib/claims/hosts.ts";
import { fileURLToPath } from "node:url";
import type { Random } from "../attack/random.ts";
import { Cluster } from "../kit/etcd.ts";
import { Recorder } from "./history.ts";
import { type Host, openHost, ownAddress, release, untilReached } from "./host.ts";
import { copyHost } from "./copy.ts";
import { Peers } from "./peers.ts";
import { Link } from "./proxy.ts";
import { isIpvlanError } from "../../lib/base/errors.ts";

/** How many members etcd has. */
const MEMBERS = 3;

/** How many processes each host has. */
const PROCESSES = [2, 2, 1, 1, 1];

const WORKER = fileURLToPath(new URL("worker.ts", import.meta.url));

/** A process of a host. */
export interface Process {
  /** Its name: `h1.0`. */
  name: string;
  /** Its id. */
  pid: number;
  /** Resolves when it has ended, to what went wrong, if it was not killed. */
  ended: Promise<string | undefined>;
  /** Whether this run has ended it. */
  isKilled: boolean;
}

/** A host. */
export interface WorldHost {
  /** Its name. */
  name: string;
  /** Its state folder. */
  folder: string;
  /** Its way to each member. */
  links: Link[];
  /** Its processes. */
  processes: Process[];
}

/** The members of etcd. */
interface Members {
  cluster: Cluster;
  /** Their ids. */
  ids: readonly string[];
  /** The network between them. */
  peers: Peers;
}

/** All of it, in a folder. */
export class World implements AsyncDisposable {
  readonly cluster: Cluster;
  /** The network between its members. */
  readonly peers: Peers;
  readonly hosts: WorldHost[] = [];
  /** What processes said that ended by themselves. */
  readonly defects: string[] = [];
  /** The folder of the histories. */
  readonly histories: string;
  readonly #recorder: Recorder;
  readonly #ids: readonly string[];
  #faults = 0;
  readonly #random: Random;
  readonly #subnet: string;
  /** The members that are down. */
  #down = new Set<number>();

  private constructor(
    { cluster, ids, peers }: Members,
    folder: string,
    subnet: string,
    random: Random,
  ) {
    this.cluster = cluster;
    this.peers = peers;
    this.histories = `${folder}/history`;
    this.#ids = ids;
    this.#subnet = subnet;
    this.#random = random;
    Deno.mkdirSync(this.histories);
    this.#recorder = new Recorder(this.histories, "faults");
    for (const [index, count] of PROCESSES.entries()) {
      const host: WorldHost = {
        name: `h${index}`,
        folder: `${folder}/h${index}`,
        links: cluster.members.map(({ endpoint }) => new Link(Number(new URL(endpoint).port))),
        processes: [],
      };
      this.hosts.push(host);
      for (let process = 0; process < count; process++) this.startProcess(host, process);
    }
  }

  /** Starts the cluster, and a process for each of the hosts' places. */
  static async start(folder: string, subnet: string, random: Random): Promise<World> {
    const peers = new Peers();
    const cluster = await Cluster.start({
      members: MEMBERS,
      peerPort: (port) => peers.before(port),
    });
    const ids = await cluster.ids();
    peers.know(ids);
    return new World({ cluster, ids, peers }, folder, subnet, random);
  }

  /** The place of the member that leads, as one of them says; or else that of any. */
  async leader(random: Random): Promise<number> {
    const asked = random.below(MEMBERS);
    return await this.cluster.leader(this.#ids, asked) ?? asked;
  }

  /** Makes a fault, and writes into the history when it begins and ends. */
  async during(fault: string, run: () => Promise<void>): Promise<void> {
    const number = this.#faults++;
    this.#recorder.write({ call: "fault", kind: "begin", number, fault });
    await run();
    this.#recorder.write({ call: "fault", kind: "done", number, fault });
  }

  /** Writes into the history that a process has nothing any more. */
  forget(process: string): void {
    this.#recorder.write({ call: "forget", kind: "done", number: 0 }, process);
  }

  /** Opens a host that has no process now, with a network without faults. */
  async withHost(
    { name, folder, links }: WorldHost,
    use: (host: Host) => Promise<void>,
  ): Promise<void> {
    using host = openHost(name, folder);
    const reach = (endpoints: string[]) =>
      host.store.transaction(() => {
        for (const pool of host.store.shared.pools()) {
          host.store.shared.putPool({ ...pool, access: { endpoints } });
        }
      });
    reach(this.cluster.endpoints);
    await use(host);
    reach(links.map(({ endpoint }) => endpoint));
  }

  /** Kills all processes of a host, runs a function, and starts them again. */
  async whileDown(host: WorldHost, run: () => Promise<void> | void, isTold = false): Promise<void> {
    for (const index of host.processes.keys()) await this.killProcess(host, index);
    await run();
    for (const index of host.processes.keys()) this.startProcess(host, index, isTold);
  }

  /** Kills all processes of all hosts, runs a function, and starts them again. */
  async whileAllDown(run: () => Promise<void>): Promise<void> {
    const next = this.hosts.reduceRight(
      (inner, host) => () => this.whileDown(host, inner),
      run,
    );
    await next();
  }

  /** Brings the records of all hosts, whose processes are killed, and etcd together. Nothing may be lost. */
  async restoreAll(): Promise<void> {
    // What one host gives back, another one gets the second time.
    for (let time = 1; time <= 2; time++) {
      for (const host of this.hosts) {
        await this.withHost(host, async ({ pools }) => {
          await untilReached(() => pools.recover(this.linked(host)));
          const { lost, untold } = await pools.settle();
          if (time === 2 && lost.length + untold > 0) {
            this.defects.push(`${host.name} has lost ${JSON.stringify(lost)}, untold ${untold}`);
          }
        });
      }
    }
  }

  /** Finds the addresses of a host's links. Its sandboxes have none, as they are only on record. */
  linked({ name }: WorldHost): () => Promise<Set<string>> {
    return () => Promise.resolve(new Set([ownAddress(this.#subnet, name)]));
  }

  /** Lets another host try to remove a living one that holds addresses. */
  async removeLiving(host: WorldHost, other: WorldHost): Promise<void> {
    using living = openHost(host.name, host.folder);
    using remover = openHost(other.name, other.folder);
    const access = { endpoints: this.cluster.endpoints };
    const { id } = living.store.shared.host("/ipvlan")!;
    if (!(await listClaims(remover.pools.reader(access))).some((claim) => claim.host === id)) {
      return;
    }
    try {
      await remover.pools.removeHost(access, id);
      this.defects.push(`${host.name} was removed by ${other.name} while it was alive`);
    } catch (error) {
      if (!isIpvlanError(error, "host-alive")) throw error;
    }
  }

  /** Lets that one of a host and its copy go on which etcd has not refused. The other one is removed. */
  async keepOne(host: WorldHost, copy: WorldHost): Promise<void> {
    // Its process has been killed: it uses nothing when its addresses are given back below.
    this.forget(`${copy.name}.0`);
    let isRefused = false;
    await this.withHost(host, async ({ pools }) => {
      try {
        await untilReached(() => pools.recover(this.linked(host)));
      } catch (error) {
        if (!isIpvlanError(error, "host-replaced")) throw error;
        isRefused = true;
      }
    });
    const loser = isRefused ? host.folder : copy.folder;
    if (isRefused) host.folder = copy.folder;
    Deno.removeSync(loser, { recursive: true });
    await this.withHost(host, async (winner) => {
      const own = winner.pools.held().filter(({ sandbox }) => sandbox === `${copy.name}.0`);
      const [pool] = winner.pools.pools();
      await release(winner, pool!.id, ...own.map(({ address }) => address));
    });
  }

  /** A copy of a host, whose processes are killed, with one process of its own. */
  copy(host: WorldHost, folder: string): WorldHost {
    copyHost(host.folder, folder);
    const copy = { ...host, name: `${host.name}-copy`, folder, processes: [] };
    this.startProcess(copy, 0, true);
    return copy;
  }

  /**
   * Starts a process of a host.
   *
   * @param isTold Whether it uses an address only when etcd has been told of it.
   */
  startProcess(host: WorldHost, index: number, isTold = false): void {
    const name = `${host.name}.${index}`;
    const seed = this.#random.below(2 ** 31);
    const endpoints = host.links.map(({ endpoint }) => endpoint);
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "-A", "--no-check", "--cached-only", WORKER],
        ...[name, host.name, host.folder, this.histories, String(seed), this.#subnet],
        ...[isTold ? "told" : "untold", ...endpoints],
      ],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const wait = async () => {
      const said = await new Response(child.stderr).text();
      await child.status;
      return process.isKilled ? undefined : `${name} ended by itself: ${said}`;
    };
    const process: Process = { name, pid: child.pid, isKilled: false, ended: wait() };
    process.ended.then((defect) => defect !== undefined && this.defects.push(defect));
    host.processes[index] = process;
  }

  /** Kills a process, and waits for its end. */
  async killProcess(host: WorldHost, index: number): Promise<void> {
    const process = host.processes[index]!;
    process.isKilled = true;
    send("SIGKILL", process);
    await process.ended;
  }

  /** Stops all processes of a host, or lets them go on. */
  pause({ processes }: WorldHost, isPaused: boolean): void {
    for (const process of processes) send(isPaused ? "SIGSTOP" : "SIGCONT", process);
  }

  /** Kills a member. */
  async killMember(index: number): Promise<void> {
    this.#down.add(index);
    await this.cluster.members[index]!.daemon.end("SIGKILL");
  }

  /** Starts the members again that are down. */
  async startMembers(): Promise<void> {
    for (const index of this.#down) await this.cluster.members[index]!.restart();
    this.#down.clear();
  }

  /** Kills all processes, and ends all faults. */
  async calm(): Promise<void> {
    for (const host of this.hosts) {
      for (const index of host.processes.keys()) await this.killProcess(host, index);
      for (const link of host.links) link.trouble = { kind: "none" };
    }
    this.peers.heal();
    await this.startMembers();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const host of this.hosts) {
      for (const index of host.processes.keys()) await this.killProcess(host, index);
      for (const link of host.links) await link[Symbol.asyncDispose]();
    }
    await this.cluster[Symbol.asyncDispose]();
    await this.peers[Symbol.asyncDispose]();
    this.#recorder[Symbol.dispose]();
  }
}

function send(signal: Deno.Signal, { pid }: Process): void {
  try {
    Deno.kill(pid, signal);
  } catch {
    // It has ended by itself, which is a defect already.
  }
}
