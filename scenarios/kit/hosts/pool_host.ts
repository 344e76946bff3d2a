import { fileURLToPath } from "node:url";
import { type Finding, reaches } from "../../../lib/check/mod.ts";
import type { SandboxDetails } from "../../../lib/driver/mod.ts";
import { Ip } from "../../../lib/iproute2/ip.ts";
import { linesOf } from "../../../lib/iproute2/shell.ts";
import { Caller } from "../machines/calls.ts";
import { ipvlanCommand } from "../engines/machine.ts";
import { succeed } from "../program.ts";

const CHILD = fileURLToPath(new URL("pool_host_child.ts", import.meta.url));

/** The time to wait for names, in milliseconds: many times longer than needed. */
const NAMES_DEADLINE = 10_000;

/** A host that shares a pool, in this kernel or another one. */
export interface SharingHost extends AsyncDisposable {
  /** Its name, the prefix of its sandboxes' names. */
  readonly name: string;
  /** Calls a method of its driver. @throws {CallError} The call failed there. */
  call<T>(method: string, ...args: unknown[]): Promise<T>;
  /** Makes a sandbox on a network. */
  make(name: string, network: string, ip?: string): Promise<void>;
  /** Its sandboxes, each with its IPv4 address. */
  sandboxes(): Promise<Map<string, string>>;
  /** Reads the hosts file of a sandbox as soon as it has names, or after 10 seconds. */
  hostsFile(sandbox: string, names: readonly string[]): Promise<string>;
  /** Checks that one of its sandboxes reaches an address or a name. */
  reaches(sandbox: string, target: string): Promise<Finding>;
  /** Checks that the last line of its agent matches, and waits up to 30 seconds for that. */
  agentSays(pattern: RegExp): Promise<Finding>;
}

/** A cable between the segment and a machine's `eth0`. */
export interface Cable {
  /** Plugs it into the machine of a namespace. */
  plug(netns: string): Promise<void>;
  /** Unplugs it, if deleting the namespace does not. */
  unplug?(): Promise<void>;
}

/**
 * A host that shares a pool: a network namespace and a host name of its own, a state folder, a
 * process with the driver, and the agent.
 */
export class PoolHost implements SharingHost {
  /** Its name. */
  readonly name: string;
  /** Its network namespace. */
  readonly netns: string;
  /** The prefix of a command line that runs there. */
  readonly under: readonly string[];
  readonly #stateDir = Deno.makeTempDirSync({ prefix: "ipvlan-pool-host-" });
  readonly #cable: Cable;
  #driver: Deno.ChildProcess | undefined;
  #caller: Caller | undefined;
  #agent: Deno.ChildProcess | undefined;
  /** The output of its agent. */
  #agentLines: string[] = [];
  #heard = Promise.withResolvers<void>();

  private constructor(name: string, cable: Cable) {
    this.name = name;
    this.netns = `lab-${name}`;
    this.#cable = cable;
    const rename = `echo ${name} > /proc/sys/kernel/hostname && exec "$@"`;
    this.under = [
      ...["nsenter", `--net=/run/netns/${this.netns}`, "unshare", "--uts"],
      ...["env", `IPVLAN_STATE_DIR=${this.#stateDir}`, "sh", "-c", rename, "sh"],
    ];
  }

  /** Starts a host that has nothing on record. */
  static async start(name: string, cable: Cable): Promise<PoolHost> {
    const host = new PoolHost(name, cable);
    await host.boot();
    return host;
  }

  /** Starts it: its namespace, its `eth0`, its agent and its driver. */
  async boot(): Promise<void> {
    await using ip = await Ip.open();
    await ip.netns.add(this.netns);
    await this.#cable.plug(this.netns);
    this.#driver = this.#spawn([
      ...[Deno.execPath(), "run", "-A", "--no-check", "--cached-only", CHILD],
    ], { stdin: "piped", stdout: "piped" });
    this.#caller = new Caller(this.name, this.#driver.stdout, this.#driver.stdin);
    this.#agent = this.#spawn([...ipvlanCommand(), "agent"], {
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    });
    this.#listen(this.#agent);
  }

  #spawn(command: readonly string[], streams: Deno.CommandOptions): Deno.ChildProcess {
    const [program = "", ...args] = [...this.under, ...command];
    return new Deno.Command(program, { args, ...streams }).spawn();
  }

  /** Keeps what the agent prints. */
  async #listen(agent: Deno.ChildProcess): Promise<void> {
    for await (const line of linesOf(agent.stderr)) {
      this.#agentLines.push(line);
      this.#heard.resolve();
      this.#heard = Promise.withResolvers();
    }
  }

  /** Checks that the last line of its agent matches, and waits up to 30 seconds for that. */
  async agentSays(pattern: RegExp): Promise<Finding> {
    let isOver = false;
    const timer = setTimeout(() => {
      isOver = true;
      this.#heard.resolve();
    }, 30_000);
    const isSaid = () => pattern.test(this.#agentLines.at(-1) ?? "");
    while (!isSaid() && !isOver) await this.#heard.promise;
    clearTimeout(timer);
    return {
      sentence: `The agent of ${this.name} says so`,
      held: isSaid(),
      evidence: [{ command: "ipvlan agent", output: this.#agentLines.join("\n") }],
    };
  }

  /** Calls a method of its driver. @throws {CallError} The call failed there. */
  call<T>(method: string, ...args: unknown[]): Promise<T> {
    return this.#caller!.call(method, ...args);
  }

  /** Makes a sandbox on a network. */
  async make(name: string, network: string, ip?: string): Promise<void> {
    await this.call("createSandbox", { name, connections: [{ network, ip }] });
  }

  /** Its sandboxes, each with its IPv4 address. */
  async sandboxes(): Promise<Map<string, string>> {
    const all = await this.call<SandboxDetails[]>("listSandboxes");
    return new Map(all.map(({ name, endpoints }) => [name, endpoints[0]!.ip!.split("/")[0]!]));
  }

  /** Reads the hosts file of a sandbox as soon as it has names, or after 10 seconds. */
  async hostsFile(sandbox: string, names: readonly string[]): Promise<string> {
    const path = `/etc/netns/${sandbox}/hosts`;
    using watcher = Deno.watchFs(path);
    const timer = setTimeout(() => watcher.close(), NAMES_DEADLINE);
    try {
      let text = await Deno.readTextFile(path);
      if (hasNames(text, names)) return text;
      for await (const _change of watcher) {
        text = await Deno.readTextFile(path);
        if (hasNames(text, names)) break;
      }
      return text;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Checks that one of its sandboxes reaches an address or a name. */
  reaches(sandbox: string, target: string): Promise<Finding> {
    return reaches(sandbox, target);
  }

  /** Cuts its power: all its processes, links and namespaces are gone at once. */
  async crash(): Promise<void> {
    for (const child of [this.#driver, this.#agent]) killUnder(child);
    await Promise.all([this.#driver?.status, this.#agent?.status]);
    this.#driver = this.#agent = undefined;
    const pids = (await succeed("ip", "netns", "pids", this.netns)).split("\n").filter(Boolean);
    for (const pid of pids) kill(Number(pid));
    await this.#deleteNamespaces();
  }

  /** Deletes the namespaces of its sandboxes, its cable, and its own namespace. */
  async #deleteNamespaces(): Promise<void> {
    await using ip = await Ip.open();
    const own = (await ip.netns.list()).filter((name) => name.startsWith(`${this.name}-`));
    await Promise.all(own.map((name) => ip.netns.del(name)));
    await this.#cable.unplug?.();
    await ip.netns.del(this.netns);
  }

  /** Removes everything that it has made, and the host. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      const sandboxes = await this.sandboxes();
      await Promise.all([...sandboxes.keys()].map((name) => this.call("removeSandbox", name)));
      await this.call("pruneNetworks");
    } finally {
      await this.#caller!.close();
      await this.#driver!.status;
      this.#agent!.kill("SIGTERM");
      await this.#agent!.status;
      await this.#deleteNamespaces();
      await Deno.remove(this.#stateDir, { recursive: true });
    }
  }
}

/** Whether a hosts file has all names. */
function hasNames(text: string, names: readonly string[]): boolean {
  const known = new Set(text.split(/\s+/));
  return names.every((name) => known.has(name));
}

function killUnder(child: Deno.ChildProcess | undefined): void {
  if (child) kill(child.pid);
}

function kill(pid: number): void {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
