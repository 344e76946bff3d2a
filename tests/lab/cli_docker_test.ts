/**
 * Lines that people have typed for Docker for years, as `ipvlan` takes them.
 */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { ipvlan, Job, runJob } from "../kit/command.ts";
import { allEnded, run } from "../kit/processes.ts";
import { commandHost, temporaryFolder } from "../kit/worlds.ts";

/** The lines of the guide that run something, with the networks that they need. */
const GUIDE = `
docker network create -d ipvlan --subnet=192.168.1.0/24 --gateway=192.168.1.1 -o ipvlan_mode=l2 -o parent=eth0 db_net
docker run --net=db_net -it --rm alpine /bin/sh
docker network rm db_net
docker network create -d ipvlan --subnet=192.168.1.0/24 -o parent=eth0 db_net_ipv
docker run --net=db_net_ipv --name=ipv1 -itd alpine /bin/sh
docker run --net=db_net_ipv --name=ipv2 -it --rm alpine /bin/sh
docker network create -d ipvlan --subnet=192.168.10.0/24 isolated1
docker network create -d ipvlan --subnet=192.168.11.0/24 --internal isolated2
docker network create -d ipvlan isolated3
docker run --net=isolated1 --name=cid1 -it --rm alpine /bin/sh
docker run --net=isolated2 --name=cid2 -it --rm alpine /bin/sh
docker run --net=isolated3 --name=cid3 -it --rm alpine /bin/sh
docker network create -d ipvlan --subnet=192.168.20.0/24 --gateway=192.168.20.1 -o parent=eth0.20 ipvlan20
docker run --net=ipvlan20 -it --name ivlan_test1 --rm alpine /bin/sh
docker run --net=ipvlan20 -it --name ivlan_test2 --rm alpine /bin/sh
docker network create -d ipvlan --subnet=192.168.114.0/24 --subnet=192.168.116.0/24 --gateway=192.168.114.254 --gateway=192.168.116.254 -o parent=eth0.114 -o ipvlan_mode=l2 ipvlan114
docker run --net=ipvlan114 --ip=192.168.114.10 -it --rm alpine /bin/sh
docker run --net=ipvlan114 --ip=192.168.114.11 -it --rm alpine /bin/sh
docker network create -d ipvlan --subnet=192.168.214.0/24 --subnet=10.1.214.0/24 -o ipvlan_mode=l3 ipnet210
docker run --net=ipnet210 --ip=192.168.214.10 -itd alpine /bin/sh
docker run --net=ipnet210 --ip=10.1.214.10 -itd alpine /bin/sh
docker run --net=ipnet210 --ip=192.168.214.9 -it --rm alpine ping -c 2 10.1.214.10
docker run --net=ipnet210 --ip=10.1.214.9 -it --rm alpine ping -c 2 192.168.214.10
docker network create -d ipvlan --subnet=2001:db8:abc2::/64 --gateway=2001:db8:abc2::22 -o parent=eth0.139 v6ipvlan139
docker run --net=v6ipvlan139 -it --rm alpine /bin/sh
docker run --net=v6ipvlan139 --ip6=2001:db8:abc2::51 -it --rm alpine /bin/sh
docker network rm ipvlan114
docker exec -it ipv1 /bin/sh
docker exec -it ipv1 ping -c 1 ipv1
`.trim().split("\n");

Deno.test("the guide's lines run as they stand, images included, after sed s/docker/ipvlan/", async () => {
  await using _host = await commandHost();
  for (const line of GUIDE) {
    const words = line.replace("docker", "ipvlan").split(" ").slice(1);
    const { status, err } = await ipvlan("--image", ...words);
    assertEquals([line, status], [line, 0]);
    assertMatch(err, /^(ipvlan: The network "(isolated[13]|ipnet210)" has no parent, .*)?$/);
  }
});

Deno.test("an image is explained, and dropped where that is asked for", async () => {
  await using host = await commandHost();
  await ipvlan("network", "create", "n");
  const before = await host.dump();
  const words = ["--net=n", "-i", "--rm", "alpine", "sh", "-c", "exit 7"];
  const explained = await ipvlan("run", ...words);
  assertEquals(explained.status, 127);
  assertStringIncludes(explained.err, 'The command "alpine" cannot be run: it looks like an image');
  assertEquals((await ipvlan("run", "--image", ...words)).status, 7);
  assertEquals((await ipvlan("--image", "container", "run", ...words)).status, 7);
  assertEquals(await host.dump(), before);
});

/** Runs a shell's line in a new sandbox, and returns what it prints. */
async function printed(options: string, line: string): Promise<string> {
  const file = await Deno.makeTempFile();
  // For a line that another user runs.
  await Deno.chmod(file, 0o666);
  try {
    const words = ["run", "--rm", ...options.split(" "), "sh", "-c", `{ ${line}; } >${file}`];
    assertEquals(await ipvlan(...words), { status: 0, out: "", err: "" }, words.join(" "));
    return (await Deno.readTextFile(file)).trim();
  } finally {
    await Deno.remove(file);
  }
}

Deno.test("run takes networks with options of their own, none, and another sandbox's", async () => {
  await using host = await commandHost();
  await ipvlan("network", "create", "--subnet=10.9.0.0/24", "a");
  await ipvlan("network", "create", "--subnet=10.8.0.0/24", "b");
  const before = await host.dump();
  const addresses = "ip -br -4 addr show scope global | tr -s ' '";
  const both = "--net name=a,ip=10.9.0.9,alias=x --net " +
    "name=b,ip=10.8.0.8,driver-opt=com.docker.network.endpoint.ifname=lan0";
  assertEquals(
    (await printed(both, addresses)).replaceAll(/@\S+| $/gm, ""),
    "eth0 UNKNOWN 10.9.0.9/24\nlan0 UNKNOWN 10.8.0.8/24",
  );
  assertEquals(
    await printed(
      "--net a --network-alias db --name c",
      "grep -c ' c db c.a # ipvlan$' /etc/hosts",
    ),
    "1",
  );
  assertEquals(await printed("--net none", "ip -br link | cut -d' ' -f1"), "lo");
  await ipvlan("run", "-d", "--net=a", "--ip=10.9.0.7", "--name=c1", "-l", "tier=web", "--label=b");
  assertStringIncludes(await printed("--net container:c1", addresses), "10.9.0.7/24");
  const twice = await ipvlan("run", "--net=container:c1", "--name=c2", "--ip=10.9.0.8", "true");
  assertEquals(twice.status, 125);
  assertStringIncludes(twice.err, "The option --name does not go with --network container:c1");
  assertStringIncludes(twice.err, "The option --ip does not go with --network container:c1");
  assertEquals((await ipvlan("run", "--net=container:nope", "true")).status, 125);
  assertEquals((await ipvlan("ps", "-q", "--filter", "label=tier=web")).out, "c1");
  assertEquals((await ipvlan("ps", "-q", "--filter", "label=tier=db")).out, "");
  assertEquals((await ipvlan("container", "rm", "-fv", "c1")).out, "c1");
  assertEquals(await host.dump(), before);
});

Deno.test("run and exec take a user, and variables from a file", async () => {
  await using _host = await commandHost();
  await ipvlan("network", "create", "n");
  assertEquals(await printed("--net n -u nobody", "id -un; id -G"), "nobody\n65534");
  const file = await Deno.makeTempFile();
  await Deno.writeTextFile(file, "# a comment\n\nA=from file\nB=2\n");
  assertEquals(await printed(`--net n --env-file ${file} -e B=3`, 'echo "$A" "$B"'), "from file 3");
  await Deno.remove(file);
  await ipvlan("run", "-d", "--net=n", "--name=c1");
  assertEquals(
    (await ipvlan("exec", "-u", "4711:12", "c1", "sh", "-c", '[ "$(id -u)" = 4711 ]')).status,
    0,
  );
  const refused = await ipvlan("exec", "-u", "no-such", "c1", "true");
  assertEquals(refused.status, 1);
  assertStringIncludes(refused.err, 'there is no user "no-such" in /etc/passwd');
});

Deno.test("Docker's other names and letters of the network commands work", async () => {
  await using host = await commandHost();
  const before = await host.dump();
  await ipvlan("network", "create", "--label", "a=1", "a");
  await ipvlan("network", "create", "b");
  assertEquals((await ipvlan("network", "list", "-q", "--filter", "name=a")).out.length, 12);
  await ipvlan("run", "-d", "--net=b", "--name=c1");
  assertEquals((await ipvlan("network", "disconnect", "-f", "b", "c1")).status, 0);
  assertEquals((await ipvlan("rm", "-fv", "c1")).out, "c1");
  const pruned = await ipvlan(
    "network",
    "prune",
    "-f",
    "--filter",
    "label=a=1",
    "--filter=until=0s",
  );
  assertEquals(pruned.out, "Deleted Networks:\na");
  assertEquals(await ipvlan("network", "remove", "-f", "nope", "b"), {
    status: 0,
    out: "b",
    err: "",
  });
  assertEquals(await host.dump(), before);
});

Deno.test("what run -d prints is kept for logs, and wait has its exit status", async () => {
  await using host = await commandHost();
  await ipvlan("network", "create", "n");
  const before = await host.dump();
  const start = (name: string, line: string, ...options: string[]) =>
    ipvlan("run", "-d", "--net=n", "--name", name, ...options, "--", "sh", "-c", line);
  const line = 'cd / && echo "$PWD $A" && echo two >&2 && printf "\\033[31m" && exit 7';
  assertEquals((await start("c1", line, "-e", "A=b c")).out, "c1");
  assertEquals((await ipvlan("wait", "c1")).out, "7");
  assertEquals((await ipvlan("logs", "-f", "c1")).out, "/ b c\ntwo\n\x1b[31m");
  assertEquals((await ipvlan("container", "logs", "--tail=2", "c1")).out, "two\n\x1b[31m");
  assertEquals((await ipvlan("logs", "-n", "0", "c1")).out, "");
  assertEquals((await ipvlan("exec", "-d", "c1", "echo", "other")).status, 0);
  assertStringIncludes((await ipvlan("logs", "c1")).out, "two");
  await start("c2", "echo begun; exec sleep 600");
  // `stop` may end it before it has printed anything.
  while ((await ipvlan("logs", "c2")).out !== "begun");
  await using follower = new Job(["logs", "--follow", "c2"]);
  const stopped = await ipvlan("stop", "-t", "60", "c2");
  assertEquals([stopped.out, (await follower.ended).out], ["c2", "begun"]);
  assertEquals((await ipvlan("wait", "c2", "c1")).out, "143\n7");
  assertEquals(
    (await ipvlan("kill", "c2")).err,
    'ipvlan: The sandbox "c2" is not running: no process is in it',
  );
  assertEquals((await ipvlan("stop", "c2")).out, "c2");
  for (const command of ["stop", "kill", "wait", "logs"]) {
    const { status, out, err } = await ipvlan(command, "nope");
    assertEquals([command, status, out], [command, 1, ""]);
    assertStringIncludes(err, "No such container: nope");
  }
  // As docker rm --force: what is not there need not be removed.
  for (const [force, expected] of [[[], 1], [["--force"], 0]] as const) {
    const { status, out, err } = await ipvlan("rm", ...force, "nope");
    assertEquals([status, out], [expected, ""]);
    assertStringIncludes(err, "No such container: nope");
  }
  await ipvlan("rm", "c1", "c2");
  const state = Deno.env.get("IPVLAN_STATE_DIR");
  assertEquals([...Deno.readDirSync(`${state}/output`)], []);
  assertEquals(await host.dump(), before);
});

Deno.test("stop ends every process in a sandbox, by force where needed, and kill sends any signal", async () => {
  await using _host = await commandHost();
  await ipvlan("network", "create", "n");
  const folder = await Deno.makeTempDir();
  const stubborn = `trap "" TERM; trap "echo hup >${folder}/hup" HUP; touch ${folder}/set; ` +
    "while :; do sleep 0.05; done";
  await ipvlan("run", "-d", "--net=n", "--name=c1", "sh", "-c", stubborn);
  const there = async (name: string) => {
    while (!await Deno.stat(`${folder}/${name}`).catch(() => undefined)) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  await there("set");
  assertEquals((await ipvlan("kill", "-s", "hup", "c1")).out, "c1");
  await there("hup");
  assertEquals((await ipvlan("stop", "-t", "0", "c1")).out, "c1");
  assertEquals((await ipvlan("wait", "c1")).out, "137");
  assertEquals((await ipvlan("kill", "--signal=NOPE", "c1")).status, 1);
  assertEquals((await ipvlan("stop", "nope")).status, 1);
  const cli = new URL("../../cli.ts", import.meta.url).pathname;
  const inside = [Deno.execPath(), "run", "-A", "--no-check", "--cached-only", cli];
  const { stderr } = await run("ip", "netns", "exec", "c1", ...inside, "stop", "c1");
  assertStringIncludes(stderr, 'The sandbox "c1" is not valid: this program is in it itself');
  await Deno.remove(folder, { recursive: true });
});

Deno.test("run -d --rm removes the sandbox when its command has ended", async () => {
  await using host = await commandHost();
  await ipvlan("network", "create", "n");
  const before = await host.dump();
  const words = [
    "run",
    "-d",
    "--rm",
    "--net=n",
    "--name=c1",
    "-w",
    "/proc",
    "-e",
    "HOME=/nonexistent",
  ];
  const started = await runJob([...words, "sleep", "600"]);
  assertEquals(started, { status: 0, out: "c1", err: "" });
  assertEquals((await ipvlan("kill", "c1")).out, "c1");
  while ((await host.ip.netns.list()).includes("c1")) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  // The last record is deleted a moment later.
  while ((await ipvlan("network", "rm", "n", "--dry-run")).status !== 0);
  assertEquals(await host.dump(), before);
  assertEquals((await ipvlan("run", "-d", "--rm", "--net=n", "--name=c2")).out, "c2");
  assertEquals((await ipvlan("ps", "-aq")).out, "");
});

Deno.test("what acts later on a sandbox leaves another one of the same name alone", async () => {
  await using _host = await commandHost();
  await using folder = await temporaryFolder();
  const asked = `${folder.path}/asked`;
  await ipvlan("network", "create", "n");
  const start = (...words: string[]) => ["run", "-d", "--net=n", "--name=c1", ...words];
  const stubborn = `trap "echo >${asked}" TERM; while :; do sleep 0.05; done`;
  await runJob(start("--rm", "sh", "-c", stubborn));
  await using stop = new Job(["stop", "-t", "10", "c1"]);
  while (!await Deno.stat(asked).catch(() => undefined)) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assertEquals((await ipvlan("rm", "-f", "c1")).out, "c1");
  assertEquals((await ipvlan(...start("sh", "-c", "echo later; exec sleep 600"))).out, "c1");
  // The shell that kept the output of the first one removes it, by its id.
  await allEnded("--force");
  assertEquals(await stop.ended, { status: 0, signal: null, out: "c1", err: "" });
  const [{ State, Id }] = JSON.parse((await ipvlan("inspect", "c1")).out);
  assertEquals([Id, State.Running, State.Pid > 0], ["c1", true, true]);
  while ((await ipvlan("logs", "c1")).out !== "later");
});

Deno.test("a sandbox has the host name, the name servers and the kernel's settings that it is given", async () => {
  await using host = await commandHost();
  await ipvlan("network", "create", "n");
  const before = await host.dump();
  assertEquals(
    await printed("--net n -h web.example.com", "hostname; uname -n"),
    "web.example.com\nweb.example.com",
  );
  assertEquals(
    await printed(
      "--net n -h web --add-host db.lan:192.0.2.9 --add-host six=[2001:db8::9]",
      "getent hosts db.lan six web | tr -s ' '",
    ),
    "192.0.2.9 db.lan\n2001:db8::9 six\n172.18.0.2 web",
  );
  const dns = "--net n --dns 192.0.2.53 --dns-search a.example --dns-opt ndots:2";
  assertEquals(
    await printed(dns, "grep -v '^#' /etc/resolv.conf"),
    "nameserver 192.0.2.53\nsearch a.example\noptions ndots:2",
  );
  const sysctls = [
    "--sysctl",
    "net.ipv4.ip_forward=1",
    "--sysctl",
    "net.ipv4.conf.eth0.rp_filter=2",
  ];
  const read = "cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf/eth0/rp_filter";
  assertEquals(await printed(`--net n ${sysctls.join(" ")}`, read), "1\n2");
  // After a restart of the machine, no namespace is there.
  await ipvlan("run", "-d", "--net=n", "--name=c1", "-h", "c1", "--dns=192.0.2.53", ...sysctls);
  await host.ip.netns.del("c1");
  assertEquals((await ipvlan("restore")).status, 0);
  const check = '[ "$(hostname)" = c1 ] && grep -q "^nameserver 192.0.2.53" /etc/resolv.conf && ' +
    '[ "$(cat /proc/sys/net/ipv4/ip_forward)" = 1 ]';
  assertEquals((await ipvlan("exec", "c1", "sh", "-c", check)).status, 0);
  assertEquals((await ipvlan("rm", "c1")).out, "c1");
  const failed = await ipvlan(
    "run",
    "-d",
    "--net=n",
    "--name=c1",
    "--sysctl=net.ipv4.no_such=1",
    "--dns=192.0.2.53",
  );
  assertEquals(failed.status, 125);
  assertStringIncludes(failed.err, 'Cannot set net.ipv4.no_such to 1 in "c1"');
  const rehearsed = await ipvlan(
    "run",
    "-d",
    "--dry-run",
    "--net=n",
    "--name=c1",
    "--sysctl=net.ipv4.ip_forward=1",
    "--dns=192.0.2.53",
  );
  assertStringIncludes(rehearsed.out, "ip netns exec c1 sysctl -w 'net.ipv4.ip_forward=1'");
  assertEquals(await host.dump(), before);
  assertEquals(await Deno.stat("/etc/netns/c1").catch(() => undefined), undefined);
});

Deno.test("a network without IPv4 gives its sandboxes IPv6 alone", async () => {
  await using host = await commandHost();
  const before = await host.dump();
  const create = ["network", "create", "--ipv4=false"];
  assertStringIncludes((await ipvlan(...create, "n")).err, "has no IPv6 subnet");
  const both = await ipvlan(...create, "--subnet=10.9.0.0/24", "--subnet=2001:db8::/64", "n");
  assertStringIncludes(both.err, 'The IPv4 "false" is not valid: a subnet of that family is given');
  const off = await ipvlan("network", "create", "--ipv6=false", "--subnet=2001:db8::/64", "n");
  assertStringIncludes(off.err, 'The IPv6 "false" is not valid: a subnet of that family is given');
  assertEquals((await ipvlan(...create, "--subnet=2001:db8::/64", "n")).status, 0);
  const addresses = "ip -br addr show scope global | tr -s ' ' | sed 's/@[^ ]*//; s/ $//'";
  assertEquals(await printed("--net n", addresses), "eth0 UNKNOWN 2001:db8::2/64");
  assertEquals((await ipvlan("run", "--net=n", "--ip=10.9.0.2", "true")).status, 125);
  await ipvlan("network", "rm", "n");
  assertEquals(await host.dump(), before);
});

Deno.test("the network with the highest priority has the default route", async () => {
  await using _host = await commandHost();
  await ipvlan("network", "create", "-o", "parent=eth0", "--subnet=10.9.0.0/24", "a");
  await ipvlan("network", "create", "-o", "parent=eth0.20", "--subnet=10.8.0.0/24", "b");
  const first = "ip route | grep -m1 ^default | cut -d' ' -f3";
  assertEquals(await printed("--net a --net b", first), "10.9.0.1");
  assertEquals(await printed("--net a --net name=b,gw-priority=1", first), "10.8.0.1");
  assertEquals(await printed("--net name=a,gw-priority=-1 --net b", first), "10.8.0.1");
  await ipvlan("network", "create", "-o", "parent=eth0.30", "--subnet=10.7.0.0/24", "c");
  await ipvlan("run", "-d", "--net=a", "--name=c1");
  const inside = async (script: string) =>
    (await run("ip", "netns", "exec", "c1", "sh", "-c", script)).stdout.trim();
  const gateway = () => inside(first);
  const connect = async (...words: string[]) => {
    assertEquals((await ipvlan("network", "connect", ...words, "c1")).status, 0);
    return await gateway();
  };
  const disconnect = async (network: string) => {
    assertEquals((await ipvlan("network", "disconnect", network, "c1")).status, 0);
    return await gateway();
  };
  const before = await inside("ip route");
  assertEquals(await connect("--gw-priority=-1", "b"), "10.9.0.1");
  assertEquals(await connect("--gw-priority", "7", "c"), "10.7.0.1");
  const priority = "{{.NetworkSettings.Networks.c.GwPriority}}";
  assertEquals((await ipvlan("inspect", "-f", priority, "c1")).out, "7");
  assertEquals((await ipvlan("ps", "--format", "{{.Status}}")).out, "Up");
  // `restore` keeps it.
  await inside("ip route flush exact default");
  assertEquals((await ipvlan("restore")).status, 0);
  assertEquals(await gateway(), "10.7.0.1");
  assertEquals(await disconnect("c"), "10.9.0.1");
  // A network without a priority, connected again, comes after the first one.
  assertEquals(await connect("c"), "10.9.0.1");
  await disconnect("c");
  await disconnect("b");
  assertEquals(await inside("ip route"), before);
  assertEquals((await ipvlan("ps", "--format", "{{.Status}}")).out, "Up");
});

Deno.test("link-local addresses are on the link besides its own, and restore keeps them", async () => {
  await using host = await commandHost();
  const before = await host.dump();
  const subnets = ["--subnet=10.9.0.0/24", "--subnet=2001:db8::/64"];
  await ipvlan("network", "create", "-o", "parent=eth0", ...subnets, "a");
  await ipvlan("network", "create", "-o", "parent=eth0.20", "--subnet=10.8.0.0/24", "b");
  const given = ["--link-local-ip=169.254.7.1", "--link-local-ip=fe80::7"];
  assertEquals((await ipvlan("run", "-d", "--net=a", ...given, "--name=c1")).status, 0);
  const inside = async (script: string) =>
    (await run("ip", "netns", "exec", "c1", "sh", "-c", script)).stdout.trim();
  const pattern = "(169.254.7.1/16|fe80::7/64).*link";
  const shown = async () =>
    (await inside(`ip addr show dev eth0 | grep -oE '${pattern}'`)).split("\n")
      .map((line) => line.split(" ")[0]).toSorted();
  const own = ["169.254.7.1/16", "fe80::7/64"];
  assertEquals(await shown(), own);
  const format = "{{json .NetworkSettings.Networks.a.IPAMConfig}}";
  assertEquals(
    (await ipvlan("inspect", "-f", format, "c1")).out,
    '{"LinkLocalIPs":["169.254.7.1","fe80::7"]}',
  );
  for (const address of own) {
    await inside(`ip addr del ${address} dev eth0`);
    assertEquals((await ipvlan("restore")).status, 0);
    assertEquals(await shown(), own);
  }
  const other = await ipvlan(
    "run",
    "--net=name=a,link-local-ip=169.254.7.2",
    "--name=c2",
    ...["sh", "-c", "ping -c1 -W5 169.254.7.1 >/dev/null"],
  );
  assertEquals(other.status, 0, other.err);
  const refused = await ipvlan("network", "connect", "--link-local-ip=fe80::9", "b", "c1");
  assertStringIncludes(refused.err, "has no IPv6 subnet, so its links have no IPv6");
  assertEquals(
    (await ipvlan("network", "connect", "--link-local-ip=10.1.1.1", "b", "c1")).status,
    1,
  );
  const taken = await ipvlan("run", "-d", "--net=a", "--link-local-ip=169.254.7.1");
  assertStringIncludes(taken.err, "169.254.7.1");
  assertEquals(taken.status, 125);
  await ipvlan("rm", "-f", "c1", "c2");
  await ipvlan("network", "rm", "a", "b");
  assertEquals(await host.dump(), before);
});
