import {
  type ConnectOptions,
  Driver,
  type Endpoint,
  type RestoreReport,
} from "../../../lib/driver/mod.ts";
import type { Ip } from "../../../lib/iproute2/ip.ts";
import { type CommandResult, run } from "../command.ts";
import { allSettled } from "../all.ts";
import { ipvlanCommand } from "../engines/machine.ts";
import { type Links, netnsOf, pluggedLinks, portOf, startMachine } from "./machine.ts";
import type { Switch } from "./switch.ts";

/** A container host: a machine with a driver. */
export class Host implements AsyncDisposable {
  /** Its network namespace. */
  readonly netns: string;
  #name: string;
  #links: Links;
  #wiring: { root: Ip; fabric: Switch };
  #stateDir: string;
  #undo = new AsyncDisposableStack();
  #running: { ip: Ip; driver: Driver } | undefined;
  /** All containers so far. Their files in `/etc/netns` outlive their namespaces. */
  #containers = new Set<string>();

  /** Makes a host that does not run yet; {@linkcode Host.start} starts it. */
  constructor(name: string, links: Links, wiring: { root: Ip; fabric: Switch }) {
    this.#name = name;
    this.#links = links;
    this.#wiring = wiring;
    this.netns = netnsOf(name);
    this.#stateDir = Deno.makeTempDirSync({ prefix: "ipvlan-scenario-" });
  }

  /** A session of `ip` in the host's namespace. */
  get ip(): Ip {
    return this.#running!.ip;
  }

  /** The driver, which has its own state folder. */
  get driver(): Driver {
    return this.#running!.driver;
  }

  /** Starts the host: makes its links, and opens a driver. */
  async start(): Promise<void> {
    const spec = { name: this.#name, links: this.#links };
    const ip = await startMachine(spec, { ...this.#wiring, undo: this.#undo });
    const driver = await Driver.open({ host: this.netns, stateDir: this.#stateDir });
    this.#undo.use(driver);
    this.#undo.defer(() => this.#deleteContainers(driver));
    this.#running = { ip, driver };
  }

  /**
   * Makes a container on a network, as `docker run --net=NETWORK --name=NAME` does.
   */
  async run(name: string, network: string, options: ConnectOptions = {}): Promise<Endpoint> {
    const { value } = await this.driver.createSandbox({
      name,
      connections: [{ ...options, network }],
    });
    // Not before: after a failure, the name may be another container's.
    this.#containers.add(name);
    return value.endpoints[0]!;
  }

  /** Runs the command `ipvlan` on the host, with the driver's records. */
  async ipvlan(...words: string[]): Promise<CommandResult> {
    // Not ip-netns(8), which would give it mounts of its own: others could not see its namespaces.
    const where = [`--net=/run/netns/${this.netns}`, "env", `IPVLAN_STATE_DIR=${this.#stateDir}`];
    const result = await run("nsenter", ...where, ...ipvlanCommand(), ...words);
    return { ...result, command: ["ipvlan", ...words].join(" ") };
  }

  /** Deletes a link to the switch, as when its card is taken out. */
  async unplug(link: string): Promise<void> {
    await this.#wiring.fabric.unplug(portOf(this.#name, link));
  }

  /** Makes the link again, another one of the same name, and sets it up. */
  async plug(link: string): Promise<void> {
    await this.#wiring.fabric.plug(portOf(this.#name, link), { netns: this.netns, link });
    await this.ip.link.set(link, { addrgenmode: "none" });
    await this.ip.link.set(link, { up: true });
  }

  /** Calls the CNI plugin on the host, for the container ID in the namespace ID. */
  async cni(command: "ADD" | "CHECK" | "DEL", id: string, conf: object): Promise<CommandResult> {
    const variables = {
      CNI_COMMAND: command,
      CNI_CONTAINERID: id,
      CNI_NETNS: `/run/netns/${id}`,
      CNI_IFNAME: "eth0",
      CNI_PATH: "/opt/cni/bin",
      IPVLAN_STATE_DIR: this.#stateDir,
    };
    const environment = Object.entries(variables).map((pair) => pair.join("="));
    const script = 'conf=$1; shift; printf %s "$conf" | "$@"';
    const where = [`--net=/run/netns/${this.netns}`, "env", ...environment];
    const input = ["sh", "-c", script, "sh", JSON.stringify(conf)];
    return await run("nsenter", ...where, ...input, ...ipvlanCommand(), "cni");
  }

  /**
   * Restarts the host. All its links and containers disappear, and the links to the switch are made
   * again. The new driver has the state folder of the old one.
   */
  async restart(): Promise<RestoreReport> {
    // Delete the links now: the kernel would delete them some time after their namespace.
    for (const link of pluggedLinks(this.#links)) {
      await this.#wiring.fabric.unplug(portOf(this.#name, link));
    }
    await this.#stop();
    await this.start();
    return await this.driver.restore();
  }

  /** Removes the host, its containers and its state folder. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.#stop();
    } finally {
      await Deno.remove(this.#stateDir, { recursive: true });
      for (const name of this.#containers) await removeFolder(`/etc/netns/${name}`);
      await removeUnusedHosts();
    }
  }

  async #stop(): Promise<void> {
    const undo = this.#undo;
    this.#undo = new AsyncDisposableStack();
    this.#running = undefined;
    await undo.disposeAsync();
  }

  /** Deletes the containers' namespaces, which is faster than the driver's way, link by link. */
  async #deleteContainers(driver: Driver): Promise<void> {
    for (const { name } of driver.listSandboxes()) this.#containers.add(name);
    const { root } = this.#wiring;
    const present = (await root.netns.list()).filter((name) => this.#containers.has(name));
    await allSettled(present.map((name) => root.netns.del(name)));
  }
}

/** The folder with the second hard links of hosts files. */
const OWN = "/etc/netns/.ipvlan-kit";

/** Removes the hosts files that no container has any more, and their folder with the last. */
async function removeUnusedHosts(): Promise<void> {
  let left = 0;
  try {
    for await (const { name } of Deno.readDir(OWN)) {
      const path = `${OWN}/${name}`;
      if ((await Deno.stat(path)).nlink === 1) await Deno.remove(path);
      else left++;
    }
    if (left === 0) await Deno.remove(OWN);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

async function removeFolder(path: string): Promise<void> {
  try {
    await Deno.remove(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
