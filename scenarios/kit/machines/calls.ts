/**
 * Calls methods of an object in another process. Each call and each answer is a line with a value
 * that can be cloned (also Map and RegExp, but no function).
 *
 * @module
 */
import { deserialize, serialize } from "node:v8";
import { UserError } from "../../../lib/base/errors.ts";
import { linesOf } from "../../../lib/iproute2/shell.ts";

/** A call. */
interface Call {
  /** A number for the answer. */
  id: number;
  /** The method. */
  method: string;
  /** The arguments. */
  args: unknown[];
}

/** The answer to a call. */
interface Answer {
  /** The number of the call. */
  id: number;
  /** The result. */
  value?: unknown;
  /** The message of its error. */
  error?: string;
  /** The duration of the call, in milliseconds. */
  milliseconds: number;
}

/** A call failed in the other process. */
export class CallError extends UserError {
  /** The duration of the call, in milliseconds. */
  readonly milliseconds: number;

  /** Makes the error from the message and the duration of the call. */
  constructor(message: string, milliseconds: number) {
    super(message);
    this.milliseconds = milliseconds;
  }
}

/** The other process does not answer any more. */
export class DownError extends UserError {}

/** Waits for a call that may fail there. Resolves to its error; `undefined` if it did not fail. */
export async function refusalOf(call: Promise<unknown>): Promise<CallError | undefined> {
  try {
    await call;
  } catch (error) {
    if (error instanceof CallError) return error;
    throw error;
  }
}

/** Calls the methods of an object in another process. */
export class Caller {
  /** The time of the last answer, by `performance.now()`. */
  lastHeard = performance.now();
  readonly #name: string;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #pending = new Map<number, PromiseWithResolvers<unknown>>();
  #calls = 0;
  #down: DownError | undefined;

  /**
   * Makes a caller.
   *
   * @param name The other process's name in errors.
   */
  constructor(
    name: string,
    answers: ReadableStream<Uint8Array>,
    calls: WritableStream<Uint8Array>,
  ) {
    this.#name = name;
    this.#writer = calls.getWriter();
    this.#follow(answers);
  }

  /** Reads the answers. At their end, all pending calls fail. */
  async #follow(answers: ReadableStream<Uint8Array>): Promise<void> {
    try {
      for await (const line of linesOf(answers)) {
        this.lastHeard = performance.now();
        const answer = decode<Answer>(line);
        const pending = this.#pending.get(answer.id);
        this.#pending.delete(answer.id);
        if (answer.error === undefined) pending?.resolve(answer.value);
        else pending?.reject(new CallError(answer.error, answer.milliseconds));
      }
      this.giveUp("it has ended");
    } catch (error) {
      this.giveUp((error as Error).message);
    }
  }

  /** Fails the pending calls, and all later ones. */
  giveUp(why: string): void {
    this.#down ??= new DownError(`${this.#name} is down: ${why}`);
    for (const { reject } of this.#pending.values()) reject(this.#down);
    this.#pending.clear();
  }

  /**
   * Calls a method.
   *
   * @throws {CallError} The call failed there.
   * @throws {DownError} The other process has gone.
   */
  async call<T>(method: string, ...args: unknown[]): Promise<T> {
    if (this.#down) throw this.#down;
    const id = this.#calls++;
    const pending = Promise.withResolvers<unknown>();
    this.#pending.set(id, pending);
    // After the first error of several calls, nothing may await the others.
    pending.promise.catch(() => {});
    // If this fails, the connection has ended.
    this.#writer.write(encode({ id, method, args } satisfies Call)).catch(() => {});
    return await pending.promise as T;
  }

  /** Ends the stream of calls. */
  async close(): Promise<void> {
    await this.#writer.close();
  }
}

/** Answers calls of an object's methods as soon as each ends, until there are no more calls. */
export async function answerCalls(
  target: object,
  calls: ReadableStream<Uint8Array>,
  answers: WritableStream<Uint8Array>,
): Promise<void> {
  const methods = target as Record<string, (...args: unknown[]) => unknown>;
  const writer = answers.getWriter();
  const running: Promise<void>[] = [];
  const answer = async ({ id, method, args }: Call) => {
    const start = performance.now();
    const answerWith = (result: Pick<Answer, "value" | "error">) => {
      const milliseconds = Math.round(performance.now() - start);
      return encode({ id, ...result, milliseconds } satisfies Answer);
    };
    let line: Uint8Array;
    try {
      line = answerWith({ value: await methods[method]!.apply(target, args) });
    } catch (error) {
      line = answerWith({ error: (error as Error).message });
    }
    await writer.write(line);
  };
  for await (const line of linesOf(calls)) running.push(answer(decode(line)));
  await Promise.all(running);
}

function encode(value: unknown): Uint8Array {
  return new TextEncoder().encode(`${new Uint8Array(serialize(value)).toBase64()}\n`);
}

function decode<T>(line: string): T {
  return deserialize(Uint8Array.fromBase64(line));
}
