import type { HostRecord } from "./records.ts";

/**
 * The token of a host's last transaction, outside of its state folder: under `/run`, which a reboot
 * empties. A copy of the state folder, or a backup that is put back, has another token than this file, or
 * none. Then etcd is asked before an address is given away.
 */
export class LastToken {
  readonly #folder: string;
  readonly #place: string;

  /** Keeps the tokens of the hosts of a state folder in another folder. */
  constructor(folder: string, stateFolder: string) {
    this.#folder = folder;
    const { dev, ino } = Deno.statSync(stateFolder);
    this.#place = `${dev}:${ino}`;
  }

  /** The tokens of a host, the last one first; none if none is known for this state folder. */
  read(id: string): string[] {
    try {
      const [place, ...tokens] = Deno.readTextFileSync(`${this.#folder}/${id}`).split(" ");
      return place === this.#place ? tokens : [];
    } catch {
      return [];
    }
  }

  /**
   * Keeps the token of a host's last transaction, and that of the one that is asked for. Where that is not
   * possible, every address costs a request.
   */
  write({ id, token, asked = "" }: Pick<HostRecord, "id" | "token" | "asked">): void {
    const text = `${this.#place} ${token} ${asked}`.trimEnd();
    try {
      this.#write(`${this.#folder}/${id}`, new TextEncoder().encode(text));
    } catch {
      // It is missing then, which is safe.
    }
  }

  /** Writes over what is there, in one step: a process that is killed leaves the old text or the new one. */
  #write(path: string, bytes: Uint8Array): void {
    using file = this.#open(path);
    file.writeSync(bytes);
    file.truncateSync(bytes.length);
  }

  #open(path: string): Deno.FsFile {
    const options = { write: true, create: true, mode: 0o600 };
    try {
      return Deno.openSync(path, options);
    } catch {
      Deno.mkdirSync(this.#folder, { recursive: true, mode: 0o755 });
      return Deno.openSync(path, options);
    }
  }
}
