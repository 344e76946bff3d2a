/**
 * What tests look at and compare: sandboxes, the whole world, the store, and files.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { endpointAdverts, networkAdverts } from "../../lib/driver/network/advertise.ts";
import { linkAddresses } from "../../lib/driver/endpoint/decide.ts";
import { renderHosts } from "../../lib/driver/sandbox/hosts_plan.ts";
import { Driver } from "../../lib/driver/mod.ts";
import { isOurs } from "../../lib/driver/network/parent.ts";
import { SqliteStore } from "../../lib/driver/store/sqlite_store.ts";
import { Ip } from "../../lib/iproute2/ip.ts";
import type { Link } from "../../lib/iproute2/link.ts";
import { lookInto } from "../../lib/iproute2/view.ts";

/** Where `ip netns exec` finds a sandbox's files. */
export const ETC = "/etc/netns";

/** Where the hosts files have their second names. */
const OWN = `${ETC}/.ipvlan-kit`;

/** What tests compare of a namespace. */
const COMPARED = { links: true, addrs: true, routes: "main" } as const;

/** Reads a sandbox from the kernel, without indexes, carriers, and what a random MAC address decides. */
export async function seeSandbox(name: string): Promise<unknown> {
  const { links, addrs, routes } = await lookInto(name, COMPARED);
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
 * Reads the kernel, the store and the hosts files. Leaves out what differs each time that the same
 * thing is made, such as ids: two worlds that a user cannot tell apart are equal.
 */
export async function seeWorld(): Promise<unknown> {
  await using ip = await Ip.open();
  await using driver = await Driver.open();
  const [links, routes, names] = await Promise.all([
    ip.link.show(),
    ip.route.show(4),
    ip.netns.list(),
  ]);
  const sandboxes = driver.listSandboxes();
  return {
    links: links.map(essence),
    routes,
    namespaces: Object.fromEntries(
      await Promise.all(names.sort().map(async (name) => [name, await seeSandbox(name)])),
    ),
    networks: driver.listNetworks().map(({ id: _id, created: _created, ...network }) => network),
    sandboxes: sandboxes.map(({ id: _id, created: _created, ...sandbox }) => sandbox),
    processes: Object.fromEntries(
      await Promise.all(
        sandboxes.map(async ({ name }) => [name, (await driver.processes(name)).length]),
      ),
    ),
    // The names are in the order in which calls at the same time have come.
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

/** Reads the files of `/etc/netns`, but for the second name of each hosts file. */
export function sandboxFiles(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(filesOf(ETC)).filter(([path]) => !path.startsWith(OWN)),
  );
}

/** The part of a link that tests compare: not its index, nor its carrier, which comes and goes. */
export function essence(
  { name, up, mtu, group, alias, master, link, addrgenmode, info }: Link,
): Partial<Link> & { name: string } {
  return { name, up, mtu, group, alias, master, link, addrgenmode, info };
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
export async function dumpSandbox(name: string): Promise<SandboxDump> {
  const { links, addrs, routes } = await lookInto(name, COMPARED);
  // Those of the kernel's own making (fe80::/64) come and go with the carrier.
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

/** The routes of a host that lead nowhere, each as a line. Nobody but the driver makes some in tests. */
export async function hostRoutes(ip: Ip): Promise<string[]> {
  const routes = [...await ip.route.show(4), ...await ip.route.show(6)];
  return routes.filter(({ type }) => type === "unreachable")
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
export async function assertConsistent(
  { ns, stateDir }: { ns: { name: string; ip: Ip }; stateDir: string },
): Promise<void> {
  using store = SqliteStore.open(stateDir);
  const [networks, sandboxes, endpoints, named] = [
    store.networks(),
    store.sandboxes(),
    store.endpoints(),
    store.hostEntries(),
  ];
  const half = [...networks, ...sandboxes, ...endpoints].filter(({ state }) => state !== "ready");
  assertEquals(half, [], "half-made or half-removed");

  const links = await ns.ip.link.show();
  assertEquals(
    links.filter(isOurs).map(({ name }) => name).toSorted(),
    store.links().map(({ name }) => name).toSorted(),
    "the driver's links in the host",
  );
  for (const { name, parent } of networks) {
    assertEquals(links.some((link) => link.name === parent), true, `the parent of ${name}`);
  }

  const adverts = [
    ...networks.flatMap(networkAdverts),
    ...endpoints.flatMap((endpoint) =>
      endpointAdverts(networks.find(({ id }) => id === endpoint.network)!, endpoint)
    ),
  ].map(({ kind, dst }) =>
    `${dst.replace(/\/(32|128)$/, "")} proto ${
      kind === "cover" ? "kernel metric 118" : "117 metric 117"
    }`
  );
  assertEquals(await hostRoutes(ns.ip), [...new Set(adverts)].toSorted(), "the routes in the host");

  const files: Record<string, string> = {};
  for (const { name } of sandboxes) {
    const own = endpoints.filter(({ sandbox }) => sandbox === name).map((endpoint) => ({
      ...endpoint,
      networkName: networks.find(({ id }) => id === endpoint.network)!.name,
    }));
    files[`${ETC}/${name}`] = "";
    files[`${ETC}/${name}/hosts`] = renderHosts(
      own.flatMap(({ network }) => named.filter((endpoint) => endpoint.network === network)),
    );
    const found = await dumpSandbox(name);
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
  await using outer = await Ip.open();
  const others = (await outer.netns.list()).filter((name) => name !== ns.name);
  assertEquals(others.toSorted(), sandboxes.map(({ name }) => name), "the namespaces");
}
