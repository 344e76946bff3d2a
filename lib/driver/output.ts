/**
 * What the commands print that run in the background: a folder for each sandbox, in the state
 * folder. `keepingOutput` in `background.ts` says what is in it.
 *
 * @module
 */
import { resolve } from "node:path";
import { StoreError } from "./errors.ts";

/** The size at which a new file of output is begun, in bytes. The last two files are kept. */
export const OUTPUT_LIMIT = 512 * 1024;

/** How often to look for new output, in milliseconds. */
const INTERVAL = 100;

/** How long to wait for an exit status, in milliseconds. */
const STATUS_WAIT = 2000;

/** After how many looks to ask whether a process is in the sandbox, which takes longer. */
const IDLE_LOOKS = 10;

/** The output of the commands in sandboxes. */
export class KeptOutput {
  #folder: string;
  #isRehearsal: boolean;

  /** Keeps it in a state folder. In a rehearsal, nothing is removed. */
  constructor(stateFolder: string, isRehearsal: boolean) {
    this.#folder = resolve(stateFolder, "output");
    this.#isRehearsal = isRehearsal;
  }

  /** The folder for the output of a sandbox. */
  of(sandbox: string): string {
    return `${this.#folder}/${sandbox}`;
  }

  /**
   * Makes the folder of a sandbox, with an empty log. What was in it is lost.
   *
   * @throws {StoreError} It cannot be made.
   */
  begin(sandbox: string): string {
    const folder = this.of(sandbox);
    this.remove(sandbox);
    this.#explain(() => {
      Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
      Deno.writeTextFileSync(`${folder}/log.0`, "", { mode: 0o600 });
    });
    return folder;
  }

  /** Removes the folder of a sandbox, if there is one. @throws {StoreError} It cannot be removed. */
  remove(sandbox: string): void {
    if (!this.#isRehearsal) this.#explain(() => this.#remove(sandbox));
  }

  #explain(run: () => void): void {
    try {
      run();
    } catch (cause) {
      throw new StoreError(this.#folder, (cause as Error).message, { cause });
    }
  }

  #remove(sandbox: string): void {
    // Renamed first: a command that still runs may add a file while the folder is emptied.
    const old = `${this.#folder}/.${sandbox}.${crypto.randomUUID()}`;
    try {
      Deno.renameSync(this.of(sandbox), old);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return;
      throw error;
    }
    Deno.removeSync(old, { recursive: true });
  }

  /**
   * The exit status of the last command; `undefined` if there was none. The shell writes it a moment
   * after the command has ended, so this waits for it, up to {@linkcode STATUS_WAIT}.
   */
  async status(sandbox: string): Promise<number | undefined> {
    const path = `${this.of(sandbox)}/status`;
    const deadline = performance.now() + STATUS_WAIT;
    while (exists(this.of(sandbox)) && performance.now() < deadline) {
      const text = exists(path) ? Deno.readTextFileSync(path).trim() : "";
      if (text !== "") return Number(text);
      await new Promise((resolve) => setTimeout(resolve, INTERVAL));
    }
  }

  /** What has been printed and is kept. */
  read(sandbox: string): Uint8Array<ArrayBuffer> {
    return look(this.of(sandbox), { file: 0, offset: 0 });
  }

  /**
   * What has been printed and is kept, as one piece, and then what is printed until the command has
   * ended.
   *
   * @param isBusy Whether a process is in the sandbox. After a restart of the machine there is none,
   * and the folder does not say so.
   * @param signal Ends it.
   */
  async *follow(
    sandbox: string,
    isBusy: () => Promise<boolean>,
    signal?: AbortSignal,
  ): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    const folder = this.of(sandbox);
    const place: Place = { file: 0, offset: 0 };
    let idle = 0;
    for (let looks = 1;; looks++) {
      // Asked before the look, so that nothing is missed that is printed in between.
      const hasEnded = !exists(folder) || exists(`${folder}/done`);
      if (looks % IDLE_LOOKS === 0) idle = await isBusy() ? 0 : idle + 1;
      const bytes = look(folder, place);
      if (looks === 1 || bytes.length > 0) yield bytes;
      // Twice, as the last output of a command is written a moment after its end.
      if (hasEnded || idle === 2 || signal?.aborted) return;
      await new Promise((resolve) => setTimeout(resolve, INTERVAL));
    }
  }
}

/** Up to where the output has been read: in which file, by its number, and how many bytes of it. */
interface Place {
  file: number;
  offset: number;
}

/** Reads what is new since the last look. */
function look(folder: string, place: Place): Uint8Array<ArrayBuffer> {
  const pieces: Uint8Array[] = [];
  for (const number of logsIn(folder).filter((number) => number >= place.file)) {
    using file = openIfThere(`${folder}/log.${number}`);
    if (!file) continue;
    if (number !== place.file) Object.assign(place, { file: number, offset: 0 });
    const bytes = readFrom(file, place.offset);
    place.offset += bytes.length;
    pieces.push(bytes);
  }
  const all = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let length = 0;
  for (const piece of pieces) {
    all.set(piece, length);
    length += piece.length;
  }
  return all;
}

/** The numbers of the files of output in a folder, the oldest first. */
function logsIn(folder: string): number[] {
  if (!exists(folder)) return [];
  return [...Deno.readDirSync(folder)].flatMap(({ name }) => /^log\.(\d+)$/.exec(name)?.[1] ?? [])
    .map(Number).toSorted((one, other) => one - other);
}

/** Reads a file from a place to its end. */
function readFrom(file: Deno.FsFile, offset: number): Uint8Array<ArrayBuffer> {
  file.seekSync(offset, Deno.SeekMode.Start);
  // It may grow meanwhile: that part is for the next look.
  const bytes = new Uint8Array(Math.max(0, file.statSync().size - offset));
  let length = 0;
  while (length < bytes.length) {
    const count = file.readSync(bytes.subarray(length));
    if (count === null) break;
    length += count;
  }
  return bytes.subarray(0, length);
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function openIfThere(path: string): Deno.FsFile | undefined {
  try {
    return Deno.openSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
