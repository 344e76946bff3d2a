// The signals that end a program: SIGINT (Ctrl-C), SIGTERM (`kill`) and SIGHUP (the terminal is
// gone).
import { nodeModule } from "./node.ts";

/** A signal that ends a program, unless the program listens for it. */
export type EndingSignal = "SIGINT" | "SIGTERM" | "SIGHUP";

/** The exit status of a program that a signal has ended, as shells report it: 128 and its number. */
export function exitStatusOf(signal: Deno.Signal): number {
  const { constants } = nodeModule("node:os");
  return 128 + constants.signals[signal as keyof typeof constants.signals];
}

/** Calls a function for every signal until disposed of. Meanwhile they do not end the program. */
export function onSignals<Name extends Deno.Signal>(
  names: readonly Name[],
  call: (name: Name) => void,
): Disposable {
  using undo = new DisposableStack();
  for (const name of names) {
    // Windows has no SIGTERM, and Deno refuses to listen for it there.
    if (name === "SIGTERM" && Deno.build.os === "windows") continue;
    const listener = () => call(name);
    Deno.addSignalListener(name, listener);
    undo.defer(() => Deno.removeSignalListener(name, listener));
  }
  return undo.move();
}

interface InterruptOptions {
  /** The reason of the `AbortSignal`; left out, a `DOMException` with the name `AbortError`. */
  reason?: unknown;
  /** A signal that is meant for another program, and is ignored here. */
  except?: EndingSignal;
  /**
   * Called for a signal that comes a second or more after the first one. One that comes sooner may
   * be the same one: a parent process may pass on a signal that the terminal has sent to both.
   */
  again?: (status: number) => void;
}

/** The time after which another signal is a new one, in milliseconds. */
const NEW_AFTER = 1000;

/**
 * Turns the signals that would end this program into an `AbortSignal`, until it is disposed of. Running
 * calls can then undo their work before the program ends.
 */
export class Interrupt implements Disposable {
  /** Aborted by the first signal. */
  readonly signal: AbortSignal;
  /** The exit status to end with after a signal; `undefined` as long as none has arrived. */
  status: number | undefined;
  readonly #listener: Disposable;

  constructor({ reason, except, again }: InterruptOptions = {}) {
    const controller = new AbortController();
    let first: number | undefined;
    this.signal = controller.signal;
    this.#listener = onSignals(["SIGINT", "SIGTERM", "SIGHUP"], (name) => {
      if (name === except) return;
      this.status ??= exitStatusOf(name);
      first ??= performance.now();
      if (performance.now() - first >= NEW_AFTER) again?.(this.status);
      controller.abort(reason);
    });
  }

  /** Stops listening: from then on, a signal ends the program at once. */
  [Symbol.dispose](): void {
    this.#listener[Symbol.dispose]();
  }
}
