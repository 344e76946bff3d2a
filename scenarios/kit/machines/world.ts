import { Ip } from "../../../lib/iproute2/ip.ts";
import { allSettled } from "../all.ts";
import { Host } from "./host.ts";
import { type Links, netnsOf, startMachine, vlansOf } from "./machine.ts";
import { advertise } from "./radvd.ts";
import { Switch } from "./switch.ts";

/** A machine on the LAN, neither container host nor router. Its `eth0` is on an access port. */
export interface LanSpec {
  /** The addresses of its `eth0`, with their prefix lengths. */
  addresses: string[];
  /**
   * Its default gateways, at most one of each family.
   *
   * @default {[]}
   */
  gateways?: string[];
  /**
   * The VLAN of its port. Its frames have no tag on this port.
   *
   * @default {1}
   */
  vlan?: number;
}

/** The machines of a {@linkcode World}. */
export interface WorldSpec {
  /**
   * The links of the container host, on trunk ports.
   *
   * @default {{ eth0: [] }}
   */
  host?: Links;
  /**
   * The links of a second container host.
   *
   * @default {undefined} No second host.
   */
  host2?: Links;
  /**
   * The links of a router, which forwards between them.
   *
   * @default {undefined} No router, until {@linkcode World.addRouter}.
   */
  router?: Links;
  /**
   * The other machines, by name.
   *
   * @default {{}}
   */
  lan?: Record<string, LanSpec>;
  /**
   * The VLANs that the trunk ports carry, besides the VLANs of the machines and untagged frames
   * (VLAN 1).
   *
   * @default {[]}
   */
  vlans?: number[];
}

/**
 * A small network made of namespaces: container hosts and a router on the trunk ports of a switch,
 * and other machines on its access ports. Disposing of the world removes everything.
 *
 * The machine `NAME` is the namespace `lab-NAME` (`lab-switch`, `lab-host`, `lab-router`, …), and
 * the switch's port for one of its links `NAME-LINK` (`host-eth0`).
 */
export class World implements AsyncDisposable {
  #host: Host;
  #host2: Host | undefined;
  #wiring: { root: Ip; fabric: Switch };
  #undo: AsyncDisposableStack;
  #sessions = new Map<string, Ip>();

  private constructor(
    spec: WorldSpec,
    wiring: { root: Ip; fabric: Switch },
    undo: AsyncDisposableStack,
  ) {
    this.#wiring = wiring;
    this.#undo = undo;
    this.#host = undo.use(new Host("host", spec.host ?? { eth0: [] }, wiring));
    this.#host2 = spec.host2 && undo.use(new Host("host2", spec.host2, wiring));
  }

  /**
   * Builds a world completely or not at all.
   *
   * @throws {IpvlanError} if a machine cannot be made, usually because another world exists.
   */
  static async build(spec: WorldSpec): Promise<World> {
    await using undo = new AsyncDisposableStack();
    const root = undo.use(await Ip.open());
    const netns = netnsOf("switch");
    await root.netns.add(netns);
    undo.defer(() => root.netns.del(netns));
    const lan = Object.entries(spec.lan ?? {});
    const vlans = [spec.host, spec.host2, spec.router].flatMap((links) => vlansOf(links ?? {}));
    const access = lan.flatMap(([, { vlan }]) => vlan ?? []);
    const trunk = [...vlans, ...access, ...spec.vlans ?? []].filter((id) => id !== 1);
    const fabric = undo.use(await Switch.start(netns, trunk));
    const world = new World(spec, { root, fabric }, undo);
    await allSettled([
      world.#host.start(),
      ...(world.#host2 ? [world.#host2.start()] : []),
      ...(spec.router ? [world.addRouter(spec.router)] : []),
      ...lan.map(([name, { addresses, vlan, gateways }]) =>
        world.#start({ name, links: { eth0: addresses }, access: vlan ?? 1, gateways })
      ),
    ]);
    world.#undo = undo.move();
    return world;
  }

  /** The container host. */
  get host(): Host {
    return this.#host;
  }

  /** The second container host. @throws {TypeError} if the world has none. */
  get host2(): Host {
    if (!this.#host2) throw new TypeError('The world has no second host: give it "host2"');
    return this.#host2;
  }

  /** Adds the router to a world that was built without one. */
  addRouter(links: Links): Promise<void> {
    return this.#start({ name: "router", links, router: true });
  }

  /**
   * Makes the router advertise a prefix on one of its links.
   *
   * @param lifetime For how many seconds it is a default router; by default it is none.
   * @throws {RadvdError} if radvd does not exist or does not start.
   */
  async advertise(dev: string, prefix: string, lifetime?: number): Promise<void> {
    this.#undo.use(await advertise(netnsOf("router"), dev, prefix, lifetime));
  }

  /**
   * A session of `ip` in the namespace of the router (`lab-router`) or of a machine on the LAN.
   *
   * @throws {TypeError} if the world has no such machine.
   */
  ip(netns: string): Ip {
    const ip = this.#sessions.get(netns);
    if (!ip) throw new TypeError(`The world has no machine "${netns}"`);
    return ip;
  }

  async #start(spec: Parameters<typeof startMachine>[0]): Promise<void> {
    const ip = await startMachine(spec, { ...this.#wiring, undo: this.#undo });
    this.#sessions.set(netnsOf(spec.name), ip);
  }

  /** Removes everything. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#undo.disposeAsync();
  }
}
