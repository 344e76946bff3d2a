// The output of commands that run in the background: a folder for each sandbox, in the state folder.
// `KEEP_OUTPUT` in `background.ts` describes its files.
import { Buffer } from "node:buffer";
import { resolve } from "node:path";
import { IpvlanError } from "../../base/errors.ts";
import { statOf, unlessMissing } from "../../base/files.ts";
import { pause, Watch } from "../../base/waiting.ts";

/** The size at which output continues in a new file, in bytes. The last two files are kept. */
export const OUTPUT_LIMIT = 512 * 1024;

/** How long to wait for an exit status, and how often to look for it meanwhile, in milliseconds. */
const [STATUS_WAIT, STATUS_INTERVAL] = [2000, 100];

/** How often to check for a process in the sandbox, in milliseconds: this takes longer. */
const IDLE_INTERVAL = 1000;

/** Stands for output that was removed before it was read. */
const LOST = new TextEncoder().encode("\n(ipvlan: output is missing here, as it came too fast)\n");

export class KeptOutput {
  readonly #folder: string;

  /** Keeps the output in a state folder. A rehearsal removes nothing. */
  constructor(stateFolder: string, private readonly isRehearsal: boolean) {
    this.#folder = resolve(stateFolder, "output");
  }

  of(sandbox: string): string {
    return `${this.#folder}/${sandbox}`;
  }

  /** Makes the folder of a sandbox, with an empty log, and removes earlier output. */
  begin(sandbox: string): string {
    const folder = this.of(sandbox);
    this.remove(sandbox);
    this.#explain(() => {
      Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
      Deno.writeTextFileSync(`${folder}/log.0`, "", { mode: 0o600 });
    });
    return folder;
  }

  keepStatus(sandbox: string, status: number): void {
    const path = `${this.begin(sandbox)}/status`;
    this.#explain(() => Deno.writeTextFileSync(path, `${status}\n`, { mode: 0o600 }));
  }

  remove(sandbox: string): void {
    if (this.isRehearsal) return;
    // Rename it first: a running command may add a file while the folder is being emptied.
    const old = `${this.#folder}/.${sandbox}.${crypto.randomUUID()}`;
    const change = () => {
      Deno.renameSync(this.of(sandbox), old);
      removeBusy(old);
    };
    this.#explain(() => unlessMissing(change));
  }

  #explain(run: () => void): void {
    try {
      run();
    } catch (cause) {
      const fields = { folder: this.#folder, reason: (cause as Error).message };
      throw new IpvlanError("store-unusable", fields, { cause });
    }
  }

  /** The last exit status; `undefined` without one. The shell writes it a moment after the end. */
  async status(sandbox: string): Promise<number | undefined> {
    const path = `${this.of(sandbox)}/status`;
    const deadline = performance.now() + STATUS_WAIT;
    while (statOf(this.of(sandbox)) && performance.now() < deadline) {
      const text = statOf(path) ? Deno.readTextFileSync(path).trim() : "";
      if (text !== "") return Number(text);
      await pause(STATUS_INTERVAL);
    }
    return statOf(this.of(sandbox)) ? 255 : undefined;
  }

  read(sandbox: string): Uint8Array<ArrayBuffer> {
    using reader = new LogReader(this.of(sandbox));
    return reader.read();
  }

  /**
   * Yields the output that is kept, as one piece, and then new output until the command has ended. Only
   * two files are kept, so output that comes faster than it is read can be lost. Then a line says so.
   * @param isBusy Whether a process is in the sandbox. After a restart of the machine there is none,
   * and the folder does not say so.
   */
  async *follow(
    sandbox: string,
    isBusy: () => Promise<boolean>,
    signal?: AbortSignal,
  ): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    const folder = this.of(sandbox);
    using reader = new LogReader(folder);
    using changes = new Watch(folder);
    let idle = 0;
    let asked = performance.now();
    for (let isFirst = true;; isFirst = false) {
      // Check before reading, so that no output in between is missed.
      const hasEnded = !statOf(folder) || statOf(`${folder}/done`) !== undefined;
      if (performance.now() - asked >= IDLE_INTERVAL) {
        idle = await isBusy() ? 0 : idle + 1;
        asked = performance.now();
      }
      const bytes = reader.read();
      if (isFirst || bytes.length > 0) yield bytes;
      // Read twice: the last output of a command is written a moment after its end.
      if (hasEnded || idle === 2 || signal?.aborted) return;
      await changes.next();
    }
  }
}

/** Removes a folder. A shell that is in it still writes the exit status of a command that was killed. */
function removeBusy(folder: string, tries = 100): void {
  try {
    Deno.removeSync(folder, { recursive: true });
  } catch (error) {
    if ((error as { code?: string }).code !== "ENOTEMPTY" || tries === 0) throw error;
    removeBusy(folder, tries - 1);
  }
}

class LogReader implements Disposable {
  /** The current file. It is open, so it can be read to its end after it was removed. */
  #file: Deno.FsFile | undefined;
  #number: number | undefined;

  constructor(private readonly folder: string) {}

  read(): Uint8Array<ArrayBuffer> {
    const pieces: Uint8Array[] = [];
    for (;;) {
      // List them first: a file gets no more output once the next one exists.
      const next = logsIn(this.folder)
        .find((number) => this.#number === undefined || number > this.#number);
      if (this.#file) pieces.push(...readOn(this.#file));
      if (next === undefined) return new Uint8Array(Buffer.concat(pieces));
      const file = unlessMissing(() => Deno.openSync(`${this.folder}/log.${next}`));
      if (!file) continue;
      if (this.#number !== undefined && next > this.#number + 1) pieces.push(LOST);
      this.#file?.close();
      [this.#file, this.#number] = [file, next];
    }
  }

  [Symbol.dispose](): void {
    this.#file?.close();
  }
}

/** The numbers of the output files in a folder, the oldest first. */
function logsIn(folder: string): number[] {
  if (!statOf(folder)) return [];
  return [...Deno.readDirSync(folder)].filter(({ name }) => /^log\.\d+$/.test(name))
    .map(({ name }) => Number(name.slice("log.".length))).sort((one, other) => one - other);
}

function* readOn(file: Deno.FsFile): Generator<Uint8Array> {
  for (;;) {
    const bytes = new Uint8Array(65_536);
    const count = file.readSync(bytes);
    if (!count) return;
    yield bytes.subarray(0, count);
  }
}
