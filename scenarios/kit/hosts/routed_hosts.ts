/**
 * Two container hosts behind a top-of-rack router, each on a link of its own: the guide's figure of
 * L3 mode, in which the router learns the sandboxes' routes by BGP.
 *
 * @module
 */
import type { Family } from "../../../lib/ipam/address.ts";
import { Ip } from "../../../lib/iproute2/ip.ts";
import { withIpvlan } from "../engines/machine.ts";
import { Frr } from "./frr.ts";
import { RouteMonitor } from "./route_monitor.ts";
import {
  forward,
  type HostNumber,
  LocalRoutedHost,
  type RoutedHost,
  type RoutedHostFacts,
  setUpEnd,
  timers,
} from "./routed_host.ts";
import type { SecondKernel } from "../machines/second_kernel.ts";
import { plugWire } from "../machines/wire.ts";

/** The namespaces of the other machines. */
export const [TOR, LAN] = ["lab-tor", "lab-lan"];

/** The addresses of the machine on the LAN. */
export const LAN_ADDRESS: Record<Family, string> = { 4: "172.16.9.9", 6: "fd16:9::9" };

/** The router's addresses there. */
const LAN_ROUTER: Record<Family, string> = { 4: "172.16.9.1", 6: "fd16:9::1" };

/** The router's autonomous system. */
const TOR_ASN = 65000;

/** The router's configuration: it tells the hosts its own networks and a default route. */
function torConfig(hosts: readonly RoutedHostFacts[]): string {
  const neighbors = (family: Family) => hosts.map(({ address }) => address[family]);
  return [
    `router bgp ${TOR_ASN}`,
    ` bgp router-id ${hosts[0]!.router[4]}`,
    " no bgp ebgp-requires-policy",
    ...hosts.flatMap(({ address, asn }) =>
      Object.values(address).flatMap((neighbor) => [
        ` neighbor ${neighbor} remote-as ${asn}`,
        ...timers(neighbor),
      ])
    ),
    " address-family ipv4 unicast",
    "  redistribute connected",
    ...neighbors(6).map((neighbor) => `  no neighbor ${neighbor} activate`),
    ...neighbors(4).map((neighbor) => `  neighbor ${neighbor} default-originate`),
    " exit-address-family",
    " address-family ipv6 unicast",
    "  redistribute connected",
    ...neighbors(6).flatMap((neighbor) => [
      `  neighbor ${neighbor} activate`,
      `  neighbor ${neighbor} default-originate`,
    ]),
    " exit-address-family",
  ].map((line) => `${line}\n`).join("");
}

/** The two hosts, the router, and a machine on the LAN behind it, until the end of the scope. */
export class RoutedHosts implements AsyncDisposable {
  /** The hosts. */
  readonly hosts: [RoutedHost, RoutedHost];
  /** Watches the router's routes. */
  readonly torRoutes: RouteMonitor;
  /** `ip` in the router. */
  readonly tor: Ip;
  readonly #undo: AsyncDisposableStack;

  private constructor(
    hosts: [RoutedHost, RoutedHost],
    tor: { ip: Ip; routes: RouteMonitor },
    undo: AsyncDisposableStack,
  ) {
    this.hosts = hosts;
    this.tor = tor.ip;
    this.torRoutes = tor.routes;
    this.#undo = undo;
  }

  /**
   * Makes the machines, and starts FRR on the router.
   *
   * @param second The kernel of the second host. By default, all machines are in this kernel.
   */
  static async start(second?: SecondKernel): Promise<RoutedHosts> {
    await using undo = new AsyncDisposableStack();
    const root = undo.use(await Ip.open());
    undo.use(await withIpvlan());
    const machine = async (netns: string): Promise<Ip> => {
      await root.netns.add(netns);
      undo.defer(() => root.netns.del(netns));
      const ip = undo.use(await Ip.open({ netns }));
      await ip.link.set("lo", { up: true });
      return ip;
    };
    const tor = await machine(TOR!);
    await forward(TOR!);
    const lan = await machine(LAN!);
    const cable = async (netns: string, port: string) => {
      const peer = { name: port, netns: TOR };
      await root.link.add({ type: "veth", name: `w-${port}`, netns, peer });
      await using ip = await Ip.open({ netns });
      await ip.link.set(`w-${port}`, { name: "eth0" });
    };
    await cable(LAN!, "lan");
    await setUpEnd(LAN!, lan, "eth0", LAN_ADDRESS);
    await setUpEnd(TOR!, tor, "lan", LAN_ROUTER);
    // A default route, as every machine on a LAN has.
    await lan.route.add({ dst: "default", via: LAN_ROUTER[4] });
    await lan.route.add({ dst: "::/0", via: LAN_ROUTER[6] });
    const start = async (number: HostNumber, kernel?: SecondKernel): Promise<RoutedHost> => {
      const port = `host${number}`;
      if (kernel) await plugWire(root, TOR!, port);
      const host = kernel
        ? await kernel.startRoutedHost(number)
        : await LocalRoutedHost.start(number, root, (netns) => cable(netns, port));
      await setUpEnd(TOR!, tor, port, host.router);
      return host;
    };
    const hosts: [RoutedHost, RoutedHost] = [
      undo.use(await start(1)),
      undo.use(await start(2, second)),
    ];
    const routes = undo.use(await RouteMonitor.start(TOR!, tor));
    undo.use(await Frr.start(TOR!, torConfig(hosts)));
    return new RoutedHosts(hosts, { ip: tor, routes }, undo.move());
  }

  /** Removes everything. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#undo.disposeAsync();
  }
}
