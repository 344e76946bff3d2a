/**
 * Reads what tests compare: sandboxes, the whole machine, the store, and files.
 *
 * @module
 */
import type { Route } from "../../lib/iproute2/route_types.ts";
import { assertEquals } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { hostNames } from "../../lib/driver/model/host_access.ts";
import { hostSteps } from "../../lib/driver/network/host_steps.ts";
import { linkAddresses } from "../../lib/driver/endpoint/routes.ts";
import { renderHosts } from "../../lib/driver/sandbox/hosts_plan.ts";
import { Driver } from "../../lib/driver/mod.ts";
import { isOurs } from "../../lib/driver/network/parent.ts";
import { Store } from "../../lib/driver/store/store.ts";
import { Ip } from "../../lib/iproute2/ip.ts";
import type { Link } from "../../lib/iproute2/link_types.ts";
import { Session } from "../../lib/iproute2/session.ts";
import { Shell } from "../../lib/iproute2/shell.ts";
import { look, type Seen } from "../../lib/iproute2/view.ts";

/** The folder where `ip netns exec` finds a sandbox's files. */
export const ETC = "/etc/netns";

/** The folder of the hosts files' hard links. */
const OWN = `${ETC}/.ipvlan-kit`;

/** The parts of a namespace that tests compare. */
const COMPARED = { links: true, addrs: true, routes: "main" } as const;

/**
 * `ip` in any namespaces, started by one shell: in the lab, tests spend most of their time starting
 * processes.
 */
export class Eyes implements AsyncDisposable {
  readonly #shell = new Shell();

  /** `ip` in a namespace; in the caller's own if there is no name. */
  in(netns?: string): Ip {
    return new Ip(new Session({ program: "ip", netns, force: true, run: this.#shell.run }));
  }

  /** Reads the compared parts of a namespace, with one process. */
  async compared(netns: string): Promise<Seen<typeof COMPARED>> {
    return await look({ netns, ip: this.in(netns) }, COMPARED);
  }

  /** Ends the shell. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#shell[Symbol.asyncDispose]();
  }
}

async function compared(netns: string, eyes?: Eyes): Promise<Seen<typeof COMPARED>> {
  if (eyes) return await eyes.compared(netns);
  await using own = new Eyes();
  return await own.compared(netns);
}

/** The names of all named namespaces, sorted: reads what `ip netns list` reads, without a process. */
export function namespaces(): string[] {
  try {
    return [...Deno.readDirSync("/run/netns")].map(({ name }) => name).toSorted();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return [];
  }
}

/** Reads a sandbox from the kernel, without indexes, carriers, and values from random MAC addresses. */
export async function seeSandbox(name: string, eyes?: Eyes): Promise<unknown> {
  const { links, addrs, routes } = await compared(name, eyes);
  return {
    links: links.map((
      {
        index: _,
        address: _address,
        link: _link,
        linkIndex: _linkIndex,
        linkNetnsid: _id,
        ...link
      },
    ) => link),
    addrs: addrs.filter(({ scope }) => scope !== "link"),
    routes: routes.filter(({ dst }) => dst !== "fe80::/64")
      .map(({ flags: _, ...route }) => route),
  };
}

/**
 * Reads the kernel, the store and the hosts files. Leaves out random values such as ids, so that
 * two states that a user cannot tell apart are equal.
 */
export async function seeWorld(): Promise<unknown> {
  await using eyes = new Eyes();
  await using driver = await Driver.open();
  const ip = eyes.in();
  const [links, routes] = await Promise.all([ip.link.show(), ip.route.show(4)]);
  const sandboxes = driver.listSandboxes();
  return {
    links: links.map(essence),
    routes,
    namespaces: Object.fromEntries(
      await Promise.all(namespaces().map(async (name) => [name, await seeSandbox(name, eyes)])),
    ),
    networks: driver.listNetworks().map(({ id: _id, created: _created, ...network }) => network),
    sandboxes: sandboxes.map(({ id: _id, created: _created, ...sandbox }) => sandbox),
    processes: Object.fromEntries(
      await Promise.all(
        sandboxes.map(async ({ name }) => [name, (await driver.processes(name)).length]),
      ),
    ),
    // The order of the names is that of concurrent calls.
    files: Object.fromEntries(
      Object.entries(sandboxFiles()).map(([path, text]) => [path, text.split("\n").toSorted()]),
    ),
  };
}

/** Reads the files in a folder, by path. Each folder comes before its files. The folder may be missing. */
export function filesOf(folder: string): Record<string, string> {
  const found: Record<string, string> = {};
  try {
    for (const { name, isDirectory } of Deno.readDirSync(folder)) {
      const path = `${folder}/${name}`;
      found[path] = isDirectory ? "" : Deno.readTextFileSync(path);
      if (isDirectory) Object.assign(found, filesOf(path));
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return found;
}

/** Reads the files of `/etc/netns`, except the hosts files' hard links. */
export function sandboxFiles(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(filesOf(ETC)).filter(([path]) => !path.startsWith(OWN)),
  );
}

/** The part of a link that tests compare: without its index and its carrier, which comes and goes. */
export function essence(
  { name, up, mtu, txqlen, group, alias, master, link, addrgenmode, info }: Link,
): Partial<Link> & { name: string } {
  return { name, up, mtu, txqlen, group, alias, master, link, addrgenmode, info };
}

/** Sorts by name. */
export function byName(one: { name: string }, other: { name: string }): number {
  return one.name < other.name ? -1 : 1;
}

/** A sandbox as the kernel shows it, with a line for each address and each route. */
export interface SandboxDump {
  name: string;
  links: (Partial<Link> & { name: string })[];
  addrs: string[];
  routes: string[];
}

/** Reads a sandbox from the kernel. */
export async function dumpSandbox(name: string, eyes?: Eyes): Promise<SandboxDump> {
  const { links, addrs, routes } = await compared(name, eyes);
  // The kernel's own routes (fe80::/64) come and go with the carrier.
  return {
    name,
    links: links.map(essence).toSorted(byName),
    addrs: addrs.filter(({ scope }) => scope === "global")
      .map(({ dev, address, prefixLength }) => `${address}/${prefixLength} dev ${dev}`).toSorted(),
    routes: routes.filter(({ dst }) => !dst.startsWith("fe80:"))
      .map(({ dst, via, dev, metric }) => `${dst} via ${via} dev ${dev} metric ${metric}`)
      .toSorted(),
  };
}

/** The lines of a host's routes that lead nowhere. In tests, only the driver makes such routes. */
export async function hostRoutes(ip: Ip): Promise<string[]> {
  const routes = (await Promise.all([ip.route.show(4), ip.route.show(6)])).flat();
  // Those that lead to sandboxes are on links of the driver. The kernel makes others there.
  const isOurs = ({ type, dev, metric }: Route) =>
    type === "unreachable" || /^(h-|lo$)/.test(dev ?? "") && metric === 116;
  return routes.filter(isOurs)
    .map(({ dst, protocol, metric }) => `${dst} proto ${protocol} metric ${metric}`).toSorted();
}

/** All rows of the store in a state folder. */
export function dumpStore(folder: string): unknown {
  try {
    Deno.statSync(`${folder}/ipvlan.db`);
  } catch {
    return "none";
  }
  using db = new DatabaseSync(`${folder}/ipvlan.db`);
  return ["network", "link", "sandbox", "endpoint"].map((table) =>
    db.prepare(`SELECT * FROM ${table} ORDER BY 1`).all()
  );
}

/** Asserts that the store, the kernel and the hosts files have the same networks and sandboxes. */
export async function assertConsistent({ ns, eyes, stateDir }: {
  ns: { name: string; ip: Ip };
  eyes: Eyes;
  stateDir: string;
}): Promise<void> {
  using store = Store.open(stateDir);
  const [networks, sandboxes, endpoints, named] = [
    store.networks(),
    store.sandboxes(),
    store.endpoints(),
    store.hostEntries(),
  ];
  const half = [...networks, ...sandboxes, ...endpoints].filter(({ state }) => state !== "ready");
  assertEquals(half, [], "half-made or half-removed");

  const beside = [
    ...networks.flatMap((network) => hostSteps(network)),
    ...endpoints.flatMap((endpoint) =>
      hostSteps(networks.find(({ id }) => id === endpoint.network)!, endpoint)
    ),
  ];
  const [links, routes, proxies, ...dumps] = await Promise.all([
    ns.ip.link.show(),
    hostRoutes(ns.ip),
    ns.ip.neigh.show({ proxy: true }),
    ...sandboxes.map(({ name }) => dumpSandbox(name, eyes)),
  ]);
  assertEquals(
    links.filter(isOurs).map(({ name }) => name).toSorted(),
    [
      ...store.links().map(({ name }) => name),
      ...new Set(beside.flatMap((step) => step.kind === "link.add" ? [step.link.name] : [])),
    ].toSorted(),
    "the driver's links in the host",
  );
  for (const { name, parent } of networks) {
    assertEquals(links.some((link) => link.name === parent), true, `the parent of ${name}`);
  }

  const adverts = beside.flatMap((step) => {
    if (step.kind !== "route.add") return [];
    const { dst, protocol, metric } = step.route;
    const shown = protocol === 2 ? "kernel" : protocol;
    return [`${dst.replace(/\/(32|128)$/, "")} proto ${shown} metric ${metric}`];
  });
  assertEquals(routes, [...new Set(adverts)].toSorted(), "the routes in the host");
  assertEquals(
    proxies.map(({ dst, dev }) => `${dst} ${dev}`).toSorted(),
    beside.flatMap((step) => step.kind === "proxy.add" ? [`${step.dst} ${step.dev}`] : [])
      .toSorted(),
    "the addresses that the host answers for",
  );

  const files: Record<string, string> = {};
  for (const [index, { name }] of sandboxes.entries()) {
    const own = endpoints.filter(({ sandbox }) => sandbox === name).map((endpoint) => ({
      ...endpoint,
      networkName: networks.find(({ id }) => id === endpoint.network)!.name,
    }));
    files[`${ETC}/${name}`] = "";
    files[`${ETC}/${name}/hosts`] = renderHosts(
      own.flatMap(({ network }) => named.filter((endpoint) => endpoint.network === network)),
      own.flatMap(({ network }) => hostNames(networks.find(({ id }) => id === network))),
    );
    const found = dumps[index]!;
    assertEquals(
      found.links.filter((link) => link.name !== "lo").map((link) => [link.name, link.alias]),
      own.map(({ ifname, networkName }) => [ifname, `ipvlan-kit ${networkName}`]).toSorted(),
      `the links of ${name}`,
    );
    assertEquals(
      found.addrs,
      own.flatMap((endpoint) => {
        const network = networks.find(({ id }) => id === endpoint.network)!;
        return linkAddresses(network, endpoint).map(({ address }) =>
          `${address} dev ${endpoint.ifname}`
        );
      }).toSorted(),
      `the addresses of ${name}`,
    );
  }
  assertEquals(sandboxFiles(), files, "the hosts files");
  const inodeOf = (path: string) => Deno.lstatSync(path).ino;
  assertEquals(
    Object.keys(filesOf(OWN)).toSorted().map((path) => [path, inodeOf(path)]),
    sandboxes.map(({ name }) => [`${OWN}/@${name}`, inodeOf(`${ETC}/${name}/hosts`)]).toSorted(),
    "the second names of the hosts files",
  );
  const others = namespaces().filter((name) => name !== ns.name);
  assertEquals(others, sandboxes.map(({ name }) => name), "the namespaces");
}
