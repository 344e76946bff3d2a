import { assertEquals } from "@std/assert";
import { heldByHost } from "../../../../lib/driver/addresses/holders.ts";
import { addr, link } from "../../../kit/values.ts";

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
