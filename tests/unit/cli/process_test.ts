import { assertEquals } from "@std/assert";
import { attempt } from "../../../lib/base/errors.ts";
import { exec } from "../../../lib/cli/commands/run.ts";
import { parseArguments } from "../../../lib/cli/options.ts";
import { readProcess, requireCommand, SignalRelay } from "../../../lib/cli/process.ts";
import { Streams } from "../../../lib/cli/streams.ts";
import { assertThrowsError } from "../../kit/errors.ts";
import { inEnv } from "../../kit/processes.ts";
import { temporaryFolder } from "../../kit/worlds.ts";

Deno.test("a command is looked for as a shell does, and its error has the status of a shell", async () => {
  await using folder = await temporaryFolder();
  const { path } = folder;
  Deno.writeTextFileSync(`${path}/all`, "", { mode: 0o755 });
  Deno.writeTextFileSync(`${path}/others`, "");
  Deno.chmodSync(`${path}/others`, 0o601);
  Deno.writeTextFileSync(`${path}/plain`, "");
  Deno.chmodSync(`${path}/plain`, 0o666);
  Deno.mkdirSync(`${path}/folder`);
  const CASES: [command: string, folder: string | undefined, status?: number, reason?: string][] = [
    ["all", undefined],
    ["others", undefined],
    [`${path}/all`, undefined],
    [`${path}/all`, "/"],
    ["./all", path],
    ["./folder/../all", path],
    ["./all", `${path}/folder`, 127, "there is no such file"],
    ["/no/such", undefined, 127, "there is no such file"],
    ["no-such", undefined, 127, "it is not on PATH"],
    ["plain", undefined, 126, "it is not an executable file"],
    ["folder", undefined, 126, "it is not an executable file"],
    ["all", "/no/such", 126, 'there is no folder "/no/such"'],
    ["all", `${path}/plain`, 126, `there is no folder "${path}/plain"`],
  ];
  using _path = inEnv("PATH", `/no/such:${path}`);
  for (const [command, where, status, reason] of CASES) {
    if (status === undefined) requireCommand(command, where);
    else {
      const error = assertThrowsError(
        () => requireCommand(command, where),
        "command-unusable",
        reason,
      );
      assertEquals([command, error.status], [command, status]);
    }
  }
  // Without PATH, only this folder is one of it.
  Deno.env.delete("PATH");
  const { status } = assertThrowsError(() => requireCommand("deno.json"), "command-unusable");
  assertEquals(status, 126);
});

function processOf(...words: string[]) {
  const args = parseArguments("ipvlan exec", exec, [...words, "c", "true", "x"]);
  return readProcess(args.positionals.slice(1), args);
}

Deno.test("a process has the variables, the folder and the user that it was asked for with", async () => {
  await using folder = await temporaryFolder();
  const file = `${folder.path}/env`;
  Deno.writeTextFileSync(file, "# a comment\n\n  A=file\nC=x=y\n D\n");
  using _variable = inEnv("B", "here");
  assertEquals(processOf(), { words: ["true", "x"], cwd: undefined, env: {} });
  assertEquals(processOf("-e", "A=1", "-e", "B", "-e", "NONE", "--env-file", file, "-w", "/tmp"), {
    words: ["true", "x"],
    cwd: "/tmp",
    env: { A: "1", B: "here", C: "x=y", D: "", NONE: "" },
  });
  const { words, uid, env } = processOf("-u", "4242:4243");
  assertEquals([uid, env, words.slice(-2)], [4242, {}, ["true", "x"]]);
  assertEquals(words[0], "setpriv");
  assertEquals(processOf("-u", "root").env, { HOME: "/root" });
  assertEquals(processOf("-u", "root", "-e", "HOME=/x").env, { HOME: "/x" });
  assertThrowsError(
    () => processOf("--env-file", `${file}.none`),
    "invalid-option",
    "No such file",
  );
  using _path = inEnv("PATH", folder.path);
  assertThrowsError(() => processOf("-u", "root"), "command-unusable", "setpriv");
  assertEquals(attempt(() => processOf()).ok, true);
});

/** Starts a program that ends with the end of its input, in a session of its own. */
function idle(...words: string[]): Deno.ChildProcess {
  const [program = "", ...args] = words;
  return new Deno.Command(program, { args, stdin: "piped", detached: true }).spawn();
}

/** Waits for what a signal does: Deno does not wait for signals alone. */
async function afterSignal<T>(done: Promise<T>): Promise<T> {
  const timer = setInterval(() => {}, 60_000);
  try {
    return await done;
  } finally {
    clearInterval(timer);
  }
}

Deno.test("a signal is for the process while it runs, and else says that this program is to end", async () => {
  let resized = 0;
  const streams = { resize: () => resized++, setRaw: () => {} } as unknown as Streams;
  using relay = new SignalRelay();
  const PASSED: [signal: Deno.Signal, ...words: string[]][] = [
    ["SIGTERM", "cat"],
    ["SIGUSR2", "cat"],
    // It comes from a key, so it is for all processes of the terminal. (Deno itself takes SIGINT in a test.)
    ["SIGQUIT", "sh", "-c", "cat; exit 3"],
  ];
  for (const [signal, ...words] of PASSED) {
    const child = idle(...words);
    relay.to(child, streams);
    Deno.kill(Deno.pid, signal);
    const status = await child.status;
    await child.stdin.close().catch(() => {});
    assertEquals([signal, status.signal], [signal, signal]);
  }
  assertEquals([relay.signal.aborted, relay.status], [false, 143]);
  const aborted = new Promise((resolve) => relay.signal.addEventListener("abort", resolve));
  Deno.kill(Deno.pid, "SIGHUP");
  await afterSignal(aborted);
  // The first signal counts.
  assertEquals([resized, relay.status], [0, 143]);
});

Deno.test("a new size of the terminal is one of the command's terminal, too", async () => {
  const resized = Promise.withResolvers<void>();
  const streams = { resize: resized.resolve, setRaw: () => {} } as unknown as Streams;
  using relay = new SignalRelay();
  assertEquals(relay.status, undefined);
  const child = idle("cat");
  relay.to(child, streams);
  Deno.kill(Deno.pid, "SIGWINCH");
  await afterSignal(resized.promise);
  await child.stdin.close();
  assertEquals((await child.status).code, 0);
});

Deno.test("with --tty, a command gets a terminal of its own for all its streams", async () => {
  const args = parseArguments("ipvlan exec", exec, ["-t", "c", "true"]);
  using streams = new Streams(args, Deno.uid() ?? undefined);
  const [program = "", ...words] = streams.words;
  const child = new Deno.Command(program, {
    args: [...words, "sh", "-c", "test -t 0 && test -t 1 && test -t 2 && exit 5"],
    ...streams.options,
  }).spawn();
  await streams.carry(child);
  assertEquals((await child.status).code, 5);
});

Deno.test("no descriptor of a terminal stays open", () => {
  const args = parseArguments("ipvlan exec", exec, ["-t", "c", "true"]);
  const terminals = () =>
    [...Deno.readDirSync("/proc/self/fd")].filter(({ name }) => {
      try {
        return /ptmx|pts/.test(Deno.readLinkSync(`/proc/self/fd/${name}`));
      } catch {
        return false; // The descriptor of the folder itself is closed by now.
      }
    }).length;
  const before = terminals();
  {
    using _streams = new Streams(args);
    assertEquals(terminals(), before + 2);
  }
  assertEquals(terminals(), before);
});
