import { endpointAddresses } from "../ipam/address.ts";
import { ownNames } from "./endpoint.ts";
import { HostsFileError } from "./errors.ts";
import { orAbort } from "../iproute2/abort.ts";
import { FileLock } from "./lock.ts";
import type { WaitOptions } from "./wait.ts";
import { withOwnHosts } from "./settings.ts";
import type { EndpointRecord, State, Store } from "./store.ts";

/**
 * Where `ip netns exec NAME` finds the files that it mounts over those of `/etc` (ip-netns(8)).
 */
const FOLDER = "/etc/netns";

/** The first line of each hosts file that the driver writes. It does not change other files. */
const MARK = "# Written by ipvlan-kit; changes will be lost";

/** The file that `ip netns exec NAME` mounts a sandbox's file over. */
const HOSTS = "/etc/hosts";

/** Says that names will not work on this machine, if that is so. */
export function noticeHosts(): string[] {
  // Without the permission to read the file, do not ask the user for it: this is only a notice.
  const { state } = Deno.permissions.querySync({ name: "read", path: HOSTS });
  if (state !== "granted") return [];
  try {
    Deno.statSync(HOSTS);
    return [];
  } catch {
    return [
      `There is no ${HOSTS}, so sandboxes do not find each other by name: touch ${HOSTS}`,
    ];
  }
}

/** An endpoint and the name of its network. */
export interface NamedEndpoint extends EndpointRecord {
  /** The network's name. */
  networkName: string;
}

/** A refresh that several calls wait for. */
interface NextRefresh {
  calls: number;
  done: Promise<void>;
  /** Ends the wait for the lock when no call waits any more. */
  giveUp: AbortController;
}

/** Keeps the hosts files of a driver's sandboxes in sync with its store. */
export class HostsFiles {
  #store: Store;
  #lock: FileLock | undefined;
  /** Whose files may be stale: those of all sandboxes on these networks, and of these sandboxes. */
  #stale = { networks: new Set<string>(), sandboxes: new Set<string>() };
  /** The host lines of each network, with a revision that changes when they do. */
  #linesByNetwork = new Map<string, { lines: string; revision: number }>();
  #lastRevision = 0;
  /**
   * The revisions that each sandbox's file was last written from, and the file's stamp after that.
   */
  #writtenBySandbox = new Map<string, { revisions: string; stamp: string | undefined }>();
  /** The refresh that runs. */
  #running: Promise<void> = Promise.resolve();
  /** The refresh that starts when that one has ended. */
  #next: NextRefresh | undefined;

  /**
   * Makes the hosts files of a store.
   *
   * @param lock The lock file, for one writer at a time. Without it, nothing is written.
   */
  constructor(store: Store, lock?: string) {
    this.#store = store;
    this.#lock = lock === undefined ? undefined : new FileLock(lock);
  }

  /**
   * Writes the files of the sandboxes on the given networks (by id), and of the given sandboxes,
   * from the store. A sandbox that is not on record, or is being removed, gets no file.
   *
   * Calls during a refresh share the next one. If not, a hundred endpoints made at once would write
   * every file a hundred times.
   */
  async refresh(
    networks: Iterable<string>,
    sandboxes: Iterable<string> = [],
    { signal, waiting }: WaitOptions = {},
  ): Promise<void> {
    for (const network of networks) this.#stale.networks.add(network);
    for (const sandbox of sandboxes) this.#stale.sandboxes.add(sandbox);
    const next = this.#next ??= this.#makeNext(waiting);
    next.calls++;
    try {
      await orAbort(next.done, signal);
    } finally {
      if (--next.calls === 0) next.giveUp.abort();
    }
  }

  #makeNext(waiting: WaitOptions["waiting"]): NextRefresh {
    const giveUp = new AbortController();
    const refresh = async () => {
      if (!this.#lock) return;
      // Locked from reading the store to writing, so that no other process writes older lines last.
      using _lock = await this.#lock.exclusive({ signal: giveUp.signal, waiting });
      await this.#write();
    };
    const done = this.#running.catch(() => {}).then(() => {
      this.#next = undefined;
      return this.#running = refresh();
    });
    return { calls: 0, done, giveUp };
  }

  async #write(): Promise<void> {
    const stale = this.#stale;
    this.#stale = { networks: new Set(), sandboxes: new Set() };
    try {
      await this.#sync(stale.networks, stale.sandboxes);
    } catch (error) {
      // Keep them marked as stale: the next call writes them.
      for (const network of stale.networks) this.#stale.networks.add(network);
      for (const sandbox of stale.sandboxes) this.#stale.sandboxes.add(sandbox);
      throw error;
    }
  }

  async #sync(networks: Set<string>, sandboxes: Set<string>): Promise<void> {
    const isKept = ({ state }: { state: State }) => state !== "removing";
    const names = new Map(this.#store.networks().map(({ id, name }) => [id, name]));
    const endpoints = this.#store.endpoints().filter(isKept)
      .map((endpoint) => ({ ...endpoint, networkName: names.get(endpoint.network)! }));
    const byNetwork = Map.groupBy(endpoints, ({ network }) => network);
    const bySandbox = Map.groupBy(endpoints, ({ sandbox }) => sandbox);
    const present = this.#store.sandboxes().filter(isKept);
    this.#updateLines(byNetwork);
    for (const { name: sandbox, ...settings } of present) {
      const own = bySandbox.get(sandbox) ?? [];
      if (!sandboxes.has(sandbox) && !own.some(({ network }) => networks.has(network))) continue;
      // Skip a file that is in sync. When many sandboxes are made at once, each refresh would
      // otherwise render and read all their files, in a time that grows with the square of their
      // number.
      const revisions = own.map(({ network }) => this.#linesByNetwork.get(network)!.revision)
        .join();
      const written = this.#writtenBySandbox.get(sandbox);
      if (written?.revisions === revisions && written.stamp === stampOf(sandbox)) continue;
      const reachable = own.flatMap(({ network }) => byNetwork.get(network)!);
      const text = withOwnHosts(renderHosts(sandbox, reachable), settings, own);
      await changeFile(sandbox, () => writeHosts(sandbox, text));
      this.#writtenBySandbox.set(sandbox, { revisions, stamp: stampOf(sandbox) });
    }
    for (const sandbox of sandboxes) {
      if (present.some(({ name }) => name === sandbox)) continue;
      this.#writtenBySandbox.delete(sandbox);
      await changeFile(sandbox, () => removeHosts(sandbox));
    }
  }

  /** Updates the host lines of each network. A network whose lines changed gets a new revision. */
  #updateLines(byNetwork: ReadonlyMap<string, readonly NamedEndpoint[]>): void {
    const before = this.#linesByNetwork;
    this.#linesByNetwork = new Map();
    for (const [network, endpoints] of byNetwork) {
      const lines = endpoints.flatMap(hostLines).join("\n");
      const known = before.get(network);
      const isSame = known?.lines === lines;
      this.#linesByNetwork.set(
        network,
        isSame ? known : { lines, revision: ++this.#lastRevision },
      );
    }
  }
}

/**
 * Renders the hosts file of a sandbox (hosts(5)): its own lines first, then those of the other
 * sandboxes on its networks. Each has its name, its aliases on that network, and `NAME.NETWORK`.
 */
export function renderHosts(sandbox: string, reachable: readonly NamedEndpoint[]): string {
  const own = reachable.filter((endpoint) => endpoint.sandbox === sandbox);
  const others = reachable.filter((endpoint) => endpoint.sandbox !== sandbox);
  return [
    MARK,
    "127.0.0.1 localhost",
    "::1 localhost ip6-localhost ip6-loopback",
    ...[...own, ...others].flatMap(hostLines),
    "",
  ].join("\n");
}

function hostLines(endpoint: NamedEndpoint): string[] {
  const { sandbox, networkName, aliases } = endpoint;
  const [name, ...longer] = ownNames(sandbox, networkName);
  const names = [...new Set([name, ...aliases, ...longer])].join(" ");
  return endpointAddresses(endpoint).map((address) => `${address} ${names}`);
}

/** Changes a sandbox's file. @throws {HostsFileError} It cannot be changed. */
async function changeFile(sandbox: string, change: () => Promise<void>): Promise<void> {
  try {
    await change();
  } catch (cause) {
    throw new HostsFileError(sandbox, (cause as Error).message, { cause });
  }
}

/** A text that changes when a sandbox's file does; `undefined` if there is no file. */
function stampOf(sandbox: string): string | undefined {
  try {
    const { ino, size, mtime } = Deno.statSync(`${FOLDER}/${sandbox}/hosts`);
    return `${ino} ${size} ${mtime?.getTime()}`;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/**
 * Writes a sandbox's hosts file in place. Processes that run in the sandbox have this file mounted,
 * and would not see a new file with the same name.
 */
export async function writeHosts(sandbox: string, text: string): Promise<void> {
  const folder = `${FOLDER}/${sandbox}`;
  await Deno.mkdir(folder, { recursive: true });
  const current = await readHosts(sandbox);
  if (current === text || (current !== undefined && !isOurs(current))) return;
  const bytes = new TextEncoder().encode(text);
  using file = await Deno.open(`${folder}/hosts`, { write: true, create: true });
  // Shorten the file last. If it were emptied first, a process could find no names in it.
  for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
  await file.truncate(bytes.length);
}

/** Removes a sandbox's hosts file, and its folder if that is empty then. */
export async function removeHosts(sandbox: string): Promise<void> {
  const current = await readHosts(sandbox);
  if (current !== undefined && isOurs(current)) await Deno.remove(`${FOLDER}/${sandbox}/hosts`);
  // Also without a file: a driver that was killed may have left an empty folder.
  if (isEmpty(`${FOLDER}/${sandbox}`)) await Deno.remove(`${FOLDER}/${sandbox}`);
}

/** Whether a folder exists and has nothing in it. */
function isEmpty(folder: string): boolean {
  try {
    return Deno.readDirSync(folder)[Symbol.iterator]().next().done === true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Whether the driver has written a file. If it was killed, the file may end in the first line. */
function isOurs(text: string): boolean {
  return text.startsWith(MARK) || MARK.startsWith(text);
}

async function readHosts(sandbox: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(`${FOLDER}/${sandbox}/hosts`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
