import { assertEquals } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { Driver, type DriverOptions } from "../../lib/driver/mod.ts";
import { linkAddresses } from "../../lib/driver/endpoint.ts";
import { renderHosts } from "../../lib/driver/hosts.ts";
import type { WrapRunner } from "../../lib/driver/namespaces.ts";
import { isOurs } from "../../lib/driver/parent.ts";
import { SqliteStore } from "../../lib/driver/store.ts";
import { Ip } from "../../lib/iproute2/ip.ts";
import type { Link } from "../../lib/iproute2/link.ts";
import { lookInto } from "../../lib/iproute2/view.ts";
import { inEnv } from "./env.ts";
import { type HeldIp, heldIp } from "./held_ip.ts";
import { type FreshNetns, freshNetns } from "./netns.ts";

/** Where `ip netns exec` finds a sandbox's files. */
const ETC = "/etc/netns";

/** How a driver is opened, and what is wrapped around its runners to make lines fail. */
export interface TestDriverOptions extends DriverOptions {
  wrap?: WrapRunner;
}

/** A host of a test's own: a namespace with `eth0`, whose other end `peer0` is up, and a state folder. */
export interface TestHost {
  /** The host's namespace. */
  readonly ns: FreshNetns;
  /** The state folder. */
  readonly stateDir: string;
  /** A driver on the host and its folder, which ends with the test. */
  driver(options?: TestDriverOptions): Promise<Driver>;
  /** What the kernel, the store and `/etc/netns` hold, in a form that can be compared. */
  dump(): Promise<unknown>;
}

/**
 * Runs a test on a host of its own. Afterwards everything is removed by way of a driver, and then
 * nothing may be left of what the test did: no link, namespace, record or file. Whatever the test
 * did, none is.
 */
export async function withHost(test: (host: TestHost) => Promise<void>): Promise<void> {
  await using undo = new AsyncDisposableStack();
  const stateDir = await Deno.makeTempDir();
  undo.defer(() => Deno.remove(stateDir, { recursive: true }));
  const ns = undo.use(await freshNetns());
  await ns.ip.link.add({ type: "veth", name: "eth0", peer: { name: "peer0" }, up: true });
  await ns.ip.link.set("peer0", { up: true });
  const outer = undo.use(await Ip.open());
  const before = { namespaces: await outer.netns.list(), files: filesOf(ETC) };
  undo.defer(() => clearAway(outer, before.namespaces, before.files));
  const drivers = undo.use(new AsyncDisposableStack());
  const driver = async ({ wrap, ...options }: TestDriverOptions = {}) => {
    const all = { host: ns.name, stateDir, ...options };
    return drivers.use(wrap ? Driver.openWrapped(all, wrap) : await Driver.open(all));
  };
  const dump = async () => ({
    host: (await ns.ip.link.show()).map(essence).toSorted(byName),
    sandboxes: await Promise.all(
      (await outer.netns.list()).filter((name) => !before.namespaces.includes(name)).toSorted()
        .map(dumpSandbox),
    ),
    files: filesOf(ETC),
    store: dumpStore(stateDir),
  });
  await test({ ns, stateDir, driver, dump });
  await afterwards(await driver(), outer, ns, before);
}

/** Removes all that is on record, and asserts that nothing is left. */
async function afterwards(
  driver: Driver,
  outer: Ip,
  ns: FreshNetns,
  before: { namespaces: string[]; files: Record<string, string> },
): Promise<void> {
  for (const { name } of driver.listSandboxes()) await driver.removeSandbox(name);
  for (const { name } of driver.listNetworks()) await driver.removeNetwork(name);
  assertEquals((await ns.ip.link.show()).filter(isOurs), [], "links are left");
  assertEquals((await outer.netns.list()).toSorted(), before.namespaces.toSorted());
  assertEquals(filesOf(ETC), before.files);
  assertEquals([driver.listNetworks(), driver.listSandboxes()], [[], []]);
}

/** Deletes what a failed test has left outside its host's namespace. */
async function clearAway(
  outer: Ip,
  namespaces: readonly string[],
  files: Record<string, string>,
): Promise<void> {
  for (const name of await outer.netns.list()) {
    if (!namespaces.includes(name)) await outer.netns.del(name);
  }
  for (const path of Object.keys(filesOf(ETC)).toReversed()) {
    if (!(path in files)) await Deno.remove(path);
  }
}

/** What lies in a folder, each folder before what is in it. The folder itself may be missing. */
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

/** What counts of a link: not its index, nor the carrier that comes and goes below it. */
export function essence(
  { name, up, mtu, group, alias, master, link, addrgenmode, info }: Link,
): Partial<Link> & { name: string } {
  return { name, up, mtu, group, alias, master, link, addrgenmode, info };
}

function byName(one: { name: string }, other: { name: string }): number {
  return one.name < other.name ? -1 : 1;
}

/** What is compared of a namespace. */
export const COMPARED = { links: true, addrs: true, routes: "main" } as const;

async function dumpSandbox(name: string) {
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

function dumpStore(folder: string): unknown {
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

/**
 * Asserts that what is on record is in the kernel and in the hosts files, and the other way round.
 */
export async function assertConsistent({ ns, stateDir }: TestHost): Promise<void> {
  using store = SqliteStore.open(stateDir);
  const [networks, sandboxes, endpoints] = [
    store.networks(),
    store.sandboxes(),
    store.endpoints(),
  ];
  const half = [...networks, ...sandboxes, ...endpoints].filter(({ state }) => state !== "ready");
  assertEquals(half, [], "half done");

  const links = await ns.ip.link.show();
  assertEquals(
    links.filter(isOurs).map(({ name }) => name).toSorted(),
    store.links().map(({ name }) => name).toSorted(),
    "the driver's links in the host",
  );
  for (const { name, parent } of networks) {
    assertEquals(links.some((link) => link.name === parent), true, `the parent of ${name}`);
  }

  const named = endpoints.map((endpoint) => ({
    ...endpoint,
    networkName: networks.find(({ id }) => id === endpoint.network)!.name,
  }));
  const files: Record<string, string> = {};
  for (const { name } of sandboxes) {
    const own = named.filter(({ sandbox }) => sandbox === name);
    files[`${ETC}/${name}`] = "";
    files[`${ETC}/${name}/hosts`] = renderHosts(
      name,
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
  assertEquals(filesOf(ETC), files, "the hosts files");
  await using outer = await Ip.open();
  const others = (await outer.netns.list()).filter((name) => name !== ns.name);
  assertEquals(others.toSorted(), sandboxes.map(({ name }) => name), "the namespaces");
}

/** How a line is made to fail. */
export type Fault =
  /** The kernel refuses it. */
  | "refused"
  /** `ip` ends over it. */
  | "fatal"
  /** It is never run, as what starts `ip` is killed before. */
  | "lost"
  /** It is run, and what starts `ip` is killed before that says so. */
  | "unanswered"
  /** It and every later one is refused, so that nothing can be undone either. */
  | "from then on";

/** Has a line fail, counted over all namespaces. */
export class Faults implements AsyncDisposable {
  #left = Infinity;
  #fault: Fault;
  /** What keeps an answer back, where one is to be. */
  #held: HeldIp | undefined;
  #path: Disposable | undefined;
  /** Whether a line was made to fail since {@linkcode Faults.arm}. */
  fired = false;

  private constructor(fault: Fault, held?: HeldIp) {
    this.#fault = fault;
    this.#held = held;
    this.#path = held && inEnv("PATH", held.env.PATH);
  }

  /** Has lines fail in one way. To be made before the driver, and to outlive it. */
  static async of(fault: Fault): Promise<Faults> {
    return new Faults(fault, fault === "unanswered" ? await heldIp("behind") : undefined);
  }

  /** Has the n-th line that changes something fail, from 1. */
  arm(n: number): void {
    this.#left = n;
    this.fired = false;
  }

  /** Has no line fail any more. */
  disarm(): void {
    this.#left = Infinity;
  }

  /** For {@linkcode TestDriverOptions.wrap}. */
  readonly wrap: WrapRunner = (runner) => ({
    query: (line) => runner.query(line),
    change: (line) => {
      if (--this.#left > 0) return runner.change(line);
      this.fired = true;
      if (this.#fault !== "from then on") this.disarm();
      if (this.#fault === "lost") {
        signalStarter("SIGSTOP");
        const change = runner.change(line);
        // By then it has been handed over.
        queueMicrotask(() => signalStarter("SIGKILL"));
        return change;
      }
      if (this.#held) {
        this.#held.hold();
        return Promise.all([runner.change(line), killHeld(this.#held)]).then(() => {});
      }
      // The refusal must not be one that a step explains.
      return runner.change(
        this.#fault === "fatal" ? "addr add 1.2.3.4/33 dev lo" : "addr del 192.0.2.1/32 dev lo",
      );
    },
  });

  /** Has nothing fail any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#path?.[Symbol.dispose]();
    await this.#held?.[Symbol.asyncDispose]();
  }
}

/** Kills what has started an `ip` that is held. */
async function killHeld(held: HeldIp): Promise<void> {
  await held.waits();
  signalStarter("SIGKILL");
  await held.goOn();
}

/** Signals the shell that starts `ip` for a driver, and any that has not ended yet since it was killed. */
function signalStarter(signal: Deno.Signal): void {
  for (const pid of children()) {
    if (Deno.readTextFileSync(`/proc/${pid}/comm`) === "sh\n") Deno.kill(pid, signal);
  }
}

/** The processes that this one has started, by their ids. */
export function children(): number[] {
  const ids = [...Deno.readDirSync("/proc")].map(({ name }) => name).filter((name) =>
    /^\d+$/.test(name)
  );
  return ids.flatMap((id) => {
    try {
      // The second field is the program in parentheses, which may hold anything (proc(5)).
      const [, parent] = /\) \S (\d+) /.exec(Deno.readTextFileSync(`/proc/${id}/stat`)) ?? [];
      return Number(parent) === Deno.pid ? [Number(id)] : [];
    } catch {
      return [];
    }
  });
}
