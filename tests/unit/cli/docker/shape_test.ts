import { assertEquals, assertMatch } from "@std/assert";
import { printList } from "../../../../lib/cli/docker/list.ts";
import {
  duration,
  inspectedNetwork,
  inspectedSandbox,
  sandboxFields,
} from "../../../../lib/cli/docker/shape.ts";
import type {
  NetworkDetails,
  NetworkSpec,
  NetworkSubnet,
  SandboxDetails,
  SeenSandbox,
} from "../../../../lib/driver/model/types.ts";
import { settle } from "../../../../lib/driver/mod.ts";
import { subnetsOf } from "../../../../lib/driver/model/subnets.ts";
import { Pools } from "../../../../lib/ipam/mod.ts";
import { Template, toJson } from "../../../../lib/template/mod.ts";
import { endpointOn, network, plainEndpoint, sandboxRecord } from "../../../kit/values.ts";

/** The `IPAM.Config` of a network with these changes. */
function ipam(changes: Partial<NetworkDetails>): string {
  const details = { ...network("n", changes), endpoints: [] };
  return new Template("{{json .IPAM.Config}}").print(inspectedNetwork(details, []));
}

/** A sandbox of which the kernel has everything. */
function seen(sandbox: SandboxDetails): SeenSandbox {
  const endpoints = sandbox.endpoints.map((each) => ({
    ...each,
    state: "up" as const,
    changes: [],
  }));
  return { ...sandbox, state: "up", endpoints };
}

Deno.test("inspect shows a gateway that sandboxes have a route to, or that was asked for", () => {
  const given = [{ subnet: "192.168.1.0/24", gateway: "192.168.1.254", auxAddresses: {} }];
  const [plain, shown, other] = ["", ',"Gateway":"192.168.1.1"', ',"Gateway":"192.168.1.254"']
    .map((gateway) => `[{"Subnet":"192.168.1.0/24"${gateway}}]`);
  assertEquals(ipam({}), shown);
  const settled = (spec: Partial<NetworkSpec>) =>
    ipam(settle({ name: "n", parent: "eth0", subnets: ["192.168.1.0/24"], ...spec }, []).network);
  assertEquals(settled({}), shown);
  assertEquals(settled({ mode: "l3" }), plain);
  assertEquals(settled({ mode: "l3s" }), plain);
  assertEquals(settled({ parent: undefined }), plain);
  assertEquals(ipam({ mode: "l3", subnets: given }), other);
  // The user asked for the address that the driver would have chosen.
  const first = [{ subnet: "192.168.1.0/24", gateway: "192.168.1.1" }];
  assertEquals(settled({ mode: "l3", subnets: first }), shown);
  const none = [{ subnet: "192.168.1.0/31", auxAddresses: {} }];
  assertEquals(ipam({ subnets: none }), '[{"Subnet":"192.168.1.0/31"}]');
});

Deno.test("a template can ask for what JSON leaves out", () => {
  const subnets = [{ subnet: "192.168.1.0/24", auxAddresses: {} }];
  const shown = inspectedNetwork({ ...network("n", { subnets }), endpoints: [] }, []);
  const print = (template: string) => new Template(template).print(shown);
  assertEquals(print("{{.IPAM.Config}}"), "[{192.168.1.0/24   map[]}]");
  assertEquals(print("{{range .IPAM.Config}}<{{.Gateway}}>{{end}} {{.ID}}"), `<> ${shown.Id}`);
});

Deno.test("Status counts as Docker 29 does", () => {
  const subnets: NetworkSubnet[] = [
    // As in Docker's own test: network, gateway, two auxiliary ones, broadcast and the endpoint.
    {
      subnet: "10.66.77.0/24",
      ipRange: "10.66.77.4/30",
      gateway: "10.66.77.1",
      auxAddresses: { within: "10.66.77.4", outside: "10.66.77.10" },
    },
    { subnet: "fd00::/120", gateway: "fd00::1", auxAddresses: {} },
    { subnet: "fd01::/48", gateway: "fd01::1", auxAddresses: {} },
    { subnet: "10.9.9.0/31", auxAddresses: {} },
  ];
  const endpoints = [plainEndpoint("c", "n", { ip: "10.66.77.5/24", ip6: "fd00::2/120" })];
  const shown = inspectedNetwork(
    { ...network("n", { subnets }), endpoints },
    Pools.of(subnetsOf(network("n", { subnets })), ["10.66.77.5", "fd00::2"]).usage(),
  );
  assertEquals(
    toJson(shown.Status as never),
    toJson({
      IPAM: {
        Subnets: {
          "10.66.77.0/24": { IPsInUse: 6, DynamicIPsAvailable: 2 },
          "10.9.9.0/31": { IPsInUse: 0, DynamicIPsAvailable: 2 },
          // The anycast address, the gateway and the endpoint: IPv6 has no broadcast.
          "fd00::/120": { IPsInUse: 3, DynamicIPsAvailable: 253 },
          "fd01::/48": { IPsInUse: 2, DynamicIPsAvailable: (1n << 64n) - 1n },
        },
      },
    }),
  );
});

Deno.test("a sandbox is shown as Docker shows a container", () => {
  const networks = [
    network("web", {
      subnets: [
        { subnet: "192.168.1.0/24", gateway: "192.168.1.1", auxAddresses: {} },
        { subnet: "192.168.2.0/24", gateway: "192.168.2.254", auxAddresses: {} },
        { subnet: "fd00::/64", gateway: "fd00::1", auxAddresses: {} },
      ],
    }),
    network("routed", { mode: "l3" }),
    network("alone", { isolated: true }),
  ];
  const sandbox = {
    ...sandboxRecord("c", { labels: { tier: "front" } }),
    endpoints: [
      endpointOn(networks[0]!, "c", { ip: "192.168.2.9", ip6: "fd00::9", aliases: ["www"] }),
      endpointOn(networks[1]!, "c", { ifname: "eth1" }),
      endpointOn(networks[2]!, "c", { ifname: "eth2" }),
    ],
  };
  const shown = inspectedSandbox(seen(sandbox), networks, [77, 42]);
  const print = (template: string) => new Template(template).print(shown);
  assertEquals(print("{{.Name}} {{.Id}} {{.ID}} {{.Created}}"), `/c c c ${sandbox.created}`);
  assertEquals(print("{{.State.Status}} {{.State.Running}} {{.State.Pid}}"), "running true 42");
  assertEquals(print("{{.State.Error}}"), "");
  const changed = seen(sandbox);
  changed.state = "incomplete";
  changed.endpoints[0]!.state = "missing";
  const { ifname, network: first } = changed.endpoints[0]!;
  assertEquals(
    new Template("{{.State.Running}} {{.State.Error}}")
      .print(inspectedSandbox(changed, networks, [])),
    `true ${ifname} on ${first} is missing`,
  );
  assertEquals(print('{{.Config.Labels.tier}} {{index .Config.Labels "no"}}.'), "front .");
  assertEquals(
    print("{{.HostConfig.NetworkMode}} {{.NetworkSettings.SandboxKey}}"),
    "web /run/netns/c",
  );
  assertEquals(
    print(
      "{{with .NetworkSettings.Networks.web}}{{.IPAddress}}/{{.IPPrefixLen}} {{.Gateway}} " +
        "{{.GlobalIPv6Address}}/{{.GlobalIPv6PrefixLen}} {{.IPv6Gateway}} {{.Aliases}} {{.DNSNames}} " +
        "{{.MacAddress}}{{slice .NetworkID 0 4}}{{end}}",
    ),
    "192.168.2.9/24 192.168.2.254 fd00::9/64 fd00::1 [www] [c www c.web] web0",
  );
  const [here, there] = [
    print("{{.NetworkSettings.Networks.web.EndpointID}}"),
    new Template("{{.Containers.c.EndpointID}}").print(
      inspectedNetwork({ ...networks[0]!, endpoints: [sandbox.endpoints[0]!] }, []),
    ),
  ];
  assertMatch(here, /^[0-9a-f]{64}$/);
  assertEquals(here, there);
  // The name of an engine's sandbox is an id, by which nobody finds it.
  const owned = endpointOn(networks[0]!, "docker:1", { aliases: ["db"] });
  assertEquals(
    new Template("{{.NetworkSettings.Networks.web.DNSNames}}").print(
      inspectedSandbox(seen({ ...sandbox, endpoints: [owned] }), networks, []),
    ),
    "[db]",
  );
  // What Docker's documentation has for the address.
  assertEquals(
    print("{{range .NetworkSettings.Networks}}{{.IPAddress}}{{.Gateway}} {{end}}"),
    "192.168.1.2 192.168.1.2 192.168.2.9192.168.2.254 ",
  );
  const [web] = networks;
  const raced = inspectedSandbox(seen(sandbox), [web!], []);
  assertEquals(new Template("{{len .NetworkSettings.Networks}}").print(raced), "1");
  const down = inspectedSandbox({ ...seen(sandbox), endpoints: [], state: "down" }, networks, []);
  assertEquals(
    new Template("{{.State.Status}} {{.State.Pid}} {{.HostConfig.NetworkMode}}").print(down),
    "exited 0 none",
  );
});

Deno.test("a sandbox is listed with Docker's fields, whose headers are their names", () => {
  const sandbox = seen({ ...sandboxRecord("c"), endpoints: [] });
  const rows: string[] = [];
  const template = new Template(
    '{{.ID}}|{{.CreatedAt}}|{{.RunningFor}}|{{.LocalVolumes}}|{{.Label "a.b_c"}}',
  );
  printList([sandbox], { kind: "rows", template }, {
    key: ({ name }) => name,
    fields: sandboxFields(Date.parse(sandbox.created) + 7_200_000),
    headers: { ID: "SANDBOX ID", RunningFor: "CREATED" },
  }, (text) => rows.push(...text.split("\n")));
  assertEquals(rows, [
    "SANDBOX ID|CREATED AT|CREATED|LOCAL VOLUMES|b c",
    `c|${sandbox.created}|2 hours ago|0|`,
  ]);
});

Deno.test("a length of time is told as Docker tells it", () => {
  const minute = 60_000;
  const told: [milliseconds: number, text: string][] = [
    [0, "Less than a second"],
    [1_500, "1 second"],
    [59_999, "59 seconds"],
    [minute, "About a minute"],
    [59 * minute, "59 minutes"],
    [60 * minute, "About an hour"],
    [47 * 60 * minute, "47 hours"],
    [48 * 60 * minute, "2 days"],
    [20 * 24 * 60 * minute, "2 weeks"],
    [100 * 24 * 60 * minute, "3 months"],
    [800 * 24 * 60 * minute, "2 years"],
  ];
  for (const [milliseconds, text] of told) assertEquals(duration(milliseconds), text);
});
