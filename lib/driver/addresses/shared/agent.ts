// A host's agent: beside other work, it keeps the host's lease in etcd, gives addresses to other hosts
// that need them, writes the names of their sandboxes into hosts files, and reports pending changes
// to etcd when it is reachable again.
import { prefixOf } from "../../../claims/access.ts";
import { textOf } from "../../../claims/keys.ts";
import type { EtcdAccess, SharedChange } from "../../../claims/types.ts";
import { IpvlanError } from "../../../base/errors.ts";
import type { FileLock } from "../../run/lock.ts";
import { KnownNames } from "./known_names.ts";
import type { Parts } from "../parts.ts";
import { accesses, reconcile } from "./pools.ts";
import { Coalescer, pause } from "../../../base/waiting.ts";

/** The options of an agent. */
export interface AgentOptions {
  /** Called with a sentence for each event that concerns the user: etcd is unreachable, or back. */
  notify?: (sentence: string) => void;
  /** Called with a sentence about the agent's work, such as which etcd it follows. */
  report?: (sentence: string) => void;
  /**
   * A file in an existing folder, for a DNS server. The agent writes all names with addresses in the
   * pools that this host shares into it, in the form of hosts(5).
   */
  hostsFile?: string;
}

/** The interval of looking for networks with another prefix, in milliseconds. */
const INTERVAL = 1000;

/** The pause between two writes: `times` as long as the last one, within these milliseconds. */
const REST = { times: 4, least: 100, most: 5000 };

/**
 * Runs the agent until the signal of its parts is aborted.
 *
 * @param beside The work beside that for shared pools, until its signal is aborted.
 * @throws {"agent-runs"} Another agent runs.
 */
export async function runAgent(
  parts: Parts<"store" | "namespaces" | "hosts" | "openShared" | "wait">,
  lock: FileLock | undefined,
  { notify = () => {}, report = () => {}, hostsFile }: AgentOptions,
  beside: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const { signal = new AbortController().signal } = parts.wait;
  using locked = lock?.tryExclusive();
  if (lock && !locked) throw new IpvlanError("agent-runs");
  const names = new KnownNames(parts.store, hostsFile);
  const failed = new AbortController();
  const ended = AbortSignal.any([signal, failed.signal]);
  // The signal also ends a look at the links, or a restore.
  const fail = (error: unknown) => ended.aborted || failed.abort(error);
  const working = beside(ended).catch(fail);
  const writing = new Coalescer(() => write(parts, names, ended, notify), async (took) => {
    await pause(Math.min(Math.max(REST.times * took, REST.least), REST.most), ended);
  });
  const changed = async (prefix: string, change: SharedChange) => {
    await names.change(prefix, change);
    writing.request();
  };
  const start = (access: EtcdAccess) => {
    report(`Following ${prefixOf(access)} in etcd at ${access.endpoints.join(", ")}`);
    const stop = new AbortController();
    const done = watchPrefix(parts, access, AbortSignal.any([ended, stop.signal]), notify, changed)
      .catch((error) => stop.signal.aborted || fail(error));
    return { access: JSON.stringify(access), stop, done };
  };
  const watches = new Map<string, ReturnType<typeof start>>();
  if (accesses(parts.store).size === 0) {
    report("No network here has its addresses in etcd yet: waiting for one");
  }
  const addresses = async () =>
    JSON.stringify((await parts.namespaces.host().addr.show()).map(({ address }) => address));
  const follow = async () => {
    // The addresses that the host has at the start are claimed when etcd has answered.
    let own = await addresses();
    while (!ended.aborted) {
      const wanted = accesses(parts.store);
      for (const [prefix, { access, stop }] of watches) {
        if (JSON.stringify(wanted.get(prefix)) === access) continue;
        stop.abort();
        watches.delete(prefix);
        names.forget(prefix);
        writing.request();
      }
      for (const [prefix, access] of wanted) {
        if (!watches.has(prefix)) watches.set(prefix, start(access));
      }
      const now = await addresses();
      const pools = now === own ? undefined : (await parts.openShared())?.withSignal(ended);
      if (pools) (await reconcile(parts, pools)).forEach(notify);
      own = now;
      await pause(INTERVAL, ended);
    }
  };
  await follow().catch(fail);
  await Promise.all([working, ...[...watches.values()].map(({ done }) => done)]);
  await writing.request();
  failed.signal.throwIfAborted();
}

async function watchPrefix(
  parts: Parts<"store" | "namespaces" | "openShared" | "wait">,
  access: EtcdAccess,
  signal: AbortSignal,
  notify: (sentence: string) => void,
  changed: (prefix: string, change: SharedChange) => Promise<void>,
): Promise<void> {
  const prefix = prefixOf(access);
  const pools = (await parts.openShared())?.withSignal(signal);
  if (!pools) return;
  let isBroken = false;
  for await (const change of pools.watch(access, signal)) {
    if (change.kind === "broken") {
      if (!isBroken) notify(change.reason);
      isBroken = true;
      continue;
    }
    await changed(prefix, change);
    pools.damaged().forEach(notify);
    const isWanted = change.kind === "freed" &&
      parts.store.shared.lost().some(({ address }) => textOf(address) === change.address);
    if (change.kind !== "listed" && !isWanted) continue;
    if (isBroken) notify(`etcd is within reach again under ${prefix}`);
    isBroken = false;
    (await reconcile(parts, pools)).forEach(notify);
  }
}

/** Writes changed names to the record and into files. Failures are passed to `notify`. */
async function write(
  { hosts, wait }: Parts<"hosts" | "wait">,
  names: KnownNames,
  signal: AbortSignal,
  notify: (sentence: string) => void,
): Promise<void> {
  if (signal.aborted) return;
  try {
    const stale = await names.record();
    names.writeFile();
    if (stale.length === 0) return;
    (await hosts.refresh(stale, [], { ...wait, signal })).forEach(({ message }) => notify(message));
  } catch (error) {
    if (!signal.aborted) notify((error as Error).message);
  }
}
