// The contract of a session, over both transports and over programs that are broken.
import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { IpvlanError } from "../../../lib/base/errors.ts";
import { Session } from "../../../lib/iproute2/session.ts";
import { Shell } from "../../../lib/iproute2/shell.ts";
import { assertRejectsError } from "../../kit/errors.ts";

/** An `ip` that answers a few lines. `AT_ONCE` and `BREAK` are replaced by what it does wrong. */
const PROGRAM = `#!/bin/sh
n=0
AT_ONCE
while read -r line; do
  n=$((n + 1))
  case $line in
    "route get 0.0.0.0") echo '[{"type":"local","dst":"0.0.0.0","dev":"lo","cache":["local"]}]' ;;
    "show "*) echo "[{\\"name\\":\\"\${line#show }\\"}]" ;;
    change*) ;;
    print) echo '[{"name":"printed by a change"}]' ;;
    break) BREAK ;;
    *) echo "Object \\"$line\\" is unknown." >&2; echo "Command failed -:$n" >&2 ;;
  esac
done
`;

/** How a program is broken, by what it does over a line. */
const OVER_A_LINE: Record<string, string> = {
  "prints garbage and goes on": "echo 'a banner'",
  "prints a string for rows": "echo '\"rows\"'",
  "prints a number for rows": "echo 5",
  "prints null for rows": "echo null",
  "prints half an answer and goes on": `printf '[{"name":"bre'; echo`,
  "prints half an answer and ends": `printf '[{"name":"bre'; exit 0`,
  "prints half an answer and is killed": `printf '[{"name":"bre'; kill -9 $$`,
  "is killed": "kill -9 $$",
  "ends with status 0": "exit 0",
  "ends with status 0 after garbage": "echo 'a banner'; exit 0",
  "ends with a reason": 'echo "Error: it is broken." >&2; exit 1',
  "reads on and says nothing": "cat > /dev/null",
  "closes its output and reads on": "exec > /dev/null",
  "closes its error output and reads on": "exec 2> /dev/null",
  "closes its input": "exec < /dev/null",
};

/** How a program is broken from the start. */
const AT_ONCE: Record<string, string> = {
  "ends at once with status 0": "exit 0",
  "ends at once with status 0 after garbage": "echo 'a banner'; exit 0",
  "ends at once with status 0 after an answer": `echo '[{"name":"a"}]'; exit 0`,
  "is killed at once": "kill -9 $$",
  "reads all and says nothing": "cat > /dev/null; exit 0",
  "repeats what it reads": "exec cat",
  "repeats what it reads as an error": "exec cat >&2",
};

/** Puts a program in the place of `ip`, until the end of the scope. */
async function fakeProgram(
  { overALine = "", atOnce = "" }: { overALine?: string; atOnce?: string },
) {
  const folder = await Deno.makeTempDir();
  const text = PROGRAM.replace("AT_ONCE", () => atOnce).replace("BREAK", () => overALine);
  await Deno.writeTextFile(`${folder}/ip`, text, { mode: 0o755 });
  const path = Deno.env.get("PATH")!;
  Deno.env.set("PATH", `${folder}:${path}`);
  return {
    folder,
    [Symbol.asyncDispose]: () => {
      Deno.env.set("PATH", path);
      return Deno.remove(folder, { recursive: true });
    },
  };
}

/** Runs a test with a session and a program of its own. */
function contract(
  name: string,
  program: { overALine?: string; atOnce?: string },
  test: (
    session: Session,
    context: { folder: string; controller: AbortController },
  ) => Promise<void>,
): void {
  Deno.test(name, async () => {
    await using undo = new AsyncDisposableStack();
    const { folder } = undo.use(await fakeProgram(program));
    const controller = new AbortController();
    const shell = new Shell({ signal: controller.signal });
    const { run } = shell;
    const session = undo.use(new Session({ program: "ip", force: true, run, shell }));
    await test(session, { folder, controller });
  });
}

/** Asks for some lines, in one burst. Every answer must be the right one, or an error. */
async function askAll(session: Session): Promise<PromiseSettledResult<unknown>[]> {
  const asked = [
    session.query("show a"),
    session.change("change"),
    session.query("show b"),
    session.query("break"),
    session.change("change again"),
    session.query("show c"),
  ];
  const settled = Promise.allSettled(asked);
  // Where the program reads on, the end of its input settles what it has not answered.
  await session[Symbol.asyncDispose]();
  const results = await settled;
  const right: unknown[] = [[{ name: "a" }], undefined, [{ name: "b" }], "none", undefined, [{
    name: "c",
  }]];
  for (const [index, result] of results.entries()) {
    if (result.status === "fulfilled") assertEquals(result.value, right[index], `line ${index}`);
    else assertInstanceOf(result.reason, IpvlanError, `line ${index}`);
  }
  return results;
}

for (const [how, overALine] of Object.entries(OVER_A_LINE)) {
  const program = { overALine };
  contract(`a program that ${how} gives no wrong answer`, program, async (session) => {
    const results = await askAll(session);
    // Where it answers the other lines, or another process does, nobody else is harmed.
    const endsItself = /ends|reads on and says|its input/.test(how);
    const goesOn = !/ends|killed|reads on|closes/.test(how) || endsItself;
    assertEquals(results.map(({ status }) => status === "fulfilled"), [
      ...Array(3).fill(goesOn),
      false,
      ...Array(2).fill(goesOn),
    ]);
  });
}

for (const [how, atOnce] of Object.entries(AT_ONCE)) {
  contract(`a program that ${how} gives no answer`, { atOnce }, async (session) => {
    const results = await askAll(session);
    assertEquals(results.map(({ status }) => status), Array(6).fill("rejected"));
  });
}

for (const hangs of ["exec sleep 1000", "exec yes garbage"]) {
  // The program waits for somebody to read from a pipe, and then hangs.
  const overALine = `echo > "\${0%/*}/gate"; ${hangs}`;
  contract(`a signal ends ${hangs}`, { overALine }, async (session, { folder, controller }) => {
    await new Deno.Command("mkfifo", { args: [`${folder}/gate`] }).output();
    assertEquals(await session.query("show a"), [{ name: "a" }]);
    const asked = [session.query("break"), session.change("change")];
    // When this has been read, the program hangs.
    const reading = Deno.readTextFile(`${folder}/gate`);
    await Promise.resolve();
    // This waits for the burst before it.
    asked.push(session.query("show b"));
    const settled = Promise.allSettled(asked);
    await reading;
    const reason = new Error("enough");
    controller.abort(reason);
    for (const result of await settled) assertEquals(result, { status: "rejected", reason });
    assertEquals(await assertRejects(() => session.query("show c")), reason);
  });
}

contract("each line has its own outcome", {}, async (session) => {
  const lines = Array.from({ length: 1000 }, (_, i) => i);
  await Promise.all(lines.map(async (i) => {
    if (i % 3 === 0) return assertEquals(await session.query(`show ${i}`), [{ name: `${i}` }]);
    if (i % 3 === 1) return await session.change(`change ${i}`);
    const error = await assertRejectsError(() => session.change(`no ${i}`), "ip-command");
    assertEquals([error.command, error.reason], [`ip no ${i}`, `Object "no ${i}" is unknown`]);
  }));
});

contract("what a change prints is nobody's answer", {}, async (session) => {
  const [, a, , b] = await Promise.all([
    session.change("print"),
    session.query("show a"),
    session.change("print"),
    session.query("show b"),
  ]);
  assertEquals([a, b], [[{ name: "a" }], [{ name: "b" }]]);
});

contract("equal queries with no change between them share an answer", {}, async (session) => {
  const [one, two, , three] = await Promise.all([
    session.query("show a"),
    session.query("show a"),
    session.change("change"),
    session.query("show a"),
  ]);
  assert(one === two);
  assert(one !== three);
  assertEquals(one, three);
});

contract("a line that is two, or prints a mark, is refused", {}, async (session) => {
  const refused = ["show a\nshow b", "show \\", "show a\0", "route get 0.0.0.0", " 'r' g 'to' '0'"];
  const allowed = ["route get 10.0.0.0", "route show 0.0.0.0", "rule get 0"];
  for (const line of refused) {
    await assertRejectsError(() => session.query(line), "invalid-word");
  }
  for (const line of allowed) await assertRejectsError(() => session.query(line), "ip-command");
  assertEquals(await session.query("show a"), [{ name: "a" }]);
});

contract(
  "the end of a session waits for what was asked, and refuses what comes after",
  {},
  async (session) => {
    const asked = Promise.all(
      Array.from({ length: 1000 }, (_, i) => session.query(`show ${i}`)),
    );
    const closed = session[Symbol.asyncDispose]();
    await assertRejectsError(() => session.query("show 1"), "session-closed", "it was closed");
    await Promise.all([asked, closed, session[Symbol.asyncDispose]()]);
  },
);

contract("a process is given 400 lines at most", {
  overALine: 'echo "[{\\"pid\\":$$}]"',
}, async (session) => {
  const asked = Array.from({ length: 1000 }, async (_, i) => {
    if (i % 100 !== 99) return void await session.change(`change ${i}`);
    const [row] = await session.query("break");
    return row;
  });
  const rows = (await Promise.all(asked)).filter((row) => row !== undefined);
  assertEquals(rows.length, 10);
  assertEquals(new Set(rows.map(({ pid }) => pid)).size, 3);
});
