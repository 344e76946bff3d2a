import { statOf } from "../../base/files.ts";
import { HostsWriter } from "./hosts_file.ts";
import { planHosts, type RemoteName, type StaleHosts } from "./hosts_plan.ts";
import { FileLock } from "../run/lock.ts";
import type { Store } from "../store/store.ts";
import { isGranted } from "../../base/permissions.ts";
import { Coalescer, type WaitOptions } from "../../base/waiting.ts";
import { IpvlanError, type IpvlanErrorOf } from "../../base/errors.ts";

/** The file that `ip netns exec NAME` mounts a sandbox's file over. */
const HOSTS = "/etc/hosts";

export function noticeHosts(): string[] {
  return !isGranted({ name: "read", path: HOSTS }) || statOf(HOSTS) ? [] : [
    `There is no ${HOSTS}, so sandboxes do not find each other by name: touch ${HOSTS}`,
  ];
}

type Failures = ReadonlyMap<string, IpvlanErrorOf<"hosts-file">>;

/** Keeps the hosts files of a driver's sandboxes in sync with its store. */
export class HostsFiles implements Disposable {
  readonly #lock: FileLock | undefined;
  /** The files that may be stale: those of all sandboxes on these networks, and of these sandboxes. */
  #stale = { networks: new Set<string>(), sandboxes: new Set<string>() };
  readonly #refreshes = new Coalescer((options) => this.#refresh(options));

  /**
   * @param remote Finds the names on a network, by its id, that are not of its endpoints.
   * @param lock The lock file, for one writer at a time. Without it, nothing is written.
   */
  constructor(
    private readonly store: Store,
    private readonly remote: (network: string) => readonly RemoteName[],
    lock: string | undefined,
    private readonly writer: HostsWriter = new HostsWriter(),
  ) {
    this.#lock = lock === undefined ? undefined : new FileLock(lock);
  }

  /**
   * Writes the files of the sandboxes on the given networks (by id), and of the given sandboxes. Calls
   * during a refresh share the next one: a hundred endpoints made at once would write each file a
   * hundred times. Resolves to the files that failed, which the next refresh tries again.
   */
  async refresh(
    networks: Iterable<string>,
    sandboxes: Iterable<string> = [],
    options: WaitOptions = {},
  ): Promise<Failures> {
    this.#mark(networks, sandboxes);
    return await this.#refreshes.request(options);
  }

  #mark(networks: Iterable<string>, sandboxes: Iterable<string>): void {
    for (const network of networks) this.#stale.networks.add(network);
    for (const sandbox of sandboxes) this.#stale.sandboxes.add(sandbox);
  }

  async #refresh(options: WaitOptions): Promise<Failures> {
    if (!this.#lock) return new Map();
    // Lock before reading the store, so that no other process writes older lines last.
    using _lock = await this.#lock.exclusive(options);
    this.writer.begin(this.#lock.path);
    const stale = this.#stale;
    this.#stale = { networks: new Set(), sandboxes: new Set() };
    try {
      const failures = this.#sync(stale);
      this.#mark([], failures.keys());
      return failures;
    } catch (error) {
      // The store could not be read. Keep all marked as stale: the next call writes them.
      this.#mark(stale.networks, stale.sandboxes);
      throw error;
    }
  }

  #sync(stale: StaleHosts): Failures {
    const store = this.store;
    const texts = planHosts({
      endpoints: store.hostEntries(),
      remote: this.remote,
      settings: new Map(store.sandboxes({ withHosts: true }).map((each) => [each.name, each])),
      exists: (sandbox) => (store.sandbox(sandbox)?.state ?? "removing") !== "removing",
    }, stale);
    const failures = new Map<string, IpvlanErrorOf<"hosts-file">>();
    for (const [sandbox, text] of texts) {
      try {
        if (text === undefined) this.writer.remove(sandbox);
        else this.writer.write(sandbox, text);
      } catch (cause) {
        const fields = { sandbox, reason: (cause as Error).message };
        failures.set(sandbox, new IpvlanError("hosts-file", fields, { cause }));
      }
    }
    return failures;
  }

  [Symbol.dispose](): void {
    this.writer[Symbol.dispose]();
  }
}
