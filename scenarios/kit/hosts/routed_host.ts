/**
 * A container host behind a top-of-rack router, which announces its routes.
 *
 * @module
 */
import { type CommandResult, run } from "../command.ts";
import { type Control, doesNotReach, type Finding, reaches } from "../../../lib/check/mod.ts";
import type { Family } from "../../../lib/ipam/address.ts";
import { Ip } from "../../../lib/iproute2/ip.ts";
import type { RoutingDaemon } from "../../../lib/driver/model/routing_config.ts";
import { Bird } from "./bird.ts";
import { Frr } from "./frr.ts";
import { type RouteChange, RouteMonitor } from "./route_monitor.ts";
import type { Shell } from "../report/tour.ts";
import { writeSysctls } from "../machines/in_netns.ts";

/** The number of a host. */
export type HostNumber = 1 | 2;

/** The facts of a host that are known before it starts. */
export interface RoutedHostFacts {
  /** Its network namespace. */
  readonly netns: string;
  /** The number of its autonomous system. */
  readonly asn: number;
  /** Its address on the link to the router, by family. */
  readonly address: Record<Family, string>;
  /** The router's address there. */
  readonly router: Record<Family, string>;
}

/** The facts of a host. */
export function factsOf(number: HostNumber): RoutedHostFacts {
  return {
    netns: `lab-host${number}`,
    asn: 65000 + number,
    address: { 4: `172.16.${number}.2`, 6: `fd16:${number}::2` },
    router: { 4: `172.16.${number}.1`, 6: `fd16:${number}::1` },
  };
}

/** A container host, in this kernel or another one. */
export interface RoutedHost extends RoutedHostFacts, Shell, AsyncDisposable {
  /** Checks that a namespace of its kernel reaches a target. */
  reaches(from: string, target: string): Promise<Finding>;
  /** Checks that a namespace of its kernel does not reach a target, but another one does. */
  doesNotReach(from: string, target: string, control: Control): Promise<Finding>;
  /**
   * Starts a routing daemon, and waits until the router's default routes have come.
   *
   * @param config The output of `ipvlan advertise --config` with both of the router's addresses as
   * neighbors.
   */
  startDaemon(daemon: RoutingDaemon, config: string): Promise<void>;
  /** Kills its routing daemon, and waits until that is gone. */
  killDaemon(): Promise<void>;
  /** Waits for a change of its routes: see {@linkcode RouteMonitor.until}. */
  untilRoute(pattern: RegExp): Promise<RouteChange>;
  /** Forgets all changes of its routes so far. */
  forgetRoutes(): Promise<void>;
}

/** The BGP timers that detect a lost neighbor within seconds. */
export function timers(neighbor: string): string[] {
  return [
    ` neighbor ${neighbor} timers 1 3`,
    ` neighbor ${neighbor} timers connect 1`,
    ` neighbor ${neighbor} advertisement-interval 0`,
  ];
}

/**
 * Sets up one end of the link between a machine and the router.
 *
 * @param ip `ip` in the machine's namespace `netns`.
 */
export async function setUpEnd(
  netns: string,
  ip: Ip,
  dev: string,
  address: Record<Family, string>,
): Promise<void> {
  // So the link-local address is usable at once: before, BIRD drops the IPv6 routes that it gets.
  await writeSysctls(netns, [`net/ipv6/conf/${dev}/accept_dad`], "0");
  await ip.link.set(dev, { up: true });
  await ip.addr.add({ dev, address: `${address[4]}/24` });
  await ip.addr.add({ dev, address: `${address[6]}/64`, nodad: true });
}

/** Lets a machine forward packets. */
export async function forward(netns: string): Promise<void> {
  await writeSysctls(netns, ["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"], "1");
}

/** A container host in this kernel: a network namespace with a state folder of its own. */
export class LocalRoutedHost implements RoutedHost {
  readonly netns: string;
  readonly asn: number;
  readonly address: Record<Family, string>;
  readonly router: Record<Family, string>;
  readonly #under: readonly string[];
  readonly #routes: RouteMonitor;
  readonly #undo: AsyncDisposableStack;
  #daemon: Frr | Bird | undefined;

  private constructor(
    facts: RoutedHostFacts,
    state: string,
    routes: RouteMonitor,
    undo: AsyncDisposableStack,
  ) {
    ({ netns: this.netns, asn: this.asn, address: this.address, router: this.router } = facts);
    // `ip netns exec` would hide the names of the namespaces that ipvlan makes.
    this.#under = [`nsenter`, `--net=/run/netns/${this.netns}`, "env", `IPVLAN_STATE_DIR=${state}`];
    this.#routes = routes;
    this.#undo = undo;
  }

  /**
   * Starts a host. At the end of the scope, the sandboxes in this kernel go, too.
   *
   * @param root `ip` outside of the host.
   * @param plug Makes `eth0` in its namespace, at the end of a link to the router.
   */
  static async start(
    number: HostNumber,
    root: Ip,
    plug: (netns: string) => Promise<void>,
  ): Promise<LocalRoutedHost> {
    await using undo = new AsyncDisposableStack();
    const facts = factsOf(number);
    const { netns } = facts;
    await root.netns.add(netns);
    undo.defer(() => root.netns.del(netns));
    undo.defer(() => removeSandboxes(root));
    await plug(netns);
    const ip = undo.use(await Ip.open({ netns }));
    await ip.link.set("lo", { up: true });
    await setUpEnd(netns, ip, "eth0", facts.address);
    await forward(netns);
    const state = await Deno.makeTempDir();
    undo.defer(() => Deno.remove(state, { recursive: true }));
    const routes = undo.use(await RouteMonitor.start(netns, ip));
    return new LocalRoutedHost(facts, state, routes, undo.move());
  }

  /** Runs a line in a shell there. */
  async run(line: string): Promise<CommandResult> {
    const [program = "", ...args] = [...this.#under, "sh", "-c", line];
    return { ...await run(program, ...args), command: `${line} # on ${this.netns}` };
  }

  reaches(from: string, target: string): Promise<Finding> {
    return reaches(from, target);
  }

  doesNotReach(from: string, target: string, control: Control): Promise<Finding> {
    return doesNotReach(from, target, control);
  }

  async startDaemon(daemon: RoutingDaemon, config: string): Promise<void> {
    await this.forgetRoutes();
    const started = daemon === "frr"
      ? await Frr.start(this.netns, `${config}\n${this.#shortTimes().join("\n")}\n`)
      : await Bird.start(this.netns, config);
    this.#daemon = this.#undo.use(started);
    await this.untilRoute(/^default .*via 172\./);
    await this.untilRoute(/^default .*via f/);
  }

  #shortTimes(): string[] {
    return [
      `router bgp ${this.asn}`,
      ` bgp router-id ${this.address[4]}`,
      ...Object.values(this.router).flatMap(timers),
    ];
  }

  async killDaemon(): Promise<void> {
    await this.#daemon?.kill();
  }

  untilRoute(pattern: RegExp): Promise<RouteChange> {
    return this.#routes.until(pattern);
  }

  forgetRoutes(): Promise<void> {
    this.#routes.forget();
    return Promise.resolve();
  }

  /** Removes everything. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#undo.disposeAsync();
  }
}

/** Deletes the namespaces and files of all sandboxes. */
async function removeSandboxes(root: Ip): Promise<void> {
  const names = (await root.netns.list()).filter((name) => !name.startsWith("lab-"));
  for (const name of names) await root.netns.del(name);
  try {
    await Deno.remove("/etc/netns", { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
