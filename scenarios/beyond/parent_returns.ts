/**
 * The parent goes and comes back: unplugged, removed and made again, renamed, moved, late at boot.
 *
 * @module
 */
import { type Finding, reaches } from "../../lib/check/mod.ts";
import { addressesEqual } from "../kit/machines/lines.ts";
import { isEqual } from "../kit/machines/checks.ts";
import { orAbort } from "../../lib/base/waiting.ts";
import { beyondScenario, type Host, type Scenario } from "../kit/mod.ts";

/** A host's agent, in this process. */
class Agent implements AsyncDisposable {
  readonly #ending = new AbortController();
  readonly #done: Promise<void>;
  #said: string[] = [];
  #heard = Promise.withResolvers<void>();

  constructor({ driver }: Host) {
    const hear = (sentence: string) => {
      this.#said.push(sentence);
      this.#heard.resolve();
    };
    this.#done = driver.withSignal(this.#ending.signal).runAgent({ notify: hear, report: hear });
    this.#done.catch((error) => this.#heard.reject(error));
  }

  /** Waits until it has said a sentence, and forgets it and those before it. */
  async says(sentence: RegExp): Promise<void> {
    for (;;) {
      const index = this.#said.findIndex((each) => sentence.test(each));
      this.#said = this.#said.slice(index + 1);
      if (index >= 0) return;
      await orAbort(this.#heard.promise, AbortSignal.timeout(60_000));
      this.#heard = Promise.withResolvers();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    await this.#done;
  }
}

const IS_GONE = /^The link "eth0" is (missing|down|without carrier): /;
const IS_BACK = /^The link "eth0" is back: /;

/** A way for the parent to go and to come back. */
interface Absence {
  away: string[];
  /** What `ps` says meanwhile of the sandbox on eth0, and of the one on eth0.20. */
  states: [string, string];
  back: string[];
}

const CABLE = "ip -n lab-switch link set host-eth0";
const RENAME = "ip -n lab-host link set eth0 down; ip -n lab-host link set eth0 name lan0 up";

const ABSENCES: Absence[] = [
  {
    away: [`${CABLE} down`],
    states: ["changed: without carrier", "changed: without carrier"],
    back: [`${CABLE} up`],
  },
  {
    away: [RENAME],
    states: ["changed: missing", "up"],
    back: ["ip -n lab-host link set lan0 down; ip -n lab-host link set lan0 name eth0 up"],
  },
  {
    away: ["ip -n lab-host link set eth0 netns lab-switch"],
    states: ["changed: missing", "changed: down"],
    back: [
      "ip -n lab-switch link set eth0 netns lab-host; ip -n lab-host link set eth0 up",
    ],
  },
];

const parentReturns: Scenario = beyondScenario(
  "parent-returns",
  "The parent goes and comes back",
  async (tour) => {
    await using world = await tour.world({
      host: { eth0: [] },
      lan: {
        pc: { addresses: ["192.168.1.100/24", "fd00:1::100/64"] },
        pc20: { addresses: ["192.168.20.100/24", "fd00:20::100/64"], vlan: 20 },
      },
    });
    const { host } = world;
    const { driver } = host;
    for (const [name, parent, id] of [["lan", "eth0", 1], ["tagged", "eth0.20", 20]] as const) {
      const subnets = [`192.168.${id}.0/24`, `fd00:${id}::/64`];
      const words = subnets.map((subnet) => `--subnet=${subnet}`).join(" ");
      tour.step(`ipvlan network create ${words} -o parent=${parent} ${name}`);
      await driver.createNetwork({ name, parent, subnets });
    }
    await host.run("c1", "lan", { ip: "192.168.1.9", ip6: "fd00:1::9" });
    await host.run("c2", "tagged", { ip: "192.168.20.9", ip6: "fd00:20::9" });

    /** Checks the state of each endpoint, and the state of its parent in the last reason. */
    const psSays = async (states: [string, string]): Promise<Finding> => {
      const endpoints = (await driver.seeSandboxes()).flatMap(({ endpoints }) => endpoints);
      const said = endpoints.map(({ state, changes }) => {
        const why = / of the network "\w+" is (.*), so nothing passes$/.exec(changes.at(-1) ?? "");
        return why ? `${state}: ${why[1]}` : state;
      });
      return isEqual("what ps says of c1 and c2", said, states);
    };
    const areThere = (): (Finding | Promise<Finding>)[] => [
      reaches("c1", "192.168.1.100"),
      reaches("c1", "fd00:1::100"),
      reaches("c2", "192.168.20.100"),
      reaches("c2", "fd00:20::100"),
    ];
    const allMissing: [string, string] = ["missing: missing", "missing: missing"];

    tour.step("ipvlan agent");
    {
      await using agent = new Agent(host);
      for (const { away, states, back } of ABSENCES) {
        for (const line of away) await tour.perform(line);
        await agent.says(IS_GONE);
        const meanwhile = await psSays(states);
        for (const line of back) await tour.perform(line);
        await agent.says(IS_BACK);
        await tour.holds("ASK-10", meanwhile, psSays(["up", "up"]), ...areThere());
      }
      tour.step("ip link del eth0; ip link add eth0 …");
      await host.unplug("eth0");
      await agent.says(IS_GONE);
      const meanwhile = await psSays(allMissing);
      await host.plug("eth0");
      await agent.says(IS_BACK);
      await tour.holds("ASK-10", meanwhile, psSays(["up", "up"]), ...areThere());
    }

    tour.step("reboot, with eth0 late; ipvlan agent");
    await host.unplug("eth0");
    await tour.perform("ip netns del c1; ip netns del c2");
    {
      await using agent = new Agent(host);
      await agent.says(IS_GONE);
      const meanwhile = await psSays(allMissing);
      await host.plug("eth0");
      await agent.says(IS_BACK);
      await tour.holds("ASK-10", meanwhile, psSays(["up", "up"]), ...areThere());
    }

    tour.step("ip link del eth0; ip link add eth0 …; ipvlan restore");
    await host.unplug("eth0");
    const without = await driver.restore();
    await host.plug("eth0");
    const { missing } = await driver.restore();
    const names = without.missing.map(({ name }) => name);
    await tour.holds(
      "ASK-10",
      isEqual("what restore cannot restore meanwhile", names, ["lan", "tagged", "c1", "c2"]),
      isEqual("what is missing after that", missing, []),
      addressesEqual("c1", "eth0", ["192.168.1.9/24", "fd00:1::9/64"]),
      addressesEqual("c2", "eth0", ["192.168.20.9/24", "fd00:20::9/64"]),
      ...areThere(),
    );
  },
);

export default parentReturns;
