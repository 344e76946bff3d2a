// What `ipvlan why` says of firewalls, against those of the kernel.
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import "../kit/seed.ts";
import { ipvlan, succeeds } from "../kit/command.ts";
import { run } from "../kit/processes.ts";
import { commandHost, shell } from "../kit/worlds.ts";
import { counts, differences } from "../why/compare.ts";
import { worlds, type WorldSpec } from "../why/worlds.ts";

Deno.test("in random worlds with firewalls, a ping comes back where the model says so, and nowhere else", async () => {
  await fc.assert(
    fc.asyncProperty(worlds, async (spec) => assertEquals(await differences(spec), [])),
    { numRuns: 15, endOnFailure: true },
  );
  assert(counts.dropped > 0);
});

Deno.test("an answer of IPv6 leaves by the link that was asked", async () => {
  // The sandbox has two links in one subnet. Its firewall lets it send by the second one alone.
  const endpoint = { net: 0, length: 24, way: "gateway", isDown: false } as const;
  const rule = { family: 6, hook: "OUTPUT", condition: "-o eth0", target: "DROP" } as const;
  const spec: WorldSpec = {
    loss: 0,
    hosts: [{
      nets: [{ parent: 0, mode: "l2", flag: "bridge", isOwn: false }],
      sandboxes: [{ endpoints: [endpoint, endpoint], sysctls: [], rules: [rule] }],
      vlans: {},
      sysctls: [],
      rules: [],
      isDown: false,
      isProxy: false,
    }],
    mtus: [],
    router: { vlans: [], forwards: false, knows: false, rules: [] },
  };
  assertEquals(await differences(spec), []);
});

Deno.test("ipvlan why names the rule that drops a packet, and the rule that it does not understand", async () => {
  await using host = await commandHost();
  await using undo = new AsyncDisposableStack();
  const create = (name: string, mode: string, subnet: string) =>
    succeeds(
      ...["network", "create", `--subnet=${subnet}`] as const,
      ...["-o", "parent=eth0", "-o", `ipvlan_mode=${mode}`, name] as const,
    );
  await create("lan", "l2", "192.168.1.0/24");
  for (const name of ["c1", "c2"]) await succeeds("run", "-d", "--net=lan", "--name", name);
  /** The status of `why` and of ping while a namespace has a rule, and what the last step is about. */
  const why = async (rule: string, at = "c2", from = "c1", to = "192.168.1.3") => {
    const enter = (netns: string) => netns === "" ? [] : ["ip", "netns", "exec", netns];
    const change = (how: string) => shell([...enter(at), "iptables", how, rule].join(" "));
    await change("-A");
    const { status, out } = await ipvlan("why", "--json", from, to);
    const [program = "", ...words] = [...enter(from), "ping", "-c1", "-W1", to];
    const { code } = await run(program, ...words);
    await change("-D");
    const { there, back } = JSON.parse(out);
    return [status, code, [...there, ...back].at(-1).about];
  };
  assertEquals(await why("INPUT -p icmp -j DROP"), [1, 1, "-A INPUT -p icmp -j DROP"]);
  assertEquals(await why("OUTPUT -m conntrack --ctstate ESTABLISHED -j DROP"), [
    1,
    1,
    "-A OUTPUT -m conntrack --ctstate ESTABLISHED -j DROP",
  ]);
  assertEquals(await why("INPUT -s 192.168.1.9 -j DROP"), [0, 0, "192.168.1.2"]);
  assertEquals(await why("INPUT -m conntrack --ctdir REPLY -j DROP"), [
    3,
    0,
    "the firewall's rule -A INPUT -m conntrack --ctdir REPLY -j DROP",
  ]);
  // No packet of L2 passes the host's rules. In L3S none from outside passes the sandbox's.
  assertEquals(await why("INPUT -j DROP", ""), [0, 0, "192.168.1.2"]);
  await host.ip.netns.add("lan");
  undo.defer(() => host.ip.netns.del("lan"));
  await succeeds("rm", "-f", "c1", "c2");
  await succeeds("network", "rm", "lan");
  await shell("ip link set eth0-peer netns lan name eth0");
  undo.defer(() => shell(`ip -n lan link set eth0 netns ${Deno.pid} name eth0-peer`));
  await shell("ip addr add 192.168.1.250/24 dev eth0");
  await shell("ip -n lan link set eth0 up");
  await shell("ip -n lan addr add 192.168.1.9/24 dev eth0");
  await shell("ip -n lan route add 10.3.0.0/24 via 192.168.1.250");
  await create("far", "l3s", "10.3.0.0/24");
  await succeeds("run", "-d", "--net=far", "--name", "c3");
  const fromLan = (rule: string, at: string) => why(rule, at, "lan", "10.3.0.2");
  assertEquals(await fromLan("INPUT -j DROP", "c3"), [0, 0, "192.168.1.9"]);
  assertEquals(await fromLan("OUTPUT -j DROP", "c3"), [1, 1, "-A OUTPUT -j DROP"]);
  assertEquals(await fromLan("FORWARD -j DROP", ""), [0, 0, "192.168.1.9"]);
  assertEquals(await fromLan("INPUT -d 10.3.0.2/32 -j DROP", ""), [
    1,
    1,
    "-A INPUT -d 10.3.0.2/32 -j DROP",
  ]);
});
