// Tests of two guests that wires connect. They run as the current user.
import { assert, assertEquals, assertMatch } from "@std/assert";
import { runPair } from "../../lab/guest/pair.ts";
import type { Job } from "../../lab/engine.ts";
import { UmlEngine } from "../../lab/uml/engine.ts";
import { labCommand, list, PROJECT, read, Traced, warmUp } from "../kit/lab.ts";

/** What each guest does first. Its number is the last part of its addresses. */
function setUp(number: number): string {
  return `
  ip link set wire up && ip addr add 10.0.0.${number}/24 dev wire
  ip link add link wire name wire.20 type vlan id 20
  ip link set wire.20 up && ip addr add 10.0.20.${number}/24 dev wire.20
  ip link set control up && ip addr add 10.1.0.${number}/24 dev control`;
}

/** Pings until the first answer, of which the data have this size. */
const ping = (address: string, bytes = 56) =>
  `ping -q -c 1 -w 300 -s ${bytes} ${address} > /dev/null`;

/** Runs two scripts in two guests. Resolves to the exit status of the first. */
async function pair(first: string, second: string): Promise<number> {
  const engine = new UmlEngine(() => {});
  const requirements = { modules: [], signal: new AbortController().signal };
  assert((await engine.probe(requirements)).ok);
  const job = (script: string): Job => ({
    ...requirements,
    command: ["sh", "-c", script],
    cwd: PROJECT,
    jobsAtOnce: 2,
  });
  return await runPair(engine, job(first), job(second));
}

Deno.test("wires connect two guests, also in a VLAN, and pairs do not meet each other", async () => {
  await warmUp("uml");
  const stay = "exec sleep 1000";
  const reachesOnly = (one: number, other: number) =>
    [
      setUp(1),
      // The largest packet of 1500 bytes.
      ping(`10.0.0.${one}`, 1472),
      ping(`10.0.20.${one}`, 1472),
      ping(`10.1.0.${one}`),
      `! ping -q -w 2 10.0.0.${other} > /dev/null`,
      `! ping -q -w 2 10.1.0.${other} > /dev/null`,
    ].join(" && ");
  const statuses = await Promise.all([
    pair(reachesOnly(2, 3), `${setUp(2)}; ${stay}`),
    pair(reachesOnly(3, 2), `${setUp(3)}; ${stay}`),
  ]);
  assertEquals(statuses, [0, 0]);
});

/** The ids of the kernels of a run whose wires end in the first guest, or in the second. */
function kernelsOf(trace: Traced, guest: 0 | 1): number[] {
  return trace.left().processes.filter((id) => {
    try {
      const words = Deno.readTextFileSync(`/proc/${id}/cmdline`).split("\0");
      return /linux/.test(words[0]!) &&
        words.some((word) => word.includes(`mac=02:00:00:00:0${guest}:`));
    } catch {
      return false;
    }
  });
}

/** Kills a process of a kernel, which may have ended with another one of them. */
function kill(id: number): void {
  try {
    Deno.kill(id, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** The names of the files in the folders of a run: `up` for each guest that has started. */
function filesOf({ env }: Traced): string[] {
  return list(env.TMPDIR!).flatMap((folder) => list(`${env.TMPDIR}/${folder}`));
}

Deno.test("when a guest of a scenario is killed, the run fails, says so, and leaves nothing", async () => {
  const words = ["hosts", "two-kernels@frr", "--engine", "uml"];
  for (
    const [guest, message] of [[1, "The second guest: The guest ended"], [
      0,
      "The guest ended",
    ]] as const
  ) {
    await using trace = await Traced.start();
    const child = labCommand(words, trace).spawn();
    let hasEnded = false;
    const ended = child.output().finally(() => hasEnded = true);
    const hasBegun = () => {
      const files = filesOf(trace);
      return files.includes("two-kernels@frr.taken") &&
        files.filter((name) => name === "up").length === 2;
    };
    while (!hasBegun() && !hasEnded) await new Promise((resolve) => setTimeout(resolve, 10));
    for (const id of kernelsOf(trace, guest)) kill(id);
    const { code, stdout, stderr } = read(await ended);
    assertEquals(code, 1, stderr);
    assertMatch(stderr, new RegExp(`^lab: two-kernels@frr: ${message}`, "m"));
    assertMatch(stdout, /^Failed: two-kernels@frr: Its guest ended before the scenario$/m);
    assertEquals(trace.left(), { processes: [], files: [] });
  }
});
