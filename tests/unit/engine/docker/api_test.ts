import { assertEquals, assertMatch } from "@std/assert";
import { createServer, type RequestListener } from "node:http";
import { change, follow, get, sayContainers } from "../../../../lib/engine/docker/api.ts";
import { temporaryFolder } from "../../../kit/worlds.ts";
import { assertRejectsError } from "../../../kit/errors.ts";

/** Runs a test with a server at a socket. */
async function withServer(
  listener: RequestListener,
  test: (socket: string, control: AbortController) => Promise<void>,
): Promise<void> {
  await using folder = await temporaryFolder();
  const socket = `${folder.path}/docker.sock`;
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen({ path: socket }, resolve));
  const control = new AbortController();
  try {
    await test(socket, control);
  } finally {
    control.abort();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

Deno.test("an answer is JSON, or says that there is no such thing", () =>
  withServer((request, response) => {
    const { url } = request;
    response.statusCode = url === "/none" ? 404 : url === "/bad" ? 500 : 200;
    if (url === "/cut") {
      response.write('{"Name":');
      return setTimeout(() => response.destroy(), 10);
    }
    response.end(url === "/text" ? "hello" : '{"Name":"/c1"}');
  }, async (socket, { signal }) => {
    assertEquals(await get(socket, "/one", signal), { Name: "/c1" });
    assertEquals(await get(socket, "/none", signal), undefined);
    for (const path of ["/bad", "/text", "/cut"]) {
      await assertRejectsError(() => get(socket, path, signal), "docker-api", path);
    }
    await assertRejectsError(() => get(`${socket}.not`, "/one", signal), "docker-api", "/one");
  }));

Deno.test("a change is sent with its body, and its refusal has Docker's own words", () => {
  const seen: string[] = [];
  return withServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    seen.push(`${request.method} ${request.url} ${request.headers["content-type"]} ${body}`);
    response.statusCode = Number(request.url!.slice(1));
    response.end(response.statusCode === 403 ? '{"message":"in use"}' : "what");
  }, async (socket) => {
    assertEquals(await change(socket, "/201", { body: { Name: "é" } }), undefined);
    assertEquals(await change(socket, "/204", { method: "DELETE" }), undefined);
    assertEquals(await change(socket, "/304", {}), undefined);
    assertEquals(await change(socket, "/403", {}), "in use");
    assertEquals(await change(socket, "/404", {}), "404 what");
    assertMatch(await change(`${socket}.not`, "/201", {}) ?? "", /ENOENT/);
    assertEquals(seen.slice(0, 3), [
      'POST /201 application/json {"Name":"é"}',
      "DELETE /204 undefined ",
      "POST /304 undefined ",
    ]);
  });
});

Deno.test("a stream has a value on each line, however it is cut, until it ends", () =>
  withServer((request, response) => {
    if (request.url === "/bad") {
      response.statusCode = 400;
      return response.end("no");
    }
    response.write('{"a":1}\n{"a"');
    setTimeout(() => response.end(':2}\n\n{"a":3}\n'), 10);
  }, async (socket, { signal }) => {
    const values: unknown[] = [];
    for await (const value of await follow(socket, "/events", signal)) values.push(value);
    assertEquals(values, [{ a: 1 }, { a: 2 }, { a: 3 }]);
    await assertRejectsError(() => follow(socket, "/bad", signal), "docker-api", "400");
  }));

Deno.test("a call that nobody answers ends with the signal, also behind another one", () => {
  const { promise: hasArrived, resolve } = Promise.withResolvers<void>();
  return withServer((request, response) => {
    if (request.url === "/one") response.end("{}");
    else resolve();
  }, async (socket, control) => {
    await get(socket, "/one", control.signal);
    const next = get(socket, "/two", control.signal);
    await hasArrived;
    control.abort();
    await assertRejectsError(() => next, "docker-api", "/two");
  });
});

Deno.test("a stream that nothing comes on ends with the signal", () =>
  withServer((_request, response) => {
    response.flushHeaders();
  }, async (socket, control) => {
    const values = await follow(socket, "/events", control.signal);
    const next = values.next();
    control.abort();
    await assertRejectsError(() => next, "docker-api");
  }));

Deno.test("a text says the names of containers instead of the ids of their endpoints", async () => {
  const [web, lost] = ["584b5d13892e", "8fb5d13892e3"].map((id) => id.padEnd(64, "0")) as [
    string,
    string,
  ];
  const text = `The address 10.3.0.50 is held by the sandbox "docker:${web}"\n` +
    `left: docker:${lost}, docker:3e458d0718ee, cni:${web}, and ${web}`;
  const said = (name: string) =>
    `The address 10.3.0.50 is held by the sandbox "docker:${name}"\n` +
    `left: docker:8fb5d13892e3, docker:3e458d0718ee, cni:${web}, and ${web}`;
  const networks = { lan: { EndpointID: web }, none: { EndpointID: "" } };
  const containers = [
    // Not running, and one without networks of its own (--net=host).
    { Names: ["/old"], NetworkSettings: { Networks: { lan: { EndpointID: "" } } } },
    { Names: ["/host"], NetworkSettings: { Networks: null } },
    { Names: ["/db/link", "/web_1.a"], NetworkSettings: { Networks: networks } },
  ];
  const asked: string[] = [];
  const answers: unknown[] = [containers, [], { message: "no" }, [{ Names: ["\u001b[2J"] }]];
  await withServer((request, response) => {
    asked.push(request.url!);
    response.end(JSON.stringify(answers.shift()));
  }, async (socket) => {
    assertEquals(await sayContainers(text, socket), said("web_1.a"));
    // Docker does not know it, or its answer is not what it should be: then it is an id.
    for (let each = 0; each < 3; each++) {
      assertEquals(await sayContainers(text, socket), said("584b5d13892e"));
    }
    assertEquals(asked, Array(4).fill("/containers/json"));
    // Where there is nothing to say, Docker is not asked.
    const plain = 'The sandbox "docker:web" is not there';
    assertEquals(await sayContainers(plain, socket), plain);
    assertEquals(asked.length, 4);
  });
  assertEquals(await sayContainers(text, "/nonexistent/docker.sock"), said("584b5d13892e"));
});
