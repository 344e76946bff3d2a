/**
 * Members of etcd that are cut off or killed while hosts make sandboxes.
 *
 * @module
 */
import { type Finding, reaches } from "../../lib/check/mod.ts";
import { refusalOf } from "../kit/machines/calls.ts";
import { engineScenario, type Scenario } from "../kit/mod.ts";
import type { SharingHost } from "../kit/hosts/pool_host.ts";
import {
  CREATE_LINE,
  LAN,
  MEMBER_NAMES,
  type MemberName,
  PoolWorld,
} from "../kit/hosts/pool_world.ts";

/** The number of addresses in a block of a /24. */
const BLOCK = 16;

/** Checks that sandboxes can be made whose addresses are in no host's block, and so need etcd. */
async function goesOn(
  sentence: string,
  host: SharingHost,
  made: Record<string, string>,
): Promise<Finding> {
  const outputs: string[] = [];
  for (const [name, address] of Object.entries(made)) {
    try {
      await host.make(name, "lan", address);
      outputs.push(`${name} ${address}`);
    } catch (error) {
      outputs.push((error as Error).message);
    }
  }
  const held = outputs.every((line) => /^host\d-\w+ [\d.]+$/.test(line));
  const command = `ipvlan run -d --net=lan --ip=ADDRESS --name=NAME # on ${host.name}`;
  return { sentence, held, evidence: [{ command, output: outputs.join("\n") }] };
}

/** Finds the first address of a block without any of these addresses. */
function otherBlock(addresses: readonly string[]): number {
  const blockOf = (address: string) => Math.floor(Number(address.split(".")[3]) / BLOCK);
  const used = addresses.map(blockOf);
  return BLOCK * [2, 4, 6].find((block) => !used.includes(block))!;
}

/** Checks that an address that needs etcd is refused within 5 seconds, with the reason. */
async function stops(host: SharingHost, address: string): Promise<Finding> {
  const refused = await refusalOf(host.make(`${host.name}-late`, "lan", address));
  const held = refused !== undefined && /^etcd is out of reach/.test(refused.message) &&
    refused.milliseconds < 5000;
  const output = refused ? `${refused.message}\n(after ${refused.milliseconds} ms)` : "It was made";
  const command = `ipvlan run -d --net=lan --ip=${address} --name=${host.name}-late`;
  return {
    sentence: "With two members gone, it stops within 5 s and says why",
    held,
    evidence: [{ command, output }],
  };
}

/** Checks that a host still assigns addresses from its own block. */
async function givesOfItsOwn(host: SharingHost): Promise<Finding> {
  const name = `${host.name}-own`;
  await host.make(name, "lan");
  const address = (await host.sandboxes()).get(name)!;
  const finding = await reaches(name, `${host.name}-first`);
  return { ...finding, sentence: `${host.name} still gives addresses of its block: ${address}` };
}

const members: Scenario[] = engineScenario(
  "etcd-members",
  "A member of etcd cut off, the leader killed, two gone",
  [["etcd"]],
  async (tour) => {
    await using world = await PoolWorld.start();
    const [one, two] = world.hosts;
    for (const host of world.hosts) {
      tour.step(`${host.name}: ${CREATE_LINE}`);
      await host.call("createNetwork", LAN);
    }
    await one.make("host1-first", "lan");
    await two.make("host2-first", "lan");
    const addresses = [...await one.sandboxes(), ...await two.sandboxes()].map(([, each]) => each);
    const free = otherBlock(addresses);
    const at = (index: number) => `192.168.1.${free + index}`;
    const leader = await world.leader();
    const [cut, other] = MEMBER_NAMES.filter((name) => name !== leader) as [MemberName, MemberName];
    tour.step(`The cable of ${cut} is taken out`);
    await world.setCable(cut, false);
    const whileCut = await Promise.all([
      goesOn(`With ${cut} cut off, host1 goes on`, one, { "host1-cut": at(1) }),
      goesOn(`With ${cut} cut off, host2 goes on`, two, { "host2-cut": at(2) }),
    ]);
    tour.step(`The cable of ${cut} is put in again, and the leader ${leader} is killed`);
    await world.setCable(cut, true);
    // A member that lags behind cannot become the leader.
    await world.leader();
    await world.kill(leader);
    tour.note(`${await world.leader()} leads now`);
    const withoutLeader = await Promise.all([
      goesOn("With another leader, host1 goes on", one, { "host1-led": at(3) }),
      goesOn("With another leader, host2 goes on", two, { "host2-led": at(4) }),
    ]);
    tour.step(`${other} is killed too`);
    await world.kill(other);
    const first = (await two.sandboxes()).get("host2-first")!;
    await tour.holds(
      "HOSTS-2",
      ...whileCut as [Finding, Finding],
      ...withoutLeader,
      await stops(one, at(5)),
      await one.agentSays(/^ipvlan: etcd is out of reach/),
      await two.agentSays(/^ipvlan: etcd is out of reach/),
      await reaches("host1-first", at(4)),
      await reaches("host1-cut", first),
      await givesOfItsOwn(one),
    );
  },
);

export default members;
