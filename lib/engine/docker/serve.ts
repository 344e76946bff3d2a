// The server of the plugin: calls by HTTP over a Unix socket.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { readRequest } from "../json.ts";
import { accept, type Serving } from "../socket.ts";

/** An answer to a call: an HTTP status, and a body that is sent as JSON. */
export interface Answer {
  status: number;
  body: unknown;
}

export interface ServeOptions extends Serving {
  /** Answers a call, from its name and its body. It never throws. */
  answer: (method: string, body: string) => Promise<Answer>;
}

/** How long an ending server waits for the rest of calls that have begun, in milliseconds. */
const GRACE = 1000;

const CONTENT_TYPE = "application/vnd.docker.plugins.v1.2+json";

/** Serves calls until the signal. @throws {"socket"} The socket cannot be made. */
export async function serve(options: ServeOptions): Promise<void> {
  const { signal } = options;
  const calls = new Map<IncomingMessage, Promise<void>>();
  const server = createServer((request, response) => {
    // A connection that is kept alive may still bring a call. Docker repeats it to the next server.
    if (signal.aborted) return request.destroy();
    calls.set(request, handle(request, response, options).finally(() => calls.delete(request)));
  });
  await accept(server, options);
  const timer = setTimeout(() => {
    for (const request of calls.keys()) if (!request.readableEnded) request.destroy();
  }, GRACE);
  await Promise.all(calls.values());
  clearTimeout(timer);
  server.closeAllConnections();
}

async function handle(
  request: IncomingMessage,
  response: ServerResponse,
  { answer, signal }: ServeOptions,
): Promise<void> {
  const method = (request.url ?? "").slice(1);
  // A caller that has gone, or is too slow for an ending server, gets no answer.
  const text = await readRequest(request).catch(() => undefined);
  if (text === undefined) return;
  const result = request.method === "POST"
    ? await answer(method, text)
    : failure(405, "Every call is a POST");
  // Otherwise the caller may send its next call on this connection, which closes before the answer.
  if (signal.aborted) response.shouldKeepAlive = false;
  response.writeHead(result.status, { "content-type": CONTENT_TYPE });
  response.end(JSON.stringify(result.body));
}

/** An answer that Docker shows to its user: the text under `Err`, if the status is not 200. */
export function failure(status: number, message: string): Answer {
  return { status, body: { Err: message } };
}
