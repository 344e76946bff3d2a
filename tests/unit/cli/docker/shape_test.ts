import { assertEquals, assertMatch } from "@std/assert";
import { printList } from "../../../../lib/cli/docker/list.ts";
import {
  duration,
  inspectedNetwork,
  inspectedSandbox,
  networkFields,
  sandboxFields,
} from "../../../../lib/cli/docker/shape.ts";
import type {
  Network,
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

const among = (networks: readonly Network[]) => (name: string) =>
  networks.find((each) => each.name === name);

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
    ipam(settle({ name: "n", parent: "eth0", subnets: ["192.168.1.0/24"], ...spec }).network);
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
  const shown = inspectedSandbox(seen(sandbox), among(networks), [77, 42]);
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
      .print(inspectedSandbox(changed, among(networks), [])),
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
        "{{.MacAddress}}{{truncate .NetworkID 4}}{{end}}",
    ),
    "192.168.2.9/24 192.168.2.254 fd00::9/64 fd00::1 [www] [c www c.web] web0",
  );
  assertEquals(
    print("{{range .NetworkSettings.Networks}}{{.DefaultRoute}} {{.IPv6DefaultRoute}}, {{end}}"),
    "false false, true false, true true, ",
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
      inspectedSandbox(seen({ ...sandbox, endpoints: [owned] }), among(networks), []),
    ),
    "[db]",
  );
  // What Docker's documentation has for the address.
  assertEquals(
    print("{{range .NetworkSettings.Networks}}{{.IPAddress}}{{.Gateway}} {{end}}"),
    "192.168.1.2 192.168.1.2 192.168.2.9192.168.2.254 ",
  );
  const [web] = networks;
  const raced = inspectedSandbox(seen(sandbox), among([web!]), []);
  assertEquals(new Template("{{len .NetworkSettings.Networks}}").print(raced), "1");
  const down = inspectedSandbox(
    { ...seen(sandbox), endpoints: [], state: "down" },
    among(networks),
    [],
  );
  assertEquals(
    new Template("{{.State.Status}} {{.State.Pid}} {{.HostConfig.NetworkMode}}").print(down),
    "exited 0 none",
  );
});

Deno.test("the JSON of a network and of a sandbox has each field of Docker's", () => {
  const web = network("web", {
    subnets: [{ subnet: "10.0.0.0/24", auxAddresses: { printer: "10.0.0.9" } }],
    labels: { tier: "front" },
  });
  const { id, created } = web;
  const endpoint = { ...endpointOn(web, "c", { ip: "10.0.0.2" }), ip6: "fd00::2/64" };
  const shown = JSON.parse(toJson(inspectedNetwork({ ...web, endpoints: [endpoint] }, [])));
  const { EndpointID } = shown.Containers.c;
  assertEquals(shown, {
    Name: "web",
    Id: id,
    Created: created,
    Scope: "local",
    Driver: "ipvlan",
    EnableIPv4: true,
    EnableIPv6: false,
    IPAM: {
      Driver: "default",
      Options: {},
      Config: [{ Subnet: "10.0.0.0/24", AuxiliaryAddresses: { printer: "10.0.0.9" } }],
    },
    Internal: false,
    Attachable: false,
    Ingress: false,
    ConfigFrom: { Network: "" },
    ConfigOnly: false,
    Options: shown.Options,
    Labels: { tier: "front" },
    Containers: {
      c: {
        Name: "c",
        EndpointID,
        MacAddress: "",
        IPv4Address: "10.0.0.2/24",
        IPv6Address: "fd00::2/64",
        Interface: endpoint.ifname,
      },
    },
    Status: { IPAM: { Subnets: {} } },
  });
  const access = { endpoints: ["https://a:1"] };
  const shared = network("n", {
    subnets: [{ subnet: "fd00::/64", auxAddresses: {} }],
    ipam: { driver: "etcd", access },
  });
  const { IPAM, EnableIPv4, EnableIPv6 } = JSON.parse(
    toJson(inspectedNetwork({ ...shared, endpoints: [] }, [])),
  );
  assertEquals([EnableIPv4, EnableIPv6], [false, true]);
  assertEquals(IPAM, {
    Driver: "etcd",
    Options: { endpoints: "https://a:1" },
    Config: [{ Subnet: "fd00::/64" }],
  });
  const record = { ...sandboxRecord("c"), namespace: "made" as const, endpoints: [endpoint] };
  const inspect = (sandbox: SeenSandbox, ...rest: [pids?: number[], status?: number]) =>
    JSON.parse(toJson(inspectedSandbox(sandbox, among([web]), rest[0] ?? [], rest[1])));
  const sandbox = inspect(seen(record), [12, 7], 3);
  const linkLocals = { linkLocalAddresses: ["169.254.7.1"], gatewayPriority: 2 };
  const more = inspect(seen({ ...record, endpoints: [{ ...endpoint, ...linkLocals }] }));
  const { IPAMConfig, GwPriority } = more.NetworkSettings.Networks.web;
  assertEquals([IPAMConfig, GwPriority], [{ LinkLocalIPs: ["169.254.7.1"] }, 2]);
  assertEquals([sandbox.State, more.State.Pid], [{
    Status: "running",
    Running: true,
    Paused: false,
    Restarting: false,
    OOMKilled: false,
    Dead: false,
    Pid: 7,
    ExitCode: 3,
    Error: "",
  }, 0]);
  assertEquals(more.State.ExitCode, 0);
  const broken = seen(record);
  broken.endpoints[0]!.state = "missing";
  assertEquals(inspect(broken).State.Error, `${endpoint.ifname} on web is missing`);
  assertEquals(inspect({ ...broken, state: "down" }).State.Error, "");
  assertEquals(sandbox.NetworkSettings.Networks.web, {
    IPAMConfig: null,
    Aliases: [],
    NetworkID: id,
    EndpointID,
    Gateway: "",
    IPAddress: "10.0.0.2",
    MacAddress: "",
    GwPriority: 0,
    DefaultRoute: false,
    IPv6DefaultRoute: false,
    IPPrefixLen: 24,
    IPv6Gateway: "",
    GlobalIPv6Address: "fd00::2",
    GlobalIPv6PrefixLen: 64,
    DNSNames: ["c", "c.web"],
    Interface: endpoint.ifname,
  });
  assertEquals([sandbox.HostConfig.NetworkMode, sandbox.HostsPath, sandbox.Name], [
    "web",
    "/etc/netns/c/hosts",
    "/c",
  ]);
});

Deno.test("the fields of a list say which families and which owner there are", () => {
  const fields = networkFields(({ id }) => id);
  const subnets = [{ subnet: "fd00::/64", auxAddresses: {} }];
  const [six, four] = [network("n", { subnets }), network("docker:1")];
  const shown = (each: Network) =>
    ["IPv4", "IPv6", "IPAM", "Owner"].map((name) => fields[name]!(each));
  assertEquals(shown(six), ["false", "true", "default", ""]);
  assertEquals(shown(four), ["true", "false", "default", "docker"]);
  const sandbox = sandboxFields(0);
  const status = (state: SeenSandbox["state"], name = "c") =>
    ["State", "Status", "status", "owner"].map((field) =>
      sandbox[field]!({ ...seen({ ...sandboxRecord(name), endpoints: [] }), state })
    );
  assertEquals(status("up"), ["running", "Up", "up", ""]);
  assertEquals(status("down", "cni:a"), ["exited", "Down", "down", "cni"]);
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
  const [minute, day] = [60_000, 86_400_000];
  const told: [milliseconds: number, text: string][] = [
    [0, "Less than a second"],
    [999, "Less than a second"],
    [1_000, "1 second"],
    [1_999, "1 second"],
    [2_000, "2 seconds"],
    [59_999, "59 seconds"],
    [minute, "About a minute"],
    [2 * minute - 1, "About a minute"],
    [2 * minute, "2 minutes"],
    [59 * minute, "59 minutes"],
    [60 * minute, "About an hour"],
    [90 * minute - 1, "About an hour"],
    [90 * minute, "2 hours"],
    [47 * 60 * minute, "47 hours"],
    [48 * 60 * minute, "2 days"],
    [13 * day, "13 days"],
    [14 * day, "2 weeks"],
    [28 * day, "4 weeks"],
    [59 * day, "8 weeks"],
    [60 * day, "2 months"],
    [90 * day, "3 months"],
    [729 * day, "24 months"],
    [730 * day, "2 years"],
  ];
  for (const [milliseconds, text] of told) assertEquals(duration(milliseconds), text);
});
