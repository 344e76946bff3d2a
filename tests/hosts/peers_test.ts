// Tests of the proxies between the members of etcd.
import { assert, assertEquals } from "@std/assert";
import { Cluster } from "../kit/etcd.ts";
import { Peers } from "./peers.ts";

Deno.test("a leader that is not heard is replaced, and follows when it is heard again", async () => {
  await using peers = new Peers();
  await using cluster = await Cluster.start({
    members: 3,
    peerPort: (port) => peers.before(port),
  });
  const ids = await cluster.ids();
  peers.know(ids);
  const leaders = () => Promise.all([0, 1, 2].map((member) => cluster.leader(ids, member)));
  /** Asks the members until what they say of the leader is right. */
  const until = async (isRight: (leaders: (number | undefined)[]) => boolean) => {
    const deadline = performance.now() + 60_000;
    for (;;) {
      const now = await leaders();
      if (isRight(now)) return now;
      assert(performance.now() < deadline, `the members say that these lead: ${now}`);
    }
  };
  const isOne = (leaders: (number | undefined)[]) =>
    leaders[0] !== undefined && new Set(leaders).size === 1;
  const [old] = await until(isOne);
  const others = [0, 1, 2].filter((member) => member !== old);
  for (const other of others) peers.cut(old!, other);
  const now = await until((leaders) =>
    others.every((other) => leaders[other] !== undefined && leaders[other] !== old)
  );
  // What the others say, it still hears.
  assertEquals((await until(isOne))[0], now[others[0]!]);
  peers.heal();

  for (const other of others) {
    peers.cut(old!, other);
    peers.cut(other, old!);
  }
  // Now it hears nothing, and knows no leader any more.
  await until((leaders) => leaders[old!] === undefined);
  peers.heal();
  await until(isOne);
});
