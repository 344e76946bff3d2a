import { assert, assertEquals, assertRejects } from "@std/assert";
import { Namespaces, watched } from "../../../lib/driver/namespaces.ts";
import type { Ending } from "../../../lib/driver/starter.ts";
import { CALLER, type Step } from "../../../lib/driver/plan.ts";
import { SessionClosedError } from "../../../lib/iproute2/errors.ts";
import { Ip } from "../../../lib/iproute2/ip.ts";

/** A session that notes its lines and ends over "fatal". */
class FakeSession {
  ended = false;
  closed = false;
  readonly lines: string[] = [];

  constructor(readonly netns: string | undefined) {}

  async change(line: string): Promise<void> {
    this.lines.push(line);
    await Promise.resolve();
    if (line === "fatal") this.ended = true;
    if (this.ended) throw new SessionClosedError("ip", "it ended");
  }

  query(): Promise<Record<string, unknown>[]> {
    return Promise.resolve([]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }
}

/** The sessions that were opened. */
class Opened {
  readonly sessions: FakeSession[] = [];
  failures = 0;
  readonly open = async (netns: string | undefined): Promise<Ip> => {
    await Promise.resolve();
    if (this.failures-- > 0) throw new Error("cannot be opened");
    const session = new FakeSession(netns);
    this.sessions.push(session);
    return new Ip(session);
  };
}

Deno.test("the sessions on the host's and the caller's namespace last, and are one without a host", async () => {
  const opened = new Opened();
  {
    await using named = new Namespaces({ host: "h", open: opened.open });
    const [one, two] = await Promise.all([named.host(), named.host()]);
    assert(one === two && one !== await named.caller() && one === await named.host());
    assertEquals(opened.sessions.map(({ netns }) => netns), ["h", undefined]);
  }
  assertEquals(opened.sessions.map(({ closed }) => closed), [true, true]);
  await using unnamed = new Namespaces({ open: opened.open });
  assert(await unnamed.host() === await unnamed.caller());
});

Deno.test("a session that has ended, or could not be opened, is opened anew, once for all", async () => {
  const opened = new Opened();
  await using namespaces = new Namespaces({ host: "h", open: opened.open });
  opened.failures = 1;
  const failed = () => assertRejects(() => namespaces.host(), Error, "cannot be opened");
  await Promise.all([failed(), failed()]);
  assertEquals(opened.sessions.length, 0);
  await namespaces.host();
  opened.sessions[0]!.ended = true;
  const again = await Promise.all([namespaces.host(), namespaces.host(), namespaces.host()]);
  assertEquals([new Set(again).size, opened.sessions.length], [1, 2]);
});

/** Starts nothing, and keeps what it was asked for. */
class FakeStarter {
  ended = false;
  readonly asked: string[] = [];

  run(command: string, input: readonly string[]): Promise<Ending> {
    this.asked.push([command.replace(/ +/g, " "), ...input].join("; "));
    return Promise.resolve({ code: 0, out: [], err: [] });
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.ended = true;
    return Promise.resolve();
  }
}

Deno.test("what is done in a sandbox is a process, and whoever wants it sees each line", async () => {
  const opened = new Opened();
  const said: string[] = [];
  const starters: FakeStarter[] = [];
  const start = () => {
    starters.push(new FakeStarter());
    return starters.at(-1)!;
  };
  const wrap = watched((command) => said.push(command));
  {
    await using namespaces = new Namespaces({ host: "h", open: opened.open, start, wrap });
    const steps = [
      { netns: CALLER, line: "a" },
      { line: "b" },
      { netns: "c1", line: "c" },
      { netns: "c1", line: "d" },
    ] as const;
    await namespaces.apply(steps);
    assertEquals(said, ["ip a", "ip -n h b", "ip -n c1 c", "ip -n c1 d"]);
    assertEquals(starters.map(({ asked }) => asked), [["ip -n c1 -batch -; c; d"]]);
    // One that has ended is replaced.
    starters[0]!.ended = true;
    await namespaces.apply(steps);
    assertEquals(starters.length, 2);
  }
  assertEquals(starters.map(({ ended }) => ended), [true, true]);
});

Deno.test("a session that has ended is replaced to undo what it may have done", async () => {
  const opened = new Opened();
  await using namespaces = new Namespaces({ open: opened.open });
  const undo = { line: "undone" };
  const plan: Step[] = [{ line: "a", undo }, { line: "fatal" }];
  await assertRejects(() => namespaces.apply(plan), SessionClosedError);
  assertEquals(opened.sessions.map(({ lines }) => lines), [["a", "fatal"], ["undone"]]);
});

Deno.test("a session on the host makes links in so many namespaces, and then another does", async () => {
  const opened = new Opened();
  const start = () => new FakeStarter();
  await using namespaces = new Namespaces({ open: opened.open, start });
  await namespaces.during(async () => {
    const connect = (i: number) =>
      namespaces.apply([{ line: `link ${i}` }, { netns: `c${i}`, line: "x" }]);
    await Promise.all(Array.from({ length: 1000 }, (_, i) => connect(i)));
    assertEquals([namespaces.keeps("c999"), namespaces.keeps("c1000")], [true, false]);
    assertEquals(opened.sessions.map(({ closed }) => closed), [false, false, false]);
  });
  const links = opened.sessions.map(({ lines }) =>
    lines.filter((l) => l.startsWith("link")).length
  );
  assertEquals(links, [400, 400, 200]);
  assertEquals(opened.sessions.map(({ closed }) => closed), [true, true, true]);
  assert(!namespaces.keeps("c999"));
});
