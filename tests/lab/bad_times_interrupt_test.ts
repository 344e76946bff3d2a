import { assert, assertEquals, assertMatch } from "@std/assert";
import { StateLock } from "../../lib/driver/run/lock.ts";
import { Driver } from "../../lib/driver/mod.ts";
import { ipvlan, Job } from "../kit/command.ts";
import { heldIp } from "../kit/faults.ts";
import { hangingProgram } from "../kit/hanging_program.ts";
import { seeWorld } from "../kit/look.ts";
import { allEnded } from "../kit/processes.ts";
import { commandHost, siteFile } from "../kit/worlds.ts";

const SITE = `
networks:
  web: { parent: eth0.20, subnets: [192.168.20.0/24] }
  lan: { parent: eth0, subnets: [10.9.0.0/24] }
sandboxes:
  a: { networks: [web] }
  b: { networks: [web, lan] }
  c: { networks: [lan], command: [sleep, "1000"] }
checks:
  - a reaches b
  - a does not reach 10.9.0.1
`;

/** Who is sent the signal: the process alone (`kill`), or all of its group (Ctrl-C at a terminal). */
const WHOM = ["it", "its group"] as const;

for (const whom of WHOM) {
  Deno.test(`an interrupt to ${whom} in the middle of apply undoes all of it`, async (t) => {
    await using host = await commandHost();
    await using file = await siteFile(SITE);
    const before = [await seeWorld(), await host.dump()];
    for (const line of [/Creating 2 networks/, /\+ ip -n /, /Starting 1 command/, /Checking/]) {
      await t.step(`${line}`, async () => {
        await using job = new Job(["apply", "--verbose", file.path]);
        await job.line(line);
        job.kill("SIGINT", whom);
        const { status, signal, out, err } = await job.ended;
        assertEquals([status, signal, out], [130, null, ""], err);
        assertEquals(
          err.split("\n").filter((line) => line.startsWith("ipvlan: ")).at(-1),
          "ipvlan: It was interrupted",
        );
        assertEquals([await seeWorld(), await host.dump()], before);
      });
    }
  });

  Deno.test(`an interrupt to ${whom} in the middle of network rm leaves each network or none of it`, async () => {
    await using host = await commandHost();
    const empty = [await seeWorld(), await host.dump()];
    assertEquals((await ipvlan("network", "create", "-o", "parent=eth0.20.30", "a")).status, 0);
    const one = await seeWorld();
    assertEquals((await ipvlan("network", "create", "-o", "parent=eth0.40", "b")).status, 0);
    const two = await seeWorld();
    await using held = await heldIp("before");
    held.hold();
    await using job = new Job(["network", "rm", "b", "a"], held);
    await held.waits();
    job.kill("SIGINT", whom);
    await held.goOn();
    const { status, signal, out } = await job.ended;
    assertEquals([status, signal], [130, null]);
    // What was begun has come to its end, and nothing else was begun.
    assertEquals(out, "b");
    assertEquals(await seeWorld(), one);
    assert(JSON.stringify(one) !== JSON.stringify(two));
    assertEquals((await ipvlan("network", "rm", "a")).status, 0);
    assertEquals([await seeWorld(), await host.dump()], empty);
  });

  Deno.test(`an interrupt to ${whom} ends run, and --rm cleans up`, async (t) => {
    await using host = await commandHost();
    assertEquals((await ipvlan("network", "create", "--subnet", "10.9.0.0/24", "n")).status, 0);
    const before = [await seeWorld(), await host.dump()];
    const run = ["run", "--verbose", "--net", "n", "--name", "c"];
    await t.step("while its sandbox is made, with and without --rm", async () => {
      for (const options of [["--rm"], [], ["--detach"]]) {
        await using held = await heldIp("before");
        held.hold();
        await using job = new Job([...run, ...options, "true"], held);
        await held.waits();
        job.kill("SIGINT", whom);
        await held.goOn();
        const { status, signal, out } = await job.ended;
        assertEquals([status, signal, out], [130, null, ""], options.join());
        assertEquals([await seeWorld(), await host.dump()], before, options.join());
      }
    });
    await t.step("while its command runs", async () => {
      await using job = new Job([...run, "--rm", "sh", "-c", "echo runs >&2; exec sleep 30"]);
      await job.line(/^runs$/);
      job.kill("SIGINT", whom);
      const { status, signal } = await job.ended;
      assertEquals([status, signal], [130, null]);
      assertEquals([await seeWorld(), await host.dump()], before);
    });
    await t.step("and no more than it, where the command goes on", async () => {
      const script = "trap 'echo heard >&2; exit 7' INT; echo runs >&2; sleep 30 & wait";
      await using job = new Job([...run, "--rm", "sh", "-c", script]);
      await job.line(/^runs$/);
      job.kill("SIGINT", whom);
      const { status, err } = await job.ended;
      assertEquals(status, 7);
      assertMatch(err, /^heard$/m);
      assertEquals([await seeWorld(), await host.dump()], before);
    });
    assertEquals((await ipvlan("network", "rm", "n")).status, 0);
  });
}

Deno.test("an interrupt ends an apply that waits for another, and a restore that waits for parents", async () => {
  await using host = await commandHost();
  await using file = await siteFile(SITE);
  const before = [await seeWorld(), await host.dump()];
  await using driver = await Driver.open();
  const other = Promise.withResolvers<void>();
  const holds = driver.sequence(() => other.promise);
  await using job = new Job(["apply", file.path]);
  await job.line(/Waiting for process/);
  job.kill("SIGINT", "its group");
  const { status, err } = await job.ended;
  other.resolve();
  await holds;
  assertEquals([status, err.split("\n").at(-1)], [130, "ipvlan: It was interrupted"]);
  assertEquals([await seeWorld(), await host.dump()], before);

  assertEquals((await ipvlan("network", "create", "-o", "parent=eth0.20", "n")).status, 0);
  await host.ip.link.del("eth0.20");
  await host.ip.link.set("eth0", { up: false });
  await using waiting = new Job(["restore", "--wait", "3600"]);
  await waiting.line(/Waiting to restore the network "n"$/);
  waiting.kill("SIGINT", "its group");
  assertEquals((await waiting.ended).status, 130);
  await host.ip.link.set("eth0", { up: true });
  assertEquals((await ipvlan("network", "rm", "n")).status, 0);
});

Deno.test("an interrupt in the middle of network create undoes it", async () => {
  await using host = await commandHost();
  const before = [await seeWorld(), await host.dump()];
  await using held = await heldIp("before");
  held.hold();
  await using job = new Job(["network", "create", "-o", "parent=eth0.20", "n"], held);
  await held.waits();
  job.kill("SIGINT");
  await held.goOn();
  const { status, signal, out, err } = await job.ended;
  assertEquals([status, signal, out, err], [130, null, "", "ipvlan: It was interrupted"]);
  assertEquals([await seeWorld(), await host.dump()], before);
});

Deno.test("an interrupt ends a command whose ip hangs, and the next command undoes it", async () => {
  await using host = await commandHost();
  const before = [await seeWorld(), await host.dump()];
  await using held = await heldIp("before");
  held.hold();
  await using job = new Job(["network", "create", "-o", "parent=eth0.20", "n"], held);
  await held.waits();
  job.kill("SIGTERM");
  const { status, signal, out, err } = await job.ended;
  assertEquals([status, signal, out], [143, null, ""]);
  assertMatch(err, /"ip .*" did not end, and was killed/);
  await held.goOn();
  assertEquals((await ipvlan("restore")).err, 'ipvlan: The network "n" was left half made');
  assertEquals([await seeWorld(), await host.dump()], before);
});

Deno.test("an interrupt of a command that only asks ends the ip that hangs, too", async (t) => {
  await using host = await commandHost();
  const before = [await seeWorld(), await host.dump()];
  assertEquals((await ipvlan("network", "create", "-o", "parent=eth0.20", "n")).status, 0);
  assertEquals((await ipvlan("run", "-d", "--net", "n", "--name", "c")).status, 0);
  for (const words of [["ps"], ["inspect", "c"], ["graph"], ["doctor"]]) {
    await t.step(words.join(" "), async () => {
      await using hanging = await hangingProgram("ip", '*"-n c "*');
      const env = { PATH: hanging.path, IPVLAN_TRANSPORT: "ip" };
      await using job = new Job(words, { env });
      await hanging.hangs();
      job.kill("SIGINT");
      const { status, signal, out, err } = await job.ended;
      assertEquals([status, signal, out], [130, null, ""], err);
      await allEnded(hanging.path.split(":")[0]!);
    });
  }
  assertEquals((await ipvlan("rm", "c")).status, 0);
  assertEquals((await ipvlan("network", "rm", "n")).status, 0);
  assertEquals([await seeWorld(), await host.dump()], before);
});

/** Commands that change something, and those that need what the ones before have made. */
const CHANGES = [
  ["network", "create", "-o", "parent=eth0.30", "m"],
  ["network", "rm", "n"],
  ["network", "prune", "--force"],
  ["network", "connect", "n", "c"],
  ["network", "disconnect", "n", "c"],
  ["run", "--net", "n", "--rm", "true"],
  ["rm", "-f", "c"],
  ["restore"],
];

Deno.test("an interrupt ends each command that waits for another one", async (t) => {
  await using host = await commandHost();
  const lock = new StateLock(`${Deno.env.get("IPVLAN_STATE_DIR")}/lock`);
  assertEquals((await ipvlan("network", "create", "-o", "parent=eth0.20", "n")).status, 0);
  assertEquals((await ipvlan("run", "-d", "--net", "n", "--name", "c")).status, 0);
  const before = [await seeWorld(), await host.dump()];
  await lock.exclusive(async () => {
    for (const words of CHANGES) {
      await t.step(words.join(" "), async () => {
        await using job = new Job(words);
        await job.line(new RegExp(`Waiting for process ${Deno.pid} `));
        job.kill("SIGINT");
        const { status, signal, out, err } = await job.ended;
        assertEquals([status, signal, out], [130, null, ""]);
        assertEquals(err.split("\n").at(-1), "ipvlan: It was interrupted");
      });
    }
  });
  assertEquals([await seeWorld(), await host.dump()], before);
});

Deno.test("an interrupt ends a command that waits for what a killed one has begun", async () => {
  await using host = await commandHost();
  const before = [await seeWorld(), await host.dump()];
  await using held = await heldIp("behind");
  await using killed = new Job(["network", "create", "-o", "parent=eth0.20", "n"], held);
  held.hold();
  await held.waits();
  killed.kill("SIGKILL");
  await killed.ended;
  await using job = new Job(["restore"]);
  await job.line(/Waiting for the programs of a killed driver: process \d+ \(.*\)$/);
  job.kill("SIGINT");
  assertEquals((await job.ended).status, 130);
  await held.goOn();
  assertEquals((await ipvlan("restore")).status, 0);
  assertEquals([await seeWorld(), await host.dump()], before);
});
