import { assertEquals } from "@std/assert";
import { byLinkName } from "../../../../lib/driver/network/parent.ts";
import { groundOf, judge } from "../../../../lib/driver/restore/watch.ts";
import { stoppedLinks } from "../../../../lib/driver/run/monitor.ts";
import type { LinkSpec } from "../../../../lib/iproute2/link_types.ts";
import type { Link } from "../../../../lib/iproute2/link_types.ts";
import { link, network, vlanInfo } from "../../../kit/values.ts";

const MADE = byLinkName<LinkSpec>([
  { type: "vlan", name: "eth0.20", link: "eth0", id: 20 },
  { type: "dummy", name: "di-1" },
]);

const PLAIN = network("plain");
const TAGGED = network("tagged", { parent: "eth0.20" });
const INSIDE = network("inside", { parent: "di-1", isolated: true });
const VLAN = link("eth0.20", { link: "eth0", info: vlanInfo(20) });

/** The grounds of networks on these links of the host. */
function grounds(networks: readonly typeof PLAIN[], ...links: Link[]) {
  return networks.flatMap((each) => groundOf(each, MADE, byLinkName(links)) ?? []);
}

const NONE = new Set<string>();
const WHOLE = [link("eth0"), VLAN, link("di-1")];
const ALL = [PLAIN, TAGGED, INSIDE];

/** What the look at a whole host leaves, after the first one. */
function known() {
  return judge(grounds(ALL, ...WHOLE), NONE);
}

Deno.test("a link that the driver made is not waited for, but what is below it is", () => {
  const lacking = (...links: Link[]) => grounds(ALL, ...links).map((each) => each.lacking);
  assertEquals(lacking(...WHOLE), [undefined, undefined, undefined]);
  assertEquals(lacking(link("eth0")), [undefined, undefined, undefined]);
  assertEquals(lacking(VLAN), ["eth0", "eth0", undefined]);
  const still = { ...VLAN, flags: ["UP"] };
  assertEquals(lacking(link("eth0"), still), [undefined, "eth0.20", undefined]);
  assertEquals(lacking(link("eth0", { up: false })), ["eth0", "eth0", undefined]);
  assertEquals(groundOf(network("n", { parent: "(in the sandbox)" }), MADE, new Map()), undefined);
});

Deno.test("all is restored at the first look, and then nothing while nothing has changed", () => {
  assertEquals([known().isDue, known().back], [true, []]);
  const again = judge(grounds(ALL, ...WHOLE), NONE, known());
  assertEquals([again.isDue, again.back, again.waiting], [false, [], NONE]);
  // A network that has just been made is whole.
  const more = grounds([...ALL, network("new", { parent: "eth1" })], ...WHOLE, link("eth1"));
  assertEquals(judge(more, NONE, known()).isDue, false);
});

Deno.test("a link that is away is waited for, and what stands on it restored when it is back", () => {
  const away = judge(grounds(ALL, link("di-1")), NONE, known());
  assertEquals([away.isDue, away.waiting], [false, new Set(["eth0"])]);
  const back = judge(grounds(ALL, ...WHOLE), NONE, away);
  assertEquals([back.isDue, back.back, back.waiting], [true, ["eth0"], NONE]);
});

Deno.test("a link that is another one of its name, or stood still meanwhile, counts as back", () => {
  const another = [link("eth0", { index: 99 }), ...WHOLE.slice(1)];
  assertEquals(judge(grounds(ALL, ...another), NONE, known()).isDue, true);
  const stopped = judge(grounds(ALL, ...WHOLE), new Set(["eth0", "lo"]), known());
  assertEquals([stopped.isDue, stopped.back], [true, ["eth0"]]);
  // Another link that stops is nobody's parent.
  assertEquals(judge(grounds(ALL, ...WHOLE), new Set(["lo"]), known()).isDue, false);
  // The driver's own one was deleted.
  assertEquals(judge(grounds(ALL, link("eth0"), link("di-1")), NONE, known()).isDue, true);
});

Deno.test("the lines of ip monitor tell which links have stopped", () => {
  const lines = [
    "2: eth0@if3: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default ",
    "    link/ether 02:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff link-netns c1",
    "4: eth1: <NO-CARRIER,BROADCAST,MULTICAST,UP> mtu 1500 qdisc noqueue state DOWN group default ",
    "Deleted 5: eth2.20@eth2: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noop state UP ",
    "6: a:b: <LOWER_UP,UP> mtu 1500",
    "",
  ];
  assertEquals(stoppedLinks(lines), new Set(["eth1", "eth2.20"]));
});
