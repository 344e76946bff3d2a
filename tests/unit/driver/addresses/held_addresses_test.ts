import { assertEquals } from "@std/assert";
import { HeldAddresses, heldByHost } from "../../../../lib/driver/addresses/held_addresses.ts";
import { IN_SANDBOX } from "../../../../lib/driver/model/names.ts";
import { Namespaces, programsWith } from "../../../../lib/driver/run/namespaces.ts";
import { addr, host, link } from "../../../kit/values.ts";

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

Deno.test("a call knows the addresses on each parent: of the host, of the sandbox, and those it finds", () => {
  const ipvlan = { type: "ipvlan", mode: "l2", flag: "bridge" } as const;
  const eth0 = link("eth0", { index: 2, address: "02:00:00:00:00:01" });
  const shim = link("shim0", { info: ipvlan, linkIndex: 2, address: eth0.address });
  const inside = { links: [], addrs: [addr("net1", "10.1.0.2/24")], routes: [] };
  const facts = host({ links: [eth0, shim], addrs: [addr("shim0", "10.0.0.2/32")], inside });
  const held = new HeldAddresses(new Namespaces({ programs: programsWith(undefined) }), facts);
  const on = (parent: string) =>
    held.on(parent).map(({ address, holder }) => `${address} ${holder}`);
  assertEquals(on("eth0"), ['10.0.0.2 the link "shim0" of the host']);
  assertEquals(on(IN_SANDBOX), ['10.1.0.2 the link "net1" of the sandbox']);
  assertEquals(on("eth1"), []);
  const found = (address: string, parent: string) => ({ address, parent, holder: "x", names: [] });
  held.add([found("10.0.0.2", "eth0"), found("10.0.0.2", "eth1"), found("10.0.0.3", "eth0")]);
  assertEquals(on("eth0"), ['10.0.0.2 the link "shim0" of the host', "10.0.0.3 x"]);
  assertEquals(on("eth1"), ["10.0.0.2 x"]);
  for (const none of [undefined, host()]) {
    assertEquals(
      new HeldAddresses(new Namespaces({ programs: programsWith(undefined) }), none).on("eth0"),
      [],
    );
  }
});
