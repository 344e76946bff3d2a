import { assert, assertEquals } from "@std/assert";
import { linkRoutes } from "../../../../lib/driver/endpoint/routes.ts";
import { endpointSteps } from "../../../../lib/driver/endpoint/steps.ts";
import { IN_SANDBOX } from "../../../../lib/driver/model/names.ts";
import { decideNetwork } from "../../../../lib/driver/network/decide.ts";
import { runPlan } from "../../../../lib/driver/run/plan.ts";
import type { SeenNamespace } from "../../../../lib/driver/model/facts.ts";
import { endpointRepair } from "../../../../lib/driver/restore/repair.ts";
import { parentsPlan } from "../../../../lib/driver/network/create.ts";
import { decideSandboxParent, isSecond } from "../../../../lib/driver/endpoint/sandbox_parent.ts";
import { besideOthers, settle } from "../../../../lib/driver/network/settle.ts";
import type {
  ConnectOptions,
  EngineNetworkSpec,
  Network,
} from "../../../../lib/driver/model/types.ts";
import { linkDel } from "../../../../lib/iproute2/link.ts";
import {
  addr,
  endpoint,
  endpointRecord,
  host,
  IDENTITY,
  link,
  LO,
  network,
  route,
} from "../../../kit/values.ts";
import { IpvlanError, isIpvlanError } from "../../../../lib/base/errors.ts";
import { ipCommandError } from "../../../../lib/iproute2/errors.ts";

const OWNER = { engine: "cni", id: "lan" } as const;
const NET = network("cni:lan", { parent: IN_SANDBOX, owner: OWNER, transient: true });
const SANDBOX = "cni:c1";
const RECORD = endpointRecord(SANDBOX, NET, { ifname: "net1", parent: "eth0" });
const ETH0 = link("eth0", { index: 2 });

/** A container whose default route is by eth0. */
const SEEN: SeenNamespace = {
  links: [LO, ETH0, link("wan", { index: 3 })],
  addrs: [],
  routes: [route("eth0", "default", "172.16.0.1")],
};

function decide(options: ConnectOptions, seen: SeenNamespace | undefined = SEEN, net = NET) {
  const decision = decideSandboxParent(net, SANDBOX, options, seen);
  return decision.ok ? decision.parent : decision.problems.map(({ message }) => message);
}

Deno.test("the parent in a sandbox is the one that was named, or the default route's link", () => {
  assertEquals(decide({ parent: "wan" }), "wan");
  assertEquals(decide({}), "eth0");
  const way6 = { ...SEEN, routes: [route("wan", "default", "fe80::1")] };
  assertEquals(decide({}, way6), "wan");
  // Of two, the one of IPv4 says it, also behind other routes.
  const both = [
    route("wan", "default", "fe80::1"),
    route("eth1", "10.0.0.0/8"),
    route("eth0", "default", "192.168.0.1"),
  ];
  assertEquals(decide({}, { ...SEEN, routes: both }), "eth0");
});

Deno.test("a link that is not in the sandbox, or that cannot be a parent, is refused", () => {
  const missing = (
    parent?: string,
  ) => [new IpvlanError("sandbox-parent", { sandbox: SANDBOX, parent }).message];
  assertEquals(decide({ parent: "eth7" }), missing("eth7"));
  // It is not made on the fly.
  assertEquals(decide({ parent: "eth0.20" }), missing("eth0.20"));
  assertEquals(decide({}, { ...SEEN, routes: [] }), missing());
  assertEquals(decide({ parent: "lo" }).length, 1);
  assertEquals(decide({ parent: "a b" }).length, 1);
  const carrying = endpoint("iv", "other", {
    link: "eth0",
    info: { type: "ipvlan", mode: "l3", flag: "private" },
  });
  // Everything that is wrong is said at once.
  assertEquals(
    decide(
      { parent: "eth0" },
      { ...SEEN, links: [...SEEN.links, carrying] },
      { ...NET, mtu: 9000 },
    ).length,
    2,
  );
});

Deno.test("an endpoint without a namespace to look into has no parent in it", () => {
  const decision = decideSandboxParent(NET, SANDBOX, {}, undefined);
  assert(!decision.ok && isIpvlanError(decision.problems[0], "invalid-option"));
  const handed = decideSandboxParent(NET, SANDBOX, { handOver: true }, SEEN);
  assert(!handed.ok);
});

Deno.test("an endpoint is second where another program has made a route to one of its destinations", () => {
  assertEquals(isSecond(NET, RECORD, SEEN), true);
  assertEquals(isSecond(NET, RECORD, { ...SEEN, routes: [] }), false);
  // A route with another metric is not in the way.
  const later = { ...SEEN, routes: [{ ...SEEN.routes[0]!, metric: 100 }] };
  assertEquals(isSecond(NET, RECORD, later), false);
  assertEquals(isSecond(NET, { ...RECORD, routes: [{ dst: "10.0.0.0/8" }] }, SEEN), false);
  assertEquals(isSecond(NET, { ...RECORD, routes: [{ dst: "0.0.0.0/0" }] }, SEEN), true);
  const [first] = linkRoutes(NET, { ...RECORD, ordinal: 1 }, "none");
  assertEquals(first?.metric, 1025);
});

Deno.test("the link is made in the sandbox, and nothing is done in the host's namespace", () => {
  const steps = endpointSteps(NET, RECORD, "none", "/proc/806/ns/net");
  assertEquals(steps.filter(({ netns }) => netns !== SANDBOX), []);
  assertEquals(steps.map(({ line }) => line).slice(0, 2), [
    "link add link eth0 name e-0123456789ab index 1073816389 group 6910070 type ipvlan mode l2 bridge",
    "link set dev e-0123456789ab name net1",
  ]);
  // By the index, as the names are those of the container's root.
  assertEquals(steps.flatMap(({ undo }) => undo ? [[undo.netns, undo.line]] : []), [
    [SANDBOX, linkDel({ index: 1073816389 }).line],
    [SANDBOX, linkDel({ index: 1073816389 }).line],
  ]);
  const gone = ipCommandError("ip link add", 'Cannot find device "eth0"');
  for (const { explain } of steps) assert(isIpvlanError(explain!(gone), "sandbox-parent"));
});

Deno.test("the settings of a link are set when the link is there, so in another burst", async () => {
  const bursts: string[][] = [];
  const steps = endpointSteps(NET, RECORD, "none", "/proc/806/ns/net");
  await runPlan(steps, (_place, _undoing, settings) => {
    const burst = settings.length > 0 ? ["settings"] : [];
    bursts.push(burst);
    return {
      change: (line) => Promise.resolve(void burst.push(line.split(" ").slice(0, 2).join(" "))),
      query: () => Promise.resolve([]),
    };
  });
  assertEquals(bursts.map((burst) => burst.slice(0, 2)), [["link add"], ["settings", "link set"]]);
});

Deno.test("only an engine's network has parents in its sandboxes, and none that it advertises", () => {
  const spec: EngineNetworkSpec = {
    name: "cni:lan",
    parent: IN_SANDBOX,
    owner: OWNER,
    subnets: ["10.0.0.0/24"],
  };
  assertEquals(settle(spec).problems, []);
  // Another one with another mode has other parents.
  const other = network("cni:other", { parent: IN_SANDBOX, owner: OWNER, mode: "l3" });
  assertEquals(besideOthers([settle(spec)], [other])[0]!.problems, []);
  assertEquals(settle({ ...spec, name: "lan", owner: undefined }).problems.length, 1);
  assertEquals(settle({ ...spec, mode: "l3", advertise: "subnet" }).problems.length, 1);
  // No link of the host is looked at or made.
  const decided = decideNetwork(settle(spec), IDENTITY, [], host({ links: [] }));
  assert(decided.ok);
  assertEquals([decided.links, decided.network.parent], [[], IN_SANDBOX]);
});

Deno.test("restore makes no parent in a sandbox, and sees a parent that has another name", () => {
  const plan = parentsPlan([NET], new Map(), [ETH0]);
  assertEquals([plan.levels, plan.problems.size], [[], 0]);
  const own = endpoint("eth0", NET.name, { name: "net1", index: 1073816389, linkIndex: 2 });
  const seen = (parent: string, mode: "l2" | "l3" = "l2", net: Network = NET): SeenNamespace => ({
    links: [
      LO,
      link(parent, { index: 2 }),
      { ...own, link: parent, info: { type: "ipvlan", mode, flag: net.flag } },
    ],
    addrs: [addr("net1", "192.168.1.2/24")],
    routes: [route("net1", "default", "192.168.1.1")],
  });
  const repair = (found: SeenNamespace) => {
    const { state, changes, make } = endpointRepair(NET, RECORD, {
      seen: found,
      // A link of the host with this name means nothing.
      parent: link("eth0", { index: 77 }),
      siblings: "none",
    });
    return [state, changes, make.map(({ line }) => line)];
  };
  assertEquals(repair(seen("eth0")), ["up", [], []]);
  assertEquals(repair(seen("eth9")), [
    "changed",
    ["The parent of the link net1 is eth9 instead of eth0"],
    [],
  ]);
  assertEquals(repair(seen("eth0", "l3")), [
    "changed",
    ["The ipvlan mode of the link net1 is l3 instead of l2"],
    ["link set dev if000000000000001073816389 type ipvlan mode l2 bridge"],
  ]);
});
