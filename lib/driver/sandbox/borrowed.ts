import type { RunProgram } from "../../iproute2/shell.ts";
import { netnsPath } from "../../iproute2/words.ts";
import { OWN } from "./enterable.ts";
import { findKnownFiles, type FoundFile, readKnown } from "../run/files.ts";
import type { Sandbox } from "../model/types.ts";
import { invalidOption } from "../../base/errors.ts";

/** The file with the id of this boot (random(4)). */
const BOOT_ID = "/proc/sys/kernel/random/boot_id";

/**
 * Finds the network namespaces of engines. They have no name in `/run/netns`: a file leads to each.
 * When the engine ends, the file goes, or later leads to another namespace, such as that of a process
 * with the same id. So the record of a borrowed namespace has its identity.
 */
export class BorrowedNamespaces {
  /** @param host The name of the host's namespace; `undefined` if it is that of this process. */
  constructor(private readonly run: RunProgram, private readonly host: string | undefined) {}

  /**
   * Checks that a sandbox may be made of a namespace. Resolves to its identity, if it exists.
   * @param mayCome Whether the namespace may appear later: Docker mounts it in its folder `netns`.
   * @throws {"invalid-option"} There is no such namespace, or it is that of the host.
   */
  async identify(path: string, mayCome = false): Promise<string | undefined> {
    netnsPath(path);
    const { own, host, found } = await this.#find([path]);
    const file = found.get(path);
    // All namespaces are files of one file system (nsfs), and no others are.
    const isThere = file?.dev === own.dev;
    if (isThere && file.ino !== host.ino) return await this.#identityOf(file);
    if (!isThere && mayCome && /\/netns\/[^/]+$/.test(path)) return undefined;
    const missing = file ? "it is not a namespace" : "there is no such file, or it cannot be read";
    const rule = isThere ? "it is that of the host itself" : missing;
    throw invalidOption("namespace", path, rule);
  }

  async isHost(path: string): Promise<boolean> {
    const { host, found } = await this.#find([path]);
    const file = found.get(path);
    return file?.dev === host.dev && file.ino === host.ino;
  }

  /** The sandboxes whose namespace exists. Without an identity on record, any there counts. */
  async present(sandboxes: readonly Sandbox[]): Promise<Set<string>> {
    const paths = new Set(sandboxes.flatMap(({ path }) => path ?? []));
    if (paths.size === 0) return new Set();
    const { own, found } = await this.#find([...paths]);
    const identities = new Map<string | undefined, string>();
    for (const file of found.values()) {
      if (file.dev === own.dev) identities.set(file.path, await this.#identityOf(file));
    }
    return new Set(
      sandboxes.filter(({ path, namespaceId }) => {
        const identity = identities.get(path);
        return identity !== undefined && (namespaceId ?? identity) === identity;
      }).map(({ name }) => name),
    );
  }

  /** Finds the files that lead to namespaces, and those of this process's and the host's. */
  async #find(paths: readonly string[]): Promise<{
    own: FoundFile;
    host: FoundFile;
    found: ReadonlyMap<string, FoundFile>;
  }> {
    const host = this.host === undefined ? OWN : `/run/netns/${this.host}`;
    const files = await findKnownFiles(this.run, OWN, host, ...paths);
    const found = new Map(files.map((file) => [file.path, file]));
    return { own: found.get(OWN)!, host: found.get(host)!, found };
  }

  /** Makes an identity with the id of this boot, as the kernel numbers namespaces anew after each. */
  async #identityOf({ ino }: FoundFile): Promise<string> {
    return `${await readKnown(this.run, BOOT_ID)} ${ino}`;
  }
}
