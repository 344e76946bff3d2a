// The plugin for Docker's networks and IPAM (https://docs.docker.com/engine/extend/plugin_api/).
import type { EngineDriver } from "../../driver/mod.ts";
import { IpvlanError } from "../../base/errors.ts";
import { ACTIVATE, type Handler, type Handlers } from "./handlers.ts";
import { ipamHandlers, type SharedPlace } from "./ipam.ts";
import { PLUGIN_NAME } from "../plugins.ts";
import { NETWORK_HANDLERS } from "./network.ts";
import { parseRequest } from "../json.ts";
import { removeStaleSocket, socketName } from "../socket.ts";
import { DOCKER_SOCKET, sayContainers } from "./api.ts";
import { type Answer, failure, serve } from "./serve.ts";
import { DockerWatch, removeLost } from "./watch.ts";

/** Answers the first call of a Docker daemon, which takes no link that was made before. */
const activate: Handler = async (driver, _body, notify) => {
  await removeLost(driver, notify, () => true);
  return { Implements: ["NetworkDriver", "IpamDriver"] };
};

/** The driver and the outputs that every handler uses. */
interface CallContext {
  driver: EngineDriver;
  notify: (sentence: string) => void;
  /** Gets an error that is a bug. */
  report: (error: unknown) => void;
}

/** Answers a call such as `NetworkDriver.Join`. Any error becomes an answer too. */
export async function answer(
  method: string,
  text: string,
  { driver, notify, report }: CallContext,
  handlers: Handlers,
): Promise<Answer> {
  const handler = Object.hasOwn(handlers, method) ? handlers[method] : undefined;
  // By this status, Docker knows that the plugin does not support the call.
  if (!handler) return failure(404, `There is no call ${JSON.stringify(method)}`);
  const body = text === "" ? { value: undefined } : parseRequest(text);
  if ("reason" in body) return failure(400, `The body ${body.reason}`);
  try {
    return { status: 200, body: await handler(driver, body.value, notify) };
  } catch (error) {
    if (error instanceof IpvlanError) return failure(500, await sayContainers(error.message));
    report(error);
    return failure(500, `There is a bug in ${PLUGIN_NAME}: ${(error as Error)?.message ?? error}`);
  }
}

interface PluginOptions {
  driver: EngineDriver;
  socket: string | number;
  etcd: SharedPlace["etcd"];
  signal: AbortSignal;
  warn: (line: string) => void;
  /** Whether the log has a line for each call, and not only for failed ones. */
  verbose: boolean;
}

/** Runs the plugin until the signal. @throws {"socket"} The socket cannot be made. */
export async function runPlugin(
  { driver, socket, etcd, signal, warn, verbose }: PluginOptions,
): Promise<void> {
  const context: CallContext = {
    driver,
    notify: warn,
    report: (error) => warn((error as Error)?.stack ?? String(error)),
  };
  // Fails if another plugin runs. Beside it, the calls below would wait for its calls.
  if (typeof socket === "string") await removeStaleSocket(socket);
  const place = { environment: Deno.env.toObject(), etcd };
  const handlers = { [ACTIVATE]: activate, ...NETWORK_HANDLERS, ...ipamHandlers(place) };
  const watch = new DockerWatch({ driver, socket: DOCKER_SOCKET, place, notify: warn, signal });
  // Otherwise each call that Docker repeats after the plugin was killed would do this by itself.
  (await driver.recover()).forEach(warn);
  await removeLost(driver, warn);
  const watching = watch.run().catch(context.report);
  const underWay = new Set<Promise<Answer>>();
  const handle = async (method: string, text: string) => {
    const start = performance.now();
    // The running calls are of a daemon that was killed, and this daemon will not know their results.
    if (method === ACTIVATE) await Promise.all(underWay);
    watch.before(method, text);
    if (method === "IpamDriver.RequestAddress") await watch.keep();
    const answered = await answer(method, text, context, handlers);
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
