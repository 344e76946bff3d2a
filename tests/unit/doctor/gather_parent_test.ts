import { assertEquals } from "@std/assert";
import { askedAddresses } from "../../../lib/doctor/parent.ts";
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
