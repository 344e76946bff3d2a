import { assert, assertEquals, assertInstanceOf, assertMatch, assertRejects } from "@std/assert";
import {
  InvalidWordError,
  IpCommandError,
  NamespaceNotFoundError,
  ProgramNotFoundError,
  SessionClosedError,
} from "../../lib/iproute2/errors.ts";
import { Ip } from "../../lib/iproute2/ip.ts";
import { linkSwitch, ProcessPerBurst } from "../../lib/iproute2/process_per_burst.ts";
import { Session } from "../../lib/iproute2/session.ts";
import { Shell } from "../../lib/iproute2/shell.ts";
import { fromNetnsFolder } from "../../lib/iproute2/words.ts";
import { children, ended, run } from "../kit/processes.ts";
import { freshNetns } from "../kit/worlds.ts";

/** Asks for one of many things whose answers all differ, and checks that this one's own came. */
async function ask(session: Session, i: number): Promise<void> {
  const name = `d${i % 10}`;
  // No missing links: the kernel starts a process for each, to look for a module of that name.
  const address = `10.${i >> 16}.${i >> 8 & 255}.${i & 255}`;
  if (i % 4 === 0) {
    const [row] = await session.query(`link show dev ${name}`);
    assertEquals(row?.ifname, name);
  } else if (i % 4 === 1) {
    const line = `route get ${address}`;
    const error = await assertRejects(() => session.query(line), IpCommandError);
    assertEquals(error.command, `${session.command} ${line}`);
    assertEquals(error.reason, "RTNETLINK answers: Network is unreachable");
    assertEquals(error.errno, "ENETUNREACH");
  } else if (i % 4 === 2) {
    await session.change(`link set dev ${name} alias n${i}`);
  } else {
    const line = `addr del ${address}/32 dev ${name}`;
    const error = await assertRejects(() => session.change(line), IpCommandError);
    assertEquals([error.command, error.errno], [`${session.command} ${line}`, "EADDRNOTAVAIL"]);
  }
}

/** A session in a namespace with ten links, with a process for each burst where there is a shell. */
async function tenLinks(shell?: Shell) {
  await using undo = new AsyncDisposableStack();
  const ns = undo.use(await freshNetns());
  const program = { program: "ip", netns: ns.name, force: true } as const;
  const session = undo.use(
    shell
      ? new Session(new ProcessPerBurst(program, shell.run))
      : await Session.open({ netns: ns.name }),
  );
  await Promise.all(
    Array.from({ length: 10 }, (_, i) => ns.ip.link.add({ type: "dummy", name: `d${i}` })),
  );
  const kept = undo.move();
  return { ns, session, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

for (const transport of ["one process kept", "a process per burst"]) {
  const isKept = transport === "one process kept";

  Deno.test(`${transport}: thousands of lines at once settle each with its own result`, async () => {
    await using shell = new Shell();
    await using made = await tenLinks(isKept ? undefined : shell);
    await Promise.all(Array.from({ length: 4000 }, (_, i) => ask(made.session, i)));
  });

  Deno.test(`${transport}: so do lines one by one, and those of independent callers`, async () => {
    await using shell = new Shell();
    await using made = await tenLinks(isKept ? undefined : shell);
    for (let i = 0; i < 40; i++) await ask(made.session, i);
    await Promise.all(Array.from({ length: 20 }, async (_, caller) => {
      for (let i = 0; i < 20; i++) await ask(made.session, caller * 7 + i);
    }));
  });
}

Deno.test("500 links are made in another namespace, where a process may open 450 files", async () => {
  await using from = await freshNetns();
  await using to = await freshNetns();
  const child = new URL("iproute2_many_links_child.ts", import.meta.url).pathname;
  const { code, stderr } = await run(
    ...["sh", "-c", 'ulimit -n 450 && exec "$@"', "sh"] as const,
    ...[Deno.execPath(), "run", "-A", "--no-check", child, from.name, to.name],
  );
  assertEquals([code, stderr], [0, ""]);
  assertEquals((await to.ip.link.show({ type: "dummy" })).length, 500);
});

Deno.test("an answer longer than a pipe holds is whole, between others", async () => {
  await using ns = await freshNetns();
  const { link } = ns.ip;
  const names = Array.from({ length: 500 }, (_, i) => `d${i}`);
  await Promise.all(names.map((name) => link.add({ type: "dummy", name })));
  const [first, all, again, last] = await Promise.all([
    ...[link.show("d0"), link.show(), link.show()] as const,
    link.show("d499"),
  ]);
  assertEquals([first.name, last.name], ["d0", "d499"]);
  assertEquals(all.map(({ name }) => name).sort(), ["lo", ...names].sort());
  assertEquals(again, all);
});

Deno.test("a query that prints nothing or no JSON, or a change that prints, holds nobody up", async () => {
  await using ns = await freshNetns();
  const others = new Set(children().map(({ pid }) => pid));
  await using session = await Session.open({ netns: ns.name });
  const { pid } = children().find(({ pid }) => !others.has(pid))!;
  const [comment, change, shown, text, lo] = await Promise.allSettled([
    session.query("# nothing at all"),
    session.query("link set dev lo alias x"),
    session.query("link show type dummy"),
    session.query(`netns identify ${pid}`),
    session.query("link show dev lo"),
    session.change("link show"),
  ]);
  assertEquals([comment, change, shown], Array(3).fill({ status: "fulfilled", value: [] }));
  assert(text.status === "rejected" && lo.status === "fulfilled");
  assertInstanceOf(text.reason, IpCommandError);
  assertEquals(text.reason.reason, `It printed no JSON: ${ns.name}`);
  assertEquals([lo.value[0]?.ifname, lo.value[0]?.ifalias], ["lo", "x"]);
});

Deno.test("no namespace is an empty list, also where none was ever made", async () => {
  // In a mount namespace of its own, as others may have made /run/netns.
  const list = 'import { Ip } from "./lib/iproute2/ip.ts";' +
    "await using ip = await Ip.open(); console.log(JSON.stringify(await ip.netns.list()));";
  const script = `mount -t tmpfs none /run && exec "${Deno.execPath()}" eval --no-check '${list}'`;
  const { stdout, stderr } = await run("unshare", "--mount", "sh", "-c", script);
  assertEquals(stdout, "[]\n", stderr);
});

Deno.test("a line that is two, or joins the next, is refused and shifts no other", async () => {
  await using made = await tenLinks();
  const { session } = made;
  const results = await Promise.allSettled([
    session.change("link show\nlink del dev d0"),
    session.change("link set dev d1 alias x \\"),
    ask(session, 0),
    ask(session, 1),
  ]);
  assertEquals(results.map(({ status }) => status), [
    ...["rejected", "rejected", "fulfilled", "fulfilled"],
  ]);
  for (const result of results.slice(0, 2)) {
    assertInstanceOf((result as PromiseRejectedResult).reason, InvalidWordError);
  }
});

Deno.test("a line that ip ends over rejects all that waits, saying why", async () => {
  await using ns = await freshNetns();
  const session = await Session.open({ netns: ns.name });
  const before = await session.query("link show dev lo");
  assertEquals(before.length, 1);
  const results = await Promise.allSettled([
    ...Array.from({ length: 50 }, () => session.query("link show dev lo")),
    session.change("addr add 1.2.3.4/33 dev lo"),
    ...Array.from({ length: 50 }, () => session.change("link set dev lo up")),
  ]);
  const reasons = results.map((result) => result.status === "rejected" && result.reason);
  assertEquals(reasons.length, 101);
  for (const reason of reasons) {
    assertInstanceOf(reason, SessionClosedError);
    assertEquals(reason.session, `ip -n ${ns.name}`);
    assertMatch(reason.reason, /any valid prefix is expected rather than "1.2.3.4\/33"/);
  }
  assertEquals(session.ended, true);
  await assertRejects(() => session.query("link show"), SessionClosedError, "1.2.3.4/33");
  await session.close();
  assertEquals((await ns.ip.link.show("lo")).up, false, "what came after was not done");
});

Deno.test("a killed process rejects all that waits", async () => {
  await using ns = await freshNetns();
  const others = new Set(children().map(({ pid }) => pid));
  await using session = await Session.open({ netns: ns.name });
  const { pid } = children().find(({ pid }) => !others.has(pid))!;
  Deno.kill(pid, "SIGSTOP");
  const waiting = Promise.allSettled([
    session.query("link show dev lo"),
    session.change("link set dev lo up"),
  ]);
  Deno.kill(pid, "SIGKILL");
  for (const result of await waiting) {
    assert(result.status === "rejected");
    assertInstanceOf(result.reason, SessionClosedError);
    assertEquals(result.reason.reason, "killed by SIGKILL");
  }
  await assertRejects(() => session.change("link set dev lo up"), SessionClosedError, "SIGKILL");
});

Deno.test("close() settles what is in flight first, and refuses what comes after", async () => {
  await using made = await tenLinks();
  const { session } = made;
  const waiting = Promise.all(Array.from({ length: 400 }, (_, i) => ask(session, i)));
  const closed = session.close();
  await assertRejects(() => session.query("link show"), SessionClosedError, "it was closed");
  await Promise.all([waiting, closed, session.close()]);
  assertEquals(session.ended, true);
});

Deno.test("no process is left behind, whether it went well or not", async () => {
  const before = children();
  {
    await using ip = await Ip.open();
    assertEquals(children().length, before.length + 1);
    await ip.link.show();
  }
  await assertRejects(async () => {
    await using ip = await Ip.open();
    await ip.link.show("none");
  }, IpCommandError);
  await assertRejects(() => Ip.open({ netns: "no-such-netns" }), NamespaceNotFoundError);
  assertEquals(children(), before);
});

Deno.test("a missing namespace is named at once", async () => {
  const error = await assertRejects(
    () => Ip.open({ netns: "no-such-netns" }),
    NamespaceNotFoundError,
    'no network namespace "no-such-netns"',
  );
  assertEquals(error.netns, "no-such-netns");
  await assertRejects(() => Ip.open({ netns: "../x" }), InvalidWordError);
});

Deno.test("a missing program is named", async () => {
  const path = Deno.env.get("PATH")!;
  Deno.env.set("PATH", "");
  try {
    const error = await assertRejects(() => Ip.open(), ProgramNotFoundError, "install iproute2");
    assertEquals(error.program, "ip");
  } finally {
    Deno.env.set("PATH", path);
  }
});

Deno.test("Ctrl-C does not end a session under its owner, but the owner's end does", async () => {
  await using undo = new AsyncDisposableStack();
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", new URL("iproute2_session_child.ts", import.meta.url).href],
    stdout: "piped",
    // A process group of its own, which the signal goes to whole, as from a terminal.
    detached: true,
  }).spawn();
  undo.defer(async () => {
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await child.status;
  });
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).values();
  undo.defer(async () => void await lines.return?.());
  const pid = Number((await lines.next()).value);
  for (const _ of [1, 2]) {
    Deno.kill(-child.pid, "SIGINT");
    assertEquals((await lines.next()).value, "answered lo\n");
  }
  child.kill("SIGKILL");
  await ended(pid);
});

// `ip` remembers names: see the description of Session.
Deno.test("a link made anew under its name by somebody else is found after a full show", async () => {
  await using ns = await freshNetns();
  await using other = await Ip.open({ netns: ns.name });
  await other.link.add({ type: "dummy", name: "d" });
  const old = await ns.ip.link.show("d");
  await other.link.del("d");
  await other.link.add({ type: "dummy", name: "d" });
  const made = await other.link.show("d");
  assert(made.index !== old.index);
  const error = await assertRejects(() => ns.ip.link.set("d", { up: true }), IpCommandError);
  assertEquals(error.errno, "ENODEV", "it remembers the old one until it has shown all");
  assertEquals((await ns.ip.link.show("d")).index, made.index, "show() looks again by itself");
  await ns.ip.link.set("d", { up: true });
  assertEquals((await other.link.show("d")).up, true);
});

Deno.test("a name that this session has not used is looked up when it is used", async () => {
  await using ns = await freshNetns();
  await using other = await Ip.open({ netns: ns.name });
  for (const mtu of [1400, 1300]) {
    await other.link.add({ type: "dummy", name: "d" });
    // Setting it forgets it again.
    await ns.ip.link.set("d", { mtu });
    assertEquals((await other.link.show("d")).mtu, mtu);
    await other.link.del("d");
  }
});

Deno.test("a link that is gone is not found, although its name is remembered", async () => {
  await using ns = await freshNetns();
  await using other = await Ip.open({ netns: ns.name });
  await other.link.add({ type: "dummy", name: "d" });
  await ns.ip.link.show();
  await other.link.set("d", { name: "e" });
  const error = await assertRejects(() => ns.ip.link.show("d"), IpCommandError);
  assertEquals(error.errno, "ENODEV", error.message);
});

Deno.test("a burst with settings of links names a namespace that is missing, or that is none", async () => {
  await using shell = new Shell();
  const name = `n${crypto.randomUUID().slice(0, 8)}`;
  const file = `/run/netns/${name}`;
  for (const netns of [name, fromNetnsFolder(file)]) {
    const change = () => {
      const program = { program: "ip", netns, force: false } as const;
      const switches = [linkSwitch("lo", "ipv4/arp_notify")];
      const session = new Session(new ProcessPerBurst(program, shell.run, switches));
      return session.change("link set lo up");
    };
    const missing = await assertRejects(change, NamespaceNotFoundError);
    assertEquals(missing.netns, netns);
    await Deno.writeTextFile(file, "");
    try {
      const closed = await assertRejects(change, IpCommandError);
      assertEquals(closed.errno, "EINVAL", closed.message);
    } finally {
      await Deno.remove(file);
    }
  }
});
