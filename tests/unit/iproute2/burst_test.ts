import { assert, assertEquals, assertInstanceOf, assertMatch, assertRejects } from "@std/assert";
import type { Ending } from "../../../lib/iproute2/starter.ts";
import { BurstRunner } from "../../../lib/iproute2/burst.ts";
import {
  IpCommandError,
  NamespaceNotFoundError,
  ProgramNotFoundError,
  SessionClosedError,
} from "../../../lib/iproute2/errors.ts";

/** Starts nothing, keeps what it was asked for, and says what it is told to. */
class FakeStarter {
  readonly commands: string[] = [];
  readonly inputs: (readonly string[])[] = [];
  ending: Ending = { code: 0, out: [], err: [] };

  readonly run = (command: string, input: readonly string[]): Promise<Ending> => {
    this.commands.push(command);
    this.inputs.push(input);
    return Promise.resolve(this.ending);
  };

  /** Has every program fail with these lines on standard error. */
  fail(...err: string[]): this {
    this.ending = { code: 1, out: [], err };
    return this;
  }
}

/** Runs lines in one burst: what became of each. */
async function burst(starter: FakeStarter, lines: string[], force = false): Promise<unknown[]> {
  const runner = new BurstRunner({ start: starter.run, netns: "c1", force });
  const results = await Promise.allSettled(lines.map((line) => runner.change(line)));
  return results.map((result) => result.status === "fulfilled" ? "done" : result.reason);
}

Deno.test("the lines of one turn are one process", async () => {
  const starter = new FakeStarter();
  assertEquals(await burst(starter, ["a", "b 'c d'"]), ["done", "done"]);
  assertEquals(starter.commands, ["ip -n c1 -details -json -batch -"]);
  assertEquals(starter.inputs, [["a", "b 'c d'"]]);
});

Deno.test("a warning is not why a line fails", async () => {
  const starter = new FakeStarter().fail("Warning: Odd.", "No way.", "Command failed -:1");
  const [a] = await burst(starter, ["a"]);
  assertInstanceOf(a, IpCommandError);
  assertEquals(a.reason, "No way");
});

Deno.test("the lines behind the first that failed are not run, and fail with it", async () => {
  const starter = new FakeStarter().fail("Error: ipvlan: No way.", "Command failed -:2");
  const [a, b, c] = await burst(starter, ["a", "b", "c"]);
  assertInstanceOf(b, IpCommandError);
  assertEquals([b.command, b.reason], ["ip -n c1 b", "Error: ipvlan: No way"]);
  assertEquals([a, c], ["done", b]);
});

Deno.test("with force all are run, and each has its own failure", async () => {
  const starter = new FakeStarter().fail(
    ...["first", "Command failed -:1", "second", "more", "Command failed -:3"],
    ...['Object "end-of-burst" is unknown, try "ip help".', "Command failed -:5"],
  );
  const [a, b, c, d] = await burst(starter, ["a", "b", "c", "d"], true);
  assertEquals(starter.commands, ["ip -n c1 -details -json -force -batch -"]);
  assertEquals(starter.inputs, [["a", "b", "c", "d", "end-of-burst"]]);
  assertInstanceOf(a, IpCommandError);
  assertInstanceOf(c, IpCommandError);
  assertEquals([a.reason, c.reason], ["first", "second; more"]);
  assertEquals([b, d], ["done", "done"]);
});

Deno.test("when ip ends over a line, or is killed, how far it came is not known", async () => {
  const said = 'Error: any valid prefix is expected rather than "x".';
  const starter = new FakeStarter().fail(said);
  for (const result of await burst(starter, ["a", "b"])) {
    assertInstanceOf(result, SessionClosedError);
    assertMatch(result.message, /"ip -n c1".*rather than "x"/);
  }
  const [a, b] = await burst(starter.fail("first", "Command failed -:1", said), ["a", "b"], true);
  assertInstanceOf(a, IpCommandError);
  assertInstanceOf(b, SessionClosedError);
  const [killed] = await burst(starter.fail(), ["a"]);
  assertInstanceOf(killed, SessionClosedError);
});

Deno.test("a namespace that is not there is told, and one that cannot be entered", async () => {
  const starter = new FakeStarter();
  starter.fail('Cannot open network namespace "c1": No such file or directory');
  const [gone] = await burst(starter, ["a"]);
  assertInstanceOf(gone, NamespaceNotFoundError);
  starter.fail('setting the network namespace "c1" failed: Invalid argument');
  const [closed] = await burst(starter, ["a"]);
  assertInstanceOf(closed, IpCommandError);
});

Deno.test("when ip is not there, it is named", async () => {
  const starter = new FakeStarter();
  starter.ending = { code: 127, out: [], err: ["sh: 1: ip: not found"] };
  const [missing] = await burst(starter, ["a"]);
  assertInstanceOf(missing, ProgramNotFoundError);
});

const MARK = '[{"family":"inet","interface":"lo","forwarding":false}]';

Deno.test("questions among changes each get what was printed for them", async () => {
  const starter = new FakeStarter();
  const runner = new BurstRunner({ start: starter.run });
  starter.ending.out = ['[{"ifname":"lo"},{}]', MARK, MARK];
  const [before, , none] = await Promise.all([
    runner.query("link show"),
    runner.change("link del dev eth0"),
    runner.query("netns list"),
  ]);
  assertEquals(starter.commands, ["ip -details -json -batch -"]);
  assertEquals(starter.inputs, [
    ["link show", "netconf show dev lo", "link del dev eth0", "netns list", "netconf show dev lo"],
  ]);
  assertEquals([before, none], [[{ ifname: "lo" }], []]);
});

Deno.test("a question that fails names the line and the namespace", async () => {
  const starter = new FakeStarter();
  const runner = new BurstRunner({ start: starter.run, netns: "c1" });
  starter.fail('Device "x" does not exist.', "Command failed -:1");
  const error = await assertRejects(() => runner.query("link show dev x"), IpCommandError);
  assertEquals([error.command, error.errno], ["ip -n c1 link show dev x", "ENODEV"]);
  starter.fail('Cannot open network namespace "c1": No such file or directory');
  await assertRejects(() => runner.query("link show"), NamespaceNotFoundError);
});

Deno.test("who asks the same is told the same, unless a change is between", async () => {
  const starter = new FakeStarter();
  const runner = new BurstRunner({ start: starter.run });
  starter.ending.out = ["[]", MARK, "[]", MARK, "[]", MARK];
  await Promise.all([
    runner.query("link show"),
    runner.query("addr show"),
    runner.query("link show"),
    runner.change("link del dev eth0"),
    runner.query("link show"),
  ]);
  assertEquals(starter.inputs[0]?.filter((line) => line.endsWith("show")), [
    ...["link show", "addr show", "link show"],
  ]);
});

Deno.test("what is asked while a burst is run is the next one, of so many lines at most", async () => {
  const starter = new FakeStarter();
  const runner = new BurstRunner({ start: starter.run });
  const first = runner.change("first");
  await Promise.resolve();
  const lines = Array.from({ length: 1000 }, (_, i) => runner.change(`line ${i}`));
  await Promise.all([first, ...lines]);
  assertEquals(starter.inputs.map((input) => input.length), [1, 400, 400, 200]);
});

Deno.test("what is no JSON, as some releases print, fails the line that asked", async () => {
  const starter = new FakeStarter();
  const mark = '[{"family":"inet","interface":"lo"}]';
  starter.ending = { code: 0, out: ['[{"unicast"}]', mark, '[{"a":1}]', mark], err: [] };
  const runner = new BurstRunner({ start: starter.run });
  const [odd, good] = await Promise.allSettled([runner.query("route show"), runner.query("b")]);
  assert(odd.status === "rejected" && odd.reason instanceof IpCommandError);
  assertEquals(odd.reason.message, 'It printed no JSON: [{"unicast"}] (ip route show)');
  assertEquals(good, { status: "fulfilled", value: [{ a: 1 }] });
});

Deno.test("an ip that is too old for its options says so, and what to install", async () => {
  const starter = new FakeStarter().fail('Option "-json" is unknown, try "ip -help".');
  const [error] = await burst(starter, ["a"]);
  assertInstanceOf(error, SessionClosedError);
  assertMatch(error.message, /"-json" is unknown.*: install iproute2 5.0 or later$/);
});
