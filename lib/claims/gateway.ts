// Requests to etcd's JSON gateway (etcd, "gRPC gateway"), by `fetch`. There is a client for npm,
// but its last release is years old, and it loads gRPC and protobuf for five calls.
import { IpvlanError, type IpvlanErrorOf, isIpvlanError } from "../base/errors.ts";
import { pause, sayIfLong, type WaitOptions } from "../base/waiting.ts";
import { type EtcdFiles, etcdOption, readAccess } from "./access.ts";
import type { EtcdAccess } from "./types.ts";

/** The shortest time to wait for one of several endpoints, in milliseconds. */
const ENDPOINT_TIMEOUT = 1500;

/** How long to wait before all endpoints are tried again, in milliseconds. */
const PAUSE = 100;

/** The deadline and the signal of a call, and a callback for a long wait. */
export interface CallOptions extends WaitOptions {
  /** When to give up, by `performance.now()`. */
  deadline: number;
}

/** The credentials of this host, as its files had them when they were last read. */
interface Identity {
  files: EtcdFiles;
  /** Sends requests, with the certificates. */
  http: Deno.HttpClient;
  token?: Promise<string>;
}

interface PostRequest {
  endpoint: string;
  path: string;
  body: unknown;
  signal: AbortSignal;
}

export class Gateway implements Disposable {
  #identity: Identity;
  /** The endpoints; the one that answered last comes first. */
  #endpoints: readonly string[];
  /** Whether the last call got no answer. */
  isSilent = false;

  /** Reads the files of an access. @throws {"etcd-option"} An option or file is wrong. */
  constructor(private readonly access: EtcdAccess) {
    this.#identity = newIdentity(access, readAccess(access));
    this.#endpoints = this.#identity.files.endpoints;
  }

  [Symbol.dispose](): void {
    this.#identity.http.close();
  }

  /** Asks one endpoint after another until one answers, or the time is up: see `Outcome`. */
  protected async call(
    path: string,
    body: unknown,
    { deadline, signal, waiting }: CallOptions,
    read: (endpoint: string, response: Response) => unknown = readAnswer,
  ): Promise<{ answer: unknown; mayRepeat: boolean }> {
    using _notice = sayIfLong(waiting, () => `Waiting for etcd at ${this.#endpoints.join(", ")}`);
    const reasons: Record<string, string> = {};
    let mayRepeat = false;
    for (;;) {
      let isRenewed = false;
      for (const endpoint of this.#endpoints) {
        signal?.throwIfAborted();
        const left = deadline - performance.now();
        if (left <= 0) throw this.#unreachable(reasons);
        const share = Math.max(ENDPOINT_TIMEOUT, left / this.#endpoints.length);
        const limit = new AbortController();
        const timer = setTimeout(() => limit.abort(), Math.min(left, share));
        const attempt = AbortSignal.any([limit.signal, ...signal ? [signal] : []]);
        const identity = this.#identity;
        try {
          const response = await this.#post(identity, { endpoint, path, body, signal: attempt });
          const answer = await read(endpoint, response);
          this.#prefer(endpoint);
          this.isSilent = false;
          return { answer, mayRepeat };
        } catch (error) {
          if (this.#renew(identity)) isRenewed = true;
          else if (isIpvlanError(error, "etcd-refused")) throw error;
          const reason = reasonOf(error);
          // The last attempt often has too little time left for an answer.
          if (reason !== NO_ANSWER || reasons[endpoint] === undefined) reasons[endpoint] = reason;
          if (!hasNoEffect(error)) mayRepeat = true;
        } finally {
          clearTimeout(timer);
        }
      }
      if (isRenewed) continue;
      // A retry does not help against a wrong certificate.
      if (Object.values(reasons).every((reason) => /certificate/i.test(reason))) {
        throw this.#unreachable(reasons);
      }
      await pause(Math.min(PAUSE, Math.max(0, deadline - performance.now())), signal);
    }
  }

  /** Reads the files of the access again. Returns whether they have changed: then a retry helps. */
  #renew(used: Identity): boolean {
    if (this.#identity !== used) return true;
    const files = readAccess(this.access);
    if (JSON.stringify(files) === JSON.stringify(used.files)) return false;
    this.#identity = newIdentity(this.access, files);
    // Requests that are under way keep their connections.
    used.http.close();
    return true;
  }

  async #post(identity: Identity, request: PostRequest): Promise<Response> {
    if (identity.files.user === undefined) return await send(identity, request);
    for (let isFirst = true;; isFirst = false) {
      identity.token ??= authenticate(identity, request);
      const token = await identity.token.catch((error) => {
        identity.token = undefined;
        throw error;
      });
      const response = await send(identity, request, token);
      if (response.ok || !isFirst) return response;
      const text = await response.text();
      // A token lasts for five minutes, and until the rights of a user change.
      if (!/invalid auth token|revision of auth store is old/.test(text)) {
        return new Response(text, response);
      }
      identity.token = undefined;
    }
  }

  #prefer(endpoint: string): void {
    if (this.#endpoints[0] === endpoint) return;
    this.#endpoints = [endpoint, ...this.#endpoints.filter((other) => other !== endpoint)];
  }

  #unreachable(reasons: Readonly<Record<string, string>>): IpvlanErrorOf<"etcd-unreachable"> {
    this.isSilent = true;
    const all = this.#identity.files.endpoints.map((each) => [each, reasons[each] ?? NO_ANSWER]);
    return new IpvlanError("etcd-unreachable", { reasons: Object.fromEntries(all) });
  }
}

const NO_ANSWER = "no answer";

/** Codes of gRPC that say that the same request may succeed elsewhere, or later. */
const TRANSIENT = new Set([1, 2, 4, 10, 13, 14]);

/** Makes credentials. @throws {"etcd-option"} A certificate is not valid, or the key is not its key. */
function newIdentity(access: EtcdAccess, files: EtcdFiles): Identity {
  const { ca, cert, key } = files;
  try {
    const http = directClient({
      ...(ca !== undefined && { caCerts: [ca] }),
      ...(cert !== undefined && key !== undefined && { cert, key }),
    });
    return { files, http };
  } catch (error) {
    const { message } = error as Error;
    const option = /certificate store|peer certificate/.test(message) ? "ca" : "cert";
    throw etcdOption(option, access[option]!, message);
  }
}

async function authenticate(identity: Identity, request: PostRequest): Promise<string> {
  const { user, password } = identity.files;
  const body = { name: user, password };
  const response = await send(identity, { ...request, path: "auth/authenticate", body });
  return (await readAnswer(request.endpoint, response) as { token: string }).token;
}

async function send(
  { http }: Identity,
  { endpoint, path, body, signal }: PostRequest,
  token?: string,
): Promise<Response> {
  return await fetch(`${endpoint}/v3/${path}`, {
    method: "POST",
    body: JSON.stringify(body),
    headers: token === undefined ? {} : { authorization: token },
    client: http,
    signal,
    redirect: "error",
  });
}

/** Reads an answer. @throws {"etcd-refused"} etcd refuses the request. */
export async function readAnswer(endpoint: string, response: Response): Promise<unknown> {
  const text = await response.text();
  let answer: { code?: number; message?: string; error?: string };
  try {
    answer = JSON.parse(text);
  } catch {
    throw new Error(`it answers, but not as etcd 3.4 or later does (status ${response.status})`);
  }
  if (response.ok) return answer;
  const { code, message, error } = answer;
  const reason = String(message ?? error ?? `status ${response.status}`).replace(/^.*desc = /, "");
  if (code === undefined || TRANSIENT.has(code) || /too many requests/.test(reason)) {
    throw new Error(reason);
  }
  throw new IpvlanError("etcd-refused", { endpoint, reason });
}

/** Whether a request surely had no effect: it was refused, or there was no connection. */
function hasNoEffect(error: unknown): boolean {
  return isIpvlanError(error, "etcd-refused") ||
    error instanceof TypeError && textOf(error).includes("client error (Connect)");
}

/** Describes an error in a few words, without the address, which the caller names. */
function reasonOf(error: unknown): string {
  const { name } = error as Error;
  if (name === "TimeoutError" || name === "AbortError") return NO_ANSWER;
  return textOf(error as Error).replace(/^error sending request.*?\): /s, "")
    .replace(/^client error \(\w+\): /, "").replace(/\s+/g, " ");
}

/** Returns the message of an error. `fetch` puts it into the cause. */
function textOf({ message, cause }: Error): string {
  return cause instanceof Error ? cause.message : message;
}

/** The value of `NO_PROXY` for all hosts: names, and addresses of both families. */
const ALL_HOSTS = "*,0.0.0.0/0,::/0";

/**
 * Makes an HTTP client without a proxy, which would get the password of etcd's user. Deno has no
 * option for that: a client reads the environment when it is made (`ext/fetch/proxy.rs` of Deno).
 */
function directClient(options: Deno.CreateHttpClientOptions): Deno.HttpClient {
  const before = Deno.env.get("NO_PROXY");
  Deno.env.set("NO_PROXY", ALL_HOSTS);
  try {
    return Deno.createHttpClient(options);
  } finally {
    if (before === undefined) Deno.env.delete("NO_PROXY");
    else Deno.env.set("NO_PROXY", before);
  }
}
