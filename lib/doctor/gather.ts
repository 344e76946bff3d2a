import { prefixOf } from "../claims/access.ts";
import { listHosts } from "../claims/hosts.ts";
import { whyRefused } from "../claims/local.ts";
import { LastToken } from "../claims/last_token.ts";
import { SharedPools } from "../claims/shared_pools.ts";
import { accesses } from "../driver/addresses/shared/pools.ts";
import { findHolders } from "../driver/addresses/held_addresses.ts";
import { isOwned, networkParent } from "../driver/model/names.ts";
import { stateFolder } from "../driver/model/state_folder.ts";
import { isReady, Store, withoutState } from "../driver/store/store.ts";
import { IpvlanError, isIpvlanError, unlessError } from "../base/errors.ts";
import { nearestFolder, statOf, textOf, tryToWriteIn } from "../base/files.ts";
import { howCallsReach } from "../engine/caller.ts";
import { CNI, NETAVARK, PLUGIN_NAME } from "../engine/plugins.ts";
import { Ip } from "../iproute2/ip.ts";
import { kernelFacts, MODULES } from "../iproute2/kernel.ts";
import { runnerIn } from "../iproute2/netlink_runner.ts";
import { chooseTransport } from "../netlink/libc.ts";
import { feed, Shell, spawn } from "../iproute2/shell.ts";
import { lookAround } from "../iproute2/view.ts";
import type { DoctorFacts, MachineFacts, SharedFacts, StateFacts } from "./facts.ts";
import { readFirewall, WANTED } from "../why/mod.ts";
import { gatherParent } from "./parent.ts";

/** What to examine. */
export interface DoctorOptions {
  /** The link to examine as a parent; left out, the parents of all networks on record. */
  parent?: string;
  /** The folder of the store; left out, `IPVLAN_STATE_DIR` of the environment, or `/var/lib/ipvlan`. */
  stateDir?: string;
  /**
   * Ends the call: it kills the processes that it waits for, deletes everything that it made, and
   * fails with the signal's reason.
   */
  signal?: AbortSignal;
}

export async function gatherFacts(options: DoctorOptions = {}): Promise<DoctorFacts> {
  const { signal } = options;
  signal?.throwIfAborted();
  const folder = options.stateDir ?? stateFolder();
  const state = gatherState(folder);
  const release = Deno.osRelease();
  const { reason, fix } = chooseTransport();
  const facts: DoctorFacts = {
    release,
    ip: await printedVersion(),
    transport: { reason, fix },
    modulesOnDisk: modulesOnDisk(release),
    machine: gatherMachine(),
    firewall: state.networks.length > 0 ? await readFirewall() : [],
    hostsFile: statOf("/etc/hosts") !== undefined,
    plugins: [CNI, NETAVARK].filter(({ folder }) => statOf(`${folder}/${PLUGIN_NAME}`))
      .map((plugin) => ({ engine: plugin.command, ...howCallsReach(plugin) })),
    ipv6: gatherIPv6(),
    state,
    held: [],
    shared: state.problem === undefined ? await gatherShared(folder) : [],
    routingDaemons: state.networks.some(({ advertise }) => advertise !== undefined)
      ? await findRoutingDaemons()
      : [],
    parents: [],
  };
  if (facts.ip === undefined) return facts;
  try {
    const files = [...new Set(state.owned.flatMap(({ path }) => path ?? []))];
    facts.view = await lookAround(WANTED, { signal, files });
    facts.links = await gatherLinks(signal);
    await using shell = new Shell({ signal });
    facts.held = await findHolders(shell.run, undefined, facts.view.host.links);
    const { libc: netlink } = chooseTransport();
    const ip = new Ip(runnerIn({ netlink, netns: undefined, force: true, signal, run: shell.run }));
    const names = options.parent === undefined
      ? [...new Set(state.networks.flatMap((network) => networkParent(network).link ?? []))]
      : [options.parent];
    facts.parents = await Promise.all(
      names.map((name) => gatherParent(ip, name, facts, facts.view!, signal)),
    );
  } catch (error) {
    // Usually, `ip` is too old.
    if (!(error instanceof IpvlanError) || signal?.aborted) throw error;
    facts.ipProblem = error;
  }
  return facts;
}

async function printedVersion(): Promise<string | undefined> {
  return await unlessError(["program-not-found"], async () => {
    const { out, err } = await feed(spawn("ip", ["-V"]), "");
    return (out.trim() || err.trim()).split("\n")[0];
  });
}

async function gatherLinks(signal: AbortSignal | undefined): Promise<DoctorFacts["links"]> {
  try {
    return (await kernelFacts({ signal })).problems;
  } catch (error) {
    if (!(error instanceof IpvlanError) || signal?.aborted) throw error;
    return { ipvlan: error, vlan: error, dummy: error };
  }
}

/** The modules of {@linkcode MODULES} among those that depmod(8) listed for a kernel. */
function modulesOnDisk(release: string): string[] {
  const lists = ["modules.dep", "modules.builtin"]
    .map((file) => textOf(`/lib/modules/${release}/${file}`));
  return Object.values(MODULES).filter((name) =>
    lists.some((list) => new RegExp(`(^|/)${name}\\.ko`, "m").test(list))
  );
}

function gatherMachine(): MachineFacts {
  const read = (file: string) => textOf(`/sys/class/dmi/id/${file}`);
  return {
    vendor: read("sys_vendor"),
    product: read("product_name"),
    assetTag: read("chassis_asset_tag"),
  };
}

/**
 * Finds out whether a new namespace has IPv6. The host's setting counts only if it is inherited
 * (`net.core.devconf_inherit_init_net`, in the kernel's `Documentation/admin-guide/sysctl/net.rst`:
 * 1 from the first namespace, 3 from the caller's).
 */
function gatherIPv6(): DoctorFacts["ipv6"] {
  const conf = textOf("/proc/sys/net/ipv6/conf/default/disable_ipv6");
  if (conf === "") return "not in the kernel";
  const inherited = ["1", "3"].includes(textOf("/proc/sys/net/core/devconf_inherit_init_net"));
  const off = inherited ? conf : textOf("/sys/module/ipv6/parameters/disable_ipv6");
  return off === "1" ? "off in new namespaces" : "on";
}

/** Reads the records in the state folder. SQLite reads only where it can write. */
export function gatherState(folder: string): StateFacts {
  const facts: StateFacts = {
    ...{ folder, networks: [], endpoints: [], sandboxes: [], owned: [], made: [], halfDone: [] },
  };
  try {
    tryToWriteIn(nearestFolder(folder));
    using store = Store.copy(folder);
    const isHalf = (record: Parameters<typeof isReady>[0]) => !isReady(record);
    const [networks, sandboxes, endpoints] = [
      store.networks(),
      store.sandboxes(),
      store.endpoints(),
    ];
    facts.networks = networks.filter(isReady).map(withoutState);
    facts.endpoints = endpoints.filter(isReady).map(withoutState);
    for (const { name, path } of sandboxes.filter(isReady)) {
      if (isOwned(name)) facts.owned.push({ name, path });
      else facts.sandboxes.push(name);
    }
    facts.made = store.links();
    facts.halfDone = [
      ...networks.filter(isHalf).map(({ name }) => `network "${name}"`),
      ...sandboxes.filter(isHalf).map(({ name }) => `sandbox "${name}"`),
      ...endpoints.filter(isHalf)
        .map(({ sandbox, ifname }) => `link "${ifname}" of sandbox "${sandbox}"`),
    ];
  } catch (error) {
    facts.problem = isIpvlanError(error, "missing-rights")
      ? error.reason
      : (error as Error).message;
  }
  return facts;
}

/** FRR's zebra, and BIRD; BIRD 1 has another program for IPv6. */
const ROUTING_DAEMONS = /^(zebra|bird6?)$/;

/** Names the routing daemons in this network namespace, or in one that this user may not see. */
async function findRoutingDaemons(): Promise<string[]> {
  const netnsOf = (pid: string) => Deno.readLink(`/proc/${pid}/ns/net`).catch(() => undefined);
  const own = await netnsOf("self");
  const found = new Set<string>();
  for (const { name: pid } of Deno.readDirSync("/proc")) {
    const program = textOf(`/proc/${pid}/comm`);
    if (!ROUTING_DAEMONS.test(program)) continue;
    if ([own, undefined].includes(await netnsOf(pid))) found.add(program);
  }
  return [...found].sort();
}

/**
 * Reads the state of shared pools: whether etcd answers, which changes it lacks, and which hosts
 * there are. It changes neither records nor etcd.
 */
async function gatherShared(folder: string): Promise<SharedFacts[]> {
  using store = Store.copy(folder);
  const ways = [...accesses(store).values()];
  if (ways.length === 0) return [];
  const lock = () => Promise.reject(new TypeError("Doctor changes nothing"));
  const lastToken = new LastToken("", folder);
  using pools = new SharedPools({ store, hostname: "", lastToken, lock });
  return await Promise.all(ways.map(async (access): Promise<SharedFacts> => {
    const prefix = prefixOf(access);
    const untold = store.shared.pools().filter((pool) => pool.prefix === prefix)
      .reduce((sum, { id }) => sum + store.shared.untold(id).length, 0);
    const own = store.shared.host(prefix);
    const lost = pools.lost().filter(({ pool }) => pool.startsWith(`${prefix} `));
    const refused = own && whyRefused(own)?.message;
    const facts = { prefix, untold, lost, ownId: own?.id, refused };
    try {
      const listed = await listHosts(pools.reader(access));
      const hosts = listed.map(({ id, name, isAlive, copies, claims }) => {
        const addresses = Object.values(claims).reduce((sum, count) => sum + count, 0);
        return { id, name, isAlive, copies, addresses };
      });
      if (own && own.number > 0 && !hosts.some(({ id }) => id === own.id)) {
        // This host may not have noticed yet that it was removed.
        facts.refused ??= new IpvlanError("host-removed", { prefix }).message;
      }
      return { ...facts, hosts };
    } catch (error) {
      if (!(error instanceof IpvlanError)) throw error;
      return { ...facts, hosts: [], problem: error.message };
    }
  }));
}
