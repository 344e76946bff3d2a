// The server for calls of a plugin, by the protocol of `caller.ts`: it saves starting `ipvlan`.
import { Buffer } from "node:buffer";
import { createServer, type Socket } from "node:net";
import { type CallAnswer, MAX_CALL, readCall, writeAnswer } from "./caller.ts";
import type { PluginCall } from "./plugins.ts";
import { accept, type Serving } from "./socket.ts";

export interface ServeOptions extends Serving {
  /** Makes the first line to a caller; `undefined` if the server can no longer answer and must end. */
  greeting: () => string | undefined;
  /** Answers a call, and never throws. It goes on without the caller: the engine undoes it. */
  answer: (call: PluginCall) => Promise<CallAnswer>;
  /** The time without a call after which it ends by itself, in milliseconds; left out, never. */
  idle?: number;
}

/** In milliseconds: how long an ending server waits for a call, and any server for a reader. */
const [GRACE, READING] = [1000, 10_000];

/** Serves calls until its end. @throws {"socket"} The socket cannot be made. */
export async function serve(options: ServeOptions): Promise<void> {
  const { greeting, idle } = options;
  const idleness = new AbortController();
  const end = () => idleness.abort();
  const signal = AbortSignal.any([options.signal, idleness.signal]);
  const calls = new Set<Promise<void>>();
  const waiting = new Set<Socket>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const rest = () => {
    if (idle !== undefined && calls.size === 0) timer = setTimeout(end, idle);
  };
  const server = createServer((connection) => {
    clearTimeout(timer);
    const first = greeting();
    if (first === undefined) {
      connection.destroy();
      return end();
    }
    const call = converse(connection, first, options.answer, waiting).finally(() => {
      calls.delete(call);
      rest();
    });
    calls.add(call);
  });
  rest();
  await accept(server, { ...options, signal });
  const grace = setTimeout(() => waiting.forEach((each) => each.destroy()), GRACE);
  while (calls.size > 0) await Promise.all(calls);
  clearTimeout(grace);
  clearTimeout(timer);
}

/** Answers one call. @param waiting Has the connections whose calls have not come yet. */
async function converse(
  connection: Socket,
  greeting: string,
  answer: ServeOptions["answer"],
  waiting: Set<Socket>,
): Promise<void> {
  const closed = new Promise<void>((resolve) => connection.once("close", () => resolve()));
  // A caller that is killed resets its connection.
  connection.on("error", () => {});
  connection.write(`${greeting}\n`);
  waiting.add(connection);
  const body = await readBody(connection);
  waiting.delete(connection);
  if (body) connection.end(writeAnswer(await answer(readCall(body))));
  else connection.destroy();
  // A caller that is stopped must not keep the server from ending. Not the connection's own time-out,
  // which begins again with each byte.
  const timer = setTimeout(() => connection.destroy(), READING);
  await closed;
  clearTimeout(timer);
}

/** Reads a call. Resolves to `undefined` if it is not valid or not complete. */
function readBody(connection: Socket): Promise<Uint8Array | undefined> {
  const { promise, resolve } = Promise.withResolvers<Uint8Array | undefined>();
  const take = callTaker();
  connection.once("close", () => resolve(undefined));
  connection.once("end", () => resolve(undefined));
  connection.on("data", (chunk: Uint8Array) => {
    const taken = take(chunk);
    if (taken !== "incomplete") resolve(taken === "invalid" ? undefined : taken);
  });
  return promise;
}

/** The longest first line of a call: the digits of its length. */
const MAX_DIGITS = String(MAX_CALL).length;

const NEWLINE = 10;

/** Returns a function that takes the next piece of a call: its length in a line, and the call. */
export function callTaker(): (chunk: Uint8Array) => Uint8Array | "incomplete" | "invalid" {
  let all: Uint8Array = new Uint8Array();
  return (chunk) => {
    all = Buffer.concat([all, chunk]);
    const end = all.indexOf(NEWLINE);
    const head = new TextDecoder().decode(all.subarray(0, end < 0 ? undefined : end));
    const size = Number(head);
    if (!/^\d*$/.test(head) || head.length > MAX_DIGITS || size > MAX_CALL) return "invalid";
    const received = all.length - end - 1;
    if (end < 0 || received < size) return "incomplete";
    return received === size ? all.subarray(end + 1) : "invalid";
  };
}
