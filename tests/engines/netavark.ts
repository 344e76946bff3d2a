// The tests of Podman with `ipvlan` as its netavark plugin, beside the scenario ENG-7: what happens when
// something is killed.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Driver } from "../../lib/driver/mod.ts";
import { Ip } from "../../lib/iproute2/ip.ts";
import { withIpvlan } from "../../scenarios/kit/engines/machine.ts";
import { withPodman } from "../../scenarios/kit/engines/podman.ts";
import { IMAGE } from "../../scenarios/kit/engines/daemon.ts";
import { Job } from "../kit/command.ts";
import { heldIp } from "../kit/faults.ts";
import { firstLines } from "../kit/pages.ts";
import { processes, run, succeed } from "../kit/processes.ts";
import { state, withRouter } from "./machine.ts";

/** Runs a test on a machine with Podman, our plugin, and the network `l2net`; nothing may be left. */
async function withPlugin(test: (ip: Ip) => Promise<void>): Promise<void> {
  await using ip = await Ip.open();
  await using _router = await withRouter(ip);
  await using _ipvlan = await withIpvlan();
  await using _podman = await withPodman();
  await succeed("ipvlan", "netavark", "install");
  const before = await state(ip);
  const subnet = ["--subnet=192.168.1.0/24", "--gateway=192.168.1.1"];
  await succeed(
    "podman",
    "network",
    "create",
    "-d",
    "ipvlan-kit",
    ...subnet,
    "-o",
    "parent=eth0",
    "l2net",
  );
  await test(ip);
  await succeed("podman", "rm", "--force", "--all", "--time=0");
  await succeed("podman", "network", "rm", "l2net");
  assertEquals(await recorded(), []);
  assertEquals(await state(ip), before);
}

/** The names of what is on record. */
async function recorded(): Promise<string[]> {
  await using driver = await Driver.open();
  return [...driver.listNetworks(), ...driver.listSandboxes()].map(({ name }) => name);
}

/** The words that run the container `c1` with an address. */
function runWith(address: string): string[] {
  const options = ["--detach", "--cap-add=NET_RAW", "--net=l2net", `--ip=${address}`, "--name=c1"];
  return ["run", ...options, IMAGE, "sleep", "1000"];
}

/** Starts the server of Podman's calls, with a line in its log for each of them. */
async function startServer(env?: Record<string, string>): Promise<Job> {
  const server = new Job(["netavark", "serve", "--verbose"], { env });
  await server.line(/Listening at/);
  return server;
}

/** Kills every process of a program. They belong to this guest alone. */
function killAll(program: string): void {
  const found = processes().filter(({ name, pid }) => name === program && pid !== Deno.pid);
  assert(found.length > 0, `no ${program} runs`);
  for (const { pid } of found) Deno.kill(pid, "SIGKILL");
}

/** Removes the namespaces that Podman has made and, as it was killed, forgotten. */
async function removeNamespaces(): Promise<void> {
  await using ip = await Ip.open();
  const names = (await ip.netns.list()).filter((name) => name.startsWith("netns-"));
  for (const name of names) await ip.netns.del(name);
}

/** Asserts that `c1` is as it should be, on record and in the kernel. */
async function assertConnected(address = "192.168.1.77"): Promise<void> {
  assertStringIncludes(await succeed("podman", "exec", "c1", "ip", "address"), `${address}/24`);
  await using driver = await Driver.open();
  assertEquals(
    (await driver.seeSandboxes()).map(({ state, endpoints }) => [state, endpoints.length]),
    [
      ["up", 1],
    ],
  );
}

/** Registers the tests. */
export function netavarkTests(): void {
  for (const killed of ["ipvlan", "the server", "podman"] as const) {
    Deno.test(`${killed} is killed in the middle of a setup: the next try succeeds`, () =>
      withPlugin(async () => {
        await using held = await heldIp("behind");
        await using _server = killed === "the server" ? await startServer(held.env) : undefined;
        held.hold();
        const options = { args: runWith("192.168.1.77"), env: held.env, stdin: "null" } as const;
        const start = new Deno.Command("podman", options).output();
        await held.waits();
        if (killed === "podman") killAll("podman");
        // Without Podman, the plugin would go on alone.
        killAll("deno");
        await held.goOn();
        const { success, stderr } = await start;
        assertEquals(success, false);
        if (killed !== "podman") {
          const said = new TextDecoder().decode(stderr);
          if (killed === "the server") assertStringIncludes(said, "The server of ipvlan has ended");
          await succeed("podman", "start", "c1");
          return await assertConnected("192.168.1.77");
        }
        await succeed("podman", "rm", "--force", "c1");
        await removeNamespaces();
        // Podman 5.4 never gives the address again that it had chosen when it was killed.
        await succeed("podman", ...runWith("192.168.1.78"));
        await assertConnected("192.168.1.78");
      }));
  }

  Deno.test("the server answers Podman's calls", () =>
    withPlugin(async () => {
      await using server = await startServer();
      await succeed("podman", ...runWith("192.168.1.77"));
      await assertConnected();
      await succeed("podman", "exec", "c1", "ping", "-c", "1", "-W", "5", "192.168.1.1");
      await succeed("podman", "rm", "--force", "--time=0", "c1");
      assertEquals(await recorded(), []);
      server.kill("SIGTERM");
      const { status, err } = await server.ended;
      assertEquals(status, 0);
      assertEquals([...err.matchAll(/: (\w+) \w+: status 0/g)].map(([, command]) => command), [
        "setup",
        "teardown",
      ]);
    }));

  Deno.test("containers that vanish without a teardown are cleaned by the next call", () =>
    withPlugin(async () => {
      await succeed("podman", ...runWith("192.168.1.77"));
      await assertConnected();
      // As after a crash: the processes and the namespace are gone, and Podman has called nobody.
      killAll("conmon");
      killAll("sleep");
      await removeNamespaces();
      const second = ["run", "--rm", "--net=l2net", "--ip=192.168.1.78", IMAGE, "true"];
      await succeed("podman", ...second);
      assertEquals(await recorded(), []);
      await run("podman", "rm", "--force", "--time=0", "c1");
    }));

  Deno.test("the page's lines run", () =>
    withPlugin(async () => {
      const out = await succeed("sh", "-ec", firstLines("docs/podman-engine.md"));
      assertStringIncludes(out, "default via 192.168.20.1 dev eth0");
      assertStringIncludes(out, "netavark:lan 192.168.20.10/24");
    }));

  Deno.test("a network's name servers and routes get into the container", () =>
    withPlugin(async () => {
      const other = ["--subnet=192.168.20.0/24", "--opt=parent=eth0.20", "--dns=9.9.9.9"];
      const route = "--route=10.9.0.0/16,192.168.20.5";
      await succeed("podman", "network", "create", "-d", "ipvlan-kit", ...other, route, "routed");
      const script = "cat /etc/resolv.conf; ip route";
      const out = await succeed("podman", "run", "--rm", "--net=routed", IMAGE, "sh", "-c", script);
      assertStringIncludes(out, "nameserver 9.9.9.9");
      assertStringIncludes(out, "default via 192.168.20.1 dev eth0");
      assertStringIncludes(out, "10.9.0.0/16 via 192.168.20.5 dev eth0");
      await succeed("podman", "network", "rm", "routed");
    }));

  Deno.test("networks are connected and disconnected while a container runs", () =>
    withPlugin(async () => {
      await succeed("podman", ...runWith("192.168.1.77"));
      const other = ["--subnet=192.168.20.0/24", "-o", "parent=eth0.20", "vlan20"];
      await succeed("podman", "network", "create", "-d", "ipvlan-kit", ...other);
      await succeed("podman", "network", "connect", "--ip=192.168.20.9", "vlan20", "c1");
      assertStringIncludes(
        await succeed("podman", "exec", "c1", "ip", "address"),
        "192.168.20.9/24",
      );
      await succeed("podman", "exec", "c1", "ping", "-c", "1", "-W", "5", "192.168.20.1");
      await succeed("podman", "network", "disconnect", "vlan20", "c1");
      await succeed("podman", "network", "rm", "vlan20");
      await assertConnected();
      await succeed("podman", "restart", "--time=0", "c1");
      await assertConnected();
    }));
}
