// `ipvlan docker serve` with a real kernel, and with the calls that Docker sends.
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { request } from "node:http";
import { Driver } from "../../lib/driver/mod.ts";
import { isOurs } from "../../lib/driver/parent.ts";
import { Job, PASS_SOCKET } from "../kit/command.ts";
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

Deno.test("a body that is not what it should be is an error, and the plugin goes on", async () => {
  await using running = await plugin();
  const { reply, succeed, links } = running;
  await succeed("CreateNetwork", CREATE_NETWORK);
  const before = await running.dump();
  const bad: [string, unknown, RegExp][] = [
    ["CreateNetwork", "", /The body is missing/],
    ["CreateNetwork", "{", /not JSON/],
    ["CreateNetwork", "[1]", /The body is \[1\]/],
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
    ["DeleteEndpoint", { NetworkID: NETWORK }, /EndpointID of the body is missing/],
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
