import { assertEquals } from "@std/assert";
import { Etcd } from "../../../lib/claims/etcd.ts";
import { succeed } from "../../kit/processes.ts";
import type { EtcdAccess } from "../../../lib/claims/types.ts";
import { assertRejectsError, assertThrowsError } from "../../kit/errors.ts";

// Test files that run beside this one share its environment, so this has a process of its own.
Deno.test("no request to etcd goes through a proxy, whatever the environment says", async () => {
  const program = new URL("./behind_a_proxy.ts", import.meta.url).pathname;
  await succeed(Deno.execPath(), "run", "-A", "--no-check", program);
});

/** A server that answers each request as a function says, and keeps the paths that were asked for. */
function server(answer: (path: string, request: Request) => Response | Promise<Response>) {
  const paths: string[] = [];
  const options = { hostname: "127.0.0.1", port: 0, onListen() {} };
  const running = Deno.serve(options, (request) => {
    const path = new URL(request.url).pathname.replace("/v3/", "");
    paths.push(path);
    return answer(path, request);
  });
  return Object.assign(running, { paths, endpoint: `http://127.0.0.1:${running.addr.port}` });
}

const ANSWER = { header: { revision: "7" }, succeeded: true };
const within = (milliseconds = 60_000) => ({ deadline: performance.now() + milliseconds });

Deno.test("what may succeed elsewhere is asked of the next endpoint, and what is refused is not", async () => {
  let refusal: { code?: number; message?: string } = {};
  await using first = server(() => Response.json(refusal, { status: 400 }));
  await using second = server(() => Response.json(ANSWER));
  const read = async () => {
    using client = new Etcd({ endpoints: [first.endpoint, second.endpoint] });
    return await client.read([], within());
  };
  // The codes of gRPC: cancelled, unknown, deadline exceeded, aborted, internal, unavailable.
  for (const code of [1, 2, 4, 10, 13, 14, undefined]) {
    refusal = { code, message: "not now" };
    const { revision, mayRepeat } = await read();
    // Without a clear refusal, the first one may carry it out.
    assertEquals([revision, mayRepeat], [7, true], String(code));
  }
  refusal = { code: 8, message: "etcdserver: too many requests" };
  assertEquals((await read()).revision, 7);
  for (const code of [3, 7, 8, 9, 11, 12, 16]) {
    refusal = { code, message: "rpc error: code = X desc = etcdserver: no" };
    const error = await assertRejectsError(read, "etcd-refused");
    assertEquals(error.message.includes("etcdserver: no"), true, error.message);
    assertEquals(error.message.includes("desc ="), false);
  }
});

Deno.test("the endpoint that answered last is asked first, and one that nothing listens on has no effect", async () => {
  const port = (() => {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    return (listener.addr as Deno.NetAddr).port;
  })();
  await using good = server(() => Response.json(ANSWER));
  const closed = `http://127.0.0.1:${port}`;
  using client = new Etcd({ endpoints: [closed, good.endpoint] });
  client.isSilent = true;
  assertEquals((await client.read([], within())).mayRepeat, false);
  assertEquals((await client.read([], within())).mayRepeat, false);
  assertEquals(client.isSilent, false);
  assertEquals(good.paths, ["kv/txn", "kv/txn"]);
  using alone = new Etcd({ endpoints: [closed] });
  const error = await assertRejectsError(() => alone.read([], within(1)), "etcd-unreachable");
  assertEquals(Object.keys(error.reasons), [closed]);
  assertEquals(alone.isSilent, true);
  // Without any time, none was asked.
  const late = await assertRejectsError(() => alone.read([], within(-1)), "etcd-unreachable");
  assertEquals(late.reasons, { [closed]: "no answer" });
});

Deno.test("the endpoint that answered last is asked first, and the others if it fails", async () => {
  const failing = new Set<number>([0]);
  const answer = (index: number) => () =>
    failing.has(index)
      ? Response.json({ message: "not now" }, { status: 503 })
      : Response.json(ANSWER);
  await using first = server(answer(0));
  await using second = server(answer(1));
  await using third = server(answer(2));
  const all = [first, second, third];
  using client = new Etcd({ endpoints: all.map(({ endpoint }) => endpoint) });
  const asked = async () => {
    for (const { paths } of all) paths.length = 0;
    await client.read([], within());
    return all.map(({ paths }) => paths.length);
  };
  assertEquals(await asked(), [1, 1, 0]);
  assertEquals(await asked(), [0, 1, 0]);
  failing.delete(0);
  failing.add(1);
  assertEquals(await asked(), [1, 1, 0]);
  assertEquals(await asked(), [1, 0, 0]);
});

Deno.test("a refusal is told in the words of etcd, or by its status", async () => {
  let body: object = {};
  await using etcd = server(() => Response.json({ code: 7, ...body }, { status: 403 }));
  using client = new Etcd({ endpoints: [etcd.endpoint] });
  const reasons: string[] = [];
  for (body of [{ message: "one", error: "two" }, { error: "two" }, {}]) {
    reasons.push(
      (await assertRejectsError(() => client.read([], within()), "etcd-refused")).reason,
    );
  }
  assertEquals(reasons, ["one", "two", "status 403"]);
});

Deno.test("a file that only begins like a certificate or a key is named with its option", () => {
  const folder = Deno.makeTempDirSync();
  const file = (text: string) => {
    const path = `${folder}/${text.length}`;
    Deno.writeTextFileSync(path, `-----BEGIN ${text}`, { mode: 0o600 });
    return path;
  };
  const [short, whole] = ["", "CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"].map(file);
  const problem = (access: Partial<EtcdAccess>) => {
    const create = () => new Etcd({ endpoints: ["https://etcd"], ...access });
    const { option, value } = assertThrowsError(create, "etcd-option");
    return [option, value];
  };
  try {
    assertEquals(problem({ ca: short }), ["ca", short]);
    assertEquals(problem({ ca: whole }), ["ca", whole]);
    assertEquals(problem({ cert: whole, key: short }), ["cert", whole]);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("a request whose connection ends may still take effect", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const dropping = (async () => {
    for await (const connection of listener) {
      await connection.read(new Uint8Array(1));
      connection.close();
    }
  })();
  await using good = server(() => Response.json(ANSWER));
  const { port } = listener.addr as Deno.NetAddr;
  using client = new Etcd({ endpoints: [`http://127.0.0.1:${port}`, good.endpoint] });
  assertEquals((await client.read([], within())).mayRepeat, true);
  listener.close();
  await dropping;
});

Deno.test({
  name: "a request leaves no timer behind, for which a program would wait",
  sanitizeOps: true,
  fn: async () => {
    await using etcd = server(() => Response.json(ANSWER));
    using client = new Etcd({ endpoints: [etcd.endpoint] });
    await client.read([], within());
  },
});

Deno.test("a server that is no etcd is named as such", async () => {
  const { now } = performance;
  await using other = server(() => {
    // The second request is the last one, however long the first one took.
    if (other.paths.length === 2) performance.now = () => now.call(performance) + 60_000;
    return new Response("<html>", { status: 404 });
  });
  using client = new Etcd({ endpoints: [other.endpoint] });
  const error = await assertRejectsError(() => client.read([], within()), "etcd-unreachable")
    .finally(() => performance.now = now);
  assertEquals(Object.values(error.reasons), [
    "it answers, but not as etcd 3.4 or later does (status 404)",
  ]);
});

Deno.test("a token is asked for again when it has ended, and the files when they have changed", async () => {
  const [folder, tokens] = [Deno.makeTempDirSync(), new Set<string>()];
  const passwordFile = `${folder}/password`;
  let password = "one";
  const write = (text: string) => Deno.writeTextFileSync(passwordFile, text, { mode: 0o600 });
  write(password);
  await using etcd = server(async (path, request) => {
    if (path === "auth/authenticate") {
      const given = await request.json();
      if (given.name !== "u" || given.password !== password) {
        return Response.json({ code: 3, message: "authentication failed" }, { status: 400 });
      }
      const token = `token-${tokens.size}`;
      tokens.add(token);
      return Response.json({ token });
    }
    if (tokens.has(request.headers.get("authorization") ?? "")) return Response.json(ANSWER);
    return Response.json({ code: 16, message: "etcdserver: invalid auth token" }, { status: 401 });
  });
  try {
    using client = new Etcd({ endpoints: [etcd.endpoint], user: "u", passwordFile });
    const read = async () => {
      etcd.paths.length = 0;
      await client.read([], within());
      return etcd.paths.map((path) => path.split("/")[1]);
    };
    assertEquals(await read(), ["authenticate", "txn"]);
    assertEquals(await read(), ["txn"]);
    tokens.clear();
    assertEquals(await read(), ["txn", "authenticate", "txn"]);
    // The password is another one now: the old one is tried, and then what the file has.
    tokens.clear();
    password = "two";
    await assertRejectsError(read, "etcd-refused", "authentication failed");
    write("two\n");
    assertEquals(await read(), ["authenticate", "authenticate", "txn"]);
    // A token that ends at once is no reason to ask for ever.
    tokens.add = () => tokens;
    tokens.clear();
    await assertRejectsError(read, "etcd-refused", "invalid auth token");
    assertEquals(etcd.paths.length < 10, true);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});
