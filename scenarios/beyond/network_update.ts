/**
 * The options of a network change while its sandboxes run.
 *
 * @module
 */
import { type Finding, reaches } from "../../lib/check/mod.ts";
import { linkShows } from "../kit/machines/lines.ts";
import { run } from "../kit/command.ts";
import { lookInto } from "../../lib/iproute2/view.ts";
import { isEqual, isRefused } from "../kit/machines/checks.ts";
import { beyondScenario, type Host, type Scenario } from "../kit/mod.ts";

const PC = ["192.168.1.100", "fd00:1::100"];

const networkUpdate: Scenario = beyondScenario(
  "network-update",
  "An option of a network changes while its sandboxes run",
  async (tour) => {
    await using world = await tour.world({
      host: { eth0: ["192.168.1.250/24", "fd00:1::250/64"] },
      router: { eth0: ["192.168.1.1/24", "fd00:1::1/64", "10.9.0.1/16"] },
      lan: { pc: { addresses: PC.map((each, index) => `${each}/${[24, 64][index]}`) } },
    });
    const { host } = world;
    tour.step("ipvlan network create --subnet=192.168.1.0/24 --subnet=fd00:1::/64 … lan");
    const subnets = ["192.168.1.0/24", "fd00:1::/64"];
    await host.driver.createNetwork({ name: "lan", parent: "eth0", subnets });
    tour.step("ipvlan run -d --net=lan --name=c1 sleep 1000");
    const { ip = "" } = await host.run("c1", "lan");
    const address = ip.replace(/\/.*/, "");
    const before = await stateOf(host, "c1");
    tour.step("ping from c1 to a machine of the LAN, in both families, for as long as this takes");
    const pings = PC.map((address) => startPing("c1", address));
    await Promise.all(pings.map(({ answered }) => answered));

    tour.step(
      "ipvlan network update -o mtu=1400 lan; … -o host_access=true lan; … -o routes=… lan",
    );
    const options = [
      "mtu=1400",
      "txqlen=500",
      "host_access=true",
      "policy_routes=true",
      "routes=10.9.0.0/16=192.168.1.1",
    ];
    const update = (options: readonly string[]) =>
      host.ipvlan("network", "update", ...options.flatMap((each) => ["-o", each]), "lan");
    for (const option of options) await update([option]);
    const made = await Promise.all([
      linkShows("c1", "eth0", "mtu 1400"),
      linkShows("c1", "eth0", "qlen 500"),
      reaches("c1", "host.internal"),
      reaches(host.netns, address),
      reaches("c1", "10.9.0.1"),
    ]);
    const { rules = [] } = await lookInto("c1", { rules: true });
    made.push(
      isEqual("the rules of c1", rules.filter(({ priority }) => priority === 20_000).length, 2),
    );
    // Those that come later have them, too.
    await host.run("c2", "lan");
    made.push(await linkShows("c2", "eth0", "mtu 1400"));
    await host.driver.removeSandbox("c2");

    tour.step("ipvlan network update -o parent=eth1 lan; … -o mtu=9000 lan");
    const refused = await Promise.all([
      isRefused(
        "another parent",
        () => host.driver.updateNetwork("lan", { parent: "eth1" }),
        "invalid-option",
      ),
      isRefused(
        "an MTU of 9000, where eth0 has 1500,",
        () => host.driver.updateNetwork("lan", { mtu: 9000 }),
        "invalid-option",
      ),
    ]);

    tour.step("ipvlan network update -o mtu= -o host_access= … lan");
    await update(options.map((each) => each.replace(/=.*/, "=")));
    const after = await stateOf(host, "c1");
    const lost = await Promise.all(pings.map(({ end }) => end()));
    await tour.holds(
      "ASK-16",
      ...made,
      ...refused,
      ...lost,
      isEqual("what is left of it", after.filter((line) => !before.includes(line)), []),
      isEqual("what is gone", before.filter((line) => !after.includes(line)), []),
    );
  },
);

interface Ping {
  /** Resolves when the first answer has come. */
  answered: Promise<void>;
  /** Ends it, and checks that no answer is missing. */
  end(): Promise<Finding>;
}

/** Starts a ping that goes on until its end, five times a second. */
function startPing(sandbox: string, address: string): Ping {
  const words = ["netns", "exec", sandbox, "ping", "-i", "0.2", address];
  const child = new Deno.Command("ip", { args: words, stdin: "null", stdout: "piped" }).spawn();
  const { promise: answered, resolve } = Promise.withResolvers<void>();
  let runs = true;
  child.status.then(() => runs = false);
  const text = (async () => {
    let all = "";
    for await (const part of child.stdout.pipeThrough(new TextDecoderStream())) {
      all += part;
      if (all.includes("seq=")) resolve();
    }
    return all;
  })();
  return {
    answered,
    end: async () => {
      const isWhole = runs;
      if (runs) child.kill("SIGINT");
      const output = await text;
      await child.status;
      const numbers = [...output.matchAll(/seq=(\d+)/g)].map(([, number]) => Number(number));
      const [first = 0] = numbers;
      return {
        sentence: `c1 gets each answer of ${address} meanwhile: ${numbers.length} of them`,
        held: isWhole && numbers.length > 1 &&
          numbers.every((number, index) => number === first + index),
        evidence: [{ command: `ip ${words.join(" ")}`, output }],
      };
    },
  };
}

/** The links, routes, rules and permanent neighbours of the host and a sandbox, in lines. */
async function stateOf({ netns }: Host, sandbox: string): Promise<string[]> {
  const words = ["-o link", "route", "-6 route", "rule", "-6 rule", "neigh show nud permanent"];
  const shown = await Promise.all(
    [netns, sandbox].flatMap((name) =>
      words.map((each) => run("ip", "-n", name, ...each.split(" ")))
    ),
  );
  return shown.flatMap(({ output }) => output.split("\n")).sort();
}

export default networkUpdate;
