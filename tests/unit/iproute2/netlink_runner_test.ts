import { assert, assertEquals, assertRejects } from "@std/assert";
import { runnerIn } from "../../../lib/iproute2/netlink_runner.ts";
import { NeedsProgram } from "../../../lib/iproute2/runner.ts";
import { openLibc, SystemError } from "../../../lib/netlink/libc.ts";
import { assertRejectsError } from "../../kit/errors.ts";
import { FakeShell } from "../../kit/fake_ip.ts";

const { libc } = openLibc();
assert(libc, "no C library here");

/** A runner in this namespace, in which nothing is changed, and the lines of the program that it falls back to. */
function runnerWith(options: { force?: boolean; netns?: string; signal?: AbortSignal } = {}) {
  const shell = new FakeShell();
  const answer = { out: '[{"by":"ip"}]' };
  shell.replies = { b: answer, c: answer };
  const runner = runnerIn({ netlink: libc!, force: true, run: shell.run, ...options });
  /** The lines that `ip` has run. */
  const lines = () => shell.inputs.flat().filter((line) => line.length === 1);
  return { lines, runner };
}

const byNetlink = () => [{ by: "netlink" }];

const refused = () => {
  throw new SystemError(17, "RTNETLINK answers: File exists");
};

Deno.test("a burst runs in its order, and each call has its own outcome", async () => {
  const { runner, lines } = runnerWith();
  const done: string[] = [];
  const results = await Promise.allSettled([
    runner.change("a", () => void done.push("a")),
    runner.query("b", () => [{ count: done.push("b") }]),
    runner.change("c", refused),
    runner.change("d", () => void done.push("d")),
  ]);
  assertEquals(done, ["a", "b", "d"]);
  assertEquals(results.map(({ status }) => status), [
    ...["fulfilled", "fulfilled", "rejected", "fulfilled"],
  ]);
  const error = await assertRejectsError(() => runner.change("c", refused), "ip-command");
  assertEquals([error.command, error.reason, error.errno], [
    ...["ip c", "RTNETLINK answers: File exists", "EEXIST"],
  ]);
  assertEquals(lines(), []);
});

Deno.test("without force, what comes after a failure does not run", async () => {
  const { runner } = runnerWith({ force: false });
  let ran = 0;
  const results = await Promise.allSettled([
    runner.change("a", () => void ran++),
    runner.change("b", refused),
    runner.change("c", () => void ran++),
  ]);
  assertEquals([ran, results.map(({ status }) => status)], [1, [
    ...["fulfilled", "rejected", "rejected"],
  ]]);
  await runner.change("d", () => void ran++);
  assertEquals(ran, 2);
});

Deno.test("a burst with a line that only ip can run goes to ip, whole", async () => {
  const { runner, lines } = runnerWith();
  const answers = await Promise.all([
    runner.change("a", () => assert(false)),
    runner.query("b", byNetlink),
    runner.query("c"),
  ]);
  const byIp = [{ by: "ip" }];
  assertEquals([answers, lines()], [[undefined, byIp, byIp], ["a", "b", "c"]]);
  assertEquals(await runner.query("b", byNetlink), byNetlink());
});

Deno.test("from a question that needs a permission on, a burst goes to ip", async () => {
  const { runner, lines } = runnerWith();
  const needs = () => {
    throw new NeedsProgram();
  };
  const asked = [
    runner.query("a", byNetlink),
    runner.query("b", needs),
    runner.change("d", () => assert(false)),
  ];
  assertEquals(await Promise.all(asked), [byNetlink(), [{ by: "ip" }], undefined]);
  assertEquals(lines(), ["b", "d"]);
});

Deno.test("equal questions with no change between them share an answer", async () => {
  const { runner } = runnerWith();
  const all = () => runner.query("b", byNetlink);
  const [one, two, , three] = await Promise.all([
    ...[all(), all(), runner.change("a", () => {}), all()],
  ]);
  assert(one === two && one !== three);
});

Deno.test("after a signal, and where there is no namespace, each call fails and nothing runs", async () => {
  const reason = new Error("enough");
  const { runner } = runnerWith({ signal: AbortSignal.abort(reason) });
  for (const call of [() => runner.change("a", () => {}), () => runner.query("b", byNetlink)]) {
    assertEquals(await assertRejects(call), reason);
  }
  const nowhere = runnerWith({ netns: "nosuchnamespace" }).runner;
  await assertRejectsError(() => nowhere.change("a", () => {}), "namespace-not-found");
});
