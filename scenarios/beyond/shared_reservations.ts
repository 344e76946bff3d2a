/**
 * An address belongs to a name on all hosts that share a pool: one of them is drained, and one killed.
 *
 * @module
 */
import { pause } from "../../lib/base/waiting.ts";
import type { Finding } from "../../lib/check/mod.ts";
import { CREATE_LINE, LAN, PoolWorld } from "../kit/hosts/pool_world.ts";
import type { SharingHost } from "../kit/hosts/pool_host.ts";
import { refusalOf } from "../kit/machines/calls.ts";
import { isEqual } from "../kit/machines/checks.ts";
import { beyondScenario, type Scenario } from "../kit/mod.ts";

const ADDRESS = "192.168.1.77";

/** The name of the sandbox and its namespace. All hosts here share one list of namespaces. */
const DB = "host1-db";

/** Checks that a call fails, and that its message matches. */
async function isRefused(what: string, call: Promise<unknown>, pattern: RegExp): Promise<Finding> {
  const { message = "It was not refused" } = await refusalOf(call) ?? {};
  const evidence = [{ command: what, output: message }];
  return {
    sentence: `${what} is refused: ${pattern.source}`,
    held: pattern.test(message),
    evidence,
  };
}

const sharedReservations: Scenario = beyondScenario(
  "shared-reservations",
  "An address is kept for a name on all hosts, when one is drained, and when one is killed",
  async (tour) => {
    await using world = await PoolWorld.start();
    const [one, two] = world.hosts;
    tour.step(`on both hosts: ${CREATE_LINE}`);
    for (const host of [one, two]) await host.call("createNetwork", LAN);
    const listed = (host: SharingHost) =>
      host.call<{ name: string; address: string; until?: string }[]>("listReservations");
    const names = async (host: SharingHost) =>
      (await listed(host)).map(({ name, address }) => `${name} ${address}`);
    const addressOf = async (host: SharingHost) => (await host.sandboxes()).get(DB);

    tour.step(`host1: ipvlan address reserve lan ${DB} ${ADDRESS}`);
    await one.call("reserveAddress", "lan", DB, ADDRESS);
    tour.step(`host2: ipvlan run --net=lan --ip=${ADDRESS} --name=host2-x …`);
    const stolen = await isRefused(
      "the address for another one",
      two.make("host2-x", "lan", ADDRESS),
      /the reservation for "host1-db"/,
    );
    const again = await isRefused(
      "a second reservation",
      two.call("reserveAddress", "lan", DB),
      /192\.168\.1\.77 is reserved for it/,
    );
    tour.step(`host1: ipvlan run -d --net=lan --name=${DB} …`);
    await one.make(DB, "lan");
    const first = await addressOf(one);
    await tour.holds(
      "ASK-15",
      isEqual("what host2 lists", await names(two), [`${DB} ${ADDRESS}`]),
      isEqual("the address on host1", first, ADDRESS),
      stolen,
      again,
    );

    tour.step(`host1: ipvlan rm ${DB}; host2: ipvlan run -d --net=lan --name=${DB} …`);
    await one.call("removeSandbox", DB);
    await two.make(DB, "lan");
    const drained = await addressOf(two);
    tour.step(`host2: ipvlan rm ${DB}; host1: ipvlan run …; host1 is killed`);
    await two.call("removeSandbox", DB);
    await one.make(DB, "lan");
    const back = await addressOf(one);
    await one.crash();
    const alive = await isRefused(
      "the name on host2 before host1 is removed",
      two.make(DB, "lan"),
      /"host1-db" on the host "host1"/,
    );
    tour.step("host2: ipvlan host rm --force host1, when the lease of its agent is over");
    let removed: unknown;
    for (;;) {
      const remove = async () => removed = await two.call("removeHost", "host1", undefined, true);
      const refused = await refusalOf(remove());
      if (!refused) break;
      if (!/agent/.test(refused.message)) throw refused;
      await pause(200);
    }
    const kept = await names(two);
    const freed = JSON.stringify(removed);
    const other = await isRefused(
      "the address for another one still",
      two.make("host2-x", "lan", ADDRESS),
      /the reservation for "host1-db"/,
    );
    tour.step(`host2: ipvlan run -d --net=lan --name=${DB} …`);
    await new Deno.Command("ip", { args: ["netns", "del", DB], stderr: "null" }).output();
    await two.make(DB, "lan");
    await tour.holds(
      "ASK-15",
      isEqual("the address on host2, when host1 was drained", drained, ADDRESS),
      isEqual("that on host1 again", back, ADDRESS),
      alive,
      isEqual("what is listed then", kept, [`${DB} ${ADDRESS}`]),
      isEqual("whether it is said to be free", freed.includes(ADDRESS), false),
      other,
      isEqual("the address on host2, when host1 was killed", await addressOf(two), ADDRESS),
      await two.reaches(DB, "192.168.1.241"),
    );

    tour.step(
      `host2: ipvlan rm ${DB}; ipvlan address release lan ${DB}; … reserve --for 24h lan b`,
    );
    await two.call("removeSandbox", DB);
    await two.call("releaseReservations", "lan", DB);
    await two.call("reserveAddress", "lan", "b", undefined, 24 * 3600);
    const [{ until = "" } = {}] = await listed(two);
    tour.step("host2: ipvlan network rm lan; host1 boots");
    await two.call("removeNetwork", "lan");
    await one.boot();
    const left = await world.etcdctl("get", "--prefix", "--keys-only", "/ipvlan/reservations/");
    await tour.holds(
      "ASK-15",
      isEqual("whether the end is shown", Date.parse(until) > Date.now() + 23 * 3600_000, true),
      isEqual("the reservations when the last host has removed the network", left.trim(), ""),
    );
  },
  ["etcd"],
);

export default sharedReservations;
