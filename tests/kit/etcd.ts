/**
 * A real etcd for tests, on the loopback of this machine or of a guest. Outside of the lab, its program
 * comes from the lab's cache of packages.
 *
 * @module
 */
import { fetchFolders } from "../../lab/fetch/fetch.ts";
import { which } from "../../lab/machine.ts";
import { Daemon } from "../../scenarios/kit/engines/daemon.ts";

/** Finds the program: the machine's own, or the one of Debian 12 in the lab's cache. */
export async function etcdProgram(): Promise<string> {
  const installed = which("etcd");
  if (installed !== undefined) return installed;
  const say = (line: string) => console.error(line);
  const [folder] = await fetchFolders(["etcd-server"], { release: "bookworm", say });
  return `${folder}/usr/bin/etcd`;
}

/** The options of a cluster. */
export interface ClusterOptions {
  /** The number of members. @default {1} */
  members?: number;
  /** More arguments for each. */
  args?: readonly string[];
  /** The scheme of the endpoints for clients. @default {"http"} */
  scheme?: "http" | "https";
  /** Whether writes wait for the disk (fsync), as in production. @default {false} */
  isDurable?: boolean;
  /**
   * Maps the port that a member listens on to the port that the other members connect to.
   *
   * @default {(port) => port}
   */
  peerPort?: (port: number) => number;
}

/** A member of a cluster. */
export interface Member {
  /** Its endpoint for clients. */
  endpoint: string;
  /** Its process. */
  daemon: Daemon;
  /** Starts it again, after it has ended. */
  restart(): Promise<void>;
}

/** A cluster of etcd whose data is in a temporary folder. */
export class Cluster implements AsyncDisposable {
  readonly members: readonly Member[];
  readonly #folder: string;

  private constructor(members: readonly Member[], folder: string) {
    this.members = members;
    this.#folder = folder;
  }

  /** Starts a cluster, and waits until each member serves clients. */
  static async start(options: ClusterOptions = {}): Promise<Cluster> {
    const { members: count = 1, args = [], scheme = "http", isDurable = false } = options;
    const { peerPort = (port) => port } = options;
    const program = await etcdProgram();
    const folder = await Deno.makeTempDir({ prefix: "etcd-" });
    const ports = freePorts(2 * count);
    const peers = ports.slice(count).map((port) => `http://127.0.0.1:${peerPort(port)}`);
    const cluster = peers.map((peer, index) => `m${index}=${peer}`).join(",");
    const start = (index: number) => {
      const endpoint = `${scheme}://127.0.0.1:${ports[index]}`;
      return Daemon.start([
        ...[program, "--name", `m${index}`, "--data-dir", `${folder}/m${index}`],
        ...["--listen-client-urls", endpoint, "--advertise-client-urls", endpoint],
        ...["--listen-peer-urls", `http://127.0.0.1:${ports[count + index]}`],
        ...["--initial-advertise-peer-urls", peers[index]!],
        ...["--initial-cluster", cluster, "--logger=zap", ...args],
        ...(isDurable ? [] : ["--unsafe-no-fsync"]),
      ], { ready: /serving (insecure )?client/, signal: "SIGKILL" });
    };
    const started = await Promise.allSettled(ports.slice(0, count).map((_, index) => start(index)));
    const failed = started.find((one) => one.status === "rejected");
    const daemons = started.flatMap((one) => one.status === "fulfilled" ? [one.value] : []);
    const members = daemons.map((daemon, index): Member => ({
      endpoint: `${scheme}://127.0.0.1:${ports[index]}`,
      daemon,
      async restart() {
        this.daemon = await start(index);
      },
    }));
    const made = new Cluster(members, folder);
    if (failed) {
      await made[Symbol.asyncDispose]();
      throw failed.reason;
    }
    return made;
  }

  /** Ends all members, runs a function on the folder of their data, and starts them again. */
  async whileDown(run: (folder: string) => void): Promise<void> {
    await Promise.all(this.members.map(({ daemon }) => daemon.end("SIGKILL")));
    run(this.#folder);
    await Promise.all(this.members.map((member) => member.restart()));
  }

  /** The endpoints of all members. */
  get endpoints(): string[] {
    return this.members.map(({ endpoint }) => endpoint);
  }

  /** The ids of the members, in hexadecimal digits. */
  async ids(): Promise<string[]> {
    const { members } = await this.#ask(0, "cluster/member/list") as {
      members: { ID: string; name: string }[];
    };
    return this.members.map((_, index) =>
      BigInt(members.find(({ name }) => name === `m${index}`)!.ID).toString(16)
    );
  }

  /** The index of the leader, as one member sees it; `undefined` if that member knows none. */
  async leader(ids: readonly string[], asked: number): Promise<number | undefined> {
    const { leader = "0" } = await this.#ask(asked, "maintenance/status") as { leader?: string };
    const place = ids.indexOf(BigInt(leader).toString(16));
    return place < 0 ? undefined : place;
  }

  async #ask(member: number, path: string): Promise<unknown> {
    const url = `${this.members[member]!.endpoint}/v3/${path}`;
    const answer = await fetch(url, { method: "POST", body: "{}" });
    return await answer.json();
  }

  /** Kills it when this process is about to end and can wait only for a moment. */
  killNow(): void {
    for (const { daemon } of this.members) Deno.kill(daemon.pid, "SIGKILL");
    for (let tries = 500; tries > 0; tries--) {
      try {
        Deno.removeSync(this.#folder, { recursive: true });
        return;
      } catch {
        // A member that is still running makes files in it.
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.members.map(({ daemon }) => daemon.end()));
    await Deno.remove(this.#folder, { recursive: true });
  }
}

/** Copies a folder with all that is in it, as a snapshot. */
export function copySync(from: string, to: string): void {
  const { success, stderr } = new Deno.Command("cp", { args: ["-a", from, to] }).outputSync();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}

/** The first port above all that `fetch` blocks (Fetch standard, "bad port"). */
const LEAST_PORT = 10_081;

/**
 * Finds TCP ports that nobody listens on now. They are below `ip_local_port_range` (ip-sysctl), so no
 * connection of another program takes the port of a killed member.
 */
export function freePorts(count: number): number[] {
  const [end] = Deno.readTextFileSync("/proc/sys/net/ipv4/ip_local_port_range").split("\t");
  const listeners: Deno.Listener[] = [];
  while (listeners.length < count) {
    const port = LEAST_PORT + Math.floor(Math.random() * (Number(end) - LEAST_PORT));
    try {
      listeners.push(Deno.listen({ hostname: "127.0.0.1", port }));
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
  const ports = listeners.map(({ addr }) => (addr as Deno.NetAddr).port);
  for (const listener of listeners) listener.close();
  return ports;
}
