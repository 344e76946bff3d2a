import { assertEquals } from "@std/assert";
import { endpointSteps } from "../../../../lib/driver/endpoint/steps.ts";
import { hostSteps, undoHostStep, unshared } from "../../../../lib/driver/network/host_steps.ts";
import { decideNetwork, networkSteps } from "../../../../lib/driver/network/decide.ts";
import { settle } from "../../../../lib/driver/network/settle.ts";
import type { HostFacts } from "../../../../lib/driver/model/facts.ts";
import type { EngineNetworkSpec, Network } from "../../../../lib/driver/model/types.ts";
import { endpointRecord, host, IDENTITY, network } from "../../../kit/values.ts";

const SUBNETS = ["192.168.1.0/24", "fd00:1::/64"];
const SPEC: EngineNetworkSpec = {
  name: "near",
  parent: "eth0",
  mode: "l3s",
  proxy: true,
  subnets: SUBNETS,
};

/** The settings of a network that the driver has to change, or why it is refused. */
function decided(
  more: Partial<EngineNetworkSpec> = {},
  facts: Partial<HostFacts> = {},
  others: readonly Network[] = [],
): unknown {
  const decision = decideNetwork(settle({ ...SPEC, ...more }), IDENTITY, others, {
    ...host(),
    ...facts,
  });
  if (decision.ok) return decision.network.changed;
  return decision.problems.map(({ message, field }) =>
    `${field}: ${message.replace(/.* is not valid: /, "")}`
  );
}

Deno.test("proxy is refused where the host cannot answer for a sandbox", () => {
  const whyL3 =
    "proxy: the mode is l3, where the kernel gives the LAN's ARP requests to a sandbox, " +
    "which does not answer them; choose l3s, or a network without IPv4";
  assertEquals(decided({ mode: "l3" }), [whyL3]);
  assertEquals(decided({ mode: "l3", subnets: SUBNETS.slice(1) }), [whyL3]);
  assertEquals(decided({ mode: "l3", subnets: [], foreignAddresses: true }), [whyL3]);
  assertEquals(decided({ mode: "l3", subnets: SUBNETS.slice(1), ipv4: false }), [
    "ipv6/forwarding",
    "ipv6/proxy_ndp",
  ]);
  assertEquals(decided({ mode: "l2" }), [
    "proxy: the mode is l2, where the sandboxes answer for themselves; leave it out",
  ]);
  assertEquals(decided({ advertise: "subnet" }), [
    "proxy: the LAN finds the sandboxes without a router; leave out advertise",
  ]);
  const alone = "proxy: the network is isolated, so no machine asks; give it a parent";
  assertEquals(decided({ internal: true }), [alone]);
  assertEquals(decided({ parent: undefined }), [alone]);
  // Beside another one, whose facts are known.
  const [wrong, ...more] = decided({ parent: "a b" }, { settings: new Set() }) as string[];
  assertEquals([wrong!.startsWith("parent: "), more], [true, []]);
});

Deno.test("the settings that are not on, or that the driver has set for another network, are its own", () => {
  assertEquals(decided(), ["ipv4/forwarding", "ipv6/forwarding", "ipv6/proxy_ndp"]);
  const settings = new Set(
    ["ipv4/forwarding", "ipv6/forwarding"]
      .map((each) => each.replace("/", "/conf/eth0/"))
      .map((each) => `net/${each}=1`),
  );
  assertEquals(decided({}, { settings }), ["ipv6/proxy_ndp"]);
  const other = network("other", { parent: "eth0", changed: ["ipv4/forwarding"] });
  assertEquals(decided({}, { settings }, [other]), ["ipv4/forwarding", "ipv6/proxy_ndp"]);
  const elsewhere = { ...other, parent: "eth1" };
  assertEquals(decided({}, { settings }, [elsewhere]), ["ipv6/proxy_ndp"]);
});

Deno.test("a host that would lose its default route is not made to forward IPv6", () => {
  const routed = ["wlan0", "eth0.9", "eth3"];
  const heeded = ["wlan0", "eth0.9"].map((link) => `net/ipv6/conf/${link}/accept_ra=1`);
  const lines = "net/ipv6/conf/wlan0/accept_ra=2 net/ipv6/conf/eth0.9/accept_ra=2";
  assertEquals(decided({}, { routed, settings: new Set(heeded) }), [
    "proxy: a router has given the host its default route by wlan0, eth0.9, which the kernel drops " +
    `where it begins to forward: first run "sysctl -w ${lines}"`,
  ]);
  const settings = new Set([...heeded, "net/ipv6/conf/eth0/forwarding=1"]);
  assertEquals(decided({}, { routed, settings }), ["ipv4/forwarding", "ipv6/proxy_ndp"]);
  const fourOnly = { subnets: SUBNETS.slice(0, 1) };
  assertEquals(decided(fourOnly, { routed, settings: new Set(heeded) }), ["ipv4/forwarding"]);
});

const NEAR = network("near", {
  parent: "eth0",
  mode: "l3s",
  proxy: true,
  subnets: SUBNETS.map((subnet) => ({ subnet, auxAddresses: {} })),
  changed: ["ipv4/forwarding"],
});

Deno.test("the settings are made each before a line of its own, and only changed ones are put back", () => {
  const steps = networkSteps(NEAR, []).slice(2);
  assertEquals(steps.map(({ line, settings, begins }) => [line, settings, begins]), [
    ["link set dev eth0", ["net/ipv4/conf/eth0/forwarding=1"], true],
    ["link set dev eth0", ["net/ipv6/conf/eth0/forwarding=1"], true],
    ["link set dev eth0", ["net/ipv6/conf/eth0/proxy_ndp=1"], true],
  ]);
  const back = ["net/ipv4/conf/eth0/forwarding=0"];
  assertEquals(steps.map(({ undo }) => undo?.settings), [back, undefined, undefined]);
  assertEquals(hostSteps(NEAR).flatMap(undoHostStep).map(({ settings }) => settings), [back]);
  // Another network on the parent still needs them, whoever made them.
  assertEquals(unshared(hostSteps(NEAR), [{ ...NEAR, changed: undefined }]), []);
});

Deno.test("an endpoint has an entry for each address, and in IPv4 a route of the host by another link", () => {
  const c1 = endpointRecord("c1", NEAR, { ip: "192.168.1.5", ip6: "fd00:1::5" });
  const lines = (more: Partial<Network>) =>
    endpointSteps({ ...NEAR, ...more }, c1, "none").filter(({ netns }) => netns === undefined)
      .map(({ line, undo }) => [line, undo?.line]).filter(([line]) => !line!.startsWith("link"));
  const entries = ["192.168.1.5", "fd00:1::5"]
    .map((dst) => [`neigh replace proxy ${dst} dev eth0`, `neigh del proxy ${dst} dev eth0`]);
  assertEquals(lines({}), [
    [
      "route replace 192.168.1.5/32 dev lo metric 116 proto 2",
      "route del 192.168.1.5/32 dev lo metric 116 proto 2",
    ],
    ...entries,
  ]);
  const routes = lines({ hostAccess: true }).map(([line]) => line);
  assertEquals(routes.filter((line) => line!.includes("proxy")), entries.map(([line]) => line));
  assertEquals(routes.some((line) => line!.includes("dev lo")), false);
});
