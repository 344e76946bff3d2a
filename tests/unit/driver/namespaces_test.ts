import { assert, assertEquals } from "@std/assert";
import { Namespaces, rehearsed, watched } from "../../../lib/driver/namespaces.ts";
import { CALLER } from "../../../lib/driver/plan.ts";
import type { Ending } from "../../../lib/iproute2/starter.ts";

/** Starts nothing, and keeps what it was asked for. */
class FakeStarter {
  ended = false;
  readonly asked: string[] = [];
  ending: Ending = { code: 0, out: [], err: [] };

  run(command: string, input: readonly string[]): Promise<Ending> {
    this.asked.push([command, ...input].join("; "));
    // As `-force` has a line behind the others that fails for certain.
    const err = command.includes("-force") ? [`Command failed -:${input.length}`] : [];
    return Promise.resolve({ ...this.ending, err: [...this.ending.err, ...err] });
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.ended = true;
    return Promise.resolve();
  }
}

const STEPS = [
  { netns: CALLER, line: "a" },
  { line: "b" },
  { netns: "c1", line: "c" },
  { netns: "c1", line: "d" },
] as const;

Deno.test("a plan is a process for each place, and whoever wants it sees each line", async () => {
  const starter = new FakeStarter();
  const said: string[] = [];
  const wrap = watched((command) => said.push(command));
  {
    await using namespaces = new Namespaces({ host: "h", start: () => starter, wrap });
    await namespaces.apply(STEPS);
    assertEquals(said, ["ip a", "ip -n h b", "ip -n c1 c", "ip -n c1 d"]);
    assertEquals(starter.asked, [
      "ip -details -json -force -batch -; a; end-of-burst",
      "ip -n h -details -json -force -batch -; b; end-of-burst",
      "ip -n c1 -details -json -batch -; c; d",
    ]);
  }
  assert(starter.ended);
});

Deno.test("what calls do in the host at the same time is one process", async () => {
  const starter = new FakeStarter();
  await using namespaces = new Namespaces({ start: () => starter });
  assert(namespaces.host() === namespaces.caller());
  await Promise.all(["x", "y", "z"].map((line) => namespaces.apply([{ line }])));
  assertEquals(starter.asked, ["ip -details -json -force -batch -; x; y; z; end-of-burst"]);
});

Deno.test("what starts programs is started when it is needed, and anew when it has ended", async () => {
  const starters: FakeStarter[] = [];
  const start = () => {
    starters.push(new FakeStarter());
    return starters.at(-1)!;
  };
  await using namespaces = new Namespaces({ start });
  assertEquals(starters.length, 0);
  await namespaces.apply([{ line: "x" }]);
  await namespaces.apply([{ line: "y" }]);
  assertEquals(starters.length, 1);
  starters[0]!.ended = true;
  await namespaces.apply([{ line: "z" }]);
  assertEquals(starters.length, 2);
});

Deno.test("a rehearsal says every line, runs none, and answers for what is not there", async () => {
  const starter = new FakeStarter();
  const said: string[] = [];
  const wrap = rehearsed((command) => said.push(command));
  await using namespaces = new Namespaces({ start: () => starter, wrap });
  await namespaces.apply(STEPS);
  assertEquals([said, starter.asked], [["ip a", "ip b", "ip -n c1 c", "ip -n c1 d"], []]);
  const gone = 'Cannot open network namespace "c1": No such file or directory';
  starter.ending = { code: 1, out: [], err: [gone] };
  assertEquals(await namespaces.inside("c1").link.show(), []);
});

Deno.test("lines are run with the lock open, and only as long as who asked for them is there", async () => {
  const starter = new FakeStarter();
  await using namespaces = new Namespaces({ start: () => starter, lock: "/state/lock" });
  await namespaces.apply([{ netns: "c1", line: "x" }]);
  await namespaces.start("stat /", []);
  assertEquals(starter.asked, [
    '{ kill -0 $PPID || exit; ip -n c1 -details -json -batch -; } 9<>"$1"; x',
    "stat /",
  ]);
});
