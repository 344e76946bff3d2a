import { endpointAddresses } from "../ipam/address.ts";
import { HostsFileError } from "./errors.ts";
import { StateLock } from "./lock.ts";
import type { EndpointRecord, State, Store } from "./store.ts";

/**
 * Where `ip netns exec NAME` finds the files that it mounts over those of `/etc` (ip-netns(8)).
 */
const FOLDER = "/etc/netns";

/** The first line of a hosts file of the driver's, so that nobody else's is written over. */
const MARK = "# Written by ipvlan-kit; changes will be lost";

/** What `ip netns exec NAME` mounts a sandbox's file over. */
const HOSTS = "/etc/hosts";

/** What is to be said of a machine on which names would not work; nothing where they do. */
export function noticeHosts(): string[] {
  // Who has not been allowed to read it is not asked for that: the driver does without.
  const { state } = Deno.permissions.querySync({ name: "read", path: HOSTS });
  if (state !== "granted") return [];
  try {
    Deno.statSync(HOSTS);
    return [];
  } catch {
    return [
      `There is no ${HOSTS}, so that sandboxes do not find each other by name: touch ${HOSTS}`,
    ];
  }
}

/** An endpoint and the name of its network. */
export interface NamedEndpoint extends EndpointRecord {
  /** The network's name. */
  networkName: string;
}

/** The hosts files of a driver's sandboxes, kept in step with its store. */
export class HostsFiles {
  #store: Store;
  #lock: StateLock | undefined;
  /** Whose files may be out of step: everybody's on these networks, and these sandboxes'. */
  #stale = { networks: new Set<string>(), sandboxes: new Set<string>() };
  /** What there is to say of each network, with a number that it has had for nothing else. */
  #said = new Map<string, { text: string; revision: number }>();
  #revisions = 0;
  /** What each sandbox's file was last found or brought in step with, and what it looked like then. */
  #inStep = new Map<string, { with: string; stamp: string | undefined }>();
  #running: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;

  /**
   * Makes the hosts files of a store.
   *
   * @param lock The file that keeps processes apart; without one, nothing is written at all.
   */
  constructor(store: Store, lock?: string) {
    this.#store = store;
    this.#lock = lock === undefined ? undefined : new StateLock(lock);
  }

  /**
   * Brings the files of everybody on the given networks (by id), and of the given sandboxes, in step
   * with the store: a sandbox that is off the record, or about to be, has none. Calls that come
   * while one is at it are answered by one more together, as a burst of endpoints would otherwise
   * write every file as often as there are endpoints.
   */
  refresh(networks: Iterable<string>, sandboxes: Iterable<string> = []): Promise<void> {
    for (const network of networks) this.#stale.networks.add(network);
    for (const sandbox of sandboxes) this.#stale.sandboxes.add(sandbox);
    return this.#next ??= this.#running.catch(() => {}).then(() => {
      this.#next = undefined;
      // What is read from the store and written must not be overtaken by another process's.
      return this.#running = this.#lock?.exclusive(() => this.#write()) ?? Promise.resolve();
    });
  }

  async #write(): Promise<void> {
    const stale = this.#stale;
    this.#stale = { networks: new Set(), sandboxes: new Set() };
    try {
      await this.#bringInStep(stale.networks, stale.sandboxes);
    } catch (error) {
      // Still out of step, for the next call to mend.
      for (const network of stale.networks) this.#stale.networks.add(network);
      for (const sandbox of stale.sandboxes) this.#stale.sandboxes.add(sandbox);
      throw error;
    }
  }

  async #bringInStep(networks: Set<string>, sandboxes: Set<string>): Promise<void> {
    const stays = ({ state }: { state: State }) => state !== "removing";
    const names = new Map(this.#store.networks().map(({ id, name }) => [id, name]));
    const endpoints = this.#store.endpoints().filter(stays)
      .map((endpoint) => ({ ...endpoint, networkName: names.get(endpoint.network)! }));
    const onNetwork = Map.groupBy(endpoints, ({ network }) => network);
    const ofSandbox = Map.groupBy(endpoints, ({ sandbox }) => sandbox);
    const present = this.#store.sandboxes().filter(stays).map(({ name }) => name);
    this.#note(onNetwork);
    for (const sandbox of present) {
      const own = ofSandbox.get(sandbox) ?? [];
      if (!sandboxes.has(sandbox) && !own.some(({ network }) => networks.has(network))) continue;
      // In a burst, the first time writes most of the files as they will be in the end. To make and
      // read every one of them each time would take a time that grows as the square of their number.
      const revisions = own.map(({ network }) => this.#said.get(network)!.revision);
      const known = this.#inStep.get(sandbox);
      if (known?.with === revisions.join() && known.stamp === stampOf(sandbox)) continue;
      const reachable = own.flatMap(({ network }) => onNetwork.get(network)!);
      await explained(sandbox, () => writeHosts(sandbox, renderHosts(sandbox, reachable)));
      this.#inStep.set(sandbox, { with: revisions.join(), stamp: stampOf(sandbox) });
    }
    for (const sandbox of sandboxes) {
      if (present.includes(sandbox)) continue;
      this.#inStep.delete(sandbox);
      await explained(sandbox, () => removeHosts(sandbox));
    }
  }

  /** Gives a new number to each network of which there is something else to say than last time. */
  #note(onNetwork: ReadonlyMap<string, readonly NamedEndpoint[]>): void {
    const said = this.#said;
    this.#said = new Map();
    for (const [network, endpoints] of onNetwork) {
      const text = endpoints.flatMap(hostLines).join("\n");
      const before = said.get(network);
      this.#said.set(
        network,
        before?.text === text ? before : { text, revision: ++this.#revisions },
      );
    }
  }
}

/**
 * The hosts file of a sandbox (hosts(5)): itself, and who else is on its networks, each found by
 * its name, its aliases on that network, and its name with the network's behind a dot.
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
  const names = [...new Set([sandbox, ...aliases, `${sandbox}.${networkName}`])].join(" ");
  return endpointAddresses(endpoint).map((address) => `${address} ${names}`);
}

/** Runs what changes a sandbox's file. @throws {HostsFileError} It cannot be changed. */
async function explained(sandbox: string, change: () => Promise<void>): Promise<void> {
  try {
    await change();
  } catch (cause) {
    throw new HostsFileError(sandbox, (cause as Error).message, { cause });
  }
}

/** Tells whether a sandbox's file is still the one it was: nothing where there is none. */
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
 * Writes a sandbox's hosts file, in place: processes that run in the sandbox have this very file
 * mounted, and would not see another one put under its name.
 */
export async function writeHosts(sandbox: string, text: string): Promise<void> {
  const folder = `${FOLDER}/${sandbox}`;
  await Deno.mkdir(folder, { recursive: true });
  const current = await readHosts(sandbox);
  if (current === text || (current !== undefined && !isOurs(current))) return;
  const bytes = new TextEncoder().encode(text);
  using file = await Deno.open(`${folder}/hosts`, { write: true, create: true });
  // Not emptied before: who looks up a name just then would find none.
  for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
  await file.truncate(bytes.length);
}

/** Removes a sandbox's hosts file, and its folder unless there is something else in it. */
export async function removeHosts(sandbox: string): Promise<void> {
  const current = await readHosts(sandbox);
  if (current !== undefined && isOurs(current)) await Deno.remove(`${FOLDER}/${sandbox}/hosts`);
  // Also where there was no file: a kill may have come between the two.
  if (isEmpty(`${FOLDER}/${sandbox}`)) await Deno.remove(`${FOLDER}/${sandbox}`);
}

/** Whether a folder is there, and nothing in it. */
function isEmpty(folder: string): boolean {
  try {
    return Deno.readDirSync(folder)[Symbol.iterator]().next().done === true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Whether the driver has written a file, if only its beginning before it was killed. */
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
