/**
 * A host that is killed in the middle of its work and started again.
 *
 * @module
 */
import type { Finding } from "../../lib/check/mod.ts";
import { engineScenario, type Scenario } from "../kit/mod.ts";
import { CREATE_LINE, LAN, PoolWorld } from "../kit/hosts/pool_world.ts";

/** The number of sandboxes to make in each round, and after how many the host is killed. */
const [COUNT, KILLS] = [50, [1, 20, 40]];

/** Checks that each host's records equal its claims in etcd, and that no address is used twice. */
async function agree(sentence: string, world: PoolWorld): Promise<Finding> {
  const claims = await world.claims();
  const evidence = [];
  let held = true;
  const all: string[] = [];
  for (const host of world.hosts) {
    const records = [...(await host.sandboxes()).values()].sort();
    const claimed = claims.get(host.name) ?? [];
    held &&= records.join() === claimed.join();
    all.push(...records);
    evidence.push(
      { command: `ipvlan ps # the addresses on ${host.name}`, output: records.join("\n") },
      {
        command: `etcdctl get --prefix /ipvlan/claims/ # of ${host.name}`,
        output: claimed.join("\n"),
      },
    );
  }
  held &&= new Set(all).size === all.length;
  return { sentence: `${sentence} (${all.length} addresses)`, held, evidence };
}

const killed: Scenario[] = engineScenario(
  "host-killed",
  "A host killed while it makes 50 sandboxes, and started again",
  [["etcd"]],
  async (tour) => {
    await using world = await PoolWorld.start();
    const [one, two] = world.hosts;
    for (const host of world.hosts) {
      tour.step(`${host.name}: ${CREATE_LINE}`);
      await host.call("createNetwork", LAN);
    }
    const findings: Finding[] = [];
    for (const [round, after] of KILLS.entries()) {
      tour.step(
        `host1: ipvlan run -d --net=lan --name=NAME (${COUNT} at once), killed after ${after}`,
      );
      let made = 0;
      const reached = Promise.withResolvers<void>();
      const makings = Array.from({ length: COUNT }, async (_, index) => {
        await one.make(`host1-${round}-${index}`, "lan");
        if (++made === after) reached.resolve();
      });
      const settled = Promise.allSettled(makings);
      // Meanwhile, the other host makes sandboxes, too.
      const others = Array.from(
        { length: 5 },
        (_, index) => two.make(`host2-${round}-${index}`, "lan"),
      );
      await Promise.race([reached.promise, settled]);
      await one.crash();
      await Promise.all([settled, ...others]);
      await one.boot();
      await one.call("restore");
      findings.push(
        await agree(
          `Killed after ${after} of ${COUNT}: no claim without record and none without claim`,
          world,
        ),
      );
      const names = [...(await one.sandboxes()).keys()];
      await Promise.all(names.map((name) => one.call("removeSandbox", name)));
    }
    findings.push(await agree("With its sandboxes removed, host1 has no claim left", world));
    const [first, ...rest] = findings;
    await tour.holds("HOSTS-3", first!, ...rest);
  },
);

export default killed;
