import { assert, assertEquals, assertRejects } from "@std/assert";
import { Namespaces } from "../../../lib/driver/namespaces.ts";
import { CALLER, type Step } from "../../../lib/driver/plan.ts";
import { IpCommandError, SessionClosedError } from "../../../lib/iproute2/errors.ts";
import { Ip } from "../../../lib/iproute2/ip.ts";

/** A session that notes its lines, refuses "bad" and ends over "fatal". */
class FakeSession {
  ended = false;
  closed = false;
  readonly lines: string[] = [];

  constructor(readonly netns: string | undefined) {}

  async change(line: string): Promise<void> {
    this.lines.push(line);
    await Promise.resolve();
    if (line === "bad") throw new IpCommandError("ip bad", "Invalid argument");
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
    await using named = new Namespaces("h", opened.open);
    const [one, two] = await Promise.all([named.host(), named.host()]);
    assert(one === two && one !== await named.caller() && one === await named.host());
    assertEquals(opened.sessions.map(({ netns }) => netns), ["h", undefined]);
  }
  assertEquals(opened.sessions.map(({ closed }) => closed), [true, true]);
  await using unnamed = new Namespaces(undefined, opened.open);
  assert(await unnamed.host() === await unnamed.caller());
});

Deno.test("a session that has ended, or could not be opened, is opened anew, once for all", async () => {
  const opened = new Opened();
  await using namespaces = new Namespaces("h", opened.open);
  opened.failures = 1;
  const failed = () => assertRejects(() => namespaces.host(), Error, "cannot be opened");
  await Promise.all([failed(), failed()]);
  assertEquals(opened.sessions.length, 0);
  await namespaces.host();
  opened.sessions[0]!.ended = true;
  const again = await Promise.all([namespaces.host(), namespaces.host(), namespaces.host()]);
  assertEquals([new Set(again).size, opened.sessions.length], [1, 2]);
});

Deno.test("a plan has one session for each sandbox, which ends with it however it goes", async () => {
  const opened = new Opened();
  await using namespaces = new Namespaces("h", opened.open);
  const plan = (last: string): Step[] => [
    { netns: CALLER, line: "a" },
    { netns: "c1", line: "b" },
    { line: "c" },
    { netns: "c1", line: last, undo: { netns: "c1", line: "undone" } },
  ];
  await namespaces.apply(plan("d"));
  const [caller, c1, host] = opened.sessions;
  assertEquals([caller!.lines, c1!.lines, host!.lines], [["a"], ["b", "d"], ["c"]]);
  assertEquals([caller!.closed, c1!.closed, host!.closed], [false, true, false]);

  await assertRejects(() => namespaces.apply(plan("bad")), IpCommandError);
  assertEquals([opened.sessions.length, opened.sessions[3]!.closed], [4, true]);

  // One that has ended is replaced to undo what it may have done.
  await assertRejects(() => namespaces.apply(plan("fatal")), SessionClosedError);
  assertEquals(opened.sessions[4]!.lines, ["b", "fatal"]);
  assertEquals([opened.sessions[5]!.lines, opened.sessions[5]!.closed], [["undone"], true]);
});

Deno.test("only so many sandboxes are worked on at once, and a failure makes room", async () => {
  const opened = new Opened();
  await using namespaces = new Namespaces("h", opened.open);
  const held = Promise.withResolvers<void>();
  const full = Promise.withResolvers<void>();
  let [now, most] = [0, 0];
  const calls = Array.from({ length: 40 }, (_, i) =>
    namespaces.inside(`c${i}`, async () => {
      most = Math.max(most, ++now);
      if (now === 16) full.resolve();
      await held.promise;
      now--;
      throw new Error("on purpose");
    }));
  await full.promise;
  held.resolve();
  const results = await Promise.allSettled(calls);
  assertEquals(results.filter(({ status }) => status === "rejected").length, 40);
  assertEquals([most, now], [16, 0]);
  assert(opened.sessions.every(({ closed }) => closed));
  assertEquals(await namespaces.inside("c", () => Promise.resolve("room")), "room");
});
