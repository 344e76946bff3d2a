import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { linkIndex } from "../../../../lib/driver/endpoint/steps.ts";
import {
  doomedLinks,
  homesOf,
  isHarmless,
  ownersOf,
} from "../../../../lib/driver/endpoint/links.ts";
import type { EndpointRecord } from "../../../../lib/driver/store/records.ts";
import type { Parts } from "../../../../lib/driver/addresses/parts.ts";
import type { Sandbox } from "../../../../lib/driver/model/types.ts";
import type { Link } from "../../../../lib/iproute2/link_types.ts";
import "../../../kit/seed.ts";
import {
  addr,
  endpoint as ipvlanLink,
  endpointRecord,
  link,
  LO,
  network,
  sandboxRecord,
} from "../../../kit/values.ts";
import { ipCommandError } from "../../../../lib/iproute2/errors.ts";

/** The index of the parent of both endpoints, and of another link of the host. */
const [PARENT, OTHER] = [2, 3];
const parentOf = () => PARENT;

const NET = network("n");
const FIRST = endpointRecord("c", NET, { id: "aaaaaaaa0000", ifname: "eth0", ip: "10.0.0.2" });
const SECOND = endpointRecord("c", NET, {
  id: "bbbbbbbb0000",
  ifname: "eth1",
  ordinal: 1,
  ip: "10.0.0.3",
});
const BOTH = [FIRST, SECOND];

/** A link on the parent, in a sandbox. */
function uplink(name: string, changes: Partial<Link> = {}): Link {
  return ipvlanLink("eth0", "n", { name, linkIndex: PARENT, linkNetnsid: 0, ...changes });
}

/** The link of an endpoint, as the driver makes it. */
function made(endpoint: EndpointRecord, changes: Partial<Link> = {}): Link {
  return uplink(endpoint.ifname, { index: linkIndex(endpoint), ...changes });
}

/** What takes the mark off a link. */
const UNMARKED = { group: "default", alias: undefined };

/** The names of the links that are found, with the names of their endpoints. */
function found(links: Link[], addrs = [] as ReturnType<typeof addr>[]) {
  return [...ownersOf({ links, addrs }, BOTH, parentOf)].map(([{ name }, { ifname }]) =>
    `${name}: ${ifname}`
  );
}

Deno.test("an index is far above those that the kernel gives, and fits in 31 bits", () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[0-9a-f]{12}$/), fc.nat(1000), (id, ordinal) => {
      const index = linkIndex({ id, ordinal });
      return index >= 2 ** 30 && index < 2 ** 31;
    }),
  );
});

Deno.test("the links of a sandbox are in the order of its endpoints", () => {
  const order = (ids: string[]) =>
    ids.map((id, ordinal) => linkIndex({ id, ordinal })).every((index, place, all) =>
      place === 0 || index > all[place - 1]!
    );
  fc.assert(fc.property(fc.array(fc.stringMatching(/^[0-9a-f]{12}$/), { maxLength: 64 }), order));
});

Deno.test("a link is its endpoint's by its index, whatever its name and mark are", () => {
  const [one, two] = [made(FIRST, UNMARKED), made(SECOND)];
  assertEquals(found([LO, one, two]), ["eth0: eth0", "eth1: eth1"]);
  assertEquals(found([{ ...one, name: "eth1" }, { ...two, name: "eth0" }]), [
    "eth1: eth0",
    "eth0: eth1",
  ]);
});

Deno.test("a link with another index is found by an address, or by name and mark", () => {
  assertEquals(found([uplink("x", UNMARKED)], [addr("x", "10.0.0.3/24")]), ["x: eth1"]);
  assertEquals(found([uplink("eth1")]), ["eth1: eth1"]);
  assertEquals(found([uplink("e-bbbbbbbb0000")]), ["e-bbbbbbbb0000: eth1"]);
  assertEquals(found([uplink("eth1", UNMARKED)]), []);
  // The index decides before the address, and the address before the name.
  assertEquals(
    found([uplink("eth0"), made(FIRST, { name: "y" })], [addr("eth0", "10.0.0.2/24")]),
    ["y: eth0"],
  );
  assertEquals(found([uplink("eth1"), uplink("z")], [addr("z", "10.0.0.3/24")]), ["z: eth1"]);
});

Deno.test("a link of another kind or on another parent is no endpoint's", () => {
  const dummy = link("eth0", { index: linkIndex(FIRST), group: made(FIRST).group });
  assertEquals(found([dummy, made(SECOND, { linkIndex: OTHER })]), []);
});

Deno.test("the links of removed endpoints are doomed, and those of kept ones are not", () => {
  const links = [LO, made(FIRST, { name: "a", ...UNMARKED }), made(SECOND), link("veth0")];
  const doomed = (removed: EndpointRecord[], kept?: EndpointRecord[]) =>
    doomedLinks({ links, addrs: [] }, { sandbox: sandboxRecord("c"), removed, kept }, parentOf)
      .map(({ name }) => name);
  assertEquals(doomed([FIRST], [SECOND]), ["a"]);
  assertEquals(doomed([SECOND], [FIRST]), ["eth1"]);
  assertEquals(doomed(BOTH), ["a", "eth1"]);
});

Deno.test("what is no endpoint's is doomed only in a namespace that the driver made", () => {
  const links = [
    uplink("same", UNMARKED),
    uplink("other", { ...UNMARKED, linkIndex: OTHER }),
    // On a link in the sandbox itself.
    uplink("inner", { ...UNMARKED, linkNetnsid: undefined }),
    made(SECOND),
  ];
  const doomed = (namespace: "made" | "found", kept?: EndpointRecord[]) => {
    const sandbox = sandboxRecord("c", { namespace });
    return doomedLinks({ links, addrs: [] }, { sandbox, removed: [FIRST], kept }, parentOf)
      .map(({ name }) => name);
  };
  assertEquals(doomed("found", [SECOND]), []);
  assertEquals(doomed("found"), []);
  assertEquals(doomed("made", [SECOND]), ["same"]);
  assertEquals(doomed("made"), ["same", "other", "eth1"]);
});

Deno.test("links are looked for in the namespace of the sandbox, and handed over ones first in the host's", () => {
  const namespaces = {
    host: () => "host",
    inside: (name: string, force: boolean) => `${name}, whatever fails: ${force}`,
  } as unknown as Parts<"namespaces">["namespaces"];
  const homes = (name: string, changes: Partial<Sandbox> = {}, removed = [FIRST]) =>
    homesOf({ namespaces }, { sandbox: sandboxRecord(name, changes), removed })
      .map((each) => String(each));
  const inside = "docker:c, whatever fails: true";
  const handedOver = [SECOND, { ...FIRST, handOver: true as const }];
  assertEquals(homes("a-name-of-no-namespace"), []);
  assertEquals(homes("docker:c"), [inside]);
  assertEquals(homes("docker:c", { path: "/x" }), [inside]);
  assertEquals(homes("docker:c", {}, handedOver), [inside]);
  assertEquals(homes("docker:c", { path: "/x" }, handedOver), ["host", inside]);
});

Deno.test("no address is held where the kernel refuses the link that asks, for a reason that is no obstacle", () => {
  const harmless = (said: string) => isHarmless(ipCommandError("ip …", said));
  assertEquals(
    ["Device or resource busy", "File exists"].map((said) =>
      harmless(`RTNETLINK answers: ${said}`)
    ),
    [true, true],
  );
  assertEquals(harmless('Cannot find device "eth0"'), true);
  assertEquals(harmless("RTNETLINK answers: Operation not permitted"), false);
  assertEquals(isHarmless(new Error("x")), false);
});
