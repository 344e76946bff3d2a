import { findHolders, type HeldAddress } from "../driver/addresses/holders.ts";
import { engineOf, isOwned, networkParent } from "../driver/model/names.ts";
import { stateFolder } from "../driver/model/state_folder.ts";
import { SqliteStore } from "../driver/store/sqlite_store.ts";
import { isReady, withoutState } from "../driver/store/store.ts";
import { IpvlanError, isIpvlanError } from "../base/errors.ts";
import { statOf, tryToWriteIn } from "../base/files.ts";
import { PLUGIN_FOLDER, wayOfCalls } from "../engine/cni/caller.ts";
import { PLUGIN_NAME } from "../engine/cni/version.ts";
import { kernelFacts, MODULES } from "../iproute2/kernel.ts";
import { Shell } from "../iproute2/shell.ts";
import { lookAround } from "../iproute2/view.ts";
import {
  type DoctorFacts,
  type DoctorView,
  type MachineFacts,
  type ParentFacts,
  type StateFacts,
  WANTED,
} from "./facts.ts";
import { gatherShared } from "./gather_shared.ts";
import { gatherParent } from "./gather_parent.ts";
import { findRoutingDaemons } from "./gather_routing.ts";

/** Options of {@linkcode gatherFacts}. */
export interface DoctorOptions {
  /**
   * The link to examine as a parent.
   *
   * @default {undefined} The parents of all networks on record.
   */
  parent?: string;
  /**
   * The folder of the store.
   *
   * @default {undefined} The environment's `IPVLAN_STATE_DIR`, or `/var/lib/ipvlan`.
   */
  stateDir?: string;
  /**
   * Ends the call: it kills the processes that it waits for, deletes everything that it made, and
   * fails with the signal's reason.
   *
   * @default {undefined}
   */
  signal?: AbortSignal;
}

/**
 * Gathers the facts for {@linkcode diagnose}. As a test, it makes links, a namespace and a file,
 * and deletes them again. It also asks the segment of each parent for the owners of the networks'
 * addresses, which takes seconds.
 *
 * @example
 * ```ts
 * import { diagnose, gatherFacts } from "@ipvlan/kit/doctor";
 *
 * const facts = await gatherFacts({ parent: "eth0", signal: AbortSignal.timeout(30_000) });
 * const isBroken = diagnose(facts).some(({ level }) => level === "broken");
 * ```
 */
export async function gatherFacts(options: DoctorOptions = {}): Promise<DoctorFacts> {
  const { signal } = options;
  signal?.throwIfAborted();
  const folder = options.stateDir ?? stateFolder();
  const state = gatherState(folder);
  const release = Deno.osRelease();
  const facts: DoctorFacts = {
    release,
    ip: await printedVersion(),
    modulesOnDisk: await modulesOnDisk(release),
    machine: await gatherMachine(),
    hostsFile: statOf("/etc/hosts") !== undefined,
    cni: statOf(`${PLUGIN_FOLDER}/${PLUGIN_NAME}`) && wayOfCalls(),
    ipv6: await gatherIPv6(),
    state,
    held: [],
    shared: state.problem === undefined ? await gatherShared(folder) : [],
    routingDaemons: state.networks.some(({ advertise }) => advertise !== undefined)
      ? await findRoutingDaemons(signal)
      : [],
    parents: [],
  };
  if (facts.ip === undefined) return facts;
  try {
    const files = [...new Set(state.owned.flatMap(({ path }) => path ?? []))];
    facts.view = await lookAround(WANTED, { signal, files });
    facts.links = await gatherLinks(signal);
    facts.held = await gatherHolders(facts.view, signal);
    facts.parents = await gatherParents(options, facts, facts.view);
  } catch (error) {
    // Usually, `ip` is too old.
    if (!(error instanceof IpvlanError) || signal?.aborted) throw error;
    facts.ipProblem = error;
  }
  return facts;
}

async function printedVersion(): Promise<string | undefined> {
  try {
    const { stdout, stderr } = await new Deno.Command("ip", { args: ["-V"], stdin: "null" })
      .output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).split("\n")[0]!.trim();
    return text(stdout) || text(stderr);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

async function gatherLinks(signal: AbortSignal | undefined): Promise<DoctorFacts["links"]> {
  try {
    return (await kernelFacts({ signal })).problems;
  } catch (error) {
    if (!(error instanceof IpvlanError) || signal?.aborted) throw error;
    return { ipvlan: error, vlan: error, dummy: error };
  }
}

async function gatherHolders(
  view: DoctorView,
  signal: AbortSignal | undefined,
): Promise<HeldAddress[]> {
  await using shell = new Shell({ signal });
  return await findHolders(shell.run, undefined, view.host.links);
}

async function gatherParents(
  { parent, signal }: DoctorOptions,
  { state, links, held }: DoctorFacts,
  view: DoctorView,
): Promise<ParentFacts[]> {
  const names = parent === undefined
    ? [...new Set(state.networks.flatMap((network) => networkParent(network).link ?? []))]
    : [parent];
  const able = links?.ipvlan === undefined;
  return await Promise.all(
    names.map((name) => gatherParent(name, { state, view, held, able, signal })),
  );
}

/** The modules of {@linkcode MODULES} among those that depmod(8) listed for a kernel. */
async function modulesOnDisk(release: string): Promise<string[]> {
  const folder = `/lib/modules/${release}`;
  const lists = await Promise.all(
    ["modules.dep", "modules.builtin"].map((file) => readText(`${folder}/${file}`)),
  );
  return Object.values(MODULES).filter((name) =>
    lists.some((list) => new RegExp(`(^|/)${name}\\.ko`, "m").test(list))
  );
}

async function gatherMachine(): Promise<MachineFacts> {
  const read = (file: string) => readText(`/sys/class/dmi/id/${file}`);
  const [vendor = "", product = "", assetTag = ""] = await Promise.all(
    ["sys_vendor", "product_name", "chassis_asset_tag"].map(read),
  );
  return { vendor, product, assetTag };
}

/**
 * Finds out whether a new namespace has IPv6. The host's setting counts only if it is inherited
 * (`net.core.devconf_inherit_init_net`, in the kernel's `Documentation/admin-guide/sysctl/net.rst`:
 * 1 from the first namespace, 3 from the caller's).
 */
async function gatherIPv6(): Promise<DoctorFacts["ipv6"]> {
  const conf = await readText("/proc/sys/net/ipv6/conf/default/disable_ipv6");
  if (conf === "") return "not in the kernel";
  const inherited = ["1", "3"].includes(
    await readText("/proc/sys/net/core/devconf_inherit_init_net"),
  );
  const off = inherited ? conf : await readText("/sys/module/ipv6/parameters/disable_ipv6");
  return off === "1" ? "off in new namespaces" : "on";
}

/** A file's text without the space around it. Empty if the file cannot be read. */
async function readText(path: string): Promise<string> {
  try {
    return (await Deno.readTextFile(path)).trim();
  } catch {
    return "";
  }
}

/** Reads the records in the state folder. SQLite reads only where it can write. */
function gatherState(folder: string): StateFacts {
  const facts: StateFacts = {
    ...{ folder, networks: [], endpoints: [], sandboxes: [], owned: [], made: [], halfDone: [] },
  };
  try {
    tryToWrite(folder);
    using store = SqliteStore.copy(folder);
    const [networks, sandboxes, endpoints] = [
      store.networks(),
      store.sandboxes(),
      store.endpoints(),
    ];
    facts.networks = networks.filter(isReady).map(withoutState);
    facts.sandboxes = sandboxes.filter(isReady).map(({ name }) => name)
      .filter((name) => !isOwned(name));
    facts.owned = sandboxes.filter(isReady).flatMap(({ name, path }) => {
      const engine = engineOf(name);
      return engine ? [{ name, engine, path }] : [];
    });
    facts.endpoints = endpoints.filter(isReady).map(withoutState);
    facts.made = store.links();
    const half = <T extends { state: "making" | "ready" | "removing" }>(
      records: readonly T[],
      words: (record: T) => string,
    ) => records.filter((record) => !isReady(record)).map(words);
    facts.halfDone = [
      ...half(networks, ({ name }) => `network "${name}"`),
      ...half(sandboxes, ({ name }) => `sandbox "${name}"`),
      ...half(endpoints, ({ sandbox, ifname }) => `link "${ifname}" of sandbox "${sandbox}"`),
    ];
  } catch (error) {
    facts.problem = isIpvlanError(error, "missing-rights")
      ? error.reason
      : (error as Error).message;
  }
  return facts;
}

/** Writes a file in the folder or its nearest existing parent, and removes it again. */
function tryToWrite(folder: string): void {
  try {
    tryToWriteIn(folder);
  } catch (error) {
    const above = folder.replace(/\/+[^/]*\/*$/, "") || "/";
    if (!(error instanceof Deno.errors.NotFound) || above === folder) throw error;
    tryToWrite(above);
  }
}
