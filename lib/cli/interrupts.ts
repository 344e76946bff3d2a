import { endedBy } from "./process.ts";

/** The signals that end a program that does not listen to them, and that users send. */
const ENDING = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Signals that would end this program, where what it has begun is to come to its end first. */
export class Interrupts implements Disposable {
  /** The exit status that the first signal asks for; `undefined` while none has come. */
  status: number | undefined;
  #controller = new AbortController();
  #listeners: [Deno.Signal, () => void][] = [];

  /** Aborted by the first signal. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Listens to signals from now on. Until then, they end the program. */
  listen(): void {
    for (const signal of ENDING) {
      const listener = () => {
        this.status ??= endedBy(signal);
        this.#controller.abort();
      };
      Deno.addSignalListener(signal, listener);
      this.#listeners.push([signal, listener]);
    }
  }

  /** Stops listening. */
  [Symbol.dispose](): void {
    for (const [signal, listener] of this.#listeners) Deno.removeSignalListener(signal, listener);
  }
}
