import { assert, assertEquals } from "@std/assert";
import {
  advertKind,
  endpointAdverts,
  networkAdverts,
} from "../../../../lib/driver/model/advertise.ts";
import type { HostStep, RouteStep } from "../../../../lib/driver/model/option_steps.ts";
import { makeHostSteps, unshared } from "../../../../lib/driver/network/host_steps.ts";
import { settleAll } from "../../../../lib/driver/network/settle.ts";
import { decideNetwork } from "../../../../lib/driver/network/decide.ts";
import type { EngineNetworkSpec } from "../../../../lib/driver/model/types.ts";
import { endpointRecord, host, IDENTITY, link, network } from "../../../kit/values.ts";

const SUBNETS = [
  { subnet: "10.1.0.0/24", auxAddresses: {} },
  { subnet: "fd01::/64", auxAddresses: {} },
];
const BY_SUBNET = network("s", { mode: "l3", subnets: SUBNETS, advertise: "subnet" });
const BY_ADDRESS = network("a", { mode: "l3s", subnets: SUBNETS, advertise: "address" });
const BOTH = endpointRecord("c1", BY_ADDRESS, { ip: "10.1.0.5", ip6: "fd01::5" });

/** The routes of adverts, as they are made. */
function lines(adverts: readonly HostStep[]): string[] {
  return makeHostSteps(adverts).map(({ line }) => line);
}

Deno.test("a network by subnet has one announced route for each subnet, and its endpoints none", () => {
  assertEquals(lines(networkAdverts(BY_SUBNET)), [
    "route replace unreachable 10.1.0.0/24 metric 117 proto 117",
    "route replace unreachable fd01::/64 metric 117 proto 117",
  ]);
  assertEquals(endpointAdverts(BY_SUBNET, BOTH), []);
});

Deno.test("a network by address has a route for each address, and covers its subnets unannounced", () => {
  assertEquals(lines(networkAdverts(BY_ADDRESS)), [
    "route replace unreachable 10.1.0.0/24 metric 118 proto 2",
    "route replace unreachable fd01::/64 metric 118 proto 2",
  ]);
  assertEquals(lines(endpointAdverts(BY_ADDRESS, BOTH)), [
    "route replace unreachable 10.1.0.5/32 metric 117 proto 117",
    "route replace unreachable fd01::5/128 metric 117 proto 117",
  ]);
});

Deno.test("a network that does not advertise has no routes", () => {
  const plain = network("p", { mode: "l3", subnets: SUBNETS });
  assertEquals([networkAdverts(plain), endpointAdverts(plain, BOTH)], [[], []]);
});

Deno.test("undoing deletes only the routes that no other network has", () => {
  const adverts = networkAdverts(BY_SUBNET);
  const other = network("o", {
    mode: "l3",
    advertise: "subnet",
    subnets: [{ subnet: "10.1.0.0/24", auxAddresses: {} }],
  });
  const steps = makeHostSteps(adverts, { owned: unshared(adverts, [other]) });
  assertEquals(steps.map(({ undo }) => undo?.line), [
    undefined,
    "route del unreachable fd01::/64 metric 117 proto 117",
  ]);
  // A route that covers is another one than a route that is announced.
  assertEquals(unshared(adverts, [BY_ADDRESS]), adverts);
  const [first] = makeHostSteps(adverts);
  assertEquals(first!.undo!.line, "route del unreachable 10.1.0.0/24 metric 117 proto 117");
});

Deno.test("the kernel's routes are ours by type, protocol and metric", () => {
  const kind = (dst: string, protocol: number, metric: number, type = "unreachable") =>
    advertKind({ kind: "route.add", route: { type, dst, protocol, metric } } as RouteStep);
  assertEquals(
    ["10.1.0.0/24", "10.1.0.5/32", "fd01::5/128", "2001:db8::/32"].map((dst) =>
      kind(dst, 117, 117)
    ),
    ["subnet", "address", "address", "subnet"],
  );
  assertEquals(kind("10.1.0.0/24", 2, 118), "cover");
  assertEquals(kind("10.2.0.0/24", 117, 7), undefined);
  assertEquals(kind("10.3.0.0/24", 117, 117, "blackhole"), undefined);
  assertEquals(kind("10.9.0.0/24", 2, 0), undefined);
  assertEquals(kind("10.1.0.0/24", 2, 117), undefined);
});

/** What is said of a network to create, beside two others. */
function problems(
  spec: Partial<EngineNetworkSpec>,
  others: Parameters<typeof decideNetwork>[2] = [],
) {
  const network = { name: "n", parent: "eth0", mode: "l3", subnets: ["10.1.0.0/24"] } as const;
  const [settled] = settleAll([{ ...network, ...spec }], others);
  const facts = host({ links: [link("eth0"), link("eth1")] });
  const decision = decideNetwork(settled!, IDENTITY, others, facts);
  return decision.ok ? [] : decision.problems.map(({ message }) => message);
}

Deno.test("what cannot be advertised is refused, with the reason", () => {
  const refused = (spec: Partial<EngineNetworkSpec>, text: string) => {
    const [message = "", ...more] = problems(spec);
    assertEquals(more, []);
    assert(message.includes(text), message);
  };
  for (const advertise of ["subnet", "address"] as const) {
    assertEquals(problems({ advertise }), []);
    assertEquals(problems({ advertise, mode: "l3s" }), []);
    refused({ advertise, mode: "l2" }, "choose l3 or l3s");
    refused({ advertise, parent: undefined }, "the network is isolated");
    refused({ advertise, internal: true }, "the network is isolated");
  }
  refused({ advertise: "subnet", subnets: [], foreignAddresses: true }, "choose address");
  assertEquals(problems({ advertise: "address", subnets: [], foreignAddresses: true }), []);
  refused({ advertise: "all" as "subnet" }, "choose one of subnet, address");
});

Deno.test("two parents cannot have one destination, as a router sends to one link", () => {
  const wide = { subnets: [{ subnet: "10.0.0.0/8", auxAddresses: {} }] };
  const elsewhere = network("wide", { parent: "eth1", mode: "l3", advertise: "address", ...wide });
  assertEquals(problems({ advertise: "subnet" }, [elsewhere]), [
    'The subnet "10.1.0.0/24" is not valid: the network "wide" advertises 10.0.0.0/8 on the parent ' +
    '"eth1", and the router sends packets for an address to one link',
  ]);
  // Without an announcement of both, nothing is in the way.
  assertEquals(problems({}, [elsewhere]), []);
  const quiet = { ...elsewhere, advertise: undefined };
  assertEquals(problems({ advertise: "subnet" }, [quiet]), []);
});
