import { assertEquals } from "@std/assert";
import { askedAddresses, parseArping } from "../../../lib/doctor/gather_parent.ts";
import type { StateFacts } from "../../../lib/doctor/facts.ts";
import { endpointRecord, network } from "../../kit/values.ts";

const WEB = network("web");
const STATE: StateFacts = {
  ...{ folder: "/state", networks: [WEB], sandboxes: [], owned: [], made: [], halfDone: [] },
  endpoints: [endpointRecord("c1", WEB), endpointRecord("c9", network("db"))],
};

Deno.test("asked are the addresses that a network's endpoints have, and that the next would get", () => {
  const given = { address: "192.168.1.2", network: "web", sandbox: "c1" };
  const next = (address: string) => ({ address, network: "web" });
  assertEquals(askedAddresses(WEB, STATE, [], []), [given, next("192.168.1.3")]);
  // What the parent has, or another link on it, no endpoint gets.
  const holder = { address: "192.168.1.4", holder: "a link", parent: "eth0", names: [] };
  assertEquals(askedAddresses(WEB, STATE, ["192.168.1.3"], [holder]), [
    given,
    next("192.168.1.5"),
  ]);
  const full = { ...WEB, subnets: [{ subnet: "192.168.1.2/32", auxAddresses: {} }] };
  assertEquals(askedAddresses(full, STATE, [], []), [given]);
});

Deno.test("of an engine's network, no next address is asked for", () => {
  const name = "netavark:web";
  assertEquals(askedAddresses({ ...WEB, name }, STATE, [], []), [
    { address: "192.168.1.2", network: name, sandbox: "c1" },
  ]);
});

Deno.test("arping: busybox's and iputils' are understood, another's is not", () => {
  const start = "ARPING 10.9.0.5 from 0.0.0.0 v0\n";
  assertEquals(parseArping(`${start}Sent 2 probe(s) (0 broadcast(s))\n`), "none");
  assertEquals(
    parseArping(`${start}Sent 2 probes (2 broadcast(s))\nReceived 0 response(s)\n`),
    "none",
  );
  assertEquals(
    parseArping(`${start}Unicast reply from 10.9.0.5 [e2:61:01:8a:94:6f] 1.994ms\n`),
    { mac: "e2:61:01:8a:94:6f" },
  );
  // iputils prints capitals.
  assertEquals(
    parseArping(`${start}Unicast reply from 10.9.0.5 [E2:61:01:8A:94:6F]  0.613ms\n`),
    { mac: "e2:61:01:8a:94:6f" },
  );
  assertEquals(parseArping("arping: invalid option -- 'f'\n"), "unknown");
  assertEquals(parseArping(""), "unknown");
});
