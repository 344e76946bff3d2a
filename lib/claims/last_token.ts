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

  /** The token of a host; `undefined` if none is known for this state folder. */
  read(id: string): string | undefined {
    try {
      const [place, token] = Deno.readTextFileSync(`${this.#folder}/${id}`).split(" ");
      return place === this.#place ? token : undefined;
    } catch {
      return undefined;
    }
  }

  /** Keeps a token. Where that is not possible, every address costs a request. */
  write(id: string, token: string): void {
    try {
      Deno.mkdirSync(this.#folder, { recursive: true, mode: 0o755 });
      Deno.writeTextFileSync(`${this.#folder}/${id}`, `${this.#place} ${token}`, { mode: 0o600 });
    } catch {
      // It is missing then, which is safe.
    }
  }
}
