import type { RunProgram } from "../../iproute2/shell.ts";
import { netnsPath } from "../../iproute2/words.ts";
import { OWN } from "./enterable.ts";
import { findKnownFiles, readKnown } from "../run/files.ts";
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
    const file = (await this.#find([path])).get(path);
    if (file?.identity !== undefined && !file.isHost) return file.identity;
    if (file?.identity === undefined && mayCome && /\/netns\/[^/]+$/.test(path)) return undefined;
    const missing = file ? "it is not a namespace" : "there is no such file, or it cannot be read";
    throw invalidOption(
      "namespace",
      path,
      file?.isHost ? "it is that of the host itself" : missing,
    );
  }

  async isHost(path: string): Promise<boolean> {
    return (await this.#find([path])).get(path)?.isHost ?? false;
  }

  /** The sandboxes whose namespace exists. Without an identity on record, any there counts. */
  async present(sandboxes: readonly Sandbox[]): Promise<Set<string>> {
    const files = await this.#find(sandboxes.flatMap(({ path }) => path ?? []));
    return new Set(
      sandboxes.filter(({ path = "", namespaceId }) => {
        const identity = files.get(path)?.identity;
        return identity !== undefined && (namespaceId ?? identity) === identity;
      }).map(({ name }) => name),
    );
  }

  async #find(
    paths: readonly string[],
  ): Promise<ReadonlyMap<string, { identity?: string; isHost: boolean }>> {
    if (paths.length === 0) return new Map();
    const hostPath = this.host === undefined ? OWN : `/run/netns/${this.host}`;
    const files = await findKnownFiles(this.run, ...new Set([OWN, hostPath, ...paths]));
    const [own, host] = [OWN, hostPath].map((path) => files.find((file) => file.path === path)!);
    // The kernel numbers namespaces anew after each boot.
    const boot = await readKnown(this.run, BOOT_ID);
    return new Map(files.map(({ path, dev, ino }) => [path, {
      // All namespaces are files of one file system (nsfs), and no others are.
      identity: dev === own!.dev ? `${boot} ${ino}` : undefined,
      isHost: dev === host!.dev && ino === host!.ino,
    }]));
  }
}
