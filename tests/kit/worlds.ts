/**
 * Makes namespaces, hosts and files for tests, and removes them when a test ends.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { type DriverOptions, EngineDriver } from "../../lib/driver/mod.ts";
import type { WrapRunner } from "../../lib/driver/run/namespaces.ts";
import { isOurs } from "../../lib/driver/network/parent.ts";
import type { Ip } from "../../lib/iproute2/ip.ts";
import {
  byName,
  dumpSandbox,
  dumpStore,
  essence,
  ETC,
  Eyes,
  filesOf,
  hostRoutes,
  namespaces,
} from "./look.ts";
import { inEnv, type Ran, run } from "./processes.ts";

/** Makes a folder that is removed at the end of the scope. */
export async function temporaryFolder(): Promise<AsyncDisposable & { path: string }> {
  const path = await Deno.makeTempDir();
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

/** Makes a file, directly in the folder for temporary files, that is removed at the end of the scope. */
export async function temporaryFile(text: string): Promise<AsyncDisposable & { path: string }> {
  const path = await Deno.makeTempFile();
  await Deno.writeTextFile(path, text);
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path) };
}

/** A network namespace for one test, deleted at the end of the scope. */
export interface FreshNetns extends AsyncDisposable {
  /** Its name under `/run/netns`. */
  readonly name: string;
  /** `ip` in it. */
  readonly ip: Ip;
  /** `ip` in any namespace, such as the caller's own. */
  readonly eyes: Eyes;
  /** Runs a program in it, and waits until it ends. */
  run(program: string, ...args: string[]): Promise<Ran>;
}

/**
 * Makes a network namespace that no other test has, with `lo` still down.
 *
 * @example
 * ```ts no-assert ignore
 * await using ns = await freshNetns();
 * await ns.ip.link.add({ type: "dummy", name: "d0", up: true });
 * ```
 */
export async function freshNetns(): Promise<FreshNetns> {
  await using undo = new AsyncDisposableStack();
  const eyes = undo.use(new Eyes());
  const outer = eyes.in();
  const name = `test-${crypto.randomUUID().slice(0, 8)}`;
  await outer.netns.add(name);
  undo.defer(() => outer.netns.del(name));
  const kept = undo.move();
  return {
    name,
    ip: eyes.in(name),
    eyes,
    run: (...command) => run("ip", "netns", "exec", name, ...command),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** The options of a driver, and the wrapper of its runners that makes lines fail. */
export interface TestDriverOptions extends DriverOptions {
  wrap?: WrapRunner;
}

/**
 * A host for the driver: a namespace with `eth0`, whose other end `peer0` is up, and a state folder.
 */
export interface TestHost {
  /** The host's namespace. */
  readonly ns: FreshNetns;
  /** `ip` in any namespace. */
  readonly eyes: Eyes;
  /** The state folder. */
  readonly stateDir: string;
  /** A driver on the host and its folder, which ends with the test. */
  driver(options?: TestDriverOptions): Promise<EngineDriver>;
  /** The state of the kernel, the store and `/etc/netns`, for comparison. */
  dump(): Promise<unknown>;
}

/**
 * Runs a test on a host of its own. Afterwards it removes everything through a driver, and asserts
 * that no link, namespace, record or file is left. It also removes leftovers of a failed test.
 */
export async function withHost(test: (host: TestHost) => Promise<void>): Promise<void> {
  await using undo = new AsyncDisposableStack();
  const { path: stateDir } = undo.use(await temporaryFolder());
  const ns = undo.use(await freshNetns());
  const { eyes } = ns;
  await Promise.all([
    ns.ip.link.add({ type: "veth", name: "eth0", peer: { name: "peer0" }, up: true }),
    ns.ip.link.set("peer0", { up: true }),
    ns.ip.link.set("lo", { up: true }),
  ]);
  const before = { namespaces: namespaces(), files: filesOf(ETC) };
  undo.defer(() => clearAway(eyes.in(), before.namespaces, before.files));
  const drivers = undo.use(new AsyncDisposableStack());
  const driver = async ({ wrap, ...options }: TestDriverOptions = {}) => {
    const all = { host: ns.name, stateDir, ...options };
    return drivers.use(await EngineDriver.open(all, wrap));
  };
  const dump = async () => {
    const names = namespaces().filter((name) => !before.namespaces.includes(name));
    const [links, routes, proxies, ...sandboxes] = await Promise.all([
      ns.ip.link.show(),
      hostRoutes(ns.ip),
      ns.ip.neigh.show({ proxy: true }),
      ...names.map((name) => dumpSandbox(name, eyes)),
    ]);
    return {
      host: links.map(essence).toSorted(byName),
      routes,
      proxies: proxies.map(({ dst, dev }) => `${dst} ${dev}`).toSorted(),
      sandboxes,
      files: filesOf(ETC),
      store: dumpStore(stateDir),
    };
  };
  await test({ ns, eyes, stateDir, driver, dump });
  await afterwards(await driver(), ns, before);
}

/** Removes all records, and asserts that nothing is left. */
async function afterwards(
  driver: EngineDriver,
  ns: FreshNetns,
  before: { namespaces: string[]; files: Record<string, string> },
): Promise<void> {
  for (const { name } of driver.listSandboxes()) await driver.removeSandbox(name);
  for (const { name } of driver.listNetworks()) await driver.removeNetwork(name);
  const [links, routes] = await Promise.all([ns.ip.link.show(), hostRoutes(ns.ip)]);
  assertEquals(links.filter(isOurs), [], "links are left");
  assertEquals(routes, [], "routes are left");
  assertEquals(namespaces(), before.namespaces);
  assertEquals(filesOf(ETC), before.files);
  assertEquals([driver.listNetworks(), driver.listSandboxes()], [[], []]);
}

/** Deletes leftovers of a failed test in `/run/netns` and `/etc/netns`. */
async function clearAway(
  outer: Ip,
  before: readonly string[],
  files: Record<string, string>,
): Promise<void> {
  for (const name of namespaces()) {
    if (!before.includes(name)) await outer.netns.del(name);
  }
  for (const path of Object.keys(filesOf(ETC)).toReversed()) {
    if (!(path in files)) await Deno.remove(path);
  }
}

/**
 * This machine as the host of the `ipvlan` command: a parent `eth0`, and a state folder of its own.
 * The command works in the caller's namespace, so only one such host can exist at a time.
 */
export interface CommandHost extends AsyncDisposable {
  /** `ip` in the caller's namespace. */
  ip: Ip;
  /** The state of the kernel and the store, for comparison. It changes when something is made again. */
  dump(): Promise<unknown>;
}

/**
 * Makes a {@linkcode CommandHost}. At the end of the scope all networks, all sandboxes and their
 * processes are removed, also after a test that failed.
 */
export async function commandHost(): Promise<CommandHost> {
  await using undo = new AsyncDisposableStack();
  const ip = undo.use(new Eyes()).in();
  undo.defer(() => ip.link.del("eth0"));
  await Promise.all([
    ip.link.add({ type: "veth", name: "eth0", up: true, peer: { name: "eth0-peer" } }),
    ip.link.set("eth0-peer", { up: true }),
  ]);
  undo.use(await commandFolder());
  const kept = undo.move();
  return {
    ip,
    dump: async () => ({
      links: (await ip.link.show()).map(essence),
      namespaces: namespaces(),
      ...await recorded(),
    }),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/**
 * Makes a machine of the LAN, the namespace `lan`, of the other end of a host's link: it has 192.168.1.1,
 * and 192.168.20.1 in VLAN 20. The host gets 192.168.1.250. At the end of the scope, the end is back.
 */
export async function lanOf({ ip }: CommandHost): Promise<AsyncDisposable> {
  await using undo = new AsyncDisposableStack();
  await ip.netns.add("lan");
  undo.defer(() => ip.netns.del("lan"));
  undo.defer(() => shell(`ip -n lan link set eth0 netns ${Deno.pid} name eth0-peer`));
  await shell(
    "ip link set eth0-peer netns lan name eth0",
    "ip addr add 192.168.1.250/24 dev eth0",
    "ip -n lan link set eth0 up",
    "ip -n lan addr add 192.168.1.1/24 dev eth0",
    "ip -n lan link add link eth0 name eth0.20 type vlan id 20",
    "ip -n lan link set eth0.20 up",
    "ip -n lan addr add 192.168.20.1/24 dev eth0.20",
  );
  return undo.move();
}

/** Runs lines of a shell. Each has to succeed, and to say nothing on standard error. */
export async function shell(...lines: string[]): Promise<void> {
  for (const line of lines) {
    const { code, stderr } = await run("sh", "-c", line);
    assertEquals([line, code, stderr], [line, 0, ""]);
  }
}

/** Makes a state folder for the `ipvlan` command. The end of the scope removes all that is on record. */
export async function commandFolder(): Promise<AsyncDisposable & { path: string }> {
  await using undo = new AsyncDisposableStack();
  const { path } = undo.use(await temporaryFolder());
  undo.use(inEnv("IPVLAN_STATE_DIR", path));
  undo.defer(removeEverything);
  const kept = undo.move();
  return { path, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

async function recorded(): Promise<Record<string, unknown>> {
  await using driver = await EngineDriver.open();
  return { networks: driver.listNetworks(), sandboxes: driver.listSandboxes() };
}

async function removeEverything(): Promise<void> {
  await using driver = await EngineDriver.open();
  await driver.recover();
  for (const { name } of driver.listSandboxes()) await driver.removeSandbox(name, "kill");
  assertEquals((await driver.pruneNetworks()).failed, []);
}

/** Makes the site file `NAME.yaml`, in a folder that is removed at the end of the scope. */
export async function siteFile(
  text: string,
  name = "demo",
): Promise<{ path: string } & AsyncDisposable> {
  const folder = await temporaryFolder();
  const path = `${folder.path}/${name}.yaml`;
  await Deno.writeTextFile(path, text);
  return { path, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}
