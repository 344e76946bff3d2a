import { fileURLToPath } from "node:url";
import type { Finding } from "../../lib/check/mod.ts";
import type { SandboxDetails } from "../../lib/driver/mod.ts";
import { Ip } from "../../lib/iproute2/ip.ts";
import { eachLine } from "../../lib/iproute2/spawn.ts";
import { ipvlanCommand } from "./engine_machine.ts";
import type { Answer, Call } from "./pool_host_child.ts";
import { succeed } from "./program.ts";

const CHILD = fileURLToPath(new URL("pool_host_child.ts", import.meta.url));

/** A call failed on a host. */
export class CallError extends Error {
  /** How long the call took, in milliseconds. */
  readonly milliseconds: number;

  /** Makes the error from the answer. */
  constructor({ error, milliseconds }: Answer) {
    super(error);
    this.milliseconds = milliseconds;
  }
}

/** How to plug a machine into the segment. */
export type Plug = (netns: string) => Promise<void>;

/**
 * A host that shares a pool: a network namespace and a host name of its own, a state folder, a process
 * with the driver, and the agent.
 */
export class PoolHost implements AsyncDisposable {
  /** Its name. */
  readonly name: string;
  /** Its network namespace. */
  readonly netns: string;
  /** The words of a command that runs another one there. */
  readonly under: readonly string[];
  readonly #stateDir = Deno.makeTempDirSync({ prefix: "ipvlan-pool-host-" });
  readonly #plug: Plug;
  #driver: Deno.ChildProcess | undefined;
  #writer: WritableStreamDefaultWriter<Uint8Array> | undefined;
  #agent: Deno.ChildProcess | undefined;
  /** What its agent has printed. */
  #said: string[] = [];
  #heard = Promise.withResolvers<void>();
  #pending = new Map<number, PromiseWithResolvers<unknown>>();
  #calls = 0;

  private constructor(name: string, plug: Plug) {
    this.name = name;
    this.netns = `lab-${name}`;
    this.#plug = plug;
    const rename = `echo ${name} > /proc/sys/kernel/hostname && exec "$@"`;
    this.under = [
      ...["nsenter", `--net=/run/netns/${this.netns}`, "unshare", "--uts"],
      ...["env", `IPVLAN_STATE_DIR=${this.#stateDir}`, "sh", "-c", rename, "sh"],
    ];
  }

  /** Starts a host that has nothing on record. */
  static async start(name: string, plug: Plug): Promise<PoolHost> {
    const host = new PoolHost(name, plug);
    await host.boot();
    return host;
  }

  /** Starts it: its namespace, its `eth0`, its agent and its driver. */
  async boot(): Promise<void> {
    await using ip = await Ip.open();
    await ip.netns.add(this.netns);
    await this.#plug(this.netns);
    this.#driver = this.#spawn([
      ...[Deno.execPath(), "run", "-A", "--no-check", "--cached-only", CHILD],
    ], { stdin: "piped", stdout: "piped" });
    this.#writer = this.#driver.stdin.getWriter();
    this.#follow(this.#driver);
    this.#agent = this.#spawn([...ipvlanCommand(), "agent"], { stdin: "null", stderr: "piped" });
    this.#listen(this.#agent);
  }

  #spawn(command: readonly string[], streams: Deno.CommandOptions): Deno.ChildProcess {
    const [program = "", ...args] = [...this.under, ...command];
    return new Deno.Command(program, { args, ...streams }).spawn();
  }

  /** Keeps what the agent prints. */
  async #listen(agent: Deno.ChildProcess): Promise<void> {
    await eachLine(agent.stderr, (line) => {
      this.#said.push(line);
      this.#heard.resolve();
      this.#heard = Promise.withResolvers();
    });
  }

  /** Checks that the last line of its agent matches, and waits up to 30 seconds for that. */
  async agentSays(pattern: RegExp): Promise<Finding> {
    let isOver = false;
    const timer = setTimeout(() => {
      isOver = true;
      this.#heard.resolve();
    }, 30_000);
    const isSaid = () => pattern.test(this.#said.at(-1) ?? "");
    while (!isSaid() && !isOver) await this.#heard.promise;
    clearTimeout(timer);
    return {
      sentence: `The agent of ${this.name} says so`,
      held: isSaid(),
      evidence: [{ command: "ipvlan agent", output: this.#said.join("\n") }],
    };
  }

  /** Takes the answers of the driver's process. When it ends, the calls that wait fail. */
  async #follow(child: Deno.ChildProcess): Promise<void> {
    await eachLine(child.stdout, (line) => {
      const answer: Answer = JSON.parse(line);
      const pending = this.#pending.get(answer.id)!;
      this.#pending.delete(answer.id);
      if (answer.error === undefined) pending.resolve(answer.value);
      else pending.reject(new CallError(answer));
    });
    for (const { reject } of this.#pending.values()) reject(new Error(`${this.name} is down`));
    this.#pending.clear();
  }

  /** Calls a method of its driver. @throws {CallError} The call failed there. */
  async call<T>(method: string, ...args: unknown[]): Promise<T> {
    const id = this.#calls++;
    const pending = Promise.withResolvers<unknown>();
    this.#pending.set(id, pending);
    // Of several calls at once, the caller may have gone after the first error.
    pending.promise.catch(() => {});
    const line = JSON.stringify({ id, method, args } satisfies Call);
    await this.#writer!.write(new TextEncoder().encode(`${line}\n`));
    return await pending.promise as T;
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
    // The kernel would delete its cable some time after the namespace.
    await ip.link.del(this.name);
    await ip.netns.del(this.netns);
  }

  /** Removes everything that it has made, and the host. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      const sandboxes = await this.sandboxes();
      await Promise.all([...sandboxes.keys()].map((name) => this.call("removeSandbox", name)));
      await this.call("pruneNetworks");
    } finally {
      await this.#writer!.close();
      await this.#driver!.status;
      this.#agent!.kill("SIGTERM");
      await this.#agent!.status;
      await this.#deleteNamespaces();
      await Deno.remove(this.#stateDir, { recursive: true });
    }
  }
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
