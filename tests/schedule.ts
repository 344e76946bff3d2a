/**
 * Schedules the stages of a test run: limits how many jobs run at once, chooses the next one, and
 * prints their output in order.
 *
 * @module
 */
import { showProgress } from "../scenarios/kit/report/progress.ts";

/** A job that waits for a slot. */
interface WaitingJob {
  weight: number;
  start: () => void;
}

/** Limits how many jobs run at once. The waiting job with the most weight is next. */
export class Slots {
  #free: number;
  readonly #waiting: WaitingJob[] = [];
  readonly #running = new Set<string>();

  /** @param count How many may run at once. */
  constructor(count: number) {
    this.#free = count;
  }

  /** Waits for a slot, and holds it until the end of the scope. */
  async take(name: string, weight: number): Promise<Disposable> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((start) => this.#waiting.push({ weight, start }));
    this.#running.add(name);
    this.#show();
    return { [Symbol.dispose]: () => this.#giveBack(name) };
  }

  #giveBack(name: string): void {
    this.#running.delete(name);
    this.#show();
    const most = Math.max(...this.#waiting.map(({ weight }) => weight));
    const next = this.#waiting.findIndex(({ weight }) => weight === most);
    if (next === -1) this.#free++;
    else this.#waiting.splice(next, 1)[0]!.start();
  }

  #show(): void {
    const running = [...this.#running].join(", ");
    showProgress(running && `${this.#waiting.length} to go; running: ${running}`);
  }
}

/** One of our streams. */
type Stream = Pick<typeof Deno.stdout, "writeSync">;

/** A running stage: its slots, and its output, which is kept until it is opened. */
export class StageRun {
  readonly #slots: Slots;
  #kept: { to: Stream; bytes: Uint8Array }[] | undefined = [];
  #start: number | undefined;

  /** @param slots The slots of all stages. */
  constructor(slots: Slots) {
    this.#slots = slots;
  }

  /** Seconds since it had its first slot. */
  get seconds(): number {
    return this.#start === undefined ? 0 : (performance.now() - this.#start) / 1000;
  }

  /** Waits for a slot: {@linkcode Slots.take}. */
  async slot(name: string, weight: number): Promise<Disposable> {
    const slot = await this.#slots.take(name, weight);
    this.#start ??= performance.now();
    return slot;
  }

  /** Prints bytes, now or when it is opened. */
  write(bytes: Uint8Array, to: Stream = Deno.stdout): void {
    if (this.#kept) this.#kept.push({ to, bytes });
    else print(bytes, to);
  }

  /** Prints a line in the same way. */
  line(text: string): void {
    this.write(new TextEncoder().encode(`${text}\n`));
  }

  /** Prints the kept output; later output is printed at once. */
  open(): void {
    const kept = this.#kept ?? [];
    this.#kept = undefined;
    for (const { bytes, to } of kept) print(bytes, to);
  }
}

function print(bytes: Uint8Array, to: Stream): void {
  showProgress("");
  for (let rest = bytes; rest.length > 0;) rest = rest.subarray(to.writeSync(rest));
}
