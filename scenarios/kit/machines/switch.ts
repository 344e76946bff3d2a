import { Bridge } from "../../../lib/iproute2/bridge.ts";
import { Ip } from "../../../lib/iproute2/ip.ts";
import { allSettled } from "../all.ts";

/** The bridge's name. */
const BRIDGE = "br0";

/** A switch with VLANs: a bridge in its own namespace. */
export class Switch implements AsyncDisposable {
  /** Its network namespace. */
  readonly netns: string;
  #ip: Ip;
  #bridge: Promise<Bridge> | undefined;
  #vlans: Set<number>;
  #trunks = new Set<string>();

  private constructor(netns: string, ip: Ip, vlans: Iterable<number>) {
    this.netns = netns;
    this.#ip = ip;
    this.#vlans = new Set(vlans);
  }

  /**
   * Makes the switch in an empty namespace.
   *
   * @param vlans The VLANs that its trunk ports carry, besides untagged frames (VLAN 1).
   */
  static async start(netns: string, vlans: Iterable<number>): Promise<Switch> {
    const ip = await Ip.open({ netns });
    try {
      await Promise.all([
        ip.link.set("lo", { up: true }),
        ip.link.add({ type: "bridge", name: BRIDGE, vlanFiltering: true }),
        // A switch has no addresses and sends no packets itself.
        ip.link.set(BRIDGE, { addrgenmode: "none" }),
        ip.link.set(BRIDGE, { up: true }),
      ]);
      return new Switch(netns, ip, vlans);
    } catch (error) {
      await ip[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Adds VLANs to all trunk ports, existing and future. */
  async carry(vlans: Iterable<number>): Promise<void> {
    const added = [...vlans].filter((id) => !this.#vlans.has(id));
    for (const id of added) this.#vlans.add(id);
    await allSettled([...this.#trunks].map((port) => this.#join(port, added)));
  }

  /**
   * Makes a link in a machine, and its port on the switch.
   *
   * @param access The VLAN of an access port; `undefined` for a trunk port.
   */
  async plug(
    port: string,
    machine: { netns: string; link: string },
    access?: number,
  ): Promise<void> {
    // Make the pair in this namespace: a link cannot get the name of a link in the calling namespace.
    const peer = { name: machine.link, netns: machine.netns };
    await allSettled([
      this.#ip.link.add({ type: "veth", name: port, peer }),
      this.#ip.link.set(port, { addrgenmode: "none" }),
      this.#ip.link.set(port, { master: BRIDGE, up: true }),
    ]);
    if (access === undefined) {
      this.#trunks.add(port);
      await this.#join(port, [...this.#vlans]);
    } else if (access !== 1) {
      const bridge = await this.#open();
      await allSettled([
        bridge.delVlan(port, 1),
        bridge.addVlan(port, { id: access, pvid: true, untagged: true }),
      ]);
    }
  }

  /** Deletes a port, and so the machine's link. */
  async unplug(port: string): Promise<void> {
    this.#trunks.delete(port);
    await this.#ip.link.del(port);
  }

  /** Ends the sessions. */
  async [Symbol.asyncDispose](): Promise<void> {
    const bridge = await this.#bridge;
    await Promise.all([this.#ip[Symbol.asyncDispose](), bridge?.[Symbol.asyncDispose]()]);
  }

  async #join(port: string, vlans: number[]): Promise<void> {
    if (vlans.length === 0) return;
    const bridge = await this.#open();
    await allSettled(vlans.map((id) => bridge.addVlan(port, { id })));
  }

  #open(): Promise<Bridge> {
    return this.#bridge ??= Bridge.open({ netns: this.netns });
  }
}
