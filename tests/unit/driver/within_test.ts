import { assertEquals, assertInstanceOf, assertMatch } from "@std/assert";
import { Scratch, Within } from "../../../lib/driver/within.ts";
import {
  IpCommandError,
  NamespaceNotFoundError,
  SessionClosedError,
} from "../../../lib/iproute2/errors.ts";

/** A session that keeps what it was sent, and the lines in the files it was pointed to. */
class FakeSession {
  readonly ended = false;
  readonly lines: string[] = [];
  readonly files: string[][] = [];
  /** What it says: `FILE` stands for the file of the line. */
  said: string | undefined;

  #fail(line: string): void {
    const [, path = ""] = /-batch (.*)$/.exec(line) ?? [];
    if (path !== "") this.files.push(Deno.readTextFileSync(path).trimEnd().split("\n"));
    this.lines.push(line.replace(path || "none", "FILE"));
    if (this.said !== undefined) {
      throw new IpCommandError(`ip ${line}`, this.said.replaceAll("FILE", path));
    }
  }

  // deno-lint-ignore require-await
  async change(line: string): Promise<void> {
    this.#fail(line);
  }

  // deno-lint-ignore require-await
  async query(line: string): Promise<Record<string, unknown>[]> {
    this.#fail(line);
    return [{ ifname: "eth0" }];
  }
}

/** Runs lines in one burst: what became of each. */
async function burst(session: FakeSession, lines: string[], force = false): Promise<unknown[]> {
  using scratch = new Scratch();
  const within = new Within({ session, netns: "c1", scratch, force });
  const results = await Promise.allSettled(lines.map((line) => within.change(line)));
  return results.map((result) => result.status === "fulfilled" ? "done" : result.reason);
}

Deno.test("the lines of one turn are one process, and nothing of them is left", async () => {
  const session = new FakeSession();
  assertEquals(await burst(session, ["a", "b 'c d'"]), ["done", "done"]);
  assertEquals(session.lines, ["netns exec c1 ip -batch FILE"]);
  assertEquals(session.files, [["a", "b 'c d'"]]);
});

Deno.test("the lines behind the first that failed are not run, and fail with it", async () => {
  const session = new FakeSession();
  session.said = "Error: ipvlan: No way.; Command failed FILE:2";
  const [a, b, c] = await burst(session, ["a", "b", "c"]);
  assertInstanceOf(b, IpCommandError);
  assertEquals([b.command, b.reason], ["ip -n c1 b", "Error: ipvlan: No way"]);
  assertEquals([a, c], ["done", b]);
});

Deno.test("with force all are run, and each has its own failure", async () => {
  const session = new FakeSession();
  session.said = "first; Command failed FILE:1; second; more; Command failed FILE:3; " +
    'Object "end-of-burst" is unknown, try "ip help".; Command failed FILE:5';
  const [a, b, c, d] = await burst(session, ["a", "b", "c", "d"], true);
  assertEquals(session.lines, ["netns exec c1 ip -force -batch FILE"]);
  assertEquals(session.files, [["a", "b", "c", "d", "end-of-burst"]]);
  assertInstanceOf(a, IpCommandError);
  assertInstanceOf(c, IpCommandError);
  assertEquals([a.reason, c.reason], ["first", "second; more"]);
  assertEquals([b, d], ["done", "done"]);
});

Deno.test("when ip ends over a line, how far it came is not known", async () => {
  const session = new FakeSession();
  session.said = 'Error: any valid prefix is expected rather than "x".';
  for (const result of await burst(session, ["a", "b"])) {
    assertInstanceOf(result, SessionClosedError);
    assertMatch(result.message, /"ip -n c1".*rather than "x"/);
  }
  session.said = `first; Command failed FILE:1; ${session.said}`;
  const [a, b] = await burst(session, ["a", "b"], true);
  assertInstanceOf(a, IpCommandError);
  assertInstanceOf(b, SessionClosedError);
});

Deno.test("a namespace that is not there is told, and one that cannot be entered", async () => {
  const session = new FakeSession();
  session.said = 'Cannot open network namespace "c1": No such file or directory';
  const [gone] = await burst(session, ["a"]);
  assertInstanceOf(gone, NamespaceNotFoundError);
  session.said = 'setting the network namespace "c1" failed: Invalid argument';
  const [closed] = await burst(session, ["a"]);
  assertInstanceOf(closed, IpCommandError);
});

Deno.test("a question is a process of its own, and its failure names the namespace", async () => {
  const session = new FakeSession();
  using scratch = new Scratch();
  const within = new Within({ session, netns: "c1", scratch });
  assertEquals(await within.query("link show"), [{ ifname: "eth0" }]);
  assertEquals(session.lines, ["netns exec c1 ip -details -json link show"]);
  session.said = "Device does not exist";
  const [error] = (await Promise.allSettled([within.query("link show dev x")]))
    .map((result) => result.status === "rejected" ? result.reason : undefined);
  assertInstanceOf(error, IpCommandError);
  assertEquals([error.command, error.errno], ["ip -n c1 link show dev x", "ENODEV"]);
});
