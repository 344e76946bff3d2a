import { type ErrorCode, IpvlanError } from "../../../lib/base/errors.ts";
import { assertEquals, assertMatch } from "@std/assert";
import { Session } from "../../../lib/iproute2/session.ts";
import type { Ending } from "../../../lib/iproute2/shell.ts";
import { FakeShell } from "../../kit/fake_ip.ts";
import { assertError, assertRejectsError } from "../../kit/errors.ts";

/** A session in a namespace, with a process for each burst. */
function sessionOver(shell: FakeShell, force = false): Session {
  return new Session({ program: "ip", netns: "c1", force, run: shell.run });
}

/** Runs changes in one burst. Returns what became of each. */
async function changes(shell: FakeShell, lines: string[], force = false): Promise<unknown[]> {
  const session = sessionOver(shell, force);
  const results = await Promise.allSettled(lines.map((line) => session.change(line)));
  return results.map((result) => result.status === "fulfilled" ? "done" : result.reason);
}

/** Has every program end with a status, and say something on standard error. */
function failing(code: number, ...err: string[]): FakeShell {
  const shell = new FakeShell();
  shell.ending = { code, out: [], err };
  return shell;
}

Deno.test("the lines of one turn are one process", async () => {
  const shell = new FakeShell();
  assertEquals(await changes(shell, ["a", "b 'c d'"]), ["done", "done"]);
  assertEquals(shell.commands, ["ip -n c1 -details -json -batch -"]);
  const mark = "route get 0.0.0.0";
  assertEquals(shell.inputs, [[mark, "a", mark, "b 'c d'", mark, "end-of-burst"]]);
});

Deno.test("where a namespace is entered by a path, the folder is made that ip starts from", async () => {
  const shell = new FakeShell();
  const netns = "../../proc/7/ns/net";
  await new Session({ program: "ip", netns, force: false, run: shell.run }).change("a");
  assertEquals(shell.commands, [
    "[ -d /run/netns ] || mkdir -p -m 755 /run/netns 2> /dev/null; " +
    "ip -n ../../proc/7/ns/net -details -json -batch -",
  ]);
});

Deno.test("the lines after the first that failed are not run, and fail with its error", async () => {
  const shell = new FakeShell();
  shell.replies = { b: { refused: "Warning: Odd.\nError: ipvlan: No way." } };
  const [a, b, c] = await changes(shell, ["a", "b", "c"]);
  assertError(b, "ip-command");
  // A warning is not why a line fails.
  assertEquals([b.command, b.reason], ["ip -n c1 b", "Error: ipvlan: No way"]);
  assertEquals([a, c], ["done", b]);
});

Deno.test("without force, nothing of the same turn is run after a failure", async () => {
  const shell = new FakeShell();
  shell.replies = { "line 7": { refused: "No way." } };
  const lines = Array.from({ length: 1000 }, (_, i) => `line ${i}`);
  const results = await changes(shell, lines);
  assertEquals(shell.inputs.length, 1, "the next 400 lines were run");
  assertEquals(results.slice(0, 7), Array(7).fill("done"));
  assertError(results[7], "ip-command");
  assertEquals(results.slice(8), Array(992).fill(results[7]));
});

Deno.test("with force all are run, and each has its own failure", async () => {
  const shell = new FakeShell();
  shell.replies = { a: { refused: "first" }, c: { refused: "second\nmore" } };
  const [a, b, c, d] = await changes(shell, ["a", "b", "c", "d"], true);
  assertEquals(shell.commands, ["ip -n c1 -details -json -force -batch -"]);
  assertError(a, "ip-command");
  assertError(c, "ip-command");
  assertEquals([a.reason, c.reason], ["first", "second; more"]);
  assertEquals([b, d], ["done", "done"]);
});

Deno.test("when ip ends over a line, that line has failed; when it is killed, all have", async () => {
  const said = 'Error: any valid prefix is expected rather than "x".';
  const shell = new FakeShell();
  shell.replies = { b: { fatal: said } };
  const [a, b, c] = await changes(shell, ["a", "b", "c"]);
  assertError(b, "ip-command");
  assertEquals([a, b.command, c], ["done", "ip -n c1 b", b]);
  assertMatch(b.message, /rather than "x"/);
  assertEquals(shell.inputs.length, 1);
  for (const force of [false, true]) {
    const [killed] = await changes(failing(137), ["a"], force);
    assertError(killed, "session-closed");
    assertEquals(killed.reason, "exit status 137");
  }
});

Deno.test("with force, another ip runs what comes after a line that ip ends over", async () => {
  const shell = new FakeShell();
  shell.replies = { b: { fatal: "Error: no." }, d: { fatal: "" }, r: { refused: "first" } };
  const outcomes = await changes(shell, ["a", "r", "b", "c", "d", "e"], true);
  assertEquals(
    outcomes.map((each) => each instanceof IpvlanError ? [each.code, each.message] : each),
    [
      "done",
      ["ip-command", "first (ip -n c1 r)"],
      ["ip-command", "Error: no (ip -n c1 b)"],
      "done",
      // It may have been carried out.
      ["session-closed", 'The session "ip -n c1" has ended: exit status 255'],
      "done",
    ],
  );
  assertEquals(shell.inputs.map((input) => input.filter((line) => line.length === 1).join("")), [
    ...["arbcde", "cde", "e"],
  ]);
});

Deno.test("a namespace that does not exist is named, and so is one that cannot be entered", async () => {
  const missing = [
    'Cannot open network namespace "c1": No such file or directory',
    "nsenter: cannot open /run/netns/c1: No such file or directory",
    "nsenter: can't open '/run/netns/c1': No such file or directory",
  ];
  for (const said of missing) {
    const [error] = await changes(failing(1, said), ["a"]);
    assertError(error, "namespace-not-found");
    assertEquals(error.netns, "c1");
  }
  const closed = [
    'setting the network namespace "c1" failed: Invalid argument',
    "nsenter: reassociate to namespace 'ns/net' failed: Invalid argument",
  ];
  for (const said of closed) {
    const [error] = await changes(failing(1, said), ["a"]);
    assertError(error, "ip-command");
    assertEquals(error.errno, "EINVAL");
  }
  const shell = new FakeShell();
  const session = new Session({ program: "ip", netns: "c1; reboot", force: true, run: shell.run });
  await assertRejectsError(() => session.change("a"), "invalid-word");
  assertEquals(shell.commands, []);
});

Deno.test("a missing program is named in the error", async () => {
  for (const [program, said] of [["ip", "exec: ip"], ["nsenter", "nsenter"]]) {
    const [error] = await changes(failing(127, `sh: 1: ${said}: not found`), ["a"]);
    assertError(error, "program-not-found");
    assertEquals(error.program, program);
  }
});

Deno.test("queries among changes each get what was printed for them", async () => {
  const shell = new FakeShell();
  shell.replies = {
    "link show": { out: '[{"ifname":"lo"},{}]' },
    "link del dev eth0": { out: '[{"not":"asked for"}]' },
    "addr show": { out: "[]" },
  };
  const session = sessionOver(shell);
  const [before, , addrs, none] = await Promise.all([
    session.query("link show"),
    session.change("link del dev eth0"),
    session.query("addr show"),
    session.query("netns list"),
  ]);
  const mark = "route get 0.0.0.0";
  assertEquals(shell.inputs, [
    [
      ...[
        mark,
        "link show",
        mark,
        "link del dev eth0",
        mark,
        "addr show",
        mark,
        "netns list",
        mark,
      ],
      "end-of-burst",
    ],
  ]);
  assertEquals([before, addrs, none], [[{ ifname: "lo" }], [], []]);
});

Deno.test("a query that fails names the line and the namespace", async () => {
  const shell = new FakeShell();
  shell.replies = { "link show dev x": { refused: 'Device "x" does not exist.' } };
  const refused = sessionOver(shell).query("link show dev x");
  const error = await assertRejectsError(() => refused, "ip-command");
  assertEquals([error.command, error.errno], ["ip -n c1 link show dev x", "ENODEV"]);
});

Deno.test("equal queries share an answer, unless a change is between them", async () => {
  const shell = new FakeShell();
  shell.replies = { "link show": { out: "[]" } };
  const session = sessionOver(shell);
  await Promise.all([
    session.query("link show"),
    session.query("addr show"),
    session.query("link show"),
    session.change("link del dev eth0"),
    session.query("link show"),
  ]);
  assertEquals(shell.inputs[0]?.filter((line) => line.endsWith("show")), [
    ...["link show", "addr show", "link show"],
  ]);
});

Deno.test("a query never shares the answer of one that runs already", async () => {
  const shell = new FakeShell();
  const session = sessionOver(shell);
  const first = session.query("link show");
  await Promise.resolve();
  await Promise.all([first, session.query("link show")]);
  assertEquals(shell.inputs.length, 2);
});

Deno.test("lines that come while a burst runs form the next burst, of at most 400 lines", async () => {
  const shell = new FakeShell();
  const session = sessionOver(shell);
  const first = session.change("first");
  await Promise.resolve();
  const lines = Array.from({ length: 1000 }, (_, i) => session.change(`line ${i}`));
  await Promise.all([first, ...lines]);
  assertEquals(
    shell.inputs.map((input) => input.filter((line) => /^(first|line)/.test(line)).length),
    [1, 400, 400, 200],
  );
});

Deno.test("an ip that is too old for its options says so, and what to install", async () => {
  const [error] = await changes(failing(255, 'Option "-json" is unknown, try "ip -help".'), ["a"]);
  assertError(error, "session-closed");
  assertMatch(error.message, /"-json" is unknown.*: install iproute2 5.0 or later$/);
});

Deno.test("a line with -6 has a process of its own when its turn comes", async () => {
  const shell = new FakeShell();
  shell.replies = {
    "rule show": { out: '[{"priority":7}]' },
    "rule add again": { refused: "RTNETLINK answers: File exists" },
    "rule add table none": { fatal: 'Error: argument "none" is wrong: invalid table ID' },
  };
  const session = sessionOver(shell, true);
  const results = await Promise.allSettled([
    session.change("link set a up"),
    session.query("-6 rule show"),
    session.change("-6 rule add again"),
    session.change("-6 rule add table none"),
    session.change("link set b up"),
  ]);
  assertEquals(
    results.map((each) => each.status === "rejected" ? each.reason.message : each.value),
    [
      undefined,
      [{ priority: 7 }],
      "RTNETLINK answers: File exists (ip -n c1 -6 rule add again)",
      'Error: argument "none" is wrong: invalid table ID (ip -n c1 -6 rule add table none)',
      undefined,
    ],
  );
  const asked = shell.inputs.map((lines, index) => {
    const options = /-6/.exec(shell.commands[index]!)?.[0] ?? "";
    return [options, ...lines.filter((line) => !/^(route get 0|end-of-burst)/.test(line))];
  });
  assertEquals(asked, [
    ["", "link set a up"],
    ["-6", "rule show"],
    ["-6", "rule add again"],
    ["-6", "rule add table none"],
    ["", "link set b up"],
  ]);
  const gone = 'Cannot open network namespace "c1": No such file or directory';
  const endings: [Ending, ErrorCode][] = [
    [{ code: 1, out: [], err: [gone] }, "namespace-not-found"],
    [{ code: 137, out: [], err: [] }, "session-closed"],
    [{ code: 127, out: [], err: ["sh: 1: ip: not found"] }, "program-not-found"],
    // Half of an answer.
    [{ code: 0, out: ['[{"priority":7}'], err: [] }, "ip-command"],
  ];
  for (const [ending, code] of endings) {
    shell.ending = ending;
    await assertRejectsError(() => session.query("-6 rule show"), code);
  }
});
