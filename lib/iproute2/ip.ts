import { AddrVerbs } from "./addr.ts";
import { LinkVerbs } from "./link.ts";
import { NeighVerbs } from "./neigh.ts";
import { NetnsVerbs } from "./netns.ts";
import { RouteVerbs } from "./route.ts";
import { RuleVerbs } from "./rule.ts";
import type { Runner } from "./runner.ts";
import { Session, type SessionOptions } from "./session.ts";

/**
 * `ip` in one network namespace. One process runs all calls of a turn: see {@linkcode Session}.
 *
 * @example A dummy link and an ipvlan link on it
 * ```ts
 * import { Ip } from "@ipvlan/kit/ip";
 *
 * await using ip = await Ip.open();
 * await ip.link.add({ type: "dummy", name: "d0", up: true });
 * await ip.link.add({ type: "ipvlan", name: "ipvl0", link: "d0", mode: "l2" });
 * console.log(await ip.link.show("ipvl0"));
 * ```
 */
export class Ip implements AsyncDisposable {
  /** `ip link`. */
  readonly link: LinkVerbs;
  /** `ip addr`. */
  readonly addr: AddrVerbs;
  /** `ip route`. */
  readonly route: RouteVerbs;
  /** `ip rule`. */
  readonly rule: RuleVerbs;
  /** `ip neigh`. */
  readonly neigh: NeighVerbs;
  /** `ip netns`. */
  readonly netns: NetnsVerbs;

  /** Makes the verbs of one runner. */
  constructor(readonly session: Runner & Partial<AsyncDisposable>) {
    this.link = new LinkVerbs(session);
    this.addr = new AddrVerbs(session);
    this.route = new RouteVerbs(session);
    this.rule = new RuleVerbs(session);
    this.neigh = new NeighVerbs(session);
    this.netns = new NetnsVerbs(session);
  }

  /** Opens a session; fails as {@linkcode Session.open} does. */
  static async open(options: Omit<SessionOptions, "program"> = {}): Promise<Ip> {
    return new Ip(await Session.open(options));
  }

  /** Ends the session after all pending lines. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.session[Symbol.asyncDispose]?.();
  }
}
