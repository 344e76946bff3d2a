// A client of Docker's own API (https://docs.docker.com/reference/api/engine/) over a Unix socket.
import { type IncomingMessage, request } from "node:http";
import { attempt, IpvlanError, type IpvlanErrorOf, isIpvlanError } from "../../base/errors.ts";
import { flag, object, text } from "../../base/reader.ts";
import { list, optional, readJson, readMessage, record } from "../json.ts";

export const DOCKER_SOCKET = "/run/docker.sock";

/** The largest answer in bytes. A container with a thousand labels has 100 kilobytes. */
const MAX_ANSWER = 2 ** 26;

/** Gets a resource. Resolves to the answer, unchecked; `undefined` if it does not exist. */
export async function get(socket: string, path: string, signal: AbortSignal): Promise<unknown> {
  const response = await send(socket, path, { signal });
  const text = await textOf(response, path);
  const { statusCode: status } = response;
  if (status === 404) return undefined;
  if (status === 200) return parse(path, text);
  throw new IpvlanError("docker-api", { path, reason: `${status} ${text}` });
}

/** Changes a resource, for as long as Docker takes. Resolves to why it failed. */
export async function change(
  socket: string,
  path: string,
  { method = "POST", body }: { method?: string; body?: unknown },
): Promise<string | undefined> {
  try {
    const response = await send(socket, path, { method, body });
    const answer = await textOf(response, path);
    const { statusCode: status = 0 } = response;
    if (status < 300 || status === 304) return undefined;
    const refusal = attempt(() => readJson(object({ message: text }), answer));
    return refusal.ok ? refusal.value.message : `${status} ${answer}`;
  } catch (error) {
    if (isIpvlanError(error, "docker-api")) return error.reason;
    throw error;
  }
}

async function textOf(response: IncomingMessage, path: string): Promise<string> {
  let text = "";
  for await (const part of partsOf(response, path)) {
    text += part;
    if (text.length <= MAX_ANSWER) continue;
    response.destroy();
    const reason = `the answer is longer than ${MAX_ANSWER} bytes`;
    throw new IpvlanError("docker-api", { path, reason });
  }
  return text;
}

/** Follows JSON values, one per line, until Docker ends. None is missed from then on. */
export async function follow(
  socket: string,
  path: string,
  signal: AbortSignal,
): Promise<AsyncGenerator<unknown>> {
  const response = await send(socket, path, { signal });
  if (response.statusCode === 200) return linesOf(response, path);
  response.destroy();
  throw new IpvlanError("docker-api", { path, reason: `${response.statusCode}` });
}

async function* linesOf(response: IncomingMessage, path: string): AsyncGenerator<unknown> {
  let rest = "";
  for await (const part of partsOf(response, path)) {
    const lines = (rest + part).split("\n");
    rest = lines.pop()!;
    for (const line of lines) if (line.trim() !== "") yield parse(path, line);
  }
}

function send(
  socketPath: string,
  path: string,
  { method, body, signal }: { method?: string; body?: unknown; signal?: AbortSignal },
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const headers = {
      host: "docker",
      ...body !== undefined && { "content-type": "application/json" },
    };
    // Deno ignores the signal on a connection that was kept alive.
    const sent = request({ socketPath, path, method, headers, signal, agent: false }, resolve);
    sent.on("error", (error) => reject(failure(path, error)));
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

async function* partsOf(response: IncomingMessage, path: string): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  try {
    for await (const chunk of response) yield decoder.decode(chunk, { stream: true });
  } catch (error) {
    throw failure(path, error as Error);
  }
}

function failure(path: string, error: Error): IpvlanErrorOf<"docker-api"> {
  return new IpvlanError("docker-api", { path, reason: error.message }, { cause: error });
}

function parse(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new IpvlanError("docker-api", { path, reason: "it is not JSON" }, { cause: error });
  }
}

/** A network; in a list of them, none has its containers. */
export const readNetwork = object({
  Id: text,
  Name: text,
  Driver: text,
  Scope: optional(text),
  EnableIPv4: optional(flag),
  EnableIPv6: optional(flag),
  Internal: optional(flag),
  Attachable: optional(flag),
  ConfigOnly: optional(flag),
  ConfigFrom: optional(object({ Network: text })),
  IPAM: object({
    Driver: text,
    Options: record(text),
    Config: list(object({
      Subnet: optional(text),
      IPRange: optional(text),
      Gateway: optional(text),
      AuxiliaryAddresses: record(text),
    })),
  }),
  Options: record(text),
  Labels: record(text),
  Containers: record(object({ IPv4Address: optional(text), IPv6Address: optional(text) })),
});

export const readNetworks = list(readNetwork);

export type Network = ReturnType<typeof readNetwork>;

/** The list of containers, which waits for none of them, nor for one whose start waits for us. */
export const listedContainers = list(object({
  Names: list(text),
  NetworkSettings: object({
    Networks: record(object({
      EndpointID: optional(text),
      IPAMConfig: optional(object({ IPv4Address: optional(text), IPv6Address: optional(text) })),
    })),
  }),
}));

/** How long Docker may take to list containers, in milliseconds. */
export const LISTING = 2000;

/** Gets the names of containers by the ids of their endpoints; none if Docker is slow to answer. */
export async function containerNames(socket = DOCKER_SOCKET): Promise<Map<string, string>> {
  try {
    const body = await get(socket, "/containers/json", AbortSignal.timeout(LISTING));
    const pairs = readMessage(listedContainers, body).flatMap(
      ({ Names, NetworkSettings: { Networks } }) => {
        // A name with a second slash is another container's name for it (--link).
        const name = Names.find((each) => /^\/[\w.-]+$/.test(each))?.slice(1) ?? "";
        return Object.values(Networks).map(({ EndpointID = "" }) => [EndpointID, name] as const);
      },
    );
    return new Map(pairs);
  } catch (error) {
    if (error instanceof IpvlanError) return new Map();
    throw error;
  }
}

/** Replaces ids of endpoints, which `docker ps` does not show, by names of containers: `docker:web`. */
export async function sayContainers(text: string, socket?: string): Promise<string> {
  const endpoint = /\bdocker:([0-9a-f]{64})\b/g;
  if (text.search(endpoint) < 0) return text;
  const names = await containerNames(socket);
  return text.replace(endpoint, (_, id) => `docker:${names.get(id) || id.slice(0, 12)}`);
}
