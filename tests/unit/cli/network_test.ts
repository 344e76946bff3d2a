import { assertEquals } from "@std/assert";
import { create as command, readNetworkSpec } from "../../../lib/cli/commands/network.ts";
import { DRIVER_OPTIONS } from "../../../lib/driver/model/options.ts";
import { parseArguments } from "../../../lib/cli/options.ts";
import { assertThrowsError } from "../../kit/errors.ts";

function read(...typed: string[]) {
  return readNetworkSpec("n", parseArguments("ipvlan network create", command, [...typed, "n"]));
}

Deno.test("options of the command line become a network, each in the subnet that contains it", () => {
  assertEquals(
    read(
      ...["--subnet=192.168.140.0/24", "--subnet=2001:db8:abc9::/64"],
      ...["--gateway=2001:db8:abc9::22", "--ip-range=192.168.140.128/25"],
      ...["--aux-address=printer=192.168.140.7", "--label=stage=test", "--ipv6"],
      ...["-o", "parent=eth0.140", "-o", "ipvlan_mode=l3", "-o", "mtu=1400"],
    ),
    {
      spec: {
        name: "n",
        parent: "eth0.140",
        mode: "l3",
        mtu: 1400,
        ipv6: true,
        subnets: [
          {
            subnet: "192.168.140.0/24",
            ipRange: "192.168.140.128/25",
            auxAddresses: { printer: "192.168.140.7" },
          },
          { subnet: "2001:db8:abc9::/64", gateway: "2001:db8:abc9::22" },
        ],
        labels: { stage: "test" },
      },
      problems: [],
    },
  );
});

Deno.test("an option of the driver's that is typed as one of the command is pointed out", () => {
  for (
    const [typed, meant] of [
      [["--parent", "eth0"], "-o parent=eth0"],
      [["--parnt=eth0"], "-o parent=eth0"],
      [["-parent", "eth0"], "-o parent=eth0"],
      [["--mtu", "1400"], "-o mtu=1400"],
      [["--parent", "--internal"], "-o parent="],
      [["--subnett=10.0.0.0/8"], "--subnet"],
    ] as const
  ) {
    assertThrowsError(() => read(...typed), "usage", `(did you mean "${meant}"?)`);
  }
});

Deno.test("a family that is switched off is another thing than one that is left out", () => {
  assertEquals([read().spec.ipv4, read().spec.ipv6], [undefined, undefined]);
  const { spec } = read("--ipv4=false", "--ipv6=false");
  assertEquals([spec.ipv4, spec.ipv6], [false, false]);
  assertEquals(read("--ipv4", "--ipv6").spec.ipv6, true);
});

Deno.test("options with only one value, or without an effect, change nothing", () => {
  const usual = ["--attachable", "--scope", "local", "--ipam-driver=default", "-d", "ipvlan"];
  assertEquals(read(...usual), read());
});

Deno.test("all words that cannot be read are reported at once", () => {
  const { problems } = read(
    ...[
      "--driver=bridge",
      "--scope=swarm",
      "--ipam-driver=host-local",
      "--subnet=10.0.0.0/24",
      "--gateway=10.0.1.1",
      "--aux-address=printer",
    ],
    ...["--gateway=10.0.0.1", "--gateway=10.0.0.2", "--label==x", "-o", "nope=1"],
  );
  assertEquals(problems.map(({ message }) => message), [
    'The driver "bridge" is not valid: only ipvlan is here',
    'The scope "swarm" is not valid: a network is one machine\'s, so write local or leave it out',
    `The driver option "nope=1" is not valid: choose one of ${DRIVER_OPTIONS.join(", ")}`,
    'The auxiliary address "printer" is not valid: write NAME=VALUE',
    'The label "=x" is not valid: write NAME=VALUE',
    "Gateway 10.0.1.1 is outside subnet 10.0.0.0/24: give one inside it",
    "Subnet 10.0.0.0/24 has more than one gateway (10.0.0.1, 10.0.0.2): give only one",
    'The ipam-driver "host-local" is not valid: choose one of default, etcd, dhcp',
  ]);
});

Deno.test("the IPAM driver dhcp stands for an option of the network, which says how long to wait", () => {
  const given = (...words: string[]) => {
    const { spec, problems } = read("--ipam-driver=dhcp", ...words);
    return [spec.dhcp, spec.ipam, problems];
  };
  assertEquals(given(), [10, undefined, []]);
  assertEquals(given("-o", "dhcp=30"), [30, undefined, []]);
});

Deno.test("the IPAM driver etcd has options, and no other one has", () => {
  const shared = read("--ipam-driver=etcd", "--ipam-opt=endpoints=http://a:1,http://b:1");
  assertEquals([shared.spec.ipam, shared.problems], [
    { driver: "etcd", access: { endpoints: ["http://a:1", "http://b:1"] } },
    [],
  ]);
  const wrong = read("--ipam-driver=etcd", "--ipam-opt=nope=1");
  assertEquals([wrong.spec.ipam, wrong.problems.length > 0], [undefined, true]);
  const { spec, problems } = read("--ipam-opt=password=Secret7");
  assertEquals([spec.ipam, problems.map(({ message }) => message)], [undefined, [
    'The ipam-opt "password" is not valid: it is for --ipam-driver etcd: give that too, or leave it ' +
    "out",
  ]]);
});
