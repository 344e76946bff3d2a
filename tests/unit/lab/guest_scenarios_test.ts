import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { LabError, UsageError } from "../../../lab/errors.ts";
import { type GuestJob, type GuestLab, runGuestScenarios } from "../../../lab/guest/scenarios.ts";
import { assertScenarios } from "../../../lab/scenarios.ts";
import { temporaryFolder } from "../../kit/worlds.ts";

/** A lab whose guests write results without running anything. */
class FakeLab implements GuestLab {
  readonly signal = new AbortController().signal;
  readonly fetched: string[] = [];
  readonly ran: string[] = [];
  readonly said: string[] = [];
  #running = 0;
  mostAtOnce = 0;

  constructor(readonly failing = "") {}

  fetchFor(bundles: readonly string[]): Promise<void> {
    this.fetched.push(bundles.join("+"));
    return Promise.resolve();
  }

  maxGuests(wanted: number): Promise<number> {
    return Promise.resolve(Math.min(2, wanted));
  }

  say(line: string): void {
    this.said.push(line);
  }

  async runGuest({ name, command, share, jobsAtOnce }: GuestJob): Promise<number> {
    this.ran.push(name);
    this.mostAtOnce = Math.max(this.mostAtOnce, ++this.#running);
    assertEquals(jobsAtOnce, Math.min(2, navigator.hardwareConcurrency));
    assertEquals(command.slice(-5), ["--share", share, "--guest", name, "fifty"]);
    await new Promise((resolve) => setTimeout(resolve, 0));
    this.#running--;
    if (name === this.failing) throw new LabError("no kernel starts");
    const evidence = [{ command: "ps", output: "50" }];
    const verdicts = [{
      id: "ENG-8",
      held: true,
      findings: [{ sentence: "50", held: true, evidence }],
    }];
    const result = { name: `fifty@${name}`, seconds: 1, verdicts, versions: [`${name} 1.0`] };
    const place = { engine: "uml", kernel: "6.1.0" };
    await Deno.writeTextFile(
      `${share}/fifty@${name}.json`,
      JSON.stringify({ place, result, lines: [] }),
    );
    return 0;
  }
}

/** What a report has of each scenario. */
async function reportOf(
  lab: GuestLab,
): Promise<{ status: number; errors: (string | undefined)[] }> {
  await using folder = await temporaryFolder();
  const file = `${folder.path}/report.json`;
  const status = await runGuestScenarios("engines", ["fifty"], { json: file }, lab);
  const { scenarios } = JSON.parse(await Deno.readTextFile(file));
  return { status, errors: scenarios.map(({ error }: { error?: string }) => error) };
}

Deno.test("each set of programs has one guest, and only so many run at once", async () => {
  const lab = new FakeLab();
  const { status, errors } = await reportOf(lab);
  assertEquals(status, 0);
  assertEquals(errors.every((error) => error === undefined), true);
  assertEquals(lab.ran.length > 2, true);
  assertEquals(lab.ran, lab.fetched);
  assertEquals(lab.mostAtOnce, Math.min(2, navigator.hardwareConcurrency));
});

Deno.test("a pair of guests runs when all others have ended, and divides the memory by two", async () => {
  const jobs: GuestJob[] = [];
  let running = 0;
  const lab: GuestLab = {
    signal: new AbortController().signal,
    fetchFor: () => Promise.resolve(),
    maxGuests: (wanted) => Promise.resolve(wanted),
    say: () => {},
    runGuest: async (job) => {
      if (job.second) assertEquals(running, 0);
      jobs.push(job);
      running++;
      await new Promise((resolve) => setTimeout(resolve, 0));
      running--;
      return 0;
    },
  };
  await runGuestScenarios("hosts", ["two-kernels", "shared-names", "routes"], {}, lab);
  const pairs = jobs.filter(({ second }) => second);
  assertEquals(pairs.map(({ name }) => name), ["two-kernels@etcd", "two-kernels@frr"]);
  assertEquals(jobs.slice(-2), pairs);
  assertEquals(jobs.length > 2, true);
  for (const { second, jobsAtOnce } of pairs) {
    assertEquals(jobsAtOnce, 2);
    assertMatch(second!.at(-1)!, /second_kernel_program\.ts$/);
  }
});

Deno.test("a guest that does not start is reported, and the others run", async () => {
  const lab = new FakeLab("docker26");
  const { status, errors } = await reportOf(lab);
  assertEquals(status, 1);
  assertEquals(errors.filter((error) => error !== undefined), ["It was not run"]);
  assertEquals(lab.said, ["docker26: no kernel starts"]);
});

Deno.test("a scenario that does not exist is a wrong command line", async () => {
  for (const suite of ["engines", "hosts"] as const) {
    const run = () => runGuestScenarios(suite, ["nothing"], {}, new FakeLab());
    await assertRejects(run, UsageError, `There is no scenario "nothing" of ${suite}: there are `);
  }
});

Deno.test("the lab knows a scenario's name without its guest, and where another suite has it", async () => {
  await assertScenarios(["netavark", "netavark@podman5"], "engines");
  const rejects = async (message: string, names: string[], suite?: "engines" | "hosts") => {
    const error = await assertRejects(() => assertScenarios(names, suite), UsageError);
    assertEquals(error.message, message);
  };
  await rejects(
    'There is no scenario "docker-guide": did you mean "deno task lab engines docker-guide"',
    ["l2", "docker-guide"],
  );
  await rejects(
    'There is no scenario "l2", "cni", "no" of hosts: did you mean "deno task lab l2" and ' +
      '"deno task lab engines cni"',
    ["l2", "cni", "no", "routes"],
    "hosts",
  );
});
