/**
 * The history of a run: what each process asked for, and what came of it. Each process writes its own
 * file, a JSON value a line, so that a kill loses nothing.
 *
 * @module
 */

/** Something that happened. */
export interface Event {
  /** When, in milliseconds, by the machine's clock. All processes are on one machine. */
  time: number;
  /** The process: `h1.0`. Its host comes before the dot. */
  process: string;
  /**
   * `take`, `release`; `find`: the process was killed, and its next life found the address on record;
   * `forget`: the record does not have what the process took, and nothing of it is used any more;
   * `reserve` and `unreserve`, for a name; `settle` and `recover`, which change no holder; `fault`, of
   * the run.
   */
  call:
    | "take"
    | "release"
    | "find"
    | "forget"
    | "reserve"
    | "unreserve"
    | "settle"
    | "recover"
    | "fault";
  /** Whether it begins, or how it ended. */
  kind: "begin" | "done" | "failed";
  /** The number of the call in its process. */
  number: number;
  /** The address, if it is known. */
  address?: string;
  /** The sandbox that has it, or for which it is reserved: the process, or a name of any host. */
  sandbox?: string;
  /** The error. */
  error?: string;
  /** The fault, and whom it hits: `kill a member: m1`. */
  fault?: string;
}

/** Writes the history of one process, or of the faults. */
export class Recorder implements Disposable {
  readonly #file: Deno.FsFile;
  readonly #process: string;
  #number = 0;

  /** Appends to a file in a folder. */
  constructor(folder: string, process: string) {
    this.#process = process;
    const options = { append: true, create: true };
    this.#file = Deno.openSync(`${folder}/${process}.jsonl`, options);
  }

  /** Writes an event. */
  write(event: Omit<Event, "time" | "process">, process = this.#process): void {
    const time = performance.timeOrigin + performance.now();
    const line = `${JSON.stringify({ time, process, ...event })}\n`;
    const bytes = new TextEncoder().encode(line);
    for (let at = 0; at < bytes.length;) at += this.#file.writeSync(bytes.subarray(at));
  }

  /** The next number. */
  next(): number {
    return ++this.#number;
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}

/** Reads the histories in a folder, in the order of time. */
export function readHistory(folder: string): Event[] {
  const events: Event[] = [];
  for (const { name } of Deno.readDirSync(folder)) {
    if (!name.endsWith(".jsonl")) continue;
    for (const line of Deno.readTextFileSync(`${folder}/${name}`).split("\n")) {
      if (line !== "") events.push(JSON.parse(line));
    }
  }
  return events.sort((a, b) => a.time - b.time);
}
