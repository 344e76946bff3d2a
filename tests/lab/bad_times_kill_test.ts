import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Driver } from "../../lib/driver/mod.ts";
import { ipvlan, Job, runJob } from "../kit/command.ts";
import { heldIp } from "../kit/faults.ts";
import { seeWorld } from "../kit/look.ts";
import { run } from "../kit/processes.ts";
import { commandHost, siteFile } from "../kit/worlds.ts";

const SITE = `
networks:
  web: { parent: eth0.20, subnets: [192.168.20.0/24, "2001:db8:20::/64"] }
  lan: { parent: eth0, mode: l3, subnets: [10.9.0.0/24] }
sandboxes:
  a: { networks: [web] }
  b: { networks: { web: { aliases: [db] }, lan: {} } }
  c: { networks: { lan: { ip: 10.9.0.2 } }, command: [sleep, "1000"] }
  d: { networks: [lan] }
`;

/** How often `apply` is killed: once in each of as many equal parts of its lines. */
const ROUNDS = 10;

/** The longest that a round may take, in milliseconds: many times what it takes. */
const DEADLINE = 120_000;

/** Rejects when a promise has not settled before the deadline. */
async function inTime<T>(what: string, promise: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`${what}: not done in time`)), DEADLINE);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** The longest that is waited after a line before the kill, in milliseconds. */
const LATER = 20;

/** Numbers from 0 to 1 that look random and follow from a seed (mulberry32, by Tommy Ettinger). */
function randomFrom(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

Deno.test("killed at a random point, apply converges when it is run again", async (t) => {
  const seed = Number(Deno.env.get("SEED") ?? 1);
  console.log(`SEED=${seed}; another one makes other kills`);
  const random = randomFrom(seed);
  await using host = await commandHost();
  await using file = await siteFile(SITE);
  const before = [await seeWorld(), await host.dump()];
  const { err } = await ipvlan("apply", "--verbose", file.path);
  const lines = err.split("\n").length;
  const expected = await seeWorld();
  assertEquals((await ipvlan("destroy", "--yes", file.path)).status, 0);
  let killed = 0;
  for (let round = 1; round <= ROUNDS; round++) {
    // A burst of lines is printed at once, and what is done after it is not printed at all.
    const line = 1 + Math.floor((round - 1 + random()) / ROUNDS * lines);
    const later = Math.floor(random() * LATER);
    const name = `${round}: ${later} ms after line ${line} of ${lines}`;
    const kill = async () => {
      await using job = new Job(["apply", "--verbose", file.path]);
      await job.line(line);
      await new Promise((resolve) => setTimeout(resolve, later));
      job.kill("SIGKILL");
      if ((await job.ended).signal === "SIGKILL") killed++;
      const again = await ipvlan("apply", file.path);
      assertEquals(again.status, 0, again.err);
      assertEquals(await seeWorld(), expected);
      const third = await ipvlan("apply", file.path);
      assertStringIncludes(third.out, "Nothing to do");
      assertEquals((await ipvlan("destroy", "--yes", file.path)).status, 0);
      assertEquals([await seeWorld(), await host.dump()], before);
    };
    await t.step(name, () => inTime(name, kill()));
  }
  console.log(`${killed} of ${ROUNDS} were killed before they had ended`);
  assert(killed > ROUNDS / 2, `only ${killed} were killed before they had ended`);
});

/** Who has a file open as the descriptor that says that a driver's lines are run. */
async function holdersOf(path: string): Promise<number> {
  const { dev, ino } = await Deno.stat(path);
  const { stdout } = await run("sh", "-c", "stat -L -c '%d %i' /proc/[0-9]*/fd/9 2> /dev/null");
  return stdout.split("\n").filter((line) => line === `${dev} ${ino}`).length;
}

Deno.test("recovery waits for the ip of a killed command, and undoes what it did", async () => {
  await using host = await commandHost();
  const before = [await seeWorld(), await host.dump()];
  const lock = `${Deno.env.get("IPVLAN_STATE_DIR")}/ip.lock`;
  await using held = await heldIp("before");
  held.hold();
  await using job = new Job(["network", "create", "-o", "parent=eth0.20", "n"], held);
  await held.waits();
  job.kill("SIGKILL");
  await job.ended;
  // The shell that has started it, and itself.
  assert(await holdersOf(lock) >= 2);
  await using driver = await Driver.open();
  let isBack = false;
  const recovered = driver.recover().finally(() => isBack = true);
  // By the time that this has been answered, one that does not wait has come to its end.
  for (let turn = 0; turn < 10; turn++) await driver.runningSandboxes();
  assert(!isBack, "nobody waited");
  await held.goOn();
  assertEquals(await recovered, ['The network "n" was left half made']);
  assertEquals(await holdersOf(lock), 0);
  assertEquals([await seeWorld(), await host.dump()], before);
});

Deno.test("a command that was left half started is started once", async () => {
  await using _host = await commandHost();
  await using file = await siteFile(SITE);
  assertEquals((await ipvlan("apply", file.path)).status, 0);
  const expected = await seeWorld();
  await using driver = await Driver.open();
  const [pid] = await driver.processes("c");
  // As a kill leaves it between what is on record before a command is started, and after.
  const { labels } = driver.inspectSandbox("c");
  const starting = { ...labels, "ipvlan.site.starting": "" };
  await driver.label([{ kind: "sandbox", name: "c", labels: starting }]);
  const { status, out } = await ipvlan("apply", file.path);
  assertEquals([status, out.split("\n")], [0, [
    "~ sandbox c: command sleep 1000 was left half started; is made anew",
    "0 added, 1 changed, 0 removed",
  ]]);
  assertEquals(await seeWorld(), expected);
  assert(!(await driver.processes("c")).includes(pid!));
});

Deno.test("applying the same file twice at once gives the same world as applying it once", async () => {
  await using _host = await commandHost();
  await using file = await siteFile(SITE);
  const before = await seeWorld();
  assertEquals((await ipvlan("apply", file.path)).status, 0);
  const expected = await seeWorld();
  assertEquals((await ipvlan("destroy", "--yes", file.path)).status, 0);
  const both = await Promise.all([1, 2].map(() => runJob(["apply", file.path])));
  assertEquals(both.map(({ status }) => status), [0, 0], both.map(({ err }) => err).join("\n"));
  assertEquals(both.map(({ out }) => out.split("\n").at(-1)).sort(), [
    "6 added, 0 changed, 0 removed",
    `Nothing to do: everything is as ${file.path} says`,
  ]);
  assertEquals(await seeWorld(), expected);
  assertEquals((await ipvlan("destroy", "--yes", file.path)).status, 0);
  assertEquals(await seeWorld(), before);
});

Deno.test("of two files with the same sandbox, applied at once, one is refused and changes nothing", async () => {
  await using _host = await commandHost();
  await using one = await siteFile(
    "networks: { one: }\nsandboxes: { x: { networks: [one] } }",
    "one",
  );
  await using two = await siteFile(
    "networks: { two: }\nsandboxes: { x: { networks: [two] } }",
    "two",
  );
  const before = await seeWorld();
  const both = await Promise.all([one, two].map(async (file) => ({
    file,
    ...await runJob(["apply", file.path]),
  })));
  const [winner, loser] = both.sort((a, b) => a.status - b.status);
  assertEquals([winner!.status, loser!.status], [0, 1]);
  const [site, other] = winner!.file === one ? ["one", "two"] : ["two", "one"];
  assertStringIncludes(
    loser!.err,
    `The sandbox "x" is there already and belongs to the site "${site}"`,
  );
  await using driver = await Driver.open();
  assertEquals(driver.listNetworks().map(({ name }) => name), [site], `${other} left something`);
  assertEquals(await ipvlan("diff", winner!.file.path), { status: 0, out: "", err: "" });
  assertEquals((await ipvlan("destroy", "--yes", winner!.file.path)).status, 0);
  assertEquals(await seeWorld(), before);
});
