// The server of CNI calls: all that the plugin does, through it; and what it does when it is killed,
// called by many at once, or by others. tests/unit/engine/serve_test.ts has what needs no network.
import { assert, assertEquals, assertMatch } from "@std/assert";
import { replaceFile } from "../../lib/base/files.ts";
import { pluginText, runServer } from "../../lib/cli/plugin_service.ts";
import { EngineDriver } from "../../lib/driver/mod.ts";
import { runPlugin } from "../../lib/engine/cni/mod.ts";
import { CNI } from "../../lib/engine/plugins.ts";
import { type EngineNamespace, engineNamespace } from "../kit/borrowed.ts";
import { callThrough, type CniAnswer, runProgram } from "../kit/cni.ts";
import { Job, PASS_SOCKET } from "../kit/command.ts";
import { heldIp } from "../kit/faults.ts";
import { dumpSandbox } from "../kit/look.ts";
import { decode } from "../kit/processes.ts";
import { serving } from "../kit/serving.ts";
import { temporaryFolder } from "../kit/worlds.ts";

/** A server in this process, and the plugin's executable that calls it. */
interface Server {
  stateDir: string;
  program: string;
  end(): Promise<void>;
}

/** Starts a server on the state folder of the environment. */
async function startServer(): Promise<Server> {
  const stateDir = Deno.env.get("IPVLAN_STATE_DIR")!;
  const folder = await Deno.makeTempDir();
  const socket = `${folder}/cni.sock`;
  const text = pluginText({ ...CNI, socket }, Deno.env.toObject());
  const program = `${folder}/ipvlan-kit`;
  replaceFile(program, text, 0o755);
  const driver = await EngineDriver.open();
  const ending = new AbortController();
  const ready = Promise.withResolvers<void>();
  const warn = (line: string) => line.startsWith("Listening") && ready.resolve();
  const options = { socket, signal: ending.signal };
  const ended = runServer(CNI, runPlugin, driver, options, false, warn);
  await Promise.race([ready.promise, ended]);
  const end = async () => {
    ending.abort();
    await ended;
    await driver[Symbol.asyncDispose]();
    await Deno.remove(folder, { recursive: true });
  };
  return { stateDir, program, end };
}

/**
 * The tests that take long and say nothing of the server: of the plugin's processes, of what a driver
 * does between two lines, and of which attachments of many GC removes. Other tests call GC, too.
 */
const OF_OTHERS = /process|is killed|interrupted|install|root in the container|150 of 200/;

/** Registers the plugin's own tests once more, each with one server for all of its calls. */
async function registerAgain(): Promise<void> {
  let server: Server | undefined;
  callThrough(async (call) => {
    const stateDir = Deno.env.get("IPVLAN_STATE_DIR");
    const current: Server = server && server.stateDir === stateDir ? server : await startServer();
    if (server !== current) await server?.end();
    server = current;
    const { status, output, stderr } = await runProgram(call, { program: [current.program] });
    // No more than notices.
    assertMatch(stderr, /^(ipvlan: The address \S+ was passed over: .*\n)*$/);
    return { status, output };
  });
  const register = Deno.test;
  const registerOne = (name: string, test: () => Promise<void>) => {
    if (OF_OTHERS.test(name)) return;
    register(`by a server: ${name}`, async () => {
      try {
        await test();
      } finally {
        await server?.end();
        server = undefined;
      }
    });
  };
  Object.assign(Deno, { test: registerOne });
  await import("./cni_test.ts");
  await import("./cni_inside_test.ts");
  Object.assign(Deno, { test: register });
}
await registerAgain();

const LAN = {
  cniVersion: "1.1.0",
  name: "lan",
  type: "ipvlan-kit",
  master: "eth0.20",
  subnets: [{ subnet: "192.168.20.0/24", gateway: "192.168.20.1" }, "2001:db8:20::/64"],
};

/** A server as a process, and how to call the plugin's executable. */
async function servingLan(env?: Record<string, string>) {
  const running = await serving(CNI, env);
  return {
    ...running,
    call: (command: string, id: string, namespace?: EngineNamespace) =>
      runProgram({ command, id, netns: namespace?.path ?? "", conf: LAN }, {
        program: [running.program],
      }),
  };
}

Deno.test("cni serve answers as the plugin itself, and ends on a signal with status 0", async () => {
  await using running = await servingLan();
  const { call, server } = running;
  assertEquals([CNI.socket, "/run/ipvlan"].map((path) => Deno.statSync(path).mode! & 0o777), [
    0o600,
    0o700,
  ]);
  await using one = await engineNamespace();
  // Each call with Deno and with the server has the same answer.
  const alone = (command: string, conf: unknown) =>
    runProgram({ command, id: "c1", netns: one.path, conf });
  const served = (command: string, conf: unknown) =>
    runProgram({ command, id: "c1", netns: one.path, conf }, { program: [running.program] });
  const cases: [string, unknown][] = [
    ["VERSION", { cniVersion: "1.0.0" }],
    ["ADD", "nonsense"],
    ["FROB", LAN],
    ["ADD", { ...LAN, master: "nolink" }],
    ["STATUS", LAN],
  ];
  for (const [command, conf] of cases) {
    assertEquals(await served(command, conf), await alone(command, conf), command);
  }
  const { status, output } = await call("ADD", "c1", one);
  assertEquals([status, output.ips[0].address], [0, "192.168.20.2/24"]);
  // A process of its own has the same records.
  const prevResult = output;
  assertEquals((await alone("CHECK", { ...LAN, prevResult })).status, 0);
  assertEquals((await alone("DEL", LAN)).status, 0);
  assertEquals((await served("CHECK", { ...LAN, prevResult })).output.code, 3);
  server.kill("SIGTERM");
  const { status: ended, err } = await server.ended;
  const lines = err.split("\n");
  assertEquals([ended, lines.filter((line) => /: status/.test(line)).length], [0, 7], err);
  assertEquals([...Deno.readDirSync("/run/ipvlan")], []);
});

Deno.test("another user, another network and another mount namespace are not served", async () => {
  await using running = await servingLan();
  const script =
    `socket(S, 1, 1, 0); connect(S, pack("Sa*", 1, "${CNI.socket}")) and die; print $!`;
  const { stdout } = decode(
    await new Deno.Command("setpriv", {
      args: ["--reuid=65534", "--regid=65534", "--clear-groups", "perl", "-e", script],
    }).output(),
  );
  assertEquals(stdout, "Permission denied");
  for (const flag of ["--net", "--mount"]) {
    const program = ["unshare", flag, running.program];
    const { status, output } = await runProgram({ command: "VERSION", conf: LAN }, { program });
    assertEquals([status, output.cniVersion], [0, "1.1.0"], flag);
  }
  running.server.kill("SIGTERM");
  assertEquals((await running.server.ended).err, `ipvlan: Listening at ${CNI.socket}`);
});

Deno.test("20 ADDs at once, and the server is killed meanwhile: each has one answer, and DEL removes all", async () => {
  await using running = await servingLan();
  const { call, host } = running;
  const before = await host.dump();
  await using undo = new AsyncDisposableStack();
  const containers = await Promise.all(Array.from({ length: 20 }, () => engineNamespace()));
  containers.forEach((container) => undo.use(container));
  const all = (command: string) =>
    Promise.all(containers.map((container, index) => call(command, `c${index}`, container)));
  const answers: Promise<CniAnswer>[] = containers.map((container, index) =>
    call("ADD", `c${index}`, container)
  );
  await Promise.race(answers);
  running.server.kill("SIGKILL");
  const added = await Promise.all(answers);
  const failed = added.filter(({ status }) => status !== 0);
  for (const { output } of failed) {
    assertMatch(`${output.code} ${output.msg}`, /^11 The server of ipvlan has ended/);
  }
  const addresses = added.flatMap(({ status, output }) =>
    status === 0 ? output.ips[0].address : []
  );
  assert(addresses.length > 0);
  assertEquals(new Set(addresses).size, addresses.length);
  // The socket of the one that was killed is still there.
  await using _again = await running.start();
  const removed = await all("DEL");
  assertEquals(removed.map(({ status, output }) => status === 0 ? 0 : output), Array(20).fill(0));
  assertEquals(await host.dump(), before);
  const [first, ...others] = await all("ADD");
  const given = [first!, ...others].map(({ output }) => output.ips[0].address);
  assertEquals(new Set(given).size, 20);
  await all("DEL");
  assertEquals(await host.dump(), before);
});

Deno.test("an ADD whose caller was killed comes to its end, and DEL waits for it", async () => {
  await using ip = await heldIp("behind");
  await using running = await servingLan(ip.env);
  const { host, program, server } = running;
  const before = await host.dump();
  await using one = await engineNamespace();
  await using folder = await temporaryFolder();
  const pid = `${folder.path}/pid`;
  const under = ["sh", "-c", `echo $$ > ${pid}; exec "$@"`, "sh", program];
  ip.hold();
  const added = runProgram({ command: "ADD", id: "c1", netns: one.path, conf: LAN }, {
    program: under,
  });
  await ip.waits();
  Deno.kill(Number(await Deno.readTextFile(pid)), "SIGKILL");
  assertEquals((await added).status, 137);
  const removed = running.call("DEL", "c1", one);
  await ip.goOn();
  assertEquals((await removed).status, 0);
  await server.line(/ADD c1: status 0/);
  const { links } = await dumpSandbox(one.netns);
  assertEquals(links.map(({ name }) => name), ["lo"]);
  assertEquals(await host.dump(), before);
});

Deno.test("a server whose state folder was removed ends, and the call is done without it", async () => {
  await using running = await servingLan();
  await Deno.remove(`${Deno.env.get("IPVLAN_STATE_DIR")}/ipvlan.db`);
  const { status } = await running.call("VERSION", "c1");
  assertEquals(status, 0);
  assertEquals((await running.server.ended).status, 0);
});

Deno.test("the server takes the socket that systemd passes, and leaves it in its place", async () => {
  await using running = await servingLan();
  running.server.kill("SIGTERM");
  await running.server.ended;
  await Deno.mkdir("/run/ipvlan", { recursive: true });
  await using job = new Job(["cni", "serve"], { under: ["perl", "-e", PASS_SOCKET, CNI.socket] });
  await job.line(/Listening at the socket of systemd/);
  await using one = await engineNamespace();
  assertEquals((await running.call("ADD", "c1", one)).status, 0);
  assertEquals((await running.call("DEL", "c1", one)).status, 0);
  job.kill("SIGTERM");
  assertEquals((await job.ended).status, 0);
  assert(Deno.lstatSync(CNI.socket).isSocket);
  await Deno.remove(CNI.socket);
});
