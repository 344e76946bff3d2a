import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type IncomingMessage, request } from "node:http";
import type { EngineDriver } from "../../../../lib/driver/mod.ts";
import type { Handlers } from "../../../../lib/engine/docker/handlers.ts";
import { answer, serve, type ServeOptions } from "../../../../lib/engine/docker/mod.ts";
import { MAX_REQUEST } from "../../../../lib/engine/json.ts";
import { IpvlanError } from "../../../../lib/base/errors.ts";
import { temporaryFolder } from "../../../kit/worlds.ts";
import { assertRejectsError } from "../../../kit/errors.ts";

/** What a call came back with. */
interface Reply {
  status: number;
  body: unknown;
}

/** Calls the server of a socket as Docker 20.10 does, with an empty name of the host. */
function send(path: string, method: string, body = "", verb = "POST"): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const options = { socketPath: path, path: `/${method}`, method: verb, headers: { host: "" } };
    const sent = request(options, resolve);
    sent.on("error", reject);
    sent.end(body);
  });
}

async function read(response: IncomingMessage): Promise<Reply> {
  let text = "";
  for await (const chunk of response) text += chunk;
  return { status: response.statusCode!, body: JSON.parse(text) };
}

async function call(...words: Parameters<typeof send>): Promise<Reply> {
  return await read(await send(...words));
}

/** A server in a folder of its own, which ends with the scope. */
async function server(
  answer: ServeOptions["answer"],
  path?: string,
): Promise<AsyncDisposable & { path: string; end(): Promise<void> }> {
  await using undo = new AsyncDisposableStack();
  const socket = path ?? `${undo.use(await temporaryFolder()).path}/plugins/kit.sock`;
  const control = new AbortController();
  const { promise: listening, resolve } = Promise.withResolvers<void>();
  const { signal } = control;
  const ended = serve({ socket, answer, listening: resolve, signal });
  await Promise.race([listening, ended]);
  const end = async () => {
    control.abort();
    await ended;
  };
  undo.defer(end);
  const kept = undo.move();
  return { path: socket, end, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/** Answers with what came. */
const echo: ServeOptions["answer"] = (method, body) =>
  Promise.resolve({ status: 200, body: { method, body } });

Deno.test("a server answers calls, and its socket is for its owner alone and goes with it", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/kit.sock`;
  const umask = Deno.umask();
  {
    await using _server = await server(echo, path);
    assertEquals(await call(path, "Plugin.Activate", "{}"), {
      status: 200,
      body: { method: "Plugin.Activate", body: "{}" },
    });
    assertEquals(Deno.statSync(path).mode! & 0o777, 0o600);
    assertEquals((await call(path, "Plugin.Activate", "", "GET")).status, 405);
  }
  assertEquals([...Deno.readDirSync(folder.path)], []);
  assertEquals(Deno.umask(), umask);
});

Deno.test("a body that is too long is refused with a sentence, and the server goes on", async () => {
  const handlers: Handlers = { A: () => Promise.resolve("done") };
  await using running = await server((method, text) => answerWith(handlers, method, text));
  const long = `"${"x".repeat(MAX_REQUEST - 2)}"`;
  assertEquals(await call(running.path, "A", long), { status: 200, body: "done" });
  const refused = { status: 400, body: { Err: `The body is longer than ${MAX_REQUEST} bytes` } };
  assertEquals(await call(running.path, "A", `${long} `), refused);
  assertEquals(await call(running.path, "A", long.repeat(30)), refused);
  assertEquals(await call(running.path, "A", "{}"), { status: 200, body: "done" });
});

/** Begins a call in some bytes, and leaves it so. */
async function begin(path: string, text: string): Promise<Deno.UnixConn> {
  const connection = await Deno.connect({ transport: "unix", path });
  await connection.write(new TextEncoder().encode(text));
  return connection;
}

Deno.test("calls that do not come to their end keep no other one waiting, nor the server from its end", async () => {
  await using running = await server(echo);
  const begun = [
    "",
    "POST /A HTT",
    "POST /A HTTP/1.1\r\nHost: \r\n",
    "POST /A HTTP/1.1\r\nHost: \r\nContent-Length: 100\r\n\r\n{",
    "POST /A HTTP/1.1\r\nHost: \r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
  ];
  const connections = await Promise.all(
    Array.from({ length: 100 }, (_, place) => begin(running.path, begun[place % begun.length]!)),
  );
  assertEquals((await call(running.path, "A", "{}")).status, 200);
  await running.end();
  for (const connection of connections) {
    // What comes, if anything, says that the request is bad.
    const left = await new Response(connection.readable).text().catch(() => "");
    assertEquals(left.replace(/^HTTP\/1\.1 4.*/s, ""), "");
  }
});

Deno.test("a call whose rest comes while the server is to end is answered", async () => {
  await using running = await server(echo);
  using connection = await begin(
    running.path,
    "POST /A HTTP/1.1\r\nHost: \r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n{",
  );
  // The server waits for the body now.
  const buffer = new Uint8Array(100);
  const count = await connection.read(buffer);
  assertStringIncludes(new TextDecoder().decode(buffer.subarray(0, count!)), "100 Continue");
  const ended = running.end();
  await connection.write(new TextEncoder().encode("}"));
  assertStringIncludes(await new Response(connection.readable).text(), '"body":"{}"');
  await ended;
});

Deno.test("the socket of a server that was killed is taken over", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/kit.sock`;
  // Nobody listens at a socket that is closed, and its file stays.
  const listener = Deno.listen({ transport: "unix", path });
  await Deno.rename(path, `${path}.kept`);
  listener.close();
  await Deno.rename(`${path}.kept`, path);
  await using _server = await server(echo, path);
  assertEquals((await call(path, "A")).status, 200);
});

Deno.test("the socket of a server that runs, and a file of another kind, are left alone", async () => {
  await using running = await server(echo);
  await assertRejectsError(() => server(echo, running.path), "socket", "another program listens");
  assertEquals((await call(running.path, "A")).status, 200);
  await using folder = await temporaryFolder();
  const path = `${folder.path}/kit.sock`;
  await Deno.writeTextFile(path, "kept");
  await assertRejectsError(() => server(echo, path), "socket", "something else has this name");
  assertEquals(await Deno.readTextFile(path), "kept");
});

Deno.test("a server that is to end answers the calls under way first", async () => {
  const begun = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  await using running = await server(async () => {
    begun.resolve();
    await release.promise;
    return { status: 200, body: "done" };
  });
  const sent = send(running.path, "Slow");
  await begun.promise;
  const end = running.end();
  release.resolve();
  const response = await sent;
  // On a connection that is kept, the next call would be lost.
  assertEquals(response.headers.connection, "close");
  assertEquals(await read(response), { status: 200, body: "done" });
  await end;
});

/** Answers a call with these handlers. The handlers here do not use the driver. */
async function answerWith(handlers: Handlers, method: string, text: string) {
  const logged: string[] = [];
  const context = {
    driver: undefined as unknown as EngineDriver,
    warn: (line: string) => void logged.push(line),
  };
  return { ...await answer(method, text, context, handlers), logged };
}

Deno.test("an answer is that of the call's handler; its notices are for the log", async () => {
  const handlers: Handlers = {
    Join: (_driver, body, notify) => {
      notify("Slowly");
      return Promise.resolve({ got: body });
    },
  };
  assertEquals(await answerWith(handlers, "Join", '{"a":1}'), {
    status: 200,
    body: { got: { a: 1 } },
    logged: ["Slowly"],
  });
  assertEquals((await answerWith(handlers, "Join", "")).body, { got: undefined });
});

Deno.test("a call that does not exist is a 404, also one that every object has", async () => {
  for (const method of ["NetworkDriver.Jump", "toString", "__proto__"]) {
    const { status, body } = await answerWith({}, method, "{}");
    assertEquals([status, body], [404, { Err: `There is no call "${method}"` }]);
  }
});

Deno.test("an error is an answer, and a bug is reported, too", async () => {
  const handlers: Handlers = {
    Refuse: () => Promise.reject(new IpvlanError("unwritable-output", { reason: "no parent" })),
    Hold: () =>
      Promise.reject(new IpvlanError("sandbox-gone", { sandbox: `docker:${"584b".repeat(16)}` })),
    Fail: () => {
      throw new TypeError("x is undefined");
    },
  };
  const refused = await answerWith(handlers, "Refuse", "");
  assertEquals([refused.status, refused.body, refused.logged], [500, {
    Err: "The output cannot be written: no parent",
  }, []]);
  // Docker shows no such id. Here is no Docker to ask for the container.
  assertEquals((await answerWith(handlers, "Hold", "")).body, {
    Err: 'The network namespace of sandbox "docker:584b584b584b" is gone: run ipvlan restore, or ' +
      "remove the sandbox",
  });
  const failed = await answerWith(handlers, "Fail", "");
  assertEquals(failed.status, 500);
  assertStringIncludes(JSON.stringify(failed.body), "There is a bug in ipvlan-kit: x is undefined");
  assertMatch(failed.logged.join(), /^TypeError: x is undefined\n +at Fail/);
  const broken = await answerWith(handlers, "Refuse", "{");
  assertEquals(broken.status, 400);
  assertStringIncludes(JSON.stringify(broken.body), "The body is not JSON");
});
