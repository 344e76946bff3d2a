import { assertEquals } from "@std/assert";
import { Etcd } from "../../../lib/claims/etcd.ts";
import { inEnv } from "../../kit/processes.ts";

/** A proxy on this machine that counts what it is asked for, and answers all of it. */
function countingProxy() {
  const seen: string[] = [];
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    ({ url, method }) => {
      seen.push(`${method} ${url}`);
      return new Response('{"header":{"revision":"7"},"proxied":true}');
    },
  );
  return Object.assign(server, { seen });
}

Deno.test("no request to etcd goes through a proxy, whatever the environment says", async () => {
  const answer = { header: { revision: "1" }, succeeded: true };
  await using etcd = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => Response.json(answer),
  );
  await using proxy = countingProxy();
  const at = `http://127.0.0.1:${proxy.addr.port}`;
  using _upper = inEnv("HTTP_PROXY", at);
  using _lower = inEnv("http_proxy", at);
  using _all = inEnv("ALL_PROXY", at);
  using _none = inEnv("NO_PROXY", "example.com");
  // The control: a client of Deno goes through the proxy.
  using usual = Deno.createHttpClient({});
  const endpoint = `http://127.0.0.1:${etcd.addr.port}`;
  await (await fetch(endpoint, { client: usual })).text();
  assertEquals(proxy.seen.splice(0), [`GET ${endpoint}/`]);
  for (const host of ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"]) {
    using client = new Etcd({ endpoints: [`http://${host}:${etcd.addr.port}`] });
    const { revision } = await client.read([], { deadline: performance.now() + 60_000 });
    assertEquals(revision, 1, host);
  }
  assertEquals(proxy.seen, []);
  assertEquals(Deno.env.get("NO_PROXY"), "example.com");
});
