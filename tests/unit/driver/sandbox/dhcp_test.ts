import { assertEquals } from "@std/assert";
import { hasLease, readLease } from "../../../../lib/driver/sandbox/dhcp.ts";
import { endpointRecord, network } from "../../../kit/values.ts";

Deno.test("a lease has an address with its length, and what of the rest can be used", () => {
  const lease = { ip: "192.168.1.100", prefixLengths: { "192.168.1.100": 24 } };
  const read = (...lines: string[]) => readLease(lines.join("\n"));
  assertEquals(read("192.168.1.100/24", "192.168.1.2", "192.168.1.1", ""), {
    lease: { ...lease, gateway: "192.168.1.1" },
    server: "192.168.1.2",
  });
  // A relay: the server is not on the link. A gateway that the link does not reach is not used.
  for (const other of ["10.0.0.1", "", "nonsense", "fe80::1", "192.168.1.255"]) {
    assertEquals(read("192.168.1.100/24", other, other), { lease, server: undefined }, other);
  }
  for (
    const bad of [
      "",
      "192.168.1.100/",
      "192.168.1.100",
      "/24",
      "fd00::1/64",
      "1.2.3.4/33",
      "$(x)/24",
    ]
  ) {
    assertEquals(read(bad, "192.168.1.2", "192.168.1.1"), {}, bad);
  }
});

Deno.test("a lease is compared with the record in each of its parts", () => {
  const lease = {
    ip: "192.168.1.100",
    prefixLengths: { "192.168.1.100": 24 },
    gateway: "192.168.1.1",
  };
  const endpoint = endpointRecord("c1", network("lan"), lease);
  assertEquals(hasLease(endpoint, lease), true);
  const others = [{ ip: "192.168.1.9" }, { prefixLengths: { "192.168.1.100": 25 } }, {
    gateway: undefined,
  }];
  for (const other of others) assertEquals(hasLease(endpoint, { ...lease, ...other }), false);
});
