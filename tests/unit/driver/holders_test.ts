import { assertEquals } from "@std/assert";
import { doorsOf, heldByHost } from "../../../lib/driver/holders.ts";
import { addr, link } from "../../kit/values.ts";

Deno.test("each namespace has one door, and one with a name is known by it", () => {
  const printed = [
    "4 100 /proc/self/ns/net",
    "4 101 /run/netns/web",
    "4 102 /run/netns/host",
    "4 101 /run/netns/www",
    // No namespace: what `ip netns del` has left of one that is mounted elsewhere.
    "27 7 /run/netns/stale",
    // A name that ip takes for an option or the shell for a command.
    "4 103 /run/netns/-x",
    "4 104 /run/netns/$(reboot)",
    "4 105 /run/netns/a b",
    "4 100 /proc/1/ns/net",
    "4 101 /proc/7/ns/net",
    "4 106 /proc/8/ns/net",
    "4 106 /proc/9/fd/3",
    "4 107 /proc/9/fd/4",
    "9 107 /proc/9/fd/5",
    "9 12 /proc/9/fd/socket:[1] (deleted)",
  ];
  assertEquals(doorsOf(printed, undefined), [
    { at: undefined, where: "of the host", names: [] },
    { at: "web", where: 'in the namespace "web"', names: ["web", "www"] },
    { at: "host", where: 'in the namespace "host"', names: ["host"] },
    { at: "../../proc/8/ns/net", where: "in the namespace of process 8", names: [] },
    { at: "../../proc/9/fd/4", where: "in a namespace that process 9 keeps open", names: [] },
  ]);
  assertEquals(doorsOf(printed, "host").slice(0, 3), [
    { at: undefined, where: "in the namespace of this process", names: [] },
    { at: "web", where: 'in the namespace "web"', names: ["web", "www"] },
    { at: "host", where: "of the host", names: ["host"] },
  ]);
  assertEquals(doorsOf([], undefined), []);
});

Deno.test("the host holds the global addresses of its own ipvlan links", () => {
  const ipvlan = { type: "ipvlan", mode: "l2", flag: "bridge" } as const;
  const eth0 = link("eth0", { index: 2, address: "02:00:00:00:00:01" });
  const on = (name: string, linkIndex: number, linkNetnsid?: number) =>
    link(name, { index: 9, info: ipvlan, linkIndex, linkNetnsid, address: eth0.address });
  const links = [eth0, on("shim0", 2), on("other0", 3), on("elsewhere0", 2, 0)];
  const addrs = [
    addr("eth0", "10.0.0.1/24"),
    addr("shim0", "10.0.0.2/32"),
    addr("shim0", "fe80::1/64", "link"),
    addr("other0", "10.0.0.3/24"),
    addr("elsewhere0", "10.0.0.4/24"),
  ];
  assertEquals(heldByHost({ links, addrs }), [
    { address: "10.0.0.2", holder: 'the link "shim0" of the host', parent: "eth0", names: [] },
  ]);
});
