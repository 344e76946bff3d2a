import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { IPVLAN, ipvlan, Job, runJob, succeeds } from "../kit/command.ts";
import { run } from "../kit/processes.ts";
import { Terminal } from "../kit/terminal.ts";
import { commandHost, temporaryFolder } from "../kit/worlds.ts";

/** A host with a network `n` and a sandbox `c`. */
async function hostWithSandbox(): Promise<AsyncDisposable> {
  await using undo = new AsyncDisposableStack();
  undo.use(await commandHost());
  await succeeds("network", "create", "--internal", "--subnet", "10.9.0.0/24", "n");
  await succeeds("run", "-d", "--net", "n", "--name", "c");
  return undo.move();
}

/** Lets a process type into its own terminal, as kernels before 6.2 do (dev.tty.legacy_tiocsti). */
async function allowTyping(): Promise<Disposable> {
  const file = "/proc/sys/dev/tty/legacy_tiocsti";
  const before = await Deno.readTextFile(file).catch(() => undefined);
  if (before !== undefined) await Deno.writeTextFile(file, "1");
  const undo = () => before !== undefined && Deno.writeTextFileSync(file, before);
  return { [Symbol.dispose]: undo };
}

/** An interactive shell on a terminal. */
class ShellAtTerminal extends Terminal {
  #lines = 0;

  constructor() {
    super("exec sh -i");
  }

  /**
   * Runs a line, when the one before has ended. Returns what is shown of it, from `begin` with the
   * exit status of the line before, to `end` with its own.
   */
  async run(line: string): Promise<string> {
    await this.shows(/> $/);
    const number = ++this.#lines;
    await this.type(`echo begin-$((${number})) $?; ${line}; echo end-$((${number})) $?\n`);
    return await this.shows(new RegExp(`(begin-${number} \\d[^]*end-${number} \\d+)\\r`));
  }
}

Deno.test("a program in a sandbox has nothing of the terminal of root's shell, and cannot type into it", async () => {
  await using _host = await hostWithSandbox();
  await using folder = await temporaryFolder();
  using _allowed = await allowTyping();
  await Deno.chmod(folder.path, 0o755);
  // Types a line into every terminal that it finds: TIOCSTI of ioctl_tty(2).
  const program = `${folder.path}/type`;
  await Deno.writeTextFile(
    program,
    `for my $path ("/proc/self/fd/0", "/proc/self/fd/1", "/proc/self/fd/2", "/dev/tty") {
      open(my $file, "<", $path) or next;
      ioctl($file, 0x5412, $_) for split //, "echo typed-\\$((40 + 2))\\n";
    }
    print "ran as $> \\n";`,
  );
  await using shell = new ShellAtTerminal();
  for (const options of ["", "-i", "-t", "-it"]) {
    const shown = await shell.run(`$IPVLAN exec -u nobody ${options} c perl ${program}`);
    assertStringIncludes(shown, "ran as 65534");
  }
  const shown = await shell.run(
    `$IPVLAN exec -i c sh -c 'tty; ls -l /proc/self/fd; (: </dev/tty) || echo none'`,
  );
  // All that could have been typed has come by now.
  assert(!shell.text.includes("typed-42"), shell.text);
  assertMatch(shown, /^not a tty\r\n[^]*^none\r\n/m);
  assert(!/\/dev\/(pts|tty)/.test(shown.replace("/dev/tty:", "")), shown);
  // Here, the same program can.
  await shell.type(`setpriv --reuid=65534 --regid=65534 --clear-groups -- perl ${program}\n`);
  await shell.shows(/typed-42/);
});

/** Counts the SIGINTs that it gets, until SIGTERM. */
const COUNTER = '$|=1; $n=0; $SIG{INT}=sub{$n++; print "INT $n.\\n"}; ' +
  '$SIG{TERM}=sub{print "TERM after $n.\\n"; exit 5}; print "ready\\n"; sleep 1 while 1';

Deno.test("one Ctrl-C is one SIGINT for the command, and so is one that ipvlan gets", async (t) => {
  await using _host = await hostWithSandbox();
  await using folder = await temporaryFolder();
  const fifo = `${folder.path}/fifo`;
  assertEquals((await run("mkfifo", fifo)).code, 0);
  for (const stdin of ["", "</dev/null", `<${fifo}`]) {
    for (const options of ["", "-i", "-t", "-it"]) {
      await t.step(`exec ${options} ${stdin}`, async () => {
        await using terminal = new Terminal(
          `exec 3<>${fifo}; echo "pid $$."; exec $IPVLAN exec ${options} c perl -e '${COUNTER}' ${stdin}`,
        );
        const pid = Number(await terminal.shows(/pid (\d+)\./));
        await terminal.shows(/ready/);
        await terminal.type("\x03");
        await terminal.shows(/INT 1\./);
        Deno.kill(pid, "SIGINT");
        await terminal.shows(/INT 2\./);
        Deno.kill(pid, "SIGTERM");
        await terminal.shows(/TERM after 2\./);
        assertEquals(await terminal.ended, 5);
      });
    }
  }
});

/** A perl script that prints each signal that it gets, until SIGTERM. */
const LISTENER = '$|=1; $SIG{$_} = sub { print "got $_[0].\n" } for ' +
  "qw(HUP QUIT USR1 USR2 ALRM WINCH CONT URG IO XCPU ABRT); $SIG{TERM} = sub { exit 6 }; " +
  'print "command $$.\n"; sleep 1 while 1';

Deno.test("a command gets every signal that ipvlan gets but SIGUSR1, and stops and goes on with it", async () => {
  await using _host = await hostWithSandbox();
  for (const options of ["", "-t"]) {
    await using shell = new ShellAtTerminal();
    await shell.type(
      `sh -c 'echo "pid $$."; exec $IPVLAN exec ${options} c perl -e "$0"' '${LISTENER}'\n`,
    );
    const pid = Number(await shell.shows(/pid (\d+)\./));
    const command = await shell.shows(/command (\d+)\./);
    Deno.kill(pid, "SIGUSR1");
    const names = ["HUP", "QUIT", "USR2", "ALRM", "WINCH", "URG", "IO", "XCPU", "ABRT"] as const;
    for (const name of names) {
      Deno.kill(pid, `SIG${name}`);
      await shell.shows(new RegExp(`got ${name}\\.`));
    }
    assert(!shell.text.includes("got USR1"), shell.text);
    await shell.type("\x1a");
    await shell.shows(/Stopped/);
    for (const each of [pid, command]) {
      while (!/\) T /.test(await Deno.readTextFile(`/proc/${each}/stat`)));
    }
    await shell.type("fg\n");
    await shell.shows(/got CONT\./);
    Deno.kill(pid, "SIGTERM");
    assertMatch(await shell.run(":"), /^begin-1 6\r/);
  }
});

Deno.test("with --tty, a command has a terminal of its own, and this one is given back as it was", async () => {
  await using _host = await hostWithSandbox();
  await using folder = await temporaryFolder();
  await using shell = new ShellAtTerminal();
  const tty = /\n(\/dev\/pts\/\d+)\r/.exec(await shell.run("tty"))![1]!;
  await shell.run(`stty rows 33 cols 101; stty -a >${folder.path}/before`);
  // Its size, its owner, and job control: Ctrl-Z and Ctrl-C are for the program in the foreground.
  await shell.type("$IPVLAN exec -it -u nobody -e PS1=inside: c sh -i\n");
  await shell.shows(/[^=]inside:$/);
  await shell.type("echo $(tty) $(stty size); echo owned >$(tty); sleep 1000\n");
  const own = await shell.shows(/(\/dev\/pts\/\d+) 33 101\r\nowned\r\n/);
  assert(own !== tty);
  while (!(await sleeperOn(own)));
  await shell.type("\x1a");
  await shell.shows(/Stopped[^]*inside:$/);
  await shell.type("fg\n");
  await shell.shows(/inside:fg\r\nsleep 1000\r\n/);
  // The shell says so before it gives the terminal to it.
  while (!(await sleeperOn(own)));
  await shell.type("\x03");
  await shell.shows(/sleep 1000\r\n[^]*\ninside:$/);
  await shell.type("trap 'stty size' WINCH; echo re''ady\n");
  await shell.shows(/ready/);
  assertEquals((await run("stty", "-F", tty, "rows", "50", "cols", "150")).code, 0);
  // The shell runs its trap behind the next line, so the signal must have come by then.
  while ((await run("stty", "-F", own, "size")).stdout.trim() !== "50 150");
  await shell.type("\n");
  await shell.shows(/50 150/);
  await shell.type("stty raw -echo; exit 4\n");
  assertMatch(await shell.run(":"), /^begin-\d 4\r/);
  assertEquals((await run("stty", "-F", tty, "rows", "33", "cols", "101")).code, 0);
  const sameModes = `stty -a | cmp - ${folder.path}/before`;
  assertMatch(await shell.run(sameModes), / 0$/);
  // Also when a signal ends it.
  await shell.type(
    `sh -c 'echo "pid $$."; exec $IPVLAN exec -it c sh -c "echo be\\gun; exec sleep 1000"'\n`,
  );
  const pid = Number(await shell.shows(/pid (\d+)\./));
  await shell.shows(/begun/);
  Deno.kill(pid, "SIGTERM");
  assertMatch(await shell.run(sameModes), /^begin-\d 143\r\n[^]* 0$/);
});

/** Whether a program sleeps in the foreground of a terminal. */
async function sleeperOn(tty: string): Promise<boolean> {
  return /^S.*\+.*sleep/m.test((await run("ps", "-t", tty.slice(5), "-o", "stat=,comm=")).stdout);
}

Deno.test("at a terminal, all that a command prints is shown in its order, and its input ends with Ctrl-D", async () => {
  await using _host = await hostWithSandbox();
  await using shell = new ShellAtTerminal();
  const numbers = Array.from({ length: 20_000 }, (_, index) => `${index + 1}`);
  for (const options of ["", "-t"]) {
    // What it leaves in the background may print on, and nobody waits for it.
    const line = `$IPVLAN exec ${options} c sh -c 'sleep 1000 & seq 20000; exit 3'`;
    const shown = (await shell.run(line)).split(/\r+\n/);
    assertEquals(shown.filter((line) => /^\d+$/.test(line)), numbers);
    assertMatch(shown.at(-1)!, / 3$/);
    await shell.run("$IPVLAN exec c sh -c 'yes & exit 3'");
    await ipvlan("kill", "c");
  }
  const mixed = Array.from({ length: 200 }, (_, index) => `out ${index}\r\nerr ${index}\r\n`).join(
    "",
  );
  const script = "for i in $(seq 0 199); do echo out $i; echo err $i >&2; done";
  assertStringIncludes(await shell.run(`$IPVLAN exec c sh -c '${script}'`), mixed);
  await shell.type("$IPVLAN exec -i c sh -c 'echo rea''dy; cat; echo all'\n");
  await shell.shows(/ready/);
  await shell.type("typed\n\x04");
  assertMatch(await shell.shows(/(typed\r\n[^]*> )$/), /typed\r\nall\r\n/);
  // A file and a pipe are the command's own.
  const piped = await shell.run(
    "echo in | $IPVLAN exec -i c sh -c 'ls -l /proc/self/fd; cat' | cat",
  );
  assert(!piped.includes("pts"), piped);
  assertMatch(piped, /\r\nin\r\n/);
});

Deno.test("SIGUSR1 opens no debugger, and programs in a sandbox have the signal as it was", async () => {
  await using _host = await hostWithSandbox();
  // A socket that listens at 127.0.0.1:9229 (proc(5)).
  const isOpen = async () =>
    / 0100007F:240D 00000000:0000 0A /.test(await Deno.readTextFile("/proc/net/tcp"));
  const hasSignal = (status: string, what: string) =>
    (BigInt(`0x${new RegExp(`^${what}:\\s*(\\S+)`, "m").exec(status)![1]}`) >> 9n & 1n) === 1n;
  // Deno by itself opens one, as soon as it listens for the signal.
  {
    await using plain = new Job([], {
      under: [Deno.execPath(), "eval", "setInterval(Date, 1e6)", "--"],
    });
    while (!hasSignal(await Deno.readTextFile(`/proc/${plain.pid}/status`), "SigCgt"));
    plain.kill("SIGUSR1");
    while (!await isOpen());
  }
  await using job = new Job(["exec", "c", "sh", "-c", "echo begun >&2; sleep 2; exit 7"]);
  await job.line(/begun/);
  let hasEnded = false;
  job.ended.then(() => hasEnded = true);
  while (!hasEnded) {
    assertEquals(await isOpen(), false);
    try {
      job.kill("SIGUSR1");
    } catch {
      // It has ended.
    }
  }
  assertEquals((await job.ended).status, 7);
  await succeeds("run", "-d", "--net", "n", "--name", "d", "cat", "/proc/self/status");
  const { out } = await runJob(["exec", "c", "cat", "/proc/self/status"]);
  await succeeds("wait", "d");
  for (const status of [out, await succeeds("logs", "d")]) {
    for (const what of ["SigBlk", "SigIgn", "SigCgt"]) {
      assertEquals([what, hasSignal(status, what)], [what, false]);
    }
  }
});

Deno.test("logs shows what is printed as it comes, and a pipe gets it unchanged", async () => {
  await using _host = await commandHost();
  await succeeds("network", "create", "--internal", "n");
  const start = (name: string, script: string) =>
    succeeds("run", "-d", "--net", "n", "--name", name, "perl", "-e", script);
  await start("a", '$|=1; print "Password: "; sleep 1 while 1');
  await start("b", 'print "one\\n"; print map { chr } 0..255');
  await succeeds("wait", "b");
  const bytes = Uint8Array.from({ length: 256 }, (_, byte) => byte);
  const all = [...new TextEncoder().encode("one\n"), ...bytes];
  // The last line begins behind the byte 10.
  for (const [words, expected] of [[["-f"], all], [["-n", "1"], bytes.slice(11)]] as const) {
    const [program = "", ...args] = [...IPVLAN, "logs", ...words, "b"];
    const { stdout } = await new Deno.Command(program, { args, stderr: "inherit" }).output();
    assertEquals([...stdout], [...expected]);
  }
  await using follower = new Terminal("exec $IPVLAN logs -f a");
  await follower.shows(/Password: $/);
  await using terminal = new Terminal("exec $IPVLAN logs b");
  assertEquals(await terminal.ended, 0);
  assertMatch(terminal.text, /^one\r\n\\u0000[^]*\\u001b/);
  assert(!terminal.text.includes("\x1b"));
  await succeeds("rm", "-f", "a", "b");
});
