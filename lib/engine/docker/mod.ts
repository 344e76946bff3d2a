// The plugin for Docker's networks and IPAM (https://docs.docker.com/engine/extend/plugin_api/): it
// serves calls by HTTP over a Unix socket.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { EngineDriver } from "../../driver/mod.ts";
import { IpvlanError } from "../../base/errors.ts";
import { ACTIVATE, type Handler, type Handlers } from "./handlers.ts";
import { ipamHandlers, type SharedPlace } from "./ipam.ts";
import { PLUGIN_NAME } from "../plugins.ts";
import { NETWORK_HANDLERS } from "./network.ts";
import { parseRequest, readRequest } from "../json.ts";
import { accept, removeStaleSocket, type Serving, socketName } from "../socket.ts";
import { DOCKER_SOCKET, sayContainers } from "./api.ts";
import { DockerWatch, removeLost } from "./watch.ts";

/** Answers the first call of a Docker daemon, which takes no link that was made before. */
const activate: Handler = async (driver, _body, notify) => {
  await removeLost(driver, notify, () => true);
  return { Implements: ["NetworkDriver", "IpamDriver"] };
};

/** Answers a call such as `NetworkDriver.Join`. Any error becomes an answer; `warn` gets a bug. */
export async function answer(
  method: string,
  text: string,
  { driver, warn }: Pick<PluginOptions, "driver" | "warn">,
  handlers: Handlers,
): Promise<Answer> {
  const handler = Object.hasOwn(handlers, method) ? handlers[method] : undefined;
  // By this status, Docker knows that the plugin does not support the call.
  if (!handler) return failure(404, `There is no call ${JSON.stringify(method)}`);
  const body = text === "" ? { value: undefined } : parseRequest(text);
  if ("reason" in body) return failure(400, `The body ${body.reason}`);
  try {
    return { status: 200, body: await handler(driver, body.value, warn) };
  } catch (error) {
    if (error instanceof IpvlanError) return failure(500, await sayContainers(error.message));
    warn(stackOf(error));
    return failure(500, `There is a bug in ${PLUGIN_NAME}: ${(error as Error)?.message ?? error}`);
  }
}

function stackOf(error: unknown): string {
  return (error as Error)?.stack ?? String(error);
}

interface PluginOptions extends Pick<Serving, "socket" | "signal"> {
  driver: EngineDriver;
  etcd: SharedPlace["etcd"];
  warn: (line: string) => void;
  /** Whether the log has a line for each call, and not only for failed ones. */
  verbose: boolean;
}

/** Runs the plugin until the signal. @throws {"socket"} The socket cannot be made. */
export async function runPlugin(
  { driver, socket, etcd, signal, warn, verbose }: PluginOptions,
): Promise<void> {
  // Fails if another plugin runs. Beside it, the calls below would wait for its calls.
  if (typeof socket === "string") await removeStaleSocket(socket);
  const place = { environment: Deno.env.toObject(), etcd };
  const handlers = { [ACTIVATE]: activate, ...NETWORK_HANDLERS, ...ipamHandlers(place) };
  const watch = new DockerWatch({ driver, socket: DOCKER_SOCKET, place, notify: warn, signal });
  // Otherwise each call that Docker repeats after the plugin was killed would do this by itself.
  (await driver.recover()).forEach(warn);
  await removeLost(driver, warn);
  const watching = watch.run().catch((error) => warn(stackOf(error)));
  const underWay = new Set<Promise<Answer>>();
  const handle = async (method: string, text: string) => {
    const start = performance.now();
    // The running calls are of a daemon that was killed, and this daemon will not know their results.
    if (method === ACTIVATE) await Promise.all(underWay);
    watch.before(method, text);
    if (method === "IpamDriver.RequestAddress") await watch.keep();
    const answered = await answer(method, text, { driver, warn }, handlers);
    watch.after(method);
    const { status, body } = answered;
    const failed = status === 200 ? "" : `: ${(body as { Err: string }).Err}`;
    const took = Math.round(performance.now() - start);
    if (verbose || failed) warn(`${method}: ${status} in ${took} ms${failed}`);
    return answered;
  };
  await serve({
    socket,
    signal,
    answer: (method, text) => {
      const call = handle(method, text).finally(() => underWay.delete(call));
      underWay.add(call);
      return call;
    },
    listening: () => warn(`Listening at ${socketName(socket)}`),
  });
  await watching;
}

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
