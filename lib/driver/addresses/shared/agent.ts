/**
 * A host's agent: it keeps the host alive in etcd, answers other hosts that need addresses, writes the
 * names of their sandboxes into hosts files, and tells etcd what it does not know when it is back.
 *
 * @module
 */
import { prefixOf } from "../../../claims/access.ts";
import { textOf } from "../../../claims/keys.ts";
import type { EtcdAccess, SharedChange, SharedPools } from "../../../claims/mod.ts";
import { IpvlanError } from "../../../base/errors.ts";
import type { FileLock } from "../../run/lock.ts";
import { KnownNames } from "./known_names.ts";
import { NamesFile } from "./names_file.ts";
import type { Parts } from "../parts.ts";
import { accesses, reconcile } from "./pools.ts";
import { pause, Together } from "../../../base/waiting.ts";

/** How an agent runs. */
export interface AgentOptions {
  /** Ends it. */
  signal: AbortSignal;
  /**
   * Gets a sentence for each thing that the user should know: etcd is out of reach, or back.
   *
   * @default {undefined}
   */
  notify?: (sentence: string) => void;
  /**
   * Gets a sentence about what it does: which etcd it follows.
   *
   * @default {undefined}
   */
  report?: (sentence: string) => void;
  /**
   * A file to write the names of everything that has an address in the pools that this host shares, in the
   * form of hosts(5), for a DNS server. Its folder has to exist.
   *
   * @default {undefined} None.
   */
  hostsFile?: string;
}

/** How often to look for networks with another prefix, in milliseconds. */
const INTERVAL = 1000;

/**
 * How long to rest between two writes: as many times as long as the last one took, and at least and at
 * most so many milliseconds.
 */
const REST = { times: 4, least: 100, most: 5000 };

/** Runs the agent until its signal is aborted. @throws {"agent-runs"} One runs already. */
export async function runAgent(
  parts: Parts<"store" | "namespaces" | "hosts" | "openShared" | "wait">,
  lock: FileLock | undefined,
  { signal, notify = () => {}, report = () => {}, hostsFile }: AgentOptions,
): Promise<void> {
  using locked = lock?.tryExclusive();
  if (lock && !locked) throw new IpvlanError("agent-runs");
  const names = new KnownNames(parts.store);
  const file = hostsFile === undefined ? undefined : new NamesFile(hostsFile, parts.store, names);
  const failed = new AbortController();
  const ended = AbortSignal.any([signal, failed.signal]);
  const writing = new Together(() => write(parts, names, file, ended, notify), async (took) => {
    await pause(Math.min(Math.max(REST.times * took, REST.least), REST.most), ended);
  });
  const changed = async (prefix: string, change: SharedChange) => {
    await names.change(prefix, change);
    writing.request();
  };
  const watches = new Map<string, Watch>();
  const start = (access: EtcdAccess): Watch => {
    report(`Following ${prefixOf(access)} in etcd at ${access.endpoints.join(", ")}`);
    const stop = new AbortController();
    const done = watchPrefix(parts, access, AbortSignal.any([ended, stop.signal]), notify, changed)
      .catch((error) => failed.abort(error));
    return { access: JSON.stringify(access), stop, done };
  };
  const isIdle = accesses(parts.store).size === 0;
  if (isIdle) report("No network here has its addresses in etcd yet: waiting for one");
  const addresses = async () =>
    JSON.stringify((await parts.namespaces.hostLook().addr.show()).map(({ address }) => address));
  // What the host has at the start is claimed when etcd has answered.
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
    if (pools) await mend(parts, pools, ended, notify);
    own = now;
    await pause(INTERVAL, ended);
  }
  await Promise.all([...watches.values()].map(({ done }) => done));
  await writing.request();
  failed.signal.throwIfAborted();
}

/** A watch of one prefix. */
interface Watch {
  /** How it reaches etcd, as JSON. */
  access: string;
  /** Ends it. */
  stop: AbortController;
  /** Resolves when it has ended. */
  done: Promise<void>;
}

/** Follows what changes under a prefix. */
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
    await mend(parts, pools, signal, notify);
  }
}

/** Puts the names that have changed on record and into files. What fails is said. */
async function write(
  { hosts, wait }: Parts<"hosts" | "wait">,
  names: KnownNames,
  file: NamesFile | undefined,
  signal: AbortSignal,
  notify: (sentence: string) => void,
): Promise<void> {
  if (signal.aborted) return;
  try {
    const stale = await names.record();
    file?.write();
    if (stale.length === 0) return;
    (await hosts.refresh(stale, [], { ...wait, signal })).forEach(({ message }) => notify(message));
  } catch (error) {
    if (!signal.aborted) notify((error as Error).message);
  }
}

/**
 * Brings the record and etcd together: after a start or a break, and when this host has other addresses
 * itself, or another one has given one of them up.
 */
async function mend(
  parts: Parts<"store" | "namespaces" | "wait">,
  pools: SharedPools,
  signal: AbortSignal,
  notify: (sentence: string) => void,
): Promise<void> {
  try {
    (await reconcile(parts, pools)).forEach(notify);
  } catch (error) {
    if (signal.aborted) return;
    if (!(error instanceof IpvlanError)) throw error;
    notify(error.message);
  }
}
