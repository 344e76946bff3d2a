import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Driver } from "../../lib/driver/mod.ts";
import { ipvlan, runJob, succeeds } from "../kit/command.ts";
import { inEnv, run } from "../kit/processes.ts";
import { commandHost, temporaryFolder } from "../kit/worlds.ts";

/** A guide's line, as its reader has it after `sed s/docker/ipvlan/`. */
const GUIDE = [
  "network create -d ipvlan --subnet=192.168.1.0/24 --gateway=192.168.1.1 -o ipvlan_mode=l2 -o parent=eth0 db_net",
  "network rm db_net",
  "network create -d ipvlan --subnet=192.168.1.0/24 -o parent=eth0 db_net_ipv",
  "network create -d ipvlan --subnet=192.168.10.0/24 isolated1",
  "network create -d ipvlan --subnet=192.168.11.0/24 --internal isolated2",
  "network create -d ipvlan isolated3",
  "network create -d ipvlan --subnet=192.168.20.0/24 --gateway=192.168.20.1 -o parent=eth0.20 ipvlan20",
  "network create -d ipvlan --subnet=192.168.30.0/24 --gateway=192.168.30.1 -o parent=eth0.30 -o ipvlan_mode=l2 ipvlan30",
  "network create -d ipvlan --subnet=192.168.114.0/24 --subnet=192.168.116.0/24 --gateway=192.168.114.254 --gateway=192.168.116.254 -o parent=eth0.114 -o ipvlan_mode=l2 ipvlan114",
  "network create -d ipvlan --subnet=192.168.214.0/24 --subnet=10.1.214.0/24 -o ipvlan_mode=l3 ipnet210",
  "network create -d ipvlan --subnet=2001:db8:abc2::/64 --gateway=2001:db8:abc2::22 -o parent=eth0.139 v6ipvlan139",
  "network create -d ipvlan --subnet=192.168.140.0/24 --subnet=192.168.142.0/24 --gateway=192.168.140.1 --gateway=192.168.142.1 --subnet=2001:db8:abc9::/64 --gateway=2001:db8:abc9::22 -o parent=eth0.140 -o ipvlan_mode=l2 ipvlan140",
  "network rm db_net_ipv",
  "network create -d ipvlan --subnet=192.168.110.0/24 --subnet=192.168.112.0/24 --subnet=2001:db8:abc6::/64 -o parent=eth0 -o ipvlan_mode=l3 ipnet110",
  "network create -d ipvlan --subnet=192.168.40.0/24 --gateway=192.168.40.1 -o parent=eth0.40 ipvlan40",
];

Deno.test("every network line of the guide works as it stands", async () => {
  await using host = await commandHost();
  const before = await host.dump();
  for (const line of GUIDE) {
    const { status, out, err } = await ipvlan(...line.split(" "));
    assertEquals([line, status], [line, 0]);
    // Whoever has forgotten the parent is told what the network is without one.
    const isIsolated = /^network create (?!.*(parent=|--internal))/.test(line);
    const name = line.split(" ").at(-1);
    const notice =
      `ipvlan: The network "${name}" has no parent, so it is isolated, on the dummy link ` +
      `di-${out.slice(0, 12)}: give it one with -o parent=LINK, or --internal if that is meant`;
    assertEquals(err, isIsolated ? notice : "");
    assertMatch(out, line.startsWith("network rm") ? /^\w+$/ : /^[0-9a-f]{64}$/);
  }
  const { out } = await ipvlan("network", "ls", "-q");
  assertEquals(out.split("\n").length, 11);
  const { out: full } = await ipvlan("network", "ls", "-q", "--no-trunc");
  for (const [index, id] of full.split("\n").entries()) {
    assertMatch(id, /^[0-9a-f]{64}$/);
    assertEquals(id.slice(0, 12), out.split("\n")[index]);
  }
  assertEquals((await ipvlan("network", "rm", ...out.split("\n"))).status, 0);
  assertEquals(await host.dump(), before);
});

Deno.test("inspect prints what scripts written for Docker read", async () => {
  await using host = await commandHost();
  await ipvlan(
    ...["network", "create", "-d", "ipvlan", "--subnet", "192.168.20.0/24", "--ipv6"],
    ...["--subnet", "2001:db8:20::/64", "--ip-range", "192.168.20.128/25", "--label", "a=b"],
    ...["--aux-address", "router=192.168.20.9", "-o", "parent=eth0.20", "-o", "mtu=1400", "web"],
  );
  await ipvlan("run", "-d", "--net", "web", "--name", "c1");
  const { out } = await ipvlan("network", "inspect", "web");
  const [network] = JSON.parse(out);
  assertEquals(network.Name, "web");
  assertEquals(network.Driver, "ipvlan");
  assertEquals(network.EnableIPv6, true);
  assertEquals(network.Internal, false);
  assertEquals(network.IPAM.Config, [
    {
      Subnet: "192.168.20.0/24",
      IPRange: "192.168.20.128/25",
      Gateway: "192.168.20.1",
      AuxiliaryAddresses: { router: "192.168.20.9" },
    },
    { Subnet: "2001:db8:20::/64", Gateway: "2001:db8:20::1" },
  ]);
  assertEquals(network.Containers.c1.IPv4Address, "192.168.20.128/24");
  assertEquals(network.Options, {
    ...{ parent: "eth0.20", ipvlan_mode: "l2", ipvlan_flag: "bridge", mtu: "1400" },
  });
  assertEquals(network.Labels, { a: "b" });
  assertEquals(network.Status.IPAM.Subnets, {
    // The network's own address, the gateway, the auxiliary address, c1 and the broadcast address.
    "192.168.20.0/24": { IPsInUse: 5, DynamicIPsAvailable: 126 },
    "2001:db8:20::/64": { IPsInUse: 3, DynamicIPsAvailable: 2 ** 64 - 1 },
  });
  assertEquals((await ipvlan("rm", "c1")).status, 0);
  assertEquals((await ipvlan("network", "prune", "--force")).out, "Deleted Networks:\nweb");
  assertEquals((await host.ip.link.show()).some(({ name }) => name === "eth0.20"), false);
});

/** An `ip` that does not delete `eth0.20`: it runs another line, which the kernel refuses. */
const STUBBORN_IP = `#!/bin/sh
PATH=\${PATH#*:}
sed 's,^link del dev eth0.20$,addr del 192.0.2.1/32 dev lo,' | ip "$@"
`;

Deno.test("network prune goes on after a failure, and prints what it removed and what it could not", async () => {
  await using host = await commandHost();
  for (const id of [10, 20, 30]) {
    await succeeds("network", "create", "-o", `parent=eth0.${id}`, `n${id}`);
  }
  {
    await using folder = await temporaryFolder();
    await Deno.writeTextFile(`${folder.path}/ip`, STUBBORN_IP, { mode: 0o755 });
    using _path = inEnv("PATH", `${folder.path}:${Deno.env.get("PATH")}`);
    using _transport = inEnv("IPVLAN_TRANSPORT", "ip");
    const { status, out, err } = await ipvlan("network", "prune", "--force");
    assertEquals([status, out], [1, "Deleted Networks:\nn10\nn30"]);
    assertMatch(
      err,
      /^ipvlan: The network "n20" could not be removed: .* \(ip link del dev eth0\.20\)$/,
    );
  }
  assertEquals(await succeeds("network", "prune", "--force"), "Deleted Networks:\nn20");
  assertEquals((await host.ip.link.show()).filter(({ name }) => name.includes(".")), []);
});

/** The lines of a program that was written for Docker, and what it prints here. */
const TEMPLATES: [words: string[], out: string][] = [
  [
    ["inspect", "-f", "{{.Name}} {{.State.Status}} {{.Config.Labels.no}}", "c1"],
    "/c1 running <no value>",
  ],
  [
    [
      ...[
        "inspect",
        "--format={{range .NetworkSettings.Networks}}{{.IPAddress}}/{{.IPPrefixLen}} {{end}}",
      ],
      ...["c1", "c2"],
    ],
    "10.2.0.2/24 192.168.20.9/24 \n10.1.0.2/24 ",
  ],
  [["inspect", "-f", "{{(index .NetworkSettings.Networks `web`).Aliases}}", "c1"], "[www]"],
  [["inspect", "--type", "network", "-f", "{{.Driver}} {{.Scope}}", "web"], "ipvlan local"],
  // A template that fits one of several prints that one.
  [["inspect", "-f", "{{len .Containers}}", "web", "c2"], "1"],
  [["network", "inspect", "-f", "{{range .IPAM.Config}}{{.Subnet}}{{end}}", "l3"], "10.1.0.0/24"],
  [[
    "network",
    "inspect",
    "-f",
    "{{range $id, $c := .Containers}}{{$id}} {{$c.IPv4Address}}{{end}}",
    "web",
  ], "c1 192.168.20.9/24"],
  [
    ["network", "ls", "--format", "{{.Name}}: {{.Driver}} {{.Subnets}}"],
    "alone: ipvlan 10.2.0.0/24\nl3: ipvlan 10.1.0.0/24\nweb: ipvlan 192.168.20.0/24",
  ],
  [
    ["ps", "--format", String.raw`table {{.Names}}\t{{.State}}\t{{.Networks}}`],
    "NAMES   STATE     NETWORKS\nc1      running   web,alone\nc2      running   l3",
  ],
  [["ps", "--format", "{{json .Names}}"], '"c1"\n"c2"'],
];

Deno.test("inspect, network ls and ps print by Docker's templates, and no gateway that is not there", async () => {
  await using _host = await commandHost();
  try {
    await succeeds("network", "create", "--subnet=192.168.20.0/24", "-o", "parent=eth0.20", "web");
    await succeeds(
      "network",
      "create",
      "--subnet=10.1.0.0/24",
      "-o",
      "parent=eth0.30",
      "-o",
      "ipvlan_mode=l3",
      "l3",
    );
    await succeeds("network", "create", "--internal", "--subnet=10.2.0.0/24", "alone");
    await succeeds(
      "run",
      "-d",
      "--net=web",
      "--ip=192.168.20.9",
      "--alias=www",
      "--name=c1",
      "sleep",
      "60",
    );
    await succeeds("network", "connect", "alone", "c1");
    await succeeds("run", "-d", "--net=l3", "--name=c2");
    for (const [words, expected] of TEMPLATES) {
      assertEquals([words, (await ipvlan(...words)).out], [words, expected]);
    }
    const [c1, c2, web, alone, l3] = JSON.parse(
      await succeeds("inspect", "c1", "c2", "web", "alone", "l3"),
    );
    const gateways = (
      { NetworkSettings: { Networks } }: {
        NetworkSettings: { Networks: Record<string, { Gateway: string }> };
      },
    ) => Object.entries(Networks).map(([name, { Gateway }]) => [name, Gateway]);
    assertEquals(gateways(c1), [["alone", ""], ["web", "192.168.20.1"]]);
    assertEquals(gateways(c2), [["l3", ""]]);
    assertEquals([web, alone, l3].map(({ IPAM }) => IPAM.Config), [
      [{ Subnet: "192.168.20.0/24", Gateway: "192.168.20.1" }],
      [{ Subnet: "10.2.0.0/24" }],
      [{ Subnet: "10.1.0.0/24" }],
    ]);
    const vias = async (name: string) =>
      (await run("ip", "-n", name, "route", "show", "default")).stdout.match(/via \S+/g) ?? [];
    assertEquals([await vias("c1"), await vias("c2")], [["via 192.168.20.1"], []]);
    assertEquals(Deno.readTextFileSync(`/proc/${c1.State.Pid}/comm`), "sleep\n");
    assertEquals(c2.State.Pid, 0);
  } finally {
    await ipvlan("rm", "-f", "c1", "c2");
    await ipvlan("network", "rm", "web", "alone", "l3");
  }
});

/** A command that is refused: its words, its exit status, and what it says. */
type Refusal = [words: string, status: number, ...says: string[]];

const create = "network create -o parent=eth0 --subnet=10.9.0.0/24";
const REFUSALS: Refusal[] = [
  ["network create", 2, "Missing argument: ipvlan network create [OPTIONS] NETWORK"],
  [`${create} --nope n`, 2, "There is no option --nope"],
  [`${create} --subnet= n`, 2, "The option --subnet needs a value"],
  [`${create} --dry-run=no n`, 2, 'The option --dry-run takes true or false, not "no"'],
  [`${create} --internal=off n`, 2, 'The option --internal takes true or false, not "off"'],
  [`${create} --no-ipv6 n`, 2, "There is no option --no-ipv6"],
  [`${create} --toString n`, 2, "There is no option --toString"],
  ["rm -fname=x c1", 2, 'There is no option -n, as in "-fname=x"'],
  ["network creat n", 2, 'There is no command "network creat" (did you mean "network create"?)'],
  ["netwrok ls", 2, 'There is no command "netwrok" (did you mean "network ls"?)'],
  ["netwrok", 2, 'There is no command "netwrok" (did you mean "network"?)'],
  ["create n", 2, 'The command "create" has no use here: ipvlan run -d without'],
  ["prune", 2, 'There is no command "prune" (did you mean "network prune"?)'],
  ["networks", 2, 'There is no command "networks" (did you mean "network'],
  ["--verson", 2, 'There is no command "--verson" (did you mean "--version"?)'],
  ["help creat", 2, 'There is no command "creat"'],
  ["diff", 1, "Missing argument: ipvlan diff [OPTIONS] FILE"],
  ["diff --nope x.yaml", 1, "There is no option --nope"],
  ["diff x.yaml y.yaml", 1, 'Too many arguments, from "y.yaml" on'],
  ["diff /no/such/file.yaml", 1, "There is no such file"],
  ["diff /etc/passwd", 1, "/etc/passwd"],
  ["apply", 2, "Missing argument: ipvlan apply [OPTIONS] FILE"],
  ["network create -d macvlan n", 1, 'The driver "macvlan" is not valid'],
  [`${create} -o colour=red n`, 1, 'The driver option "colour=red" is not valid'],
  [`${create} -o ipvlan_flg=private n`, 1, '(did you mean "ipvlan_flag"?)'],
  [`${create} -o parent n`, 1, 'The driver option "parent" is not valid: write NAME=VALUE'],
  [`${create} -o ipvlan_mode=l4 n`, 1, 'The ipvlan mode "l4" is not valid'],
  [`${create} -o ipvlan_flag=x n`, 1, 'The ipvlan flag "x" is not valid'],
  [`${create} -o mtu=big n`, 1, 'The MTU "big" is not valid'],
  [`${create} -o mtu=9000 n`, 1, 'The MTU "9000" is not valid'],
  ["network create -o parent=lo n", 1, 'The link "lo" cannot be a parent'],
  ["network create -o parent=eth7 n", 1, 'There is no link "eth7"'],
  ["network create -o parent=eth7.20 n", 1, 'There is no link "eth7"'],
  ["network create -o parent=eth0.0 n", 1, "the VLAN id 0 is not from 1 to 4094"],
  ["network create -o parent=eth0.4095 n", 1, "the VLAN id 4095 is not from 1 to 4094"],
  ["network create --subnet=10.9.0.0 n", 1, 'Invalid prefix "10.9.0.0"'],
  ["network create --subnet=10.9.0.0/33 n", 1, 'Invalid prefix "10.9.0.0/33"'],
  ["network create --subnet=10.9.0.0/24 --subnet=10.9.0.0/25 n", 1, "overlaps"],
  [`${create} --gateway=10.8.0.1 n`, 1, "Gateway 10.8.0.1 is outside"],
  [`${create} --gateway=10.9.0.255 n`, 1, "Gateway 10.9.0.255 is the broadcast address"],
  [`${create} --gateway=10.9.0.x n`, 1, 'Invalid address "10.9.0.x"'],
  [`${create} --ip-range=10.8.0.0/25 n`, 1, "Ip-range 10.8.0.0/25 is outside"],
  [`${create} --aux-address=10.9.0.4 n`, 1, 'The auxiliary address "10.9.0.4" is not valid'],
  [`${create} --aux-address=a=10.8.0.4 n`, 1, "Auxiliary address 10.8.0.4 is outside"],
  [`${create} --ipv6 n`, 1, "is to have IPv6, but has no IPv6 subnet"],
  [`${create} a/b`, 1, 'The network name "a/b" is not valid'],
  [`${create} ../n`, 1, 'The network name "../n" is not valid'],
  [`${create} -- --`, 1, 'The network name "--" is not valid'],
  [`${create} ${"n".repeat(64)}`, 1, "it is longer than 63 characters"],
  [`${create} taken`, 1, "network with name taken already exists"],
  [
    `${create} -o ipvlan_mode=l3 taken`,
    1,
    "network with name taken already exists",
    'The parent "eth0" is used with mode l2',
  ],
  [
    "network create -o parent=eth0 --subnet=10.20.0.0/16 n",
    1,
    "10.20.0.0/16, and 10.20.1.0/24 of network",
  ],
  ["network rm nope", 1, "network nope not found"],
  ["network rm takne", 1, 'network takne not found (did you mean "taken"?)'],
  ["network rm taken", 1, 'network taken has active endpoints (name:"c1")'],
  ["network inspect nope", 1, "network nope not found"],
  ["network prune", 2, "Not a terminal, so cannot ask: use --force"],
  ["network ls --filter colour=red", 1, 'The filter "colour=red" is not valid'],
  ["network ls --format yaml", 1, 'The format "yaml" is not valid'],
  ["network connect taken c1", 1, "endpoint with name c1 already exists in network taken"],
  ["network connect taken c2", 1, 'There is no sandbox "c2" (No such container: c2): see which'],
  ["network connect nope c1", 1, "network nope not found"],
  ["network connect taken nope", 1, 'There is no sandbox "nope"'],
  ["network disconnect taken nope", 1, 'There is no sandbox "nope"'],
  ["network disconnect other c1", 1, "is not connected to"],
  ["network connect other c1 --ip 10.20.1.9", 1, "is outside"],
  ["network connect other c1 --ip 10.30.1.1", 1, "gateway"],
  ["network connect other c1 --ip 10.30.1.255", 1, "broadcast"],
  ["network connect other c1 --ip6 2001:db8::1", 1, "2001:db8::1"],
  ["network connect other c1 --ip fd00::1", 1, 'The IPv4 address "fd00::1" is not valid'],
  ["network connect other c1 --mac-address 02:00:00:00:00:01", 1, "every ipvlan link has"],
  ["network connect other c1 --ifname eth0", 1, 'has a link "eth0" already'],
  ["network connect other c1 --ifname a/b", 1, 'The link name "a/b" is not valid'],
  ["network connect other c1 --alias a.b/c", 1, 'The alias name "a.b/c" is not valid'],
  ["run --net taken", 125, "Missing argument: COMMAND"],
  ["run true", 125, "Missing option: --net NETWORK"],
  ["run --nope --net taken true", 125, "There is no option --nope"],
  ["run --net nope true", 125, "network nope not found"],
  ["run --net taken --ip 10.20.1.2 true", 125, "10.20.1.2"],
  ["run --net taken --name c1 true", 125, 'The sandbox name "c1" is already in use'],
  ["run --net taken --name 123 true", 125, 'The sandbox name "123" is not valid'],
  ["run --net taken --name other-ns true", 125, "is not a sandbox of this driver"],
  ["run --net taken no-such-command", 127, "it is not on PATH"],
  ["run --net taken /etc/passwd", 126, "it is not an executable file"],
  ["run --net taken -w /no/such true", 126, 'there is no folder "/no/such"'],
  ["exec -w /etc/passwd c1 true", 126, 'there is no folder "/etc/passwd"'],
  ["exec nope true", 1, 'There is no sandbox "nope"'],
  ["exec c1 no-such-command", 127, "it is not on PATH"],
  ["inspect nope", 1, 'There is no network or sandbox "nope"'],
  ["inspect takne", 1, '"takne" (did you mean "taken"?)'],
  ["inspect --type container taken", 1, 'There is no sandbox "taken"'],
  ["inspect --type network c1", 1, "network c1 not found"],
  ["inspect --type image c1", 1, 'The type "image" is not valid'],
  ["inspect -f {{.Nope}} c1", 1, "at <.Nope>: can't evaluate field Nope"],
  [
    "network inspect -f {{.Name taken",
    1,
    "template parsing error: template: :1:2: unclosed action",
  ],
  ["network inspect -f yaml taken", 1, 'The format "yaml" is not valid'],
  ["network ls --format {{nope}}", 1, 'function "nope" not defined'],
  ["ps --format {{.Nope}}", 1, "can't evaluate field Nope"],
  ["rm nope", 1, 'There is no sandbox "nope"'],
  ["attach taken", 2, "Give one of these options: --pid PID, --netns NAME|PATH"],
  ["attach taken --pid 1 --netns x", 2, "Give one of these options: --pid PID, --netns NAME|PATH"],
  ["attach taken --netns other-ns --name x", 2, "--name does not go with --netns other-ns"],
  ["attach taken --pid 1", 1, "its network namespace is that of the host itself"],
  ["attach taken --pid none", 1, 'The process id "none" is not valid'],
  ["attach taken --pid 4194999", 1, "The network namespace of process 4194999 cannot be used"],
  ["attach taken --netns /proc/4194999/ns/net", 1, "The network namespace of process 4194999"],
  ["attach taken --netns /no/such", 1, 'The namespace "/no/such" is not valid: there is no such'],
  ["attach taken --netns /etc/passwd", 1, '"/etc/passwd" is not valid: it is not a namespace'],
  ["attach taken --netns /proc/1/ns/mnt", 1, "no process is in it as a network namespace"],
  ["attach taken --netns /run/netns/../other-ns", 1, "there is no such file"],
  ["attach taken --netns nope", 1, 'There is no network namespace "nope"'],
  ["attach nope --netns other-ns", 1, "network nope not found"],
  ["restore --wait soon", 1, 'The wait "soon" is not valid'],
  ["completion ksh", 2, 'Unknown shell "ksh": give one of bash, zsh, fish'],
];

Deno.test("a refused command says why, and changes nothing", async (t) => {
  await using host = await commandHost();
  await host.ip.netns.add("other-ns");
  try {
    await ipvlan("network", "create", "-o", "parent=eth0", "--subnet=10.20.1.0/24", "taken");
    await ipvlan("network", "create", "-o", "parent=eth0", "--subnet=10.30.1.0/24", "other");
    await ipvlan("run", "-d", "--net", "taken", "--name", "c1");
    const before = await host.dump();
    for (const [words, code, ...says] of REFUSALS) {
      await t.step(`ipvlan ${words}`.slice(0, 100), async () => {
        const { status, out, err } = await ipvlan(...words.split(" "));
        for (const part of says) assertStringIncludes(err, part);
        assertEquals(status, code);
        assert(out === "" || out === "[]", out);
        for (const line of err.split("\n")) assertMatch(line, /^ipvlan: .*[^.]$/);
        assertEquals(await host.dump(), before);
      });
    }
    await t.step("ipvlan exec in a namespace that is gone", async () => {
      await host.ip.netns.del("c1");
      const { status, out, err } = await ipvlan("exec", "c1", "no-such-command");
      assertMatch(err, /^ipvlan: The network namespace of sandbox "c1" is gone: run .*[^.]$/);
      assertEquals([status, out], [1, ""]);
    });
  } finally {
    await ipvlan("rm", "c1");
    await ipvlan("network", "rm", "taken", "other");
    await host.ip.netns.del("other-ns");
  }
});

/** What cannot be the name of anything here, nor a word of an `ip` line or a path. */
const BAD_NAMES = ["", " ", "a b", "a/b", "a\nb", "--", "-a", "../a", ".."];

/** Where names are given, the exit status of what is refused there, and of a name that is empty. */
const NAMED: Record<string, [words: (name: string) => string[], status: number, empty: number]> = {
  "a new network": [(name) => ["network", "create", "--subnet=10.9.0.0/24", "--", name], 1, 1],
  "a parent": [(name) => ["network", "create", "-o", `parent=${name}`, "n"], 1, 1],
  "a network to remove": [(name) => ["network", "rm", "--", name], 1, 1],
  "a network to inspect": [(name) => ["network", "inspect", "--", name], 1, 1],
  "a network to connect to": [(name) => ["network", "connect", "--", name, "c1"], 1, 1],
  "a network to run on": [(name) => ["run", "--rm", `--net=${name}`, "true"], 125, 125],
  "a new sandbox": [(name) => ["run", "-d", "--net=taken", `--name=${name}`], 125, 125],
  "a sandbox to connect": [(name) => ["network", "connect", "--", "taken", name], 1, 1],
  "a sandbox to enter": [(name) => ["exec", "--", name, "true"], 1, 1],
  "a sandbox to inspect": [(name) => ["inspect", "--", name], 1, 1],
  "a sandbox to remove": [(name) => ["rm", "--", name], 1, 1],
  "an alias": [(name) => ["network", "connect", "other", "c1", `--alias=${name}`], 1, 2],
  "an interface": [(name) => ["network", "connect", "other", "c1", `--ifname=${name}`], 1, 2],
  "a namespace": [(name) => ["attach", "taken", `--netns=${name}`], 1, 2],
  "a process's sandbox": [(name) => ["attach", "taken", "--pid=1", `--name=${name}`], 1, 2],
};

Deno.test("every command refuses an invalid name, and changes nothing", async (t) => {
  await using host = await commandHost();
  try {
    await ipvlan("network", "create", "-o", "parent=eth0", "--subnet=10.20.1.0/24", "taken");
    await ipvlan("network", "create", "-o", "parent=eth0", "--subnet=10.30.1.0/24", "other");
    await ipvlan("run", "-d", "--net", "taken", "--name", "c1");
    const before = await host.dump();
    for (const [where, [words, refused, empty]] of Object.entries(NAMED)) {
      await t.step(where, async () => {
        for (const name of BAD_NAMES) {
          const { status, out, err } = await ipvlan(...words(name));
          const expected = name === "" ? empty : refused;
          assertEquals([status, out.replace("[]", "")], [expected, ""], JSON.stringify(name));
          // One line, and one more on the help where it is the command line that is wrong.
          const isUsage = name === "" && empty !== 1;
          assertEquals(err.split("\n").length, isUsage ? 2 : 1, err);
          if (name !== "") assertStringIncludes(err, JSON.stringify(name));
        }
        assertEquals(await host.dump(), before);
      });
    }
  } finally {
    await ipvlan("rm", "c1");
    await ipvlan("network", "rm", "taken", "other");
  }
});

Deno.test("a dry run prints lines that do the same by hand", async () => {
  await using host = await commandHost();
  const words = "network create -o parent=eth0.20.30 --subnet=10.9.0.0/24 n".split(" ");
  const before = await host.dump();
  const { status, out } = await ipvlan(...words, "--dry-run");
  assertEquals(status, 0);
  assertEquals(await host.dump(), before);
  for (const line of out.split("\n")) {
    assertMatch(line, /^ip link /);
    await host.ip.session.change(line.slice("ip ".length));
  }
  const byHand = (await host.ip.link.show()).map(({ name, alias, info }) => ({
    name,
    alias,
    info,
  }));
  await host.ip.link.del("eth0.20");
  assertEquals((await ipvlan(...words)).status, 0);
  const byDriver = await host.ip.link.show();
  assertEquals(byDriver.map(({ name, alias, info }) => ({ name, alias, info })), byHand);
  assertEquals(
    (await ipvlan("network", "rm", "n", "--dry-run")).out,
    [
      ...["ip link del dev eth0.20.30", "ip link del dev eth0.20"],
    ].join("\n"),
  );
  assertEquals((await ipvlan("network", "rm", "n")).out, "n");
  assertEquals(await host.dump(), before);
});

Deno.test("the systemd unit restores at boot, where there is no environment but its own", async () => {
  await using host = await commandHost();
  const before = await host.dump();
  await ipvlan("network", "create", "-o", "parent=eth0.20", "n");
  const created = await host.dump();
  await host.ip.link.del("eth0.20");
  const { status, out } = await runJob(["restore", "--print-unit"]);
  assertEquals(status, 0);
  const valuesOf = (key: string) =>
    [...out.matchAll(RegExp(`^${key}=(.*)$`, "gm"))].map((m) => m[1]!);
  const [start = ""] = valuesOf("ExecStart");
  // As systemd.exec(5) has it; nothing in these words is special to systemd.
  const env = ["-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"];
  const restored = await run("env", ...env, ...valuesOf("Environment"), ...start.split(" "));
  // What takes longer than a second on a busy machine says so.
  assertMatch(restored.stderr, /^(ipvlan: Restoring\n)?$/);
  assertEquals([restored.code, restored.stdout], [0, "1 network(s) and 0 sandbox(es) are there\n"]);
  assertEquals(await host.dump(), created);
  await ipvlan("network", "rm", "n");
  assertEquals(await host.dump(), before);
});

Deno.test("rm of several goes on after one that fails", async () => {
  await using host = await commandHost();
  const before = await host.dump();
  await ipvlan("network", "create", "a");
  await ipvlan("network", "create", "b");
  const { status, out, err } = await ipvlan("network", "rm", "a", "nope", "b");
  assertEquals([status, out], [1, "a\nb"]);
  assertEquals(err, "ipvlan: network nope not found: see which there are, or create it first");
  assertEquals(await host.dump(), before);
});

Deno.test("run passes on the command's exit status, and --rm cleans up", async () => {
  await using host = await commandHost();
  await ipvlan("network", "create", "n");
  const before = await host.dump();
  const run = (...words: string[]) => ipvlan("run", "--rm", "--net", "n", ...words);
  assertEquals((await run("true")).status, 0);
  assertEquals((await run("--", "sh", "-c", "exit 7")).status, 7);
  assertEquals((await run("sh", "-c", "kill -TERM $$")).status, 143);
  for (const words of [["-e", "A=b c"], ["-eA=b c"], ["-e=A=b c"], ["--env=A=b c"]]) {
    assertEquals((await run(...words, "sh", "-c", '[ "$A" = "b c" ]')).status, 0);
  }
  assertEquals((await run("-w", "/proc", "sh", "-c", '[ "$PWD" = /proc ]')).status, 0);
  assertEquals(await host.dump(), before);
  await ipvlan("network", "rm", "n");
});

Deno.test("inspect has the exit status of a command, and export says that it leaves the command out", async () => {
  await using host = await commandHost();
  const before = await host.dump();
  await ipvlan("network", "create", "n");
  const run = (...words: string[]) => ipvlan("run", "--net", "n", "--name", ...words);
  const exitCodes = () =>
    succeeds("inspect", "-f", "{{.Name}} {{.State.ExitCode}}", "busy", "back", "front", "none");
  assertEquals((await run("front", "sh", "-c", "exit 7")).status, 7);
  for (const command of [["none"], ["busy", "sleep", "600"], ["back", "sh", "-c", "exit 3"]]) {
    assertEquals((await ipvlan("run", "-d", "--net", "n", "--name", ...command)).status, 0);
  }
  assertEquals(await succeeds("wait", "front", "back"), "7\n3");
  assertEquals(await exitCodes(), "/busy 0\n/back 3\n/front 7\n/none 0");
  assertEquals(
    (await ipvlan("export")).err.split("\n"),
    ["back", "busy", "front"].map((name) =>
      `ipvlan: The command of the sandbox "${name}" is left out: only a site file's is on record`
    ),
  );
  // As if the machine had been restarted before its end.
  await using driver = await Driver.open();
  const { id } = driver.inspectSandbox("back");
  await Deno.remove(`${Deno.env.get("IPVLAN_STATE_DIR")}/output/${id}/status`);
  assertEquals(await exitCodes(), "/busy 0\n/back 255\n/front 7\n/none 0");
  await ipvlan("rm", "--force", "busy", "back", "front", "none");
  await ipvlan("network", "rm", "n");
  assertEquals(await host.dump(), before);
});

Deno.test("rm refuses a sandbox with a process in it, and --force ends that", async () => {
  await using host = await commandHost();
  const before = await host.dump();
  await ipvlan("network", "create", "n");
  assertEquals((await ipvlan("run", "-d", "--net", "n", "--name", "c", "sleep", "600")).out, "c");
  const { status, err } = await ipvlan("rm", "c");
  assertEquals(status, 1);
  assertStringIncludes(err, 'The sandbox "c" has processes in it');
  assertEquals((await ipvlan("rm", "--force", "c")).out, "c");
  await ipvlan("network", "rm", "n");
  assertEquals(await host.dump(), before);
});

/** A process in a network namespace of its own, until the end of the scope. */
async function processAside(): Promise<{ pid: string } & AsyncDisposable> {
  const process = new Deno.Command("unshare", { args: ["--net", "sleep", "600"] }).spawn();
  // The namespace is the process's once unshare has become sleep.
  while (!(await Deno.readTextFile(`/proc/${process.pid}/cmdline`)).startsWith("sleep")) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return {
    pid: String(process.pid),
    [Symbol.asyncDispose]: async () => {
      process.kill("SIGKILL");
      await process.status;
    },
  };
}

Deno.test("attach connects a process's namespace, and one by its name, and leaves both", async () => {
  await using host = await commandHost();
  await host.ip.netns.add("other-ns");
  try {
    await using process = await processAside();
    const before = await host.dump();
    await ipvlan("network", "create", "--subnet", "10.9.0.0/24", "n");
    const attached = await ipvlan("attach", "n", "--pid", process.pid, "--name", "unit");
    assertEquals(attached, { status: 0, out: "unit", err: "" });
    assertEquals(
      (await ipvlan("attach", "n", "--netns", "other-ns", "--ip", "10.9.0.9")).status,
      0,
    );
    const pids = await new Deno.Command("ip", { args: ["netns", "pids", "unit"] }).output();
    assertEquals(new TextDecoder().decode(pids.stdout).trim(), process.pid);
    assertEquals((await ipvlan("exec", "unit", "ping", "-c", "1", "other-ns")).status, 0);
    assertStringIncludes((await ipvlan("rm", "unit")).err, "has processes in it");
    assertEquals((await ipvlan("network", "disconnect", "n", "unit")).status, 0);
    assertEquals((await ipvlan("rm", "--detach", "unit", "other-ns")).status, 0);
    await ipvlan("network", "rm", "n");
    assertEquals(await host.dump(), before);
  } finally {
    await host.ip.netns.del("other-ns");
  }
});

Deno.test("attach takes any file of a namespace that a process is in", async () => {
  await using host = await commandHost();
  const file = await Deno.makeTempFile();
  try {
    const before = await host.dump();
    await ipvlan("network", "create", "--subnet", "10.9.0.0/24", "n");
    {
      await using process = await processAside();
      const path = `/proc/${process.pid}/ns/net`;
      assertEquals((await run("mount", "--bind", path, file)).stderr, "");
      const attached = await ipvlan("attach", "n", "--netns", path);
      assertEquals(attached, { status: 0, out: `pid-${process.pid}`, err: "" });
      assertEquals((await ipvlan("rm", "--detach", `pid-${process.pid}`)).status, 0);

      const words = ["attach", "n", "--netns", file, "--name", "engine"];
      const rehearsed = await ipvlan(...words, "--dry-run");
      assertEquals(rehearsed.out.split("\n")[0], `ip netns attach engine ${process.pid}`);
      assertEquals(await ipvlan(...words), { status: 0, out: "engine", err: "" });
      assertEquals((await run("ip", "netns", "pids", "engine")).stdout.trim(), process.pid);
      assertEquals((await ipvlan("rm", "--detach", "engine")).status, 0);
    }
    assertEquals(await ipvlan("attach", "n", "--netns", file, "--name", "engine"), {
      status: 1,
      out: "",
      err: `ipvlan: The namespace "${file}" is not valid: no process is in it as a network ` +
        "namespace: give it a name in /run/netns",
    });
    await ipvlan("network", "rm", "n");
    assertEquals(await host.dump(), before);
  } finally {
    await run("umount", file);
    await Deno.remove(file);
  }
});

Deno.test("ps and inspect say which endpoints the kernel lacks", async () => {
  await using host = await commandHost();
  await host.ip.link.add({ type: "dummy", name: "late", up: true });
  const create = "network create -d ipvlan --subnet";
  await ipvlan(...`${create} 10.1.0.0/24 -o parent=eth0 there`.split(" "));
  await ipvlan(...`${create} 10.2.0.0/24 -o parent=late gone`.split(" "));
  await ipvlan("run", "-d", "--net", "there", "--net", "gone", "--name", "c");
  const status = async () => (await ipvlan("ps", "--format", "{{.Status}} {{.State}}")).out;
  const error = async () => (await ipvlan("inspect", "-f", "{{.State.Error}}", "c")).out;
  assertEquals([await status(), await error()], ["Up running", ""]);
  await host.ip.link.del("late");
  assertEquals((await ipvlan("restore")).status, 1);
  assertEquals(await status(), "Incomplete running");
  assertEquals(await error(), "eth1 on gone is missing");
  assertMatch(
    (await ipvlan("ps")).out,
    /incomplete +there 10\.1\.0\.2\/24, gone 10\.2\.0\.2\/24 \(missing\)/,
  );
});
