import type { Ending, ProgramRunner } from "../../iproute2/shell.ts";
import { orAbort, sayIfLong, type WaitOptions } from "../../base/waiting.ts";

interface ProgramOptions extends WaitOptions {
  /** The command as users know it. */
  shown: string;
  /** Whether the program starts even after the signal is aborted. */
  unstoppable: boolean;
}

/** In milliseconds: how long a program may run after the signal, and how much longer by line. */
const [PATIENCE, PATIENCE_PER_LINE] = [500, 50];

/** Runs programs one after another in a shell, which starts when it is first needed. */
export class Programs implements AsyncDisposable {
  #shell: ProgramRunner | undefined;
  /** Resolves when all programs asked for so far have ended. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(private readonly start: () => ProgramRunner) {}

  /** Runs a program in its turn. @throws {"session-closed"} It hung after the signal: killed. */
  run(command: string, input: readonly string[], options: ProgramOptions): Promise<Ending> {
    const turn = this.#last;
    const ending = this.#inTurn(turn, command, input, options);
    this.#last = Promise.allSettled([turn, ending]);
    return ending;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#last;
    await this.#shell?.[Symbol.asyncDispose]();
  }

  async #inTurn(
    turn: Promise<unknown>,
    command: string,
    input: readonly string[],
    { shown, signal, unstoppable, waiting }: ProgramOptions,
  ): Promise<Ending> {
    await (unstoppable ? turn : orAbort(turn, signal));
    if (!unstoppable) signal?.throwIfAborted();
    if (this.#shell?.ended ?? true) this.#shell = this.start();
    const shell = this.#shell!;
    const more = PATIENCE_PER_LINE * input.length;
    using _notice = sayIfLong(waiting, () => `Waiting for "${shown}"`, more);
    const kill = () => shell.kill(`"${shown}" did not end, and was killed`);
    using _limit = afterAbort(signal, PATIENCE + more, kill);
    return await shell.run(command, input);
  }
}

/** Calls a function some time after the signal is aborted, unless disposed of before. */
function afterAbort(signal: AbortSignal | undefined, ms: number, call: () => void): Disposable {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const start = () => timer = setTimeout(call, ms);
  if (signal?.aborted) start();
  else signal?.addEventListener("abort", start, { once: true });
  return {
    [Symbol.dispose]: () => {
      signal?.removeEventListener("abort", start);
      clearTimeout(timer);
    },
  };
}

/** A signal that is aborted some time after another one, with the same reason. */
export function lateSignal(signal: AbortSignal | undefined): AbortSignal | undefined {
  if (!signal) return undefined;
  const late = new AbortController();
  afterAbort(signal, PATIENCE, () => late.abort(signal.reason));
  return late.signal;
}
