import {
  assert,
  assertEquals,
  assertNotEquals,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import type { Engine, Job } from "../../../lab/engine.ts";
import { LabError, StartError } from "../../../lab/errors.ts";
import { runPair, WIRE_NAMES } from "../../../lab/guest/pair.ts";

/** How a guest of a test runs: until the signal ends it, unless it ends by itself. */
type Run = (job: Job) => Promise<number>;

/** Runs until the job's signal ends it. */
const untilKilled: Run = ({ signal }) =>
  new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));

/** Runs a pair on an engine whose guests are functions. */
function run(guests: Record<"first" | "second", Run>, signal = new AbortController().signal) {
  const engine: Engine = {
    name: "uml",
    probe: () => Promise.resolve({ ok: true, what: "a kernel" }),
    maxJobs: (wanted) => Promise.resolve(wanted),
    run: (job) => guests[job.command[0] as "first" | "second"](job),
  };
  const job = (name: string): Job => ({ command: [name], cwd: "/", modules: [], signal });
  return runPair(engine, job("first"), job("second"));
}

Deno.test("the status of a pair is that of the first guest, and the second one is killed", async () => {
  let killed = false;
  const second: Run = async (job) => {
    try {
      return await untilKilled(job);
    } finally {
      killed = true;
    }
  };
  assertEquals(await run({ first: () => Promise.resolve(3), second }), 3);
  assert(killed);
});

Deno.test("each wire has an end in both guests, of the same name, with another address", async () => {
  const jobs: Job[] = [];
  const note = (job: Job) => jobs.push(job);
  await run({
    first: (job) => Promise.resolve(note(job) && 0),
    second: (job) => (note(job), untilKilled(job)),
  });
  const ends = jobs.map(({ wires }) => wires!);
  for (const wires of ends) assertEquals(wires.map(({ name }) => name), [...WIRE_NAMES]);
  const all = ends.flat();
  assertEquals(new Set(all.map(({ mac }) => mac)).size, 4);
  assertEquals(new Set(all.map(({ fd }) => fd)).size, 4);
  assertNotEquals(ends[0], ends[1]);
});

Deno.test("when the second guest dies, the first one is killed, and the error says why", async () => {
  for (
    const [second, message] of [
      [() => Promise.reject(new LabError("it panicked")), "The second guest: it panicked"],
      [() => Promise.resolve(1), "its command ended before the first guest did, with status 1"],
    ] as [Run, string][]
  ) {
    await assertRejects(() => run({ first: untilKilled, second }), LabError, message);
  }
});

Deno.test("when the first guest dies, the second one is killed", async () => {
  const first = () => Promise.reject(new LabError("it panicked"));
  await assertRejects(() => run({ first, second: untilKilled }), LabError, "it panicked");
});

Deno.test("another engine is tried only if the first guest did not start", async () => {
  const fails: Run = () => Promise.reject(new StartError([{ name: "uml", why: "it hangs" }]));
  await assertRejects(() => run({ first: fails, second: untilKilled }), StartError);
  await assertRejects(() => run({ first: fails, second: fails }), StartError);
  const error = await assertRejects(
    () => run({ first: () => Promise.resolve(0), second: fails }),
    LabError,
    "The second guest: uml: it hangs",
  );
  assert(!(error instanceof StartError));
});

Deno.test("a signal ends both guests", async () => {
  const end = new AbortController();
  const reason = new Error("interrupted");
  const running = run({ first: untilKilled, second: untilKilled }, end.signal);
  end.abort(reason);
  assertStrictEquals(await running.catch((error) => error), reason);
});
