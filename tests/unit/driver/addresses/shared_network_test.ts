import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { settle } from "../../../../lib/driver/network/settle.ts";
import { settingsFor, takeOver } from "../../../../lib/driver/addresses/shared/network.ts";
import type { NetworkSpec } from "../../../../lib/driver/model/types.ts";

/** A network of another host, as etcd has it. */
const THERE = settingsFor(
  settle({
    name: "n",
    parent: "eth0",
    mode: "l3",
    mtu: 1400,
    subnets: [
      { subnet: "10.0.0.0/24", gateway: "10.0.0.254", ipRange: "10.0.0.128/25" },
      { subnet: "2001:db8::/64", auxAddresses: { printer: "2001:db8::7" } },
    ],
  }).network,
);

function differences(spec: Partial<NetworkSpec>): string {
  const decision = takeOver({ name: "n", ...spec }, THERE);
  assert(!decision.ok);
  return decision.problems.map(({ message }) => message).join("\n");
}

Deno.test("the parent is each host's own, all else is the same", () => {
  assertEquals("parent" in THERE, false);
  const decision = takeOver({ name: "n", parent: "eth1.7" }, THERE);
  assert(decision.ok);
  const { network, problems } = settle(decision.spec);
  assertEquals(problems, []);
  assertEquals([network.parent, settingsFor(network)], ["eth1.7", THERE]);
});

Deno.test("what is said and is the same is no difference", () => {
  const subnets = [
    "2001:DB8:0::/64",
    { subnet: "10.0.0.7/24", gateway: "10.0.0.254", ipRange: "10.0.0.128/25" },
  ];
  assert(takeOver({ name: "n", mode: "l3", mtu: 1400, internal: false, subnets }, THERE).ok);
  // A subnet without a gateway says nothing of it.
  const bare = ["10.0.0.0/24", { subnet: "2001:db8::/64" }];
  assert(takeOver({ name: "n", subnets: bare }, THERE).ok);
  assert(takeOver({ name: "n", subnets: [{ subnet: "10.0.0.0/24" }] }, THERE).ok);
  // A default gateway to which no route leads is on record or not.
  const gateway = { subnet: "2001:db8::/64", gateway: "2001:db8::1" };
  assert(takeOver({ name: "n", subnets: [gateway] }, THERE).ok);
});

Deno.test("each difference is named", () => {
  assertEquals(
    differences({
      mode: "l2",
      flag: "private",
      mtu: 1500,
      internal: true,
      subnets: [
        "192.168.0.0/24",
        { subnet: "10.0.0.0/24", gateway: "10.0.0.1", ipRange: "10.0.0.0/25" },
        { subnet: "2001:db8::/64", auxAddresses: { printer: "2001:db8::8", fax: "2001:db8::9" } },
      ],
    }),
    'The network "n" differs from that of other hosts (' + [
      "the ipvlan mode is l2 here and l3 there",
      "the ipvlan flag is private here and bridge there",
      "the MTU is 1500 here and 1400 there",
      "the internal is true here and false there",
      "the subnet is 192.168.0.0/24 here and 10.0.0.0/24, 2001:db8::/64 there",
      "the gateway of 10.0.0.0/24 is 10.0.0.1 here and 10.0.0.254 there",
      "the range of 10.0.0.0/24 is 10.0.0.0/25 here and 10.0.0.128/25 there",
      "the auxiliary address printer of 2001:db8::/64 is 2001:db8::8 here and 2001:db8::7 there",
      "the auxiliary address fax of 2001:db8::/64 is 2001:db8::9 here and none there",
    ].join("; ") + "): leave these settings out, or use another name",
  );
});

Deno.test("one difference is enough, whichever it is", () => {
  const specs: [Partial<NetworkSpec>, string][] = [
    [{ mtu: 1500 }, "is 1500 here and 1400 there"],
    [{ mode: "l2" }, "is l2 here and l3 there"],
    [
      { subnets: ["10.1.0.0/24"] },
      "the subnet is 10.1.0.0/24 here and 10.0.0.0/24, 2001:db8::/64 there",
    ],
    [
      { subnets: [{ subnet: "10.0.0.0/24", gateway: "10.0.0.9" }] },
      "is 10.0.0.9 here and 10.0.0.254",
    ],
    [
      { subnets: [{ subnet: "10.0.0.0/24", ipRange: "10.0.0.0/28" }] },
      "is 10.0.0.0/28 here and 10",
    ],
  ];
  for (const [spec, text] of specs) assertStringIncludes(differences(spec), text);
});

Deno.test("what is wrong by itself, or in etcd, is said instead", () => {
  assertEquals(
    differences({ subnets: [{ subnet: "10.0.0.0/24", gateway: "10.1.0.1" }] }),
    "Gateway 10.1.0.1 is outside subnet 10.0.0.0/24: give one inside it",
  );
  const ipam = { driver: "etcd", access: { endpoints: ["http://a:1"] } } as const;
  for (const damaged of [{}, { ...THERE, subnets: ["x"] }, { ...THERE, mode: "l9" }]) {
    const decision = takeOver({ name: "n", ipam }, damaged);
    assert(!decision.ok);
    assertEquals(
      decision.problems[0]!.message,
      'The key "/ipvlan/networks/n" in etcd is damaged: put back a backup, or delete it',
    );
  }
});

Deno.test("an option that other hosts have not recorded has its default there", () => {
  const { internal: _, ...there } = THERE;
  assert(takeOver({ name: "n", internal: false }, there).ok);
  assertEquals(takeOver({ name: "n", internal: true }, there).ok, false);
});

Deno.test("an option that other hosts do not have is named with what that means", () => {
  const { mtu: _, ...there } = THERE;
  const decision = takeOver({ name: "n", mtu: 1500, advertise: "subnet" }, there);
  assert(!decision.ok);
  const { message } = decision.problems[0]!;
  assertStringIncludes(message, "(the MTU is 1500 here and the parent's there; ");
  assertStringIncludes(message, "the advertise is subnet here and none there)");
});
