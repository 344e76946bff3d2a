// `ipvlan docker serve` with a real kernel, and with the calls that Docker sends.
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { createServer, request } from "node:http";
import { Driver } from "../../lib/driver/mod.ts";
import { isOurs } from "../../lib/driver/network/parent.ts";
import { FileLock } from "../../lib/driver/run/lock.ts";
import { DOCKER_SOCKET } from "../../lib/engine/docker/api.ts";
import { lookInto } from "../../lib/iproute2/view.ts";
import { assertOnly, doctor, ipvlan, Job, PASS_SOCKET, runJob, succeeds } from "../kit/command.ts";
import { decode } from "../kit/processes.ts";
import { commandHost, freshNetns, temporaryFolder } from "../kit/worlds.ts";

/** What a call came back with. */
interface Reply {
  status: number;
  body: Record<string, unknown> & { Err?: string };
}

/** Calls the plugin at a socket. */
function call(socketPath: string, method: string, body: unknown): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const options = { socketPath, path: `/${method}`, method: "POST", headers: { host: "" } };
    const sent = request(options, (response) => {
      const read = async () => {
        let text = "";
        for await (const chunk of response) text += chunk;
        return { status: response.statusCode!, body: JSON.parse(text) };
      };
      // The plugin may be killed in the middle of an answer.
      read().then(resolve, reject);
    });
    sent.on("error", reject);
    sent.end(typeof body === "string" ? body : JSON.stringify(body));
  });
}

/** The plugin as a process, on a machine with `eth0`. */
async function plugin() {
  await using undo = new AsyncDisposableStack();
  const host = undo.use(await commandHost());
  const folder = undo.use(await temporaryFolder());
  const socket = `${folder.path}/plugins/kit.sock`;
  const job = undo.use(new Job(["docker", "serve", "--socket", socket]));
  await job.line(/Listening at/);
  const reply = (method: string, body: unknown) => call(socket, `NetworkDriver.${method}`, body);
  /** Calls, and fails unless the call succeeds. */
  const succeed = async (method: string, body: unknown) => {
    const { status, body: answer } = await reply(method, body);
    assertEquals(status, 200, `${method}: ${answer.Err}`);
    return answer;
  };
  const links = async () => (await host.ip.link.show()).filter(isOurs).map(({ name }) => name);
  const kept = undo.move();
  return {
    ...host,
    job,
    socket,
    folder,
    reply,
    succeed,
    links,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

const NETWORK = "3f2b8c1d9e7a".padEnd(64, "0");
const idOf = (number: number) => number.toString(16).padStart(64, "a");

const CREATE_NETWORK = {
  NetworkID: NETWORK,
  Options: {
    "com.docker.network.enable_ipv6": false,
    "com.docker.network.generic": { parent: "eth0.20" },
  },
  IPv4Data: [{ AddressSpace: "LocalDefault", Gateway: "192.168.20.1/24", Pool: "192.168.20.0/24" }],
  IPv6Data: [],
};

function createEndpoint(number: number, address = `192.168.20.${number}/24`) {
  return {
    NetworkID: NETWORK,
    EndpointID: idOf(number),
    Interface: { Address: address, AddressIPv6: "", MacAddress: "" },
    Options: { "com.docker.network.portmap": [] },
  };
}

const endpoint = (number: number) => ({ NetworkID: NETWORK, EndpointID: idOf(number) });

Deno.test("the plugin's socket is root's alone, and it ends on a signal with status 0", async () => {
  await using running = await plugin();
  const { socket, job, folder } = running;
  assertEquals(Deno.statSync(socket).mode! & 0o777, 0o600);
  assertEquals((await call(socket, "Plugin.Activate", "")).body, {
    Implements: ["NetworkDriver", "IpamDriver"],
  });
  assertEquals(await running.succeed("GetCapabilities", ""), {
    Scope: "local",
    ConnectivityScope: "global",
  });
  job.kill("SIGTERM");
  const { status, err } = await job.ended;
  assertEquals([status, err], [0, `ipvlan: Listening at ${socket}`]);
  assertEquals([...Deno.readDirSync(`${folder.path}/plugins`)], []);
});

Deno.test("the etcd of all pools is checked before there is a socket, and goes into the unit", async () => {
  await using folder = await temporaryFolder();
  const socket = `${folder.path}/kit.sock`;
  const words = (...options: string[]) => options.flatMap((option) => ["--ipam-opt", option]);
  const options = ["endpoints=http://10.0.0.1:2379", `ca=${folder.path}/none`, "prefxi=/x"];
  for (const command of [["serve", "--socket", socket], ["install"]]) {
    const { status, out, err } = await ipvlan("docker", ...command, ...words(...options));
    assertEquals([status, out, err.split("\n").length], [1, "", 3], err);
    assertMatch(err, /"prefxi" is not valid: .*\n.*none" is not valid: there is no such file\n/);
    assertMatch(err, /\n.*"http:\/\/10.0.0.1:2379" is not valid: ca, cert and key are for https/);
  }
  assertEquals([...Deno.readDirSync(folder.path)], []);
  const unit = await succeeds(
    "docker",
    "install",
    "--print-unit",
    ...words("endpoints=http://a:1"),
  );
  assertMatch(unit, /^ExecStart=.* docker serve --ipam-opt endpoints=http:\/\/a:1$/m);
});

Deno.test("a call that Docker repeats has the same answer, and does nothing twice", async () => {
  await using running = await plugin();
  const { succeed, links } = running;
  const twice = async (method: string, body: unknown) => {
    const first = await succeed(method, body);
    const before = await running.dump();
    assertEquals(await succeed(method, body), first);
    assertEquals(await running.dump(), before);
    return first;
  };
  const [one, two] = await Promise.all([1, 2].map(() => succeed("CreateNetwork", CREATE_NETWORK)));
  assertEquals([one, two], [{}, {}]);
  await twice("CreateNetwork", CREATE_NETWORK);
  assertEquals(await twice("CreateEndpoint", createEndpoint(7)), { Interface: {} });
  const SandboxKey = "/var/run/docker/netns/3e458d0718ee";
  const answer = await twice("Join", { ...endpoint(7), SandboxKey, Options: {} });
  const [, link] = await links();
  assertEquals(answer, {
    InterfaceName: { SrcName: link, DstPrefix: "eth" },
    Gateway: "192.168.20.1",
    StaticRoutes: [],
    DisableGatewayService: false,
  });
  assertEquals(await twice("EndpointOperInfo", endpoint(7)), { Value: {} });
  for (const method of ["Leave", "DeleteEndpoint"]) await twice(method, endpoint(7));
  await twice("DeleteNetwork", { NetworkID: NETWORK });
  assertEquals(await links(), []);
});

Deno.test("what Docker has lost gives way to what it asks for, and goes with its network", async () => {
  await using running = await plugin();
  const { succeed, links } = running;
  await succeed("CreateNetwork", CREATE_NETWORK);
  // The namespace outlives the container, and the link in it has the address still.
  await using lost = await freshNetns();
  await succeed("CreateEndpoint", createEndpoint(7));
  await succeed("Join", { ...endpoint(7), SandboxKey: `/run/netns/${lost.name}` });
  const [, link] = await links();
  await running.ip.link.set(link!, { netns: lost.name });
  await lost.ip.addr.add({ dev: link!, address: "192.168.20.7/24" });
  await succeed("CreateEndpoint", createEndpoint(8, "192.168.20.7/24"));
  assertEquals((await lost.ip.link.show()).map(({ name }) => name), ["lo"]);
  assertEquals((await links()).length, 2);
  await succeed("DeleteNetwork", { NetworkID: NETWORK });
  assertEquals(await links(), []);
});

/** A network namespace that only a mount keeps, as Docker has it: no name, and no process in it. */
async function mountedNetns() {
  await using undo = new AsyncDisposableStack();
  const folder = undo.use(await temporaryFolder());
  const path = `${folder.path}/3e458d0718ee`;
  await Deno.writeTextFile(path, "");
  const succeed = async (program: string, ...args: string[]) => {
    const { code, stderr } = await new Deno.Command(program, { args }).output();
    assertEquals(code, 0, new TextDecoder().decode(stderr));
  };
  // Where the folder is shared with other mount namespaces, no namespace can be mounted.
  await succeed("unshare", `--net=${path}`, "true");
  // An "ip" that has moved a link there keeps the file open until it ends.
  undo.defer(() => succeed("umount", "--lazy", path));
  const links = async () => (await lookInto(`../..${path}`, { links: true })).links;
  const kept = undo.move();
  return {
    path,
    links,
    names: async () => (await links()).map(({ name }) => name),
    run: (...words: string[]) => succeed("nsenter", `--net=${path}`, ...words),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

Deno.test("a link that Docker leaves in a namespace goes with its endpoint, wherever that is mounted", async () => {
  await using running = await plugin();
  const { succeed, links } = running;
  await succeed("CreateNetwork", CREATE_NETWORK);
  await using container = await mountedNetns();
  for (const SandboxKey of [container.path, "/run/docker/netns/another"]) {
    await succeed("CreateEndpoint", createEndpoint(7));
    await succeed("Join", { ...endpoint(7), SandboxKey });
    const [, link] = await links();
    await running.ip.link.set(link!, { netns: container.path });
    await container.run("ip", "addr", "add", "192.168.20.7/24", "dev", link!);
    await succeed("Leave", endpoint(7));
    assertEquals(await container.names(), ["lo", link]);
    await succeed("DeleteEndpoint", endpoint(7));
    assertEquals(await container.names(), ["lo"], SandboxKey);
  }
  await succeed("DeleteNetwork", { NetworkID: NETWORK });
});

Deno.test("a new daemon of Docker's takes no link of before, also of a call that is under way", async () => {
  await using running = await plugin();
  const { succeed, links, socket } = running;
  await succeed("CreateNetwork", CREATE_NETWORK);
  await using container = await mountedNetns();
  await succeed("CreateEndpoint", createEndpoint(7));
  await succeed("Join", { ...endpoint(7), SandboxKey: container.path });
  const [, taken] = await links();
  await running.ip.link.set(taken!, { netns: container.path });
  // One that no container has taken, one that was given back, and one that is not made yet.
  await succeed("CreateEndpoint", createEndpoint(8));
  await succeed("CreateEndpoint", createEndpoint(9));
  await succeed("Join", { ...endpoint(9), SandboxKey: "/run/docker/netns/gone" });
  await succeed("Leave", endpoint(9));
  const lock = await new FileLock(`${Deno.env.get("IPVLAN_STATE_DIR")}/lock`).exclusive();
  const lost = succeed("CreateEndpoint", createEndpoint(10));
  await running.job.line(/Waiting for/);
  const activated = call(socket, "Plugin.Activate", "");
  lock[Symbol.dispose]();
  await lost;
  assertEquals((await activated).status, 200);
  assertEquals(await links(), ["eth0.20"]);
  assertEquals(await container.names(), ["lo", taken]);
  await using driver = await Driver.open();
  assertEquals(driver.listSandboxes().map(({ name }) => name), [`docker:${idOf(7)}`]);
  await succeed("DeleteEndpoint", endpoint(7));
  await succeed("DeleteNetwork", { NetworkID: NETWORK });
});

Deno.test("an endpoint whose answer Docker did not get is removed when the plugin is there again", async () => {
  await using running = await plugin();
  const { succeed, links, socket, job } = running;
  await succeed("CreateNetwork", CREATE_NETWORK);
  for (const number of [7, 8]) await succeed("CreateEndpoint", createEndpoint(number));
  job.kill("SIGKILL");
  await job.ended;
  // Docker shows a container when it has started it.
  const container = {
    Id: "c1",
    Name: "/c1",
    NetworkSettings: { Networks: { n: { NetworkID: NETWORK, EndpointID: idOf(7), Aliases: [] } } },
  };
  const answers: Record<string, unknown> = {
    "/networks": [],
    "/containers/json": [],
    "/containers/json?all=true": [{ Id: "c1" }],
    "/containers/c1/json": container,
  };
  const docker = createServer(({ url = "" }, response) => {
    if (url.startsWith("/events")) return response.flushHeaders();
    response.statusCode = url in answers ? 200 : 404;
    response.end(JSON.stringify(answers[url] ?? {}));
  });
  await using undo = new AsyncDisposableStack();
  await new Promise<void>((resolve) => docker.listen({ path: DOCKER_SOCKET }, resolve));
  undo.defer(async () => {
    docker.closeAllConnections();
    await new Promise((resolve) => docker.close(resolve));
  });
  await using again = new Job(["docker", "serve", "--socket", socket]);
  // With as many digits as `ipvlan ps` shows.
  await again.line(/Docker has lost the endpoint docker:a{12}: it is removed/);
  assertEquals((await links()).length, 2);
  await using driver = await Driver.open();
  assertEquals(driver.listSandboxes().map(({ name }) => name), [`docker:${idOf(7)}`]);
  await succeed("DeleteEndpoint", endpoint(7));
  await succeed("DeleteNetwork", { NetworkID: NETWORK });
});

Deno.test("doctor and restore look into the containers of Docker, also where no namespace has a name", async () => {
  await using running = await plugin();
  const { succeed, links } = running;
  await succeed("CreateNetwork", CREATE_NETWORK);
  await using container = await mountedNetns();
  await succeed("CreateEndpoint", createEndpoint(7));
  await succeed("Join", { ...endpoint(7), SandboxKey: container.path });
  const link = (await links())[1]!;
  await running.ip.link.set(link, { netns: container.path });
  await succeed("CreateEndpoint", createEndpoint(8));
  assertOnly(
    await doctor(),
    /^warning state folder: .* has not moved the links of these .*: docker:a+8 → .* docker serve/,
  );
  // For people, an id that no command of Docker's shows is short, if Docker does not say the name.
  const { out } = await ipvlan("doctor");
  assertMatch(out, /into a container: docker:a{12}$/m);
  await succeed("DeleteEndpoint", endpoint(8));
  assertEquals(await doctor(), []);
  const modes = async () => {
    const { info } = (await container.links())[1]!;
    return info.type === "ipvlan" ? `${info.mode} ${info.flag}` : info.type;
  };
  // Whoever is root in the container may give the link any name, and changes all links of the parent.
  await container.run("ip", "link", "set", link, "name", "$(x)");
  await container.run("ip", "link", "set", "$(x)", "type", "ipvlan", "mode", "l3", "private");
  assertOnly(
    await doctor(),
    /^broken parent eth0\.20: .* the kernel mode l3, flag private for all/,
  );
  // As on a machine of Docker's where "ip netns" never ran.
  const alone = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs run /run && exec "$@"', "sh"];
  const ps = await runJob(["ps", "--format", "{{.State}}"], { under: alone });
  assertEquals(ps, { status: 0, out: "running", err: "" });
  const restored = await runJob(["restore"], { under: alone });
  assertEquals([restored.status, await modes()], [0, "l2 bridge"], restored.err);
  assertEquals(await doctor(), []);
  await succeed("DeleteEndpoint", endpoint(7));
  await succeed("DeleteNetwork", { NetworkID: NETWORK });
});

Deno.test("a body that is not what it should be is an error, and the plugin goes on", async () => {
  await using running = await plugin();
  const { reply, succeed, links } = running;
  await succeed("CreateNetwork", CREATE_NETWORK);
  const before = await running.dump();
  const bad: [string, unknown, RegExp][] = [
    ["CreateNetwork", "", /The body is missing/],
    ["CreateNetwork", "{", /not JSON/],
    ["CreateNetwork", "[1]", /it is \[1\]/],
    ["CreateNetwork", { ...CREATE_NETWORK, IPv4Data: [{ Pool: "x" }] }, /"x"/],
    ["CreateNetwork", { ...CREATE_NETWORK, NetworkID: "../../etc/passwd" }, /NetworkID/],
    ["CreateNetwork", { ...CREATE_NETWORK, NetworkID: idOf(9), Options: 7 }, /Options/],
    ["CreateEndpoint", { ...createEndpoint(7), NetworkID: idOf(9) }, /docker:aaaaaaaaaaaa/],
    ["CreateEndpoint", createEndpoint(7, "10.0.0.1/24"), /10\.0\.0\.1/],
    ["CreateEndpoint", createEndpoint(7, "192.168.20.1/24"), /192\.168\.20\.1.*gateway/],
    ["CreateEndpoint", createEndpoint(7, "$(reboot)"), /\$\(reboot\)/],
    [
      "CreateEndpoint",
      { ...createEndpoint(7), Interface: { MacAddress: "02:42::1" } },
      /MAC address/,
    ],
    ["Join", { ...endpoint(7), SandboxKey: "/run/docker/netns/x" }, /There is no sandbox/],
    ["Join", { ...endpoint(7), SandboxKey: "x;reboot" }, /SandboxKey/],
    ["Join", { ...endpoint(7), SandboxKey: "/run/docker/netns/x\0" }, /SandboxKey/],
    ["DeleteEndpoint", { NetworkID: NETWORK }, /"EndpointID" is missing/],
  ];
  for (const [method, body, pattern] of bad) {
    const { status, body: answer } = await reply(method, body);
    assert(status === 500 || status === 400, `${method}: ${status}`);
    assertMatch(answer.Err!, pattern);
  }
  assertEquals((await reply("Jump", {})).status, 404);
  assertEquals(await running.dump(), before);
  await succeed("DeleteNetwork", { NetworkID: NETWORK });
  assertEquals(await links(), []);
});

Deno.test("a network with the same first 12 digits in its id is another one", async () => {
  await using running = await plugin();
  const { reply, succeed } = running;
  await succeed("CreateNetwork", CREATE_NETWORK);
  await succeed("CreateEndpoint", createEndpoint(7));
  const before = await running.dump();
  const NetworkID = `${NETWORK.slice(0, 12)}`.padEnd(64, "1");
  await succeed("DeleteNetwork", { NetworkID });
  for (const body of [createEndpoint(7), createEndpoint(8)]) {
    const { status, body: { Err } } = await reply("CreateEndpoint", { ...body, NetworkID });
    assertEquals(status, 500);
    assertStringIncludes(Err!, NetworkID);
  }
  assertEquals((await reply("CreateNetwork", { ...CREATE_NETWORK, NetworkID })).status, 500);
  assertEquals(await running.dump(), before);
  await succeed("DeleteNetwork", { NetworkID: NETWORK });
});

Deno.test("a Join is for a namespace of a container, now or later, and for none of the host", async () => {
  await using running = await plugin();
  const { reply, succeed } = running;
  const l3 = { "com.docker.network.generic": { parent: "eth0.20", ipvlan_mode: "l3" } };
  await succeed("CreateNetwork", { ...CREATE_NETWORK, Options: l3 });
  await succeed("CreateEndpoint", createEndpoint(7));
  await using container = await mountedNetns();
  const before = await running.dump();
  const wrong: [string, RegExp][] = [
    ["/proc/1/ns/net", /that of the host itself/],
    ["/proc/self/ns/net", /that of the host itself/],
    ["/etc/passwd", /not a namespace|Invalid argument/],
    ["/proc/1/ns/mnt", /Invalid argument/],
    ["/run/docker/netns", /no such file/],
    ["/no/such/file", /no such file/],
  ];
  for (const [SandboxKey, pattern] of wrong) {
    const { status, body: { Err } } = await reply("Join", { ...endpoint(7), SandboxKey });
    assertEquals(status, 500, SandboxKey);
    assertMatch(Err!, pattern);
  }
  assertEquals(await running.dump(), before);
  for (const SandboxKey of [container.path, "/run/docker/netns/later", "/srv/docker/netns/later"]) {
    for (const time of ["first", "again"]) {
      const { StaticRoutes } = await succeed("Join", { ...endpoint(7), SandboxKey });
      assertEquals(StaticRoutes, [{ Destination: "0.0.0.0/0", RouteType: 1 }], time);
    }
  }
  await succeed("DeleteNetwork", { NetworkID: NETWORK });
});

Deno.test("50 endpoints at once have 50 links, also when the plugin is killed and started", async () => {
  await using running = await plugin();
  const { socket, succeed, links, job } = running;
  await succeed("CreateNetwork", CREATE_NETWORK);
  const numbers = Array.from({ length: 50 }, (_, index) => index + 2);
  const asked = numbers.map((number) =>
    call(socket, "NetworkDriver.CreateEndpoint", createEndpoint(number))
  );
  await asked[0];
  job.kill("SIGKILL");
  // Docker repeats what was not answered.
  await Promise.allSettled(asked);
  await using again = new Job(["docker", "serve", "--socket", socket]);
  await again.line(/Listening at/);
  await Promise.all(numbers.map((number) => succeed("CreateEndpoint", createEndpoint(number))));
  await Promise.all(
    numbers.map((number) =>
      succeed("Join", { ...endpoint(number), SandboxKey: `/run/docker/netns/${number}` })
    ),
  );
  assertEquals((await links()).length, 51);
  {
    await using driver = await Driver.open();
    assertEquals(new Set(driver.listSandboxes().map(({ endpoints: [it] }) => it!.ip)).size, 50);
  }
  await Promise.all(numbers.map((number) => succeed("Leave", endpoint(number))));
  await Promise.all(numbers.map((number) => succeed("DeleteEndpoint", endpoint(number))));
  await succeed("DeleteNetwork", { NetworkID: NETWORK });
  assertEquals(await links(), []);
  again.kill("SIGTERM");
  assertEquals((await again.ended).status, 0);
});

Deno.test("a second plugin says at once that another one listens", async () => {
  await using running = await plugin();
  // Whatever the first one is about.
  using _lock = await new FileLock(`${Deno.env.get("IPVLAN_STATE_DIR")}/lock`).exclusive();
  const { status, err } = await runJob(["docker", "serve", "--socket", running.socket]);
  assertEquals([status, err], [
    1,
    `ipvlan: The socket "${running.socket}" cannot be made: another program listens there: end it first`,
  ]);
});

Deno.test("the plugin takes the socket that systemd passes, and leaves it in its place", async () => {
  await using _host = await commandHost();
  await using folder = await temporaryFolder();
  const socket = `${folder.path}/kit.sock`;
  await using job = new Job(["docker", "serve"], { under: ["perl", "-e", PASS_SOCKET, socket] });
  await job.line(/Listening at the socket of systemd/);
  assertEquals((await call(socket, "Nothing", {})).status, 404);
  job.kill("SIGTERM");
  assertEquals((await job.ended).status, 0);
  assert(Deno.lstatSync(socket).isSocket);
});

Deno.test("install writes the units, and says what to run next", async () => {
  const folder = "/etc/systemd/system";
  await using undo = new AsyncDisposableStack();
  await Deno.mkdir(folder, { recursive: true });
  const printed = decode(
    await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", "--cached-only", "cli.ts", "docker", "install"],
    }).output(),
  );
  const paths = ["ipvlan-docker.service", "ipvlan-docker.socket"].map((name) =>
    `${folder}/${name}`
  );
  undo.defer(async () => {
    for (const path of paths) await Deno.remove(path);
  });
  assertEquals([printed.code, printed.stdout], [0, `${paths.join("\n")}\n`], printed.stderr);
  assertStringIncludes(printed.stderr, "systemctl daemon-reload");
  assertStringIncludes(await Deno.readTextFile(paths[0]!), "cli.ts docker serve\n");
  assertStringIncludes(await Deno.readTextFile(paths[1]!), "ListenStream=/run/docker/plugins/");
});
