import type { HostRecord } from "./records.ts";

/** Keeps the last token under `/run`: a copied or restored state folder does not match it. */
export class LastToken {
  readonly #place: string;

  /** Keeps the tokens of the hosts of a state folder in another folder. */
  constructor(private readonly folder: string, stateFolder: string) {
    const { dev, ino } = Deno.statSync(stateFolder);
    this.#place = `${dev}:${ino}`;
  }

  /** Reads the tokens of a host, the last one first. Without any for this state folder, it is empty. */
  read(id: string): string[] {
    try {
      const [place, ...tokens] = Deno.readTextFileSync(`${this.folder}/${id}`).split(" ");
      return place === this.#place ? tokens : [];
    } catch {
      return [];
    }
  }

  /** Writes the tokens of the last and the pending transaction, if it can: they save requests. */
  write({ id, token, asked = "" }: Pick<HostRecord, "id" | "token" | "asked">): void {
    const bytes = new TextEncoder().encode(`${this.#place} ${token} ${asked}`.trimEnd());
    try {
      Deno.mkdirSync(this.folder, { recursive: true, mode: 0o755 });
      const options = { write: true, create: true, mode: 0o600 };
      using file = Deno.openSync(`${this.folder}/${id}`, options);
      // In one step: a killed process leaves the old text or the new one.
      file.writeSync(bytes);
      file.truncateSync(bytes.length);
    } catch {
      // A missing file is safe.
    }
  }
}
