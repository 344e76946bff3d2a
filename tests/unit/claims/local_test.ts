import { assertEquals } from "@std/assert";
import { textOf } from "../../../lib/claims/keys.ts";
import { ownAddresses } from "../../../lib/claims/local.ts";

Deno.test("a host claims what its links and etcd's members have of a pool, but nothing that nobody gets", () => {
  const wanted = (subnet: string, addresses: string[]) => {
    const pool = {
      id: "",
      subnet,
      reserved: { "10.0.0.1": "gateway" },
      access: {
        endpoints: ["http://10.0.0.9:2379", "https://[FD00:0::9]:2379", "https://etcd-1.example"],
      },
    };
    const { wanted, isComplete } = ownAddresses(pool, addresses);
    return [wanted.map(textOf), isComplete];
  };
  assertEquals(wanted("10.0.0.0/24", ["10.0.0.2", "fd00::2", "10.0.1.2", "10.0.0.9"]), [
    ["10.0.0.2", "10.0.0.9"],
    true,
  ]);
  assertEquals(wanted("fd00::/64", ["10.0.0.2", "fd00:0:0::2"]), [["fd00::2", "fd00::9"], true]);
  // The gateway, the network's own address and the broadcast address are nobody's.
  assertEquals(wanted("10.0.0.0/24", ["10.0.0.1", "10.0.0.0", "10.0.0.255"]), [
    ["10.0.0.9"],
    false,
  ]);
  assertEquals(wanted("10.0.2.0/31", ["10.0.2.0", "nonsense", ""]), [["10.0.2.0"], true]);
});
