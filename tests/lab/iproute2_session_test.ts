import { assert, assertEquals } from "@std/assert";
import { Ip } from "../../lib/iproute2/ip.ts";
import { linkSetting } from "../../lib/iproute2/sysctl.ts";
import { Session } from "../../lib/iproute2/session.ts";
import { Shell } from "../../lib/iproute2/shell.ts";
import { fromNetnsFolder } from "../../lib/iproute2/words.ts";
import { children, ended, inEnv, run } from "../kit/processes.ts";
import { freshNetns } from "../kit/worlds.ts";
import { assertError, assertRejectsError } from "../kit/errors.ts";

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
    const error = await assertRejectsError(() => session.query(line), "ip-command");
    assertEquals(error.command, `${session.command} ${line}`);
    assertEquals(error.reason, "RTNETLINK answers: Network is unreachable");
    assertEquals(error.errno, "ENETUNREACH");
  } else if (i % 4 === 2) {
    await session.change(`link set dev ${name} alias n${i}`);
  } else {
    const line = `addr del ${address}/32 dev ${name}`;
    const error = await assertRejectsError(() => session.change(line), "ip-command");
    assertEquals([error.command, error.errno], [`${session.command} ${line}`, "EADDRNOTAVAIL"]);
  }
}

/** A session in a namespace with ten links. */
async function tenLinks() {
  await using undo = new AsyncDisposableStack();
  const ns = undo.use(await freshNetns());
  const session = undo.use(await Session.open({ netns: ns.name }));
  await Promise.all(
    Array.from({ length: 10 }, (_, i) => ns.ip.link.add({ type: "dummy", name: `d${i}` })),
  );
  const kept = undo.move();
  return { ns, session, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

Deno.test("thousands of lines at once settle each with its own result", async () => {
  await using made = await tenLinks();
  await Promise.all(Array.from({ length: 4000 }, (_, i) => ask(made.session, i)));
});

Deno.test("so do lines one by one, and those of independent callers", async () => {
  await using made = await tenLinks();
  for (let i = 0; i < 40; i++) await ask(made.session, i);
  await Promise.all(Array.from({ length: 20 }, async (_, caller) => {
    for (let i = 0; i < 20; i++) await ask(made.session, caller * 7 + i);
  }));
});

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
  await using session = await Session.open({ netns: ns.name });
  const [comment, change, shown, text, lo] = await Promise.allSettled([
    session.query("# nothing at all"),
    session.query("link set dev lo alias x"),
    session.query("link show type dummy"),
    session.query("netns identify"),
    session.query("link show dev lo"),
    session.change("link show"),
  ]);
  assertEquals([comment, change, shown], Array(3).fill({ status: "fulfilled", value: [] }));
  assert(text.status === "rejected" && lo.status === "fulfilled");
  assertError(text.reason, "ip-command");
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
    assertError((result as PromiseRejectedResult).reason, "invalid-word");
  }
});

Deno.test("a shell that is killed rejects all that waits", async () => {
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
    assertError(result.reason, "session-closed");
    assertEquals(result.reason.reason, "killed by SIGKILL");
  }
  await assertRejectsError(() => session.change("link set dev lo up"), "session-closed", "SIGKILL");
});

Deno.test("the end of a session settles what is in flight first, and refuses what comes after", async () => {
  await using made = await tenLinks();
  const { session } = made;
  const waiting = Promise.all(Array.from({ length: 400 }, (_, i) => ask(session, i)));
  const closed = session[Symbol.asyncDispose]();
  await assertRejectsError(() => session.query("link show"), "session-closed", "it was closed");
  await Promise.all([waiting, closed, session[Symbol.asyncDispose]()]);
});

Deno.test("no process is left behind, whether it went well or not", async () => {
  const before = children();
  {
    await using ip = await Ip.open();
    assertEquals(children().length, before.length + 1);
    await ip.link.show();
  }
  await assertRejectsError(async () => {
    await using ip = await Ip.open();
    await ip.link.show("none");
  }, "ip-command");
  await assertRejectsError(() => Ip.open({ netns: "no-such-netns" }), "namespace-not-found");
  assertEquals(children(), before);
});

Deno.test("a missing namespace is named at once", async () => {
  const error = await assertRejectsError(
    () => Ip.open({ netns: "no-such-netns" }),
    "namespace-not-found",
    'no network namespace "no-such-netns"',
  );
  assertEquals(error.netns, "no-such-netns");
  await assertRejectsError(() => Ip.open({ netns: "../x" }), "invalid-word");
});

Deno.test("a missing program is named", async () => {
  const folder = await Deno.makeTempDir();
  try {
    using _path = inEnv("PATH", folder);
    const noShell = await assertRejectsError(() => Ip.open(), "program-not-found");
    assertEquals(noShell.program, "sh");
    await Deno.symlink("/bin/sh", `${folder}/sh`);
    const error = await assertRejectsError(
      () => Ip.open(),
      "program-not-found",
      "install iproute2",
    );
    assertEquals(error.program, "ip");
  } finally {
    await Deno.remove(folder, { recursive: true });
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

Deno.test("a name is that of the link that has it now, whatever another program has done", async () => {
  await using ns = await freshNetns();
  await using other = await Ip.open({ netns: ns.name });
  const { ip } = ns;
  await ip.link.add({ type: "dummy", name: "wan0", up: true });
  await ip.addr.add({ dev: "wan0", address: "10.0.0.1/24" });
  await ip.link.add({ type: "vlan", name: "wan0.5", link: "wan0", id: 5 });
  await Promise.all([ip.link.show("wan0"), ip.route.show(4)]);
  await other.link.set("wan0", { name: "old0" });
  await other.link.add({ type: "dummy", name: "wan0" });

  await ip.link.set("wan0", { mtu: 1300 });
  await ip.addr.add({ dev: "wan0", address: "10.0.1.1/24" });
  const links = await other.link.show();
  const mtuOf = (name: string) => links.find((link) => link.name === name)?.mtu;
  assertEquals([mtuOf("wan0"), mtuOf("old0")], [1300, 1500]);
  const [addrs, routes] = await Promise.all([ip.addr.show({ dev: "old0" }), ip.route.show(4)]);
  assertEquals(addrs.filter(({ family }) => family === 4).map(({ address }) => address), [
    "10.0.0.1",
  ]);
  assertEquals(routes.map(({ dst, dev }) => `${dst} ${dev}`), ["10.0.0.0/24 old0"]);
  assertEquals((await ip.link.show("wan0.5")).link, "old0");

  await other.link.del("wan0");
  assertEquals(await ip.link.find("wan0"), undefined);
  assertEquals((await ip.link.find("old0"))?.up, true);
  await other.link.add({ type: "dummy", name: "wan0" });
  await ip.link.set("wan0", { up: true });
  assertEquals((await other.link.show("wan0")).up, true);
});

Deno.test("a line that ip ends over fails alone, and the next call works", async () => {
  await using ns = await freshNetns();
  const { session, link } = ns.ip;
  await link.add({ type: "dummy", name: "d" });
  const bad = [
    "link set dev d master nosuch",
    "link set dev d netns nosuch",
    "addr add 1.2.3.4/33 dev d",
    "link set dev d mtu many",
  ];
  const results = await Promise.allSettled([
    session.change("link set dev d alias a"),
    ...bad.map((line) => session.change(line)),
    session.change("link set dev d mtu 1400"),
    session.query("link show dev d"),
    session.query("link show dev nosuch"),
    link.find("nosuch"),
    session.change("addr add 1.2.3.4/32 dev d"),
  ]);
  const reasons = results.map((result) => {
    if (result.status === "fulfilled") return "done";
    assertError(result.reason, "ip-command");
    return result.reason.command;
  });
  assertEquals(reasons, [
    "done",
    ...bad.map((line) => `ip -n ${ns.name} ${line}`),
    "done",
    "done",
    `ip -n ${ns.name} link show dev nosuch`,
    "done",
    "done",
  ]);
  const { alias, mtu } = await link.show("d");
  assertEquals([alias, mtu], ["a", 1400]);
  const addrs = await ns.ip.addr.show({ dev: "d" });
  assertEquals(addrs.map(({ address }) => address), ["1.2.3.4"]);
});

Deno.test("a burst with settings of links names a namespace that is missing, or that is none", async () => {
  await using shell = new Shell();
  const name = `n${crypto.randomUUID().slice(0, 8)}`;
  const file = `/run/netns/${name}`;
  for (const netns of [name, fromNetnsFolder(file)]) {
    const change = () => {
      const settings = [linkSetting("lo", "ipv4/arp_notify=1")];
      const { run } = shell;
      const session = new Session({ program: "ip", netns, force: false, run, settings });
      return session.change("link set lo up");
    };
    const missing = await assertRejectsError(change, "namespace-not-found");
    assertEquals(missing.netns, netns);
    await Deno.writeTextFile(file, "");
    try {
      const closed = await assertRejectsError(change, "ip-command");
      assertEquals(closed.errno, "EINVAL", closed.message);
    } finally {
      await Deno.remove(file);
    }
  }
});
