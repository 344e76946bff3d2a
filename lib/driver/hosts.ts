import { endpointAddresses } from "../ipam/address.ts";
import { ownNames } from "./endpoint.ts";
import { HostsFileError } from "./errors.ts";
import { orAbort } from "../iproute2/abort.ts";
import { FileLock } from "./lock.ts";
import { isOwned } from "./names.ts";
import type { WaitOptions } from "./wait.ts";
import { withOwnHosts } from "./settings.ts";
import type { NamedEndpoint, Store } from "./store.ts";

/**
 * Where `ip netns exec NAME` finds the files that it mounts over those of `/etc` (ip-netns(8)).
 */
const FOLDER = "/etc/netns";

/** The modes of a sandbox's folder and file: any program in the sandbox may read them. */
const [FOLDER_MODE, FILE_MODE] = [0o755, 0o644];

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

/** What the driver wrote last into a hosts file, and the number of that file. */
interface Written {
  text: Text;
  ino: number | null;
}

/** A refresh that several calls wait for. */
interface NextRefresh {
  calls: number;
  done: Promise<Failures>;
  /** Ends the wait for the lock when no call waits any more. */
  giveUp: AbortController;
}

/** Keeps the hosts files of a driver's sandboxes in sync with its store. */
export class HostsFiles {
  #store: Store;
  #lock: FileLock | undefined;
  /** Whose files may be stale: those of all sandboxes on these networks, and of these sandboxes. */
  #stale = { networks: new Set<string>(), sandboxes: new Set<string>() };
  /** What was written last. It is forgotten when another process may have written the files. */
  #writtenBySandbox = new Map<string, Written>();
  /** The version of the store when these were written. */
  #version = "";
  /** The refresh that runs. */
  #running: Promise<Failures> = Promise.resolve(new Map());
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
   *
   * @returns The files that could not be written or removed, also of sandboxes that other calls have
   * asked for. The next refresh tries them again.
   */
  async refresh(
    networks: Iterable<string>,
    sandboxes: Iterable<string> = [],
    { signal, waiting }: WaitOptions = {},
  ): Promise<Failures> {
    for (const network of networks) this.#stale.networks.add(network);
    for (const sandbox of sandboxes) this.#stale.sandboxes.add(sandbox);
    const next = this.#next ??= this.#makeNext(waiting);
    next.calls++;
    try {
      return await orAbort(next.done, signal);
    } finally {
      if (--next.calls === 0) next.giveUp.abort();
    }
  }

  #makeNext(waiting: WaitOptions["waiting"]): NextRefresh {
    const giveUp = new AbortController();
    const refresh = async () => {
      if (!this.#lock) return new Map();
      // Locked from reading the store to writing, so that no other process writes older lines last.
      using _lock = await this.#lock.exclusive({ signal: giveUp.signal, waiting });
      return this.#write();
    };
    const done = this.#running.catch(() => {}).then(() => {
      this.#next = undefined;
      return this.#running = refresh();
    });
    return { calls: 0, done, giveUp };
  }

  #write(): Failures {
    const { networks, sandboxes } = this.#stale;
    this.#stale = { networks: new Set(), sandboxes: new Set() };
    try {
      const failures = this.#sync(networks, sandboxes);
      for (const sandbox of failures.keys()) this.#stale.sandboxes.add(sandbox);
      return failures;
    } catch (error) {
      // The store could not be read. Keep all marked as stale: the next call writes them.
      for (const network of networks) this.#stale.networks.add(network);
      for (const sandbox of sandboxes) this.#stale.sandboxes.add(sandbox);
      throw error;
    }
  }

  #sync(networks: ReadonlySet<string>, sandboxes: ReadonlySet<string>): Failures {
    const version = this.#store.version();
    if (version !== this.#version) this.#writtenBySandbox.clear();
    this.#version = version;
    const endpoints = this.#store.hostEntries().filter(({ state }) => state !== "removing");
    const byNetwork = Map.groupBy(endpoints, ({ network }) => network);
    const bySandbox = Map.groupBy(endpoints, ({ sandbox }) => sandbox);
    const failures = new Map<string, HostsFileError>();
    const attempt = (sandbox: string, change: () => void) => {
      try {
        change();
      } catch (cause) {
        const { message } = cause as Error;
        failures.set(sandbox, new HostsFileError(sandbox, message, { cause }));
      }
    };
    // All sandboxes on the same networks have the same text. It is rendered once, not for each.
    const textByNetworks = new Map<string, Text>();
    const textOf = (own: readonly NamedEndpoint[]) => {
      const ids = own.toSorted((one, other) => one.ordinal - other.ordinal)
        .map(({ network }) => network);
      const key = ids.join();
      const known = textByNetworks.get(key);
      if (known) return known;
      const text = encode(renderHosts(ids.flatMap((id) => byNetwork.get(id)!)));
      textByNetworks.set(key, text);
      return text;
    };
    const settings = new Map(
      this.#store.sandboxes({ withHosts: true }).map((each) => [each.name, each]),
    );
    const isStale = ({ network }: NamedEndpoint) => networks.has(network);
    const connected = [...bySandbox].filter(([, own]) => own.some(isStale)).map(([name]) => name);
    for (const sandbox of new Set([...sandboxes, ...connected])) {
      // An engine has names and files of its own.
      if (isOwned(sandbox)) continue;
      const own = bySandbox.get(sandbox) ?? [];
      const record = own.length > 0 ? undefined : this.#store.sandbox(sandbox);
      const isKept = own.length > 0 || (record !== undefined && record.state !== "removing");
      const known = this.#writtenBySandbox.get(sandbox);
      this.#writtenBySandbox.delete(sandbox);
      attempt(sandbox, () => {
        if (!isKept) return removeHosts(sandbox);
        const given = settings.get(sandbox);
        const shared = textOf(own);
        const text = given ? encode(withOwnHosts(shared.text, given, own)) : shared;
        const written = known && extendHosts(sandbox, text, known) || writeHosts(sandbox, text);
        if (written) this.#writtenBySandbox.set(sandbox, written);
      });
    }
    return failures;
  }
}

/** Why files could not be changed, by sandbox. */
export type Failures = ReadonlyMap<string, HostsFileError>;

/**
 * Renders the hosts file (hosts(5)) of the sandboxes on some networks, from the endpoints there. Each
 * has the sandbox's name, its aliases on that network, and `NAME.NETWORK`.
 */
export function renderHosts(reachable: readonly NamedEndpoint[]): string {
  return [
    MARK,
    "127.0.0.1 localhost",
    "::1 localhost ip6-localhost ip6-loopback",
    ...reachable.flatMap(hostLines),
    "",
  ].join("\n");
}

function hostLines(endpoint: NamedEndpoint): string[] {
  const { sandbox, networkName, aliases } = endpoint;
  const [name, ...longer] = ownNames(sandbox, networkName);
  // The name of an engine's sandbox is an id, and no host name.
  const names = isOwned(sandbox)
    ? aliases.join(" ")
    : [...new Set([name, ...aliases, ...longer])].join(" ");
  if (names === "") return [];
  return endpointAddresses(endpoint).map((address) => `${address} ${names}`);
}

/** The text of hosts files. Many of them have the same one, so it is encoded once. */
interface Text {
  text: string;
  bytes: Uint8Array;
}

function encode(text: string): Text {
  return { text, bytes: new TextEncoder().encode(text) };
}

/**
 * Adds what a text has more than the one that the driver wrote last. With a thousand sandboxes on a
 * network, each new one is a line more in a thousand files.
 *
 * @returns What it has written; `undefined` if the file must be written anew.
 */
function extendHosts(sandbox: string, text: Text, known: Written): Written | undefined {
  if (!text.text.startsWith(known.text.text)) return undefined;
  let file: Deno.FsFile;
  try {
    file = Deno.openSync(fileOf(sandbox), { append: true });
  } catch {
    // To write it anew says what is wrong.
    return undefined;
  }
  using _file = file;
  const { ino, size } = file.statSync();
  // Somebody else has changed it.
  if (ino !== known.ino || size !== known.text.bytes.length) return undefined;
  writeAll(file, text.bytes.subarray(size));
  return { text, ino };
}

/**
 * Writes a sandbox's hosts file in place. Processes that run in the sandbox have this file mounted,
 * and would not see a new file with the same name.
 *
 * @returns What it has written; `undefined` if the file is not the driver's, which stays as it is.
 */
function writeHosts(sandbox: string, text: Text): Written | undefined {
  using file = openHosts(sandbox);
  const { ino, size, mode } = file.statSync();
  const current = new TextDecoder().decode(readAll(file, size));
  if (!isOurs(current)) return undefined;
  if ((mode ?? 0) % 0o1000 !== FILE_MODE) Deno.chmodSync(fileOf(sandbox), FILE_MODE);
  const { bytes } = text;
  if (current !== text.text) {
    file.seekSync(0, Deno.SeekMode.Start);
    writeAll(file, bytes);
    // Shorten the file last. If it were emptied first, a process could find no names in it.
    file.truncateSync(bytes.length);
  }
  return { text, ino };
}

/** Opens a sandbox's file. Makes it and its folder, with modes that do not depend on the umask. */
function openHosts(sandbox: string): Deno.FsFile {
  const path = fileOf(sandbox);
  try {
    return Deno.openSync(path, { read: true, write: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  for (const folder of [FOLDER, `${FOLDER}/${sandbox}`]) {
    try {
      Deno.mkdirSync(folder);
      Deno.chmodSync(folder, FOLDER_MODE);
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    }
  }
  const file = Deno.openSync(path, { read: true, write: true, create: true });
  Deno.chmodSync(path, FILE_MODE);
  return file;
}

function readAll(file: Deno.FsFile, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let done = 0;
  for (let read; (read = file.readSync(bytes.subarray(done))) && read > 0;) done += read;
  return bytes.subarray(0, done);
}

function writeAll(file: Deno.FsFile, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
}

/** Removes a sandbox's hosts file, and its folder if that is empty then. */
function removeHosts(sandbox: string): void {
  const current = readHosts(sandbox);
  if (current !== undefined && isOurs(current)) Deno.removeSync(fileOf(sandbox));
  // Also without a file: a driver that was killed may have left an empty folder.
  if (isEmpty(`${FOLDER}/${sandbox}`)) Deno.removeSync(`${FOLDER}/${sandbox}`);
}

/** Whether a folder exists and has nothing in it. */
function isEmpty(folder: string): boolean {
  return absent(() => Deno.readDirSync(folder)[Symbol.iterator]().next().done) === true;
}

/** Whether the driver has written a file. If it was killed, the file may end in the first line. */
function isOurs(text: string): boolean {
  return text.startsWith(MARK) || MARK.startsWith(text);
}

/** The text of a sandbox's file; `undefined` if there is none. */
function readHosts(sandbox: string): string | undefined {
  return absent(() => Deno.readTextFileSync(fileOf(sandbox)));
}

/** What a function reads; `undefined` if there is no such file, or no such folder. */
function absent<T>(read: () => T): T | undefined {
  const { NotFound, NotADirectory, IsADirectory } = Deno.errors;
  try {
    return read();
  } catch (error) {
    if ([NotFound, NotADirectory, IsADirectory].some((kind) => error instanceof kind)) {
      return undefined;
    }
    throw error;
  }
}

function fileOf(sandbox: string): string {
  return `${FOLDER}/${sandbox}/hosts`;
}
