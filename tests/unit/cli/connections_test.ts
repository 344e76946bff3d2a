import { assertEquals } from "@std/assert";
import type { IpvlanError } from "../../../lib/base/errors.ts";
import { readTarget, run, type Target } from "../../../lib/cli/commands/run.ts";
import { parseArguments } from "../../../lib/cli/options.ts";

function read(typed: string): { target: Target; problems: string[] } {
  const args = parseArguments("ipvlan run", run, typed.split(" "));
  const problems: IpvlanError[] = [];
  const target = readTarget(args.values("network"), args, problems);
  return { target, problems: problems.map(({ message }) => message) };
}

const IFNAME = "com.docker.network.endpoint.ifname";

const GOOD: [typed: string, target: Target][] = [
  ["--network=a", { connections: [{ network: "a", aliases: [] }] }],
  ["--network=a --network=b --ip=10.0.0.2 --network-alias=x --net-alias y --alias z", {
    connections: [
      { network: "a", ip: "10.0.0.2", aliases: ["z", "x", "y"] },
      { network: "b", aliases: [] },
    ],
  }],
  [`--network name=a,ip=10.0.0.2,ip6=fd00::2,alias=x,alias=y,driver-opt=${IFNAME}=lan0`, {
    connections: [
      { network: "a", ip: "10.0.0.2", ip6: "fd00::2", aliases: ["x", "y"], ifname: "lan0" },
    ],
  }],
  ["--network=a --ip=10.0.0.2 --ip6=fd00::2 --ip=10.0.0.3 --ip6 fd00::3", {
    connections: [{
      ...{ network: "a", ip: "10.0.0.2", ip6: "fd00::2", aliases: [] },
      moreAddresses: ["10.0.0.3", "fd00::3"],
    }],
  }],
  ["--network name=a,ip=10.0.0.2,ip=10.0.0.3", {
    connections: [{ network: "a", ip: "10.0.0.2", moreAddresses: ["10.0.0.3"], aliases: [] }],
  }],
  ["--network=a --network=ip=10.0.0.3,name=b --alias=x", {
    connections: [
      { network: "a", aliases: ["x"] },
      { network: "b", ip: "10.0.0.3", aliases: [] },
    ],
  }],
  [`--network=a --driver-opt ${IFNAME}=lan0`, {
    connections: [{ network: "a", aliases: [], ifname: "lan0" }],
  }],
  ["--network=a --network=name=b,gw-priority=1 --network=name=c,gw-priority=-1 --network d", {
    connections: [
      { network: "a", aliases: [] },
      { network: "b", aliases: [], gatewayPriority: 1 },
      { network: "c", aliases: [], gatewayPriority: -1 },
      { network: "d", aliases: [] },
    ],
  }],
  ["--network=a --link-local-ip=169.254.1.1 --link-local-ip fe80::1", {
    connections: [
      { network: "a", aliases: [], linkLocalAddresses: ["169.254.1.1", "fe80::1"] },
    ],
  }],
  ["--network=name=a,link-local-ip=169.254.1.1,link-local-ip=169.254.1.2", {
    connections: [
      { network: "a", aliases: [], linkLocalAddresses: ["169.254.1.1", "169.254.1.2"] },
    ],
  }],
  ["--network=none", { connections: [] }],
  ["--network=container:c1", { inside: "c1" }],
];

for (const [typed, target] of GOOD) {
  Deno.test(`run ${typed} is read as Docker reads it`, () => {
    assertEquals(read(typed), { target, problems: [] });
  });
}

const refused = (text: string, rule: string) => `The network "${text}" is not valid: ${rule}`;
const WRONG: [typed: string, ...problems: string[]][] = [
  [
    "--network=host",
    refused("host", "it is this machine's own network: run the command without ipvlan"),
  ],
  [
    "--network=none --network=container:c1",
    refused("none", "it does not go with another network"),
    refused("container:c1", "it does not go with another network"),
  ],
  ["--network=ip=10.0.0.3", refused("ip=10.0.0.3", "give its name: name=NETWORK")],
  [
    "--network=name=a,gw",
    refused(
      "name=a,gw",
      "write KEY=VALUE with commas between them; the keys are name, alias, driver-opt, gw-priority, " +
        "ip, ip6, link-local-ip, mac-address, route",
    ),
  ],
  [
    "--network=name=a,ip=10.0.0.2 --ip=10.0.0.2",
    refused("name=a,ip=10.0.0.2", "one of its options is given by an option of run too"),
  ],
  [
    "--network=name=a,gw-priority=high",
    'The gw-priority "high" is not valid: give a whole number from -1000 to 1000',
  ],
  [
    "--network=name=a,gw-priority=1001",
    'The gw-priority "1001" is not valid: give a whole number from -1000 to 1000',
  ],
  [
    "--network=a --driver-opt mtu=1",
    `The driver option "mtu=1" is not valid: an endpoint has only ${IFNAME}=NAME`,
  ],
];

for (const [typed, ...problems] of WRONG) {
  Deno.test(`run ${typed} is refused`, () => {
    assertEquals(read(typed).problems, problems);
  });
}
