import { Session, type SessionOptions } from "./session.ts";
import { linkName, wholeNumber } from "./words.ts";

/** A port of a bridge in a VLAN. */
export interface PortVlan {
  /** The VLAN id. */
  id: number;
  /** Whether untagged frames that come in belong to it. */
  pvid: boolean;
  /** Whether its frames go out without a tag. */
  untagged: boolean;
  /** How many of its frames came in. The bridge needs `vlanStats`. */
  received: number;
  /** How many of its frames went out. */
  sent: number;
}

/**
 * iproute2's `bridge` in one network namespace. One process runs all calls of a turn, as with `Ip`.
 *
 * @example
 * ```ts
 * import { Bridge } from "@ipvlan/kit/ip";
 *
 * await using bridge = await Bridge.open();
 * await bridge.addVlan("port1", { id: 20, pvid: true, untagged: true });
 * const ids = (await bridge.vlans("port1")).map(({ id }) => id);
 * ```
 */
export class Bridge implements AsyncDisposable {
  private constructor(readonly session: Session) {}

  /** Opens a session; fails as {@linkcode Session.open} does. */
  static async open(options: Omit<SessionOptions, "program"> = {}): Promise<Bridge> {
    return new Bridge(await Session.open({ ...options, program: "bridge" }));
  }

  /** Puts a port into a VLAN. @throws {"ip-command"} The kernel refused. */
  addVlan(
    dev: string,
    vlan: Pick<PortVlan, "id"> & Partial<Pick<PortVlan, "pvid" | "untagged">>,
  ): Promise<void> {
    return this.session.change([
      `vlan add dev ${linkName(dev)} vid ${wholeNumber(vlan.id, "VLAN id", 1, 4094)}`,
      ...(vlan.pvid ? ["pvid"] : []),
      ...(vlan.untagged ? ["untagged"] : []),
    ].join(" "));
  }

  /** Takes a port out of a VLAN. @throws {"ip-command"} The kernel refused. */
  delVlan(dev: string, id: number): Promise<void> {
    return this.session.change(
      `vlan del dev ${linkName(dev)} vid ${wholeNumber(id, "VLAN id", 1, 4094)}`,
    );
  }

  /** The VLANs of a port, with their frame counters. */
  async vlans(dev: string): Promise<PortVlan[]> {
    const rows = await this.session.query(`vlan show dev ${linkName(dev)}`);
    return rows.flatMap((row) => row.vlans as Record<string, unknown>[]).map((vlan) => ({
      id: (vlan.vlan ?? vlan.vid) as number,
      pvid: ((vlan.flags ?? []) as string[]).includes("PVID"),
      untagged: ((vlan.flags ?? []) as string[]).includes("Egress Untagged"),
      received: Number(vlan.rx_packets ?? 0),
      sent: Number(vlan.tx_packets ?? 0),
    }));
  }

  /** Ends the session after all pending lines. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.session[Symbol.asyncDispose]();
  }
}
