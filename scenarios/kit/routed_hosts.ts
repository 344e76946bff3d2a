/**
 * Two container hosts behind a top-of-rack router, each on a link of its own: the guide's figure of
 * L3 mode, in which the router learns the sandboxes' routes by BGP.
 *
 * @module
 */
import type { Family } from "../../lib/ipam/address.ts";
import { Ip } from "../../lib/iproute2/ip.ts";
import { writeSysctls } from "../../lib/iproute2/sysctl.ts";
import { Bird } from "./bird.ts";
import { withIpvlan } from "./engine_machine.ts";
import { Frr } from "./frr.ts";
import { RouteMonitor } from "./route_monitor.ts";

/** A container host of {@linkcode RoutedHosts}. */
export interface RoutedHost {
  /** Its network namespace. */
  netns: string;
  /** The words of a command that runs another one there, with a state folder of its own. */
  under: string[];
  /** The number of its autonomous system. */
  asn: number;
  /** Its address on the link to the router, by family. */
  address: Record<Family, string>;
  /** The router's address there. */
  router: Record<Family, string>;
  /** `ip` in it. */
  ip: Ip;
  /** Watches its routes. */
  routes: RouteMonitor;
}

/** The namespaces of the other machines. */
export const [TOR, LAN] = ["lab-tor", "lab-lan"];

/** The addresses of the machine on the LAN. */
export const LAN_ADDRESS: Record<Family, string> = { 4: "172.16.9.9", 6: "fd16:9::9" };

/** The router's number. */
const TOR_ASN = 65000;

/** Times for BGP by which a lost neighbor is noticed within seconds. */
function timers(neighbor: string): string[] {
  return [
    ` neighbor ${neighbor} timers 1 3`,
    ` neighbor ${neighbor} timers connect 1`,
    ` neighbor ${neighbor} advertisement-interval 0`,
  ];
}

/** The router's configuration: it tells the hosts its own networks and a default route. */
function torConfig(hosts: readonly RoutedHost[]): string {
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

  /** Makes the machines, and starts FRR on the router. */
  static async start(): Promise<RoutedHosts> {
    await using undo = new AsyncDisposableStack();
    const root = undo.use(await Ip.open());
    undo.use(await withIpvlan());
    undo.defer(() => removeSandboxes(root));
    const machine = async (netns: string): Promise<Ip> => {
      await root.netns.add(netns);
      undo.defer(() => root.netns.del(netns));
      const ip = undo.use(await Ip.open({ netns }));
      await ip.link.set("lo", { up: true });
      return ip;
    };
    const tor = await machine(TOR!);
    const lan = await machine(LAN!);
    const wire = async (ip: Ip, netns: string, port: string, number: number, last: number) => {
      const peer = { name: port, netns: TOR };
      await root.link.add({ type: "veth", name: `w-${port}`, netns, peer });
      await ip.link.set(`w-${port}`, { name: "eth0" });
      for (const [each, dev, end] of [[ip, "eth0", last], [tor, port, 1]] as const) {
        await each.link.set(dev, { up: true });
        await each.addr.add({ dev, address: `172.16.${number}.${end}/24` });
        await each.addr.add({ dev, address: `fd16:${number}::${end}/64`, nodad: true });
      }
    };
    await wire(lan, LAN!, "lan", 9, 9);
    // What every machine on a LAN has.
    await lan.route.add({ dst: "default", via: "172.16.9.1" });
    await lan.route.add({ dst: "::/0", via: "fd16:9::1" });
    const host = async (number: 1 | 2): Promise<RoutedHost> => {
      const netns = `lab-host${number}`;
      const ip = await machine(netns);
      await wire(ip, netns, `host${number}`, number, 2);
      const state = await Deno.makeTempDir();
      undo.defer(() => Deno.remove(state, { recursive: true }));
      return {
        netns,
        // `ip netns exec` would hide the names of the namespaces that ipvlan makes.
        under: ["nsenter", `--net=/run/netns/${netns}`, "env", `IPVLAN_STATE_DIR=${state}`],
        asn: 65000 + number,
        address: { 4: `172.16.${number}.2`, 6: `fd16:${number}::2` },
        router: { 4: `172.16.${number}.1`, 6: `fd16:${number}::1` },
        ip,
        routes: undo.use(await RouteMonitor.start(netns, ip)),
      };
    };
    const hosts: [RoutedHost, RoutedHost] = [await host(1), await host(2)];
    for (const netns of [TOR!, ...hosts.map(({ netns }) => netns)]) {
      await writeSysctls(netns, ["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"], "1");
    }
    const routes = undo.use(await RouteMonitor.start(TOR!, tor));
    undo.use(await Frr.start(TOR!, torConfig(hosts)));
    return new RoutedHosts(hosts, { ip: tor, routes }, undo.move());
  }

  /**
   * Starts FRR on a host, and waits until the router's default routes have come.
   *
   * @param config What `ipvlan advertise --config frr` has printed, with both of the router's
   * addresses as neighbors.
   */
  async startFrr(
    { netns, asn, router, address, routes }: RoutedHost,
    config: string,
  ): Promise<Frr> {
    const short = [
      `router bgp ${asn}`,
      ` bgp router-id ${address[4]}`,
      ...Object.values(router).flatMap(timers),
    ];
    routes.forget();
    const frr = await Frr.start(netns, `${config}\n${short.join("\n")}\n`);
    await untilDefaults(routes);
    return frr;
  }

  /** Starts BIRD on a host, in the same way. */
  async startBird({ netns, routes }: RoutedHost, config: string): Promise<Bird> {
    routes.forget();
    const bird = await Bird.start(netns, config);
    await untilDefaults(routes);
    return bird;
  }

  /** Removes everything. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#undo.disposeAsync();
  }
}

/** Waits for a default route of each family. */
async function untilDefaults(routes: RouteMonitor): Promise<void> {
  await routes.until(/^default .*via 172\./);
  await routes.until(/^default .*via f/);
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
