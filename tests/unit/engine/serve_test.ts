// The server of calls and its caller, with a program in place of the plugin: neither needs a network.
import { assertEquals, assertStringIncludes } from "@std/assert";
import { once } from "node:events";
import { createServer } from "node:net";
import { replaceFile } from "../../../lib/base/files.ts";
import { executableText } from "../../../lib/install/service.ts";
import {
  type CallAnswer,
  callerLines,
  greetingOf,
  howCallsReach,
  MAX_CALL,
  type ProgramIdentity,
  readCall,
} from "../../../lib/engine/caller.ts";
import { callTaker, serve, type ServeOptions } from "../../../lib/engine/serve.ts";
import { CNI, NETAVARK, type Plugin, type PluginCall } from "../../../lib/engine/plugins.ts";
import { type Ran, runWith } from "../../kit/processes.ts";
import { temporaryFolder } from "../../kit/worlds.ts";

const encode = (text: string) => new TextEncoder().encode(text);

const STATE = "/srv/state";

/** What the caller starts without a server. It says so, and prints its input. */
const ALONE = ["/bin/sh", "-c", 'printf "alone "; cat'];

const IDENTITY: ProgramIdentity = { version: "1.2.3", program: ALONE };

/** The executable of a plugin, and how to call it. */
async function executable(plugin: Plugin = CNI, alone: readonly string[] = ALONE) {
  const folder = await temporaryFolder();
  const socket = `${folder.path}/run/x.sock`;
  const [command = "", ...program] = alone.toReversed();
  const lines = callerLines({ ...plugin, socket }, { ...IDENTITY, program: alone });
  const text = executableText(program.toReversed(), command, {}, lines);
  const path = `${folder.path}/plugin`;
  replaceFile(path, text, 0o755);
  const call = async (
    input: string,
    env: Record<string, string> = {},
    ...args: string[]
  ): Promise<Ran> => {
    return await runWith(input, path, {
      args,
      clearEnv: true,
      env: { PATH: Deno.env.get("PATH")!, IPVLAN_STATE_DIR: STATE, ...env },
      cwd: folder.path,
    });
  };
  return { ...folder, folder: folder.path, socket, path, call };
}

/** A call of each plugin that is passed on, and the caller's answer that it failed. */
function failures(cniVersion: string, msg: string): [Plugin, words: string[], answer: unknown][] {
  return [[CNI, [], { cniVersion, code: 11, msg }], [NETAVARK, ["create"], { error: msg }]];
}

/** A server that ends with the scope. */
async function server(
  socket: string,
  answer: (call: PluginCall) => Promise<CallAnswer>,
  { greeting = () => greetingOf(IDENTITY, STATE), idle }: Partial<
    Pick<ServeOptions, "greeting" | "idle">
  > = {},
): Promise<AsyncDisposable & { ended: Promise<void>; end(): void }> {
  const ending = new AbortController();
  const ready = Promise.withResolvers<void>();
  const ended = serve({
    socket,
    greeting,
    answer,
    listening: ready.resolve,
    signal: ending.signal,
    idle,
  });
  await Promise.race([ready.promise, ended]);
  const end = () => ending.abort();
  return {
    ended,
    end,
    [Symbol.asyncDispose]: () => {
      end();
      return ended;
    },
  };
}

/** Answers with what the call was. */
const echo = ({ folder, variables, text }: PluginCall): Promise<CallAnswer> =>
  Promise.resolve({
    status: 3,
    out: encode(`${JSON.stringify([folder, variables.CNI_IFNAME, variables.ODD, text])}\n`),
    err: encode("warned\n"),
  });

Deno.test("a call has the server's status and output, byte for byte", async () => {
  await using plugin = await executable();
  await using _server = await server(plugin.socket, echo);
  const odd = "a=b\nc 'd' \"e\" ä";
  for (const text of ["", "{}", "\n ä \u0000\u0000 'x' \"$HOME\"\n", "x".repeat(300_000)]) {
    assertEquals(await plugin.call(text, { CNI_IFNAME: "eth0", ODD: odd }), {
      code: 3,
      stdout: `${JSON.stringify([plugin.folder, "eth0", odd, text])}\n`,
      stderr: "warned\n",
    });
  }
});

Deno.test("the server and the program get the environment of the call, without the caller's own variable", async () => {
  await using plugin = await executable(CNI, ["/usr/bin/env"]);
  const given = { CNI_IFNAME: "eth0", LC_ALL: "C.UTF-8" };
  const expected = Object.keys(given).concat("IPVLAN_STATE_DIR", "PATH", "PWD").sort();
  const { stdout } = await plugin.call("", given);
  const names = stdout.trimEnd().split("\n").map((line) => line.split("=")[0]!);
  assertEquals(names.filter((name) => !["OLDPWD", "SHLVL", "_"].includes(name)).sort(), expected);
  let passed: string[] = [];
  const greeting = () => greetingOf({ ...IDENTITY, program: ["/usr/bin/env"] }, STATE);
  const note = (call: PluginCall) => {
    passed = Object.keys(call.variables);
    return echo(call);
  };
  await using _server = await server(plugin.socket, note, { greeting });
  await plugin.call("", given);
  assertEquals(passed.filter((name) => !["OLDPWD", "SHLVL", "_"].includes(name)).sort(), expected);
});

Deno.test("a large answer comes whole, and an empty one too", async () => {
  await using plugin = await executable();
  const out = encode("y".repeat(1_000_000));
  let answer: CallAnswer = { status: 0, out, err: out };
  await using _server = await server(plugin.socket, () => Promise.resolve(answer));
  const { code, stdout, stderr } = await plugin.call("{}");
  assertEquals([code, stdout.length, stderr.length], [0, 1_000_000, 1_000_000]);
  answer = { status: 0, out: new Uint8Array(), err: new Uint8Array() };
  assertEquals(await plugin.call("{}"), { code: 0, stdout: "", stderr: "" });
});

Deno.test("without a server that would do the same, the program is started, with the input whole", async () => {
  await using plugin = await executable();
  const alone = { code: 0, stdout: "alone input", stderr: "" };
  assertEquals(await plugin.call("input"), alone, "no socket");
  await Deno.mkdir(`${plugin.folder}/run`);
  {
    // Nobody listens at a socket that is closed, and its file stays.
    const listener = Deno.listen({ transport: "unix", path: plugin.socket });
    await Deno.rename(plugin.socket, `${plugin.socket}.kept`);
    listener.close();
    await Deno.rename(`${plugin.socket}.kept`, plugin.socket);
  }
  assertEquals(await plugin.call("input"), alone, "a stale socket");
  await Deno.remove(plugin.socket);
  await Deno.writeTextFile(plugin.socket, "");
  assertEquals(await plugin.call("input"), alone, "another file");
  await Deno.remove(plugin.socket);
  let calls = 0;
  const never = (call: PluginCall) => {
    calls++;
    return echo(call);
  };
  const mine = greetingOf(IDENTITY, STATE);
  const greetings = {
    "it ends": undefined,
    "another version": greetingOf({ ...IDENTITY, version: "1.2.4" }, STATE),
    "another program": greetingOf({ ...IDENTITY, program: ["deno", "run", "x.ts"] }, STATE),
    "another state folder": greetingOf(IDENTITY, "/var/lib/ipvlan"),
    "another namespace": mine.replace(/\t(\d+):\d+\t/, "\t$1:7\t"),
    "nonsense": "HTTP/1.1 400 Bad Request",
    "two lines": `${mine}\nmore`,
  };
  for (const [why, greeting] of Object.entries(greetings)) {
    await using _server = await server(plugin.socket, never, { greeting: () => greeting });
    assertEquals(await plugin.call("input"), alone, why);
  }
  assertEquals(calls, 0);
});

Deno.test("only the calls of engines are passed on, with their words", async () => {
  const table: [Plugin, ...string[]][] = [
    // These are.
    [CNI],
    [NETAVARK, "create"],
    [NETAVARK, "setup", '/run/netns/a b\'c\n"$HOME"=ä'],
    [NETAVARK, "teardown", "/"],
    // These are not.
    [CNI, "--help"],
    [CNI, ""],
    [NETAVARK],
    [NETAVARK, ""],
    [NETAVARK, "info"],
    [NETAVARK, "create", "--verbose"],
    [NETAVARK, "create", ""],
    [NETAVARK, "create "],
    [NETAVARK, "setup"],
    [NETAVARK, "setup", ""],
    [NETAVARK, "setup", "--help"],
    [NETAVARK, "setup", "netns"],
    [NETAVARK, "setup", "//run"],
    [NETAVARK, "setup", "/run", "--dry-run"],
    [NETAVARK, "setup /", "run"],
    [NETAVARK, "setup /"],
    [NETAVARK, "[a-z]*", "/"],
  ];
  const program = ["/bin/sh", "-c", 'printf "<%s>" "$@"', "sh"];
  const greeting = () => greetingOf({ ...IDENTITY, program }, STATE);
  for (const [index, [plugin, ...words]] of table.entries()) {
    await using made = await executable(plugin, program);
    const given: unknown[] = [];
    const note = (call: PluginCall) => {
      given.push(call.words);
      return echo(call);
    };
    await using _server = await server(made.socket, note, { greeting });
    const { code, stdout } = await made.call("{}", {}, ...words);
    const isPassed = index < 4;
    assertEquals([code, given], isPassed ? [3, [words]] : [0, []], JSON.stringify(words));
    const printed = words.length === 0 ? "<>" : words.map((word) => `<${word}>`).join("");
    if (!isPassed) assertEquals(stdout, printed);
  }
});

Deno.test("a server that ends after the call was sent is an error, and the program is not started", async () => {
  const msg = "The server of ipvlan has ended during the call";
  for (const [kind, words, failure] of failures("1.0.0", msg)) {
    await using plugin = await executable(kind);
    for (const answer of ["", "0 0", "0 0 5\nabc", "nonsense\n", "0 0 1\nabc"]) {
      const fake = createServer((connection) => {
        connection.on("error", () => {});
        connection.write(`${greetingOf(IDENTITY, STATE)}\n`);
        connection.once("data", () => connection.end(answer));
      });
      await Deno.mkdir(`${plugin.folder}/run`, { recursive: true });
      await once(fake.listen(plugin.socket), "listening");
      const { code, stdout } = await plugin.call('{"cniVersion": "1.0.0"}', {}, ...words);
      assertEquals([code, JSON.parse(stdout)], [1, failure], answer);
      await once(fake.close(), "close");
      await Deno.remove(plugin.socket).catch(() => {});
    }
  }
});

Deno.test("a caller that gets a signal says to try again", async () => {
  for (const [kind, args, failure] of failures("1.1.0", "It was interrupted")) {
    await using plugin = await executable(kind);
    const asked = Promise.withResolvers<void>();
    const release = Promise.withResolvers<void>();
    await using _server = await server(plugin.socket, async (call) => {
      asked.resolve();
      await release.promise;
      return await echo(call);
    });
    const child = new Deno.Command(plugin.path, {
      args,
      env: { IPVLAN_STATE_DIR: STATE },
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    await asked.promise;
    child.kill("SIGTERM");
    const { code, stdout } = await child.output();
    assertEquals([code, JSON.parse(new TextDecoder().decode(stdout))], [1, failure]);
    release.resolve();
  }
});

Deno.test("nonsense at the socket is dropped, and the server goes on", async () => {
  await using plugin = await executable();
  let calls = 0;
  await using _server = await server(plugin.socket, (call) => {
    calls++;
    return echo(call);
  });
  const talk = async (bytes: Uint8Array) => {
    using connection = await Deno.connect({ transport: "unix", path: plugin.socket });
    await connection.write(bytes).catch(() => {});
    await connection.closeWrite().catch(() => {});
    return (await new Response(connection.readable).text().catch(() => "")).split("\n").slice(1);
  };
  const nonsense = [
    "",
    "\n",
    "POST / HTTP/1.1\r\n\r\n",
    "-1\n",
    "1e3\nabc",
    `${MAX_CALL + 1}\n`,
    "99999999999999999999\n",
    "10\nshort",
    "3\nlonger",
  ];
  for (const text of nonsense) {
    const answer = await talk(encode(text));
    // An empty call is a call: the plugin says what is missing.
    if (text !== "\n") assertEquals(answer, [""], text);
  }
  await talk(new Uint8Array(100_000).fill(0xff));
  const before = calls;
  assertEquals((await plugin.call("{}")).code, 3);
  assertEquals(calls, before + 1);
});

Deno.test("a server that is to end answers the calls under way first, and drops who does not end", async () => {
  await using plugin = await executable();
  const asked = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  const running = await server(plugin.socket, async (call) => {
    asked.resolve();
    await release.promise;
    return await echo(call);
  });
  const answer = plugin.call("{}");
  await asked.promise;
  using silent = await Deno.connect({ transport: "unix", path: plugin.socket });
  await silent.read(new Uint8Array(1000));
  // It says something all the time, and never all of it.
  using slow = await Deno.connect({ transport: "unix", path: plugin.socket });
  await slow.read(new Uint8Array(1000));
  await slow.write(encode("1000\n"));
  const write = () => slow.write(encode(" ")).catch(() => clearInterval(timer));
  const timer = setInterval(write, 100);
  running.end();
  release.resolve();
  assertEquals((await answer).code, 3);
  await running.ended;
  assertEquals([...Deno.readDirSync(`${plugin.folder}/run`)], []);
});

Deno.test("a server ends by itself when it has had no call for a while, and not during one", async () => {
  await using plugin = await executable();
  const running = await server(plugin.socket, echo, { idle: 200 });
  {
    using _connection = await Deno.connect({ transport: "unix", path: plugin.socket });
    await new Promise((resolve) => setTimeout(resolve, 400));
    assertEquals((await plugin.call("{}")).code, 3);
  }
  await running.ended;
});

Deno.test("a call comes in any pieces, and one that is longer than it says is none", () => {
  const taken = (...pieces: string[]) => {
    const take = callTaker();
    return pieces.map((piece) => {
      const said = take(encode(piece));
      return typeof said === "string" ? said : `<${new TextDecoder().decode(said)}>`;
    });
  };
  const more = "incomplete";
  assertEquals(taken("5\nhello"), ["<hello>"]);
  assertEquals(taken("1", "0", "\n", "0123", "456789"), [more, more, more, more, "<0123456789>"]);
  assertEquals(taken("5", "\nhe", "llo"), [more, more, "<hello>"]);
  assertEquals(taken("0\n"), ["<>"]);
  for (const wrong of ["5\nhello!", "x", "-5\n", `${MAX_CALL + 1}\n`, "00000000"]) {
    assertEquals(taken(wrong), ["invalid"]);
  }
  assertEquals(taken("5\nhel", "lo!"), [more, "invalid"]);
  assertEquals(taken("8388608\n"), [more]);
});

Deno.test("a call is read as it was sent", () => {
  const call = encode("/here\0=setup\0==/a=b\0A=1\0B=x=y\nz\0no\0\0text\0\0more");
  assertEquals(readCall(call), {
    folder: "/here",
    words: ["setup", "=/a=b"],
    variables: { A: "1", B: "x=y\nz" },
    text: "text\0\0more",
  });
  const empty = { folder: "/here", words: [], variables: {}, text: "" };
  assertEquals(readCall(encode("/here\0\0")), empty);
});

Deno.test("it is said which way calls take, and what is missing for the faster one", async () => {
  await using folder = await temporaryFolder();
  const socket = `${folder.path}/cni.sock`;
  const path = Deno.env.get("PATH")!;
  const plugin = { ...CNI, socket };
  const none = howCallsReach(plugin);
  assertEquals(none.what, `Each call starts Deno, as no server is seen at ${socket}`);
  assertStringIncludes(none.fix!, "ipvlan cni serve");
  assertStringIncludes(howCallsReach({ ...NETAVARK, socket }).fix!, "ipvlan netavark serve");
  await using _server = await server(socket, () => Promise.reject());
  assertEquals(howCallsReach(plugin), {
    what: `Calls ask the server at ${socket} with perl, and start no Deno`,
  });
  try {
    Deno.env.set("PATH", folder.path);
    const { what, fix } = howCallsReach(plugin);
    assertStringIncludes(what, 'there is no program "perl"');
    assertStringIncludes(fix!, "install perl");
    // One that nobody may start is none.
    await Deno.writeTextFile(`${folder.path}/perl`, "", { mode: 0o644 });
    assertEquals(howCallsReach(plugin).what, what);
  } finally {
    Deno.env.set("PATH", path);
  }
});
