// What other processes of a host do when etcd is out of reach for one of them. A server that speaks of a
// certificate stands in for such an etcd: it is given up at once, and not after some seconds.
import "./in_memory.ts";
import { assertEquals } from "@std/assert";
import { openHost, release } from "../../hosts/host.ts";
import { test } from "../../hosts/kit.ts";
import { assertRejectsError } from "../../kit/errors.ts";

test(
  "a call that waited for its turn does not ask an etcd that was out of reach for another call",
  ["a"],
  async (
    [a],
    access,
  ) => {
    let asked: (() => void) | undefined;
    let requests = 0;
    const options = { hostname: "127.0.0.1", port: 0, onListen() {} };
    await using server = Deno.serve(options, async (request) => {
      const { pathname } = new URL(request.url);
      if (asked === undefined) {
        const body = await request.text();
        return await fetch(`${access.endpoints[0]}${pathname}`, { method: "POST", body });
      }
      requests++;
      asked();
      return Response.json({ message: "bad certificate" }, { status: 400 });
    });
    const by = { ...access, endpoints: [`http://127.0.0.1:${server.addr.port}`] };
    const { id } = await a.pools.join(by, "10.7.0.0/24", {});
    const address = await a.pools.take(id, { sandbox: "c" });
    await a.pools.settle();
    using other = openHost("a", a.folder);
    // Half the pool away from this host's own block, whose addresses it gives without etcd.
    const far = (Number(address.split(".")[3]!.split("/")[0]) + 128) % 256;
    const take = (step: number, { pools } = a) =>
      assertRejectsError(
        () => pools.take(id, { sandbox: "c" }, { address: `10.7.0.${far + step}` }),
        "etcd-unreachable",
        "certificate",
      );
    /** Runs a call, and while it asks etcd another one, of another process. Returns how often etcd was asked. */
    const requestsOf = async (call: () => Promise<unknown>) => {
      requests = 0;
      let second: Promise<unknown> | undefined;
      asked = () => second ??= take(2, other);
      await call();
      await second;
      asked = undefined;
      return requests;
    };
    assertEquals(await requestsOf(() => take(1)), 1);
    // What only tells etcd gives up sooner, so that a call which needs an answer asks for itself.
    a.store.transaction(() => a.pools.describe(id, address, { sandbox: "c2" }));
    assertEquals(await requestsOf(() => a.pools.settle()), 2);
    // What was out of reach before a call began is asked again.
    asked = () => {};
    requests = 0;
    await take(3);
    assertEquals(requests, 1);
    asked = undefined;
    await release(a, id, address);
  },
);
