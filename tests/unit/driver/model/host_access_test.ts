import { assertEquals } from "@std/assert";
import { endpointSteps } from "../../../../lib/driver/endpoint/steps.ts";
import { hostLink, hostNames } from "../../../../lib/driver/model/host_access.ts";
import { networkSteps } from "../../../../lib/driver/network/decide.ts";
import { endpointRecord, network } from "../../../kit/values.ts";

const SUBNETS = ["10.1.0.0/24", "fd01::/64"].map((subnet) => ({ subnet, auxAddresses: {} }));
const NET = network("lan", { parent: "eth0.20", hostAccess: true, subnets: SUBNETS });
const C1 = endpointRecord("c1", NET, { ip: "10.1.0.5", ip6: "fd01::5" });
const MAC = "02:00:00:00:00:01";

Deno.test("a network with host access has a link in the host, which comes up when it heeds no router", () => {
  const steps = networkSteps(NET, []).slice(2);
  assertEquals(steps.map(({ line, undo }) => [line, undo?.line]), [
    [
      "link add link eth0.20 name h-eth0.20 group 6910070 type ipvlan mode l2 bridge",
      "link del dev h-eth0.20",
    ],
    ["link set dev h-eth0.20 addrgenmode none", undefined],
    ["link set dev h-eth0.20 up", undefined],
    [
      "addr add 169.254.77.1/32 dev h-eth0.20 scope link noprefixroute",
      "addr del 169.254.77.1/32 dev h-eth0.20",
    ],
    [
      "addr add fd69:7076:6c61:6e00::1/128 dev h-eth0.20 nodad noprefixroute",
      "addr del fd69:7076:6c61:6e00::1/128 dev h-eth0.20",
    ],
  ]);
  assertEquals(steps[2]!.settings, ["net/ipv6/conf/h-eth0.20/accept_ra=0"]);
});

Deno.test("a second network on the parent shares the link, and adds only the address it needs", () => {
  const other = network("v4", {
    parent: "eth0.20",
    hostAccess: true,
    subnets: SUBNETS.slice(0, 1),
  });
  const lines = networkSteps(NET, [], [other]).slice(2).map(({ line }) => line);
  assertEquals(lines, ["addr add fd69:7076:6c61:6e00::1/128 dev h-eth0.20 nodad noprefixroute"]);
  assertEquals(networkSteps(other, [], [NET]).slice(2), []);
});

Deno.test("an endpoint has routes both ways, and in L2 mode neighbours that spare the questions", () => {
  const added = (mode: "l2" | "l3") => {
    const lines = (hostAccess: boolean) =>
      endpointSteps({ ...NET, mode, hostAccess }, C1, "none", undefined, MAC)
        .map(({ netns, line }) => `${String(netns ?? "host")}: ${line}`);
    return lines(true).filter((line) => !lines(false).includes(line));
  };
  const routes = [
    "host: route replace 10.1.0.5/32 dev h-eth0.20 src 169.254.77.1 metric 116 proto 2",
    "host: route replace fd01::5/128 dev h-eth0.20 src fd69:7076:6c61:6e00::1 metric 116 proto 2",
  ];
  const back = [
    "c1: route add 169.254.77.1/32 dev eth0",
    "c1: route add fd69:7076:6c61:6e00::1/128 dev eth0",
  ];
  assertEquals(added("l3"), [...routes, ...back]);
  assertEquals(added("l2"), [
    routes[0],
    `host: neigh replace 10.1.0.5 dev h-eth0.20 lladdr ${MAC} nud permanent`,
    routes[1],
    `host: neigh replace fd01::5 dev h-eth0.20 lladdr ${MAC} nud permanent`,
    ...back,
    `c1: neigh replace 169.254.77.1 dev eth0 lladdr ${MAC} nud permanent`,
    `c1: neigh replace fd69:7076:6c61:6e00::1 dev eth0 lladdr ${MAC} nud permanent`,
  ]);
  // With several addresses, the host has a route to each, and the sandbox those of each family once.
  const more = { ...C1, moreAddresses: ["10.1.0.6", "fd01::6"] };
  const lines = (record: typeof C1) =>
    endpointSteps(NET, record, "none", undefined, MAC).map(({ line }) => line)
      .filter((line) => /^(route|neigh)/.test(line));
  const others = lines(more).filter((line) => !lines(C1).includes(line));
  assertEquals(others.length, 4);
  assertEquals(
    others.every((line) => /^(route|neigh) replace (10.1.0.6|fd01::6)\b/.test(line)),
    true,
  );
  assertEquals(lines(more).length, lines(C1).length + 4);
});

Deno.test("the host's link has a name that a link can have, and the host a name in each family", () => {
  assertEquals(["eth0", "enp0s31f6.4094"].map(hostLink), ["h-eth0", "h-np0s31f6.4094"]);
  assertEquals(hostNames({ ...NET, hostAccess: false }), []);
  assertEquals(hostNames({ ...NET, subnets: SUBNETS.slice(1) }), [
    { address: "fd69:7076:6c61:6e00::1", names: ["host.internal"] },
  ]);
});
