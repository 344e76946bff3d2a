// Fails unless a client of etcd passes by a proxy that the environment names.
import { assertEquals } from "@std/assert";
import { Etcd } from "../../../lib/claims/etcd.ts";

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

const answer = { header: { revision: "1" }, succeeded: true };
await using etcd = Deno.serve(
  { hostname: "127.0.0.1", port: 0, onListen() {} },
  () => Response.json(answer),
);
await using proxy = countingProxy();
const at = `http://127.0.0.1:${proxy.addr.port}`;
Deno.env.set("HTTP_PROXY", at);
Deno.env.set("http_proxy", at);
Deno.env.set("ALL_PROXY", at);
Deno.env.set("NO_PROXY", "example.com");
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
Deno.env.delete("NO_PROXY");
using _client = new Etcd({ endpoints: ["http://127.0.0.1"] });
assertEquals(Deno.env.get("NO_PROXY"), undefined);
