// The tests that every engine with its own kernel has to pass. They run as the current user.
// `native` has its own tests, which run inside `uml` (`native_test.ts`).
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import {
  killAndFindNothing,
  lab,
  labCommand,
  list,
  PROJECT,
  read,
  Traced,
  warmUp,
} from "../kit/lab.ts";
import { temporaryFile, temporaryFolder } from "../kit/worlds.ts";

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

/** The engines that boot their own kernel. */
type BootingEngine = "uml" | "qemu";

/** The line that names the engine and its kernel. */
const ENGINE_LINE = {
  uml: /^lab: uml \(Linux \d\S+, User-Mode Linux[^)]*\): asked for\n$/,
  qemu: /^lab: qemu \(Linux \d\S+, QEMU with(out)? KVM\): asked for\n$/,
};

/** The names of a few tests that show that an engine runs. */
const BRIEF = [
  / keeps the streams apart/,
  / gives a command its folder/,
  / when the lab is killed/,
];

/**
 * Registers the tests of an engine.
 *
 * @param options.brief Whether to register only a few of them.
 */
export function contract(engine: BootingEngine, { brief = false } = {}): void {
  const inLab = (...command: string[]) => ["--engine", engine, "--", ...command];
  let warm: Promise<void> | undefined;
  const test = (
    name: string,
    ...rest: [() => Promise<void>] | [{ ignore: boolean }, () => Promise<void>]
  ) => {
    if (brief && !BRIEF.some((pattern) => pattern.test(name))) return;
    const [options, body] = rest.length === 1 ? [{}, rest[0]] : rest;
    const fn = async () => {
      await (warm ??= warmUp(engine));
      await body();
    };
    Deno.test({ name, ...options, fn });
  };

  test(`${engine} passes the exit status on, and does not change the machine`, async () => {
    for (
      const [script, status] of [["exit 0", 0], ["exit 3", 3], ["kill -KILL $$", 137]] as const
    ) {
      await using trace = await Traced.start();
      const { code, stderr } = await lab(inLab("sh", "-c", script), { env: trace.env });
      assertEquals(code, status, script);
      assertMatch(stderr, ENGINE_LINE[engine]);
      assertEquals(trace.left(), { processes: [], files: [] });
      const { before, now } = await trace.machine();
      assertEquals(now, before);
    }
  });

  test(`${engine} keeps the streams apart, and passes on every byte of 10 MB`, async () => {
    const script = `head -c 10485760 /dev/urandom > /tmp/data
    cat /tmp/data; sha256sum < /tmp/data >&2; printf 'a\\r\\nb\\n' >&2`;
    const { code, bytes, stderr } = await lab(inLab("sh", "-c", script));
    assertEquals(code, 0);
    assertEquals(bytes.length, 10485760);
    const expected = `${await sha256(new Uint8Array(bytes))}  -\na\r\nb\n`;
    assertEquals(stderr.slice(stderr.indexOf("\n") + 1), expected);
  });

  test(`${engine} passes output on before the command ends`, async () => {
    await using trace = await Traced.start();
    await using child = labCommand(inLab("sh", "-c", "echo first; exec sleep 1000"), trace)
      .spawn();
    const reader = child.stdout.getReader();
    assertEquals(new TextDecoder().decode((await reader.read()).value), "first\n");
    child.kill("SIGTERM");
    await reader.cancel();
    await child.stderr.cancel();
  });

  test(`${engine} gives a command its folder, environment, tools and clock`, async () => {
    await using folder = await temporaryFolder();
    await using other = await temporaryFolder();
    await Deno.writeTextFile(`${folder.path}/here`, "as it is\n");
    await Deno.writeTextFile(`${other.path}/neighbour`, "beside\n");
    // Directly in /tmp, a file comes without its neighbours.
    await using file = await temporaryFile("in /tmp\n");
    const script = `
    pwd; cat here; echo changed > here; cat here; ls /run /tmp >&2
    cat "\${0%/*}/neighbour" "$1" | cat /dev/stdin; readlink /dev/fd; echo out > /dev/stdout
    ipvlan --version > /dev/null && echo ipvlan
    echo "$IPVLAN_LAB $NO_COLOR $CI $TERM $(uname -n)"
    test -t 0 || test -t 1 || test -t 2 || echo no terminal
    cat; ping -c 1 -W 5 127.0.0.1 > /dev/null && command -v arping radvd > /dev/null && echo tools
    deno eval 'console.log(Deno.version.deno, Date.now())'`;
    const before = Date.now();
    await Deno.writeTextFile(`${other.path}/script`, script);
    const { code, stdout } = await lab(inLab("sh", `${other.path}/script`, file.path), {
      cwd: folder.path,
      env: { NO_COLOR: "1", CI: "true", TERM: "vt100" },
    });
    assertEquals(code, 0);
    const lines = stdout.trimEnd().split("\n");
    const [version, clock] = lines.pop()!.split(" ");
    assertEquals(lines, [
      await Deno.realPath(folder.path),
      "as it is",
      "changed",
      "beside",
      "in /tmp",
      "/proc/self/fd",
      "out",
      "ipvlan",
      `${engine} 1 true vt100 lab`,
      "no terminal",
      "tools",
    ]);
    assertEquals(version, Deno.version.deno);
    // The guest reads the machine's clock, rounded to a second.
    const now = Date.now();
    const isRight = Number(clock) >= before - 1000 && Number(clock) <= now + 1000;
    assert(isRight, `${clock} is not between ${before} and ${now}`);
    assertEquals(await Deno.readTextFile(`${folder.path}/here`), "as it is\n");
  });

  test(`${engine} has every kind of link, and loads and unloads modules`, async () => {
    // A deleted link, and the process that loaded its module, hold the module for a moment longer.
    const script = `set -e
    unload() {
      while read -r users < /sys/module/ipvlan/refcnt; [ "$users" != 0 ]; do :; done
      rmmod ipvlan
    }
    ip -br link
    ip link add d0 type dummy; ip link add link d0 name d0.5 type vlan id 5
    for mode in l2 l3; do ip link add link d0 name $mode type ipvlan mode $mode; done
    ip link add link d0.5 name l3s type ipvlan mode l3s
    ip link add v0 type veth peer name v1; ip link add b0 type bridge vlan_filtering 1
    ip link add m0 link v0 type macvlan; ip link add bond0 type bond
    ip link del l2; ip link del l3; ip link del l3s
    ip netns add n1; ip -n n1 link add d1 type dummy; ip -n n1 -br link | wc -l
    unload; modprobe ipvlan; unload; ip link add link d0 name again type ipvlan
    ip link del again; unload; echo /bin/false > /proc/sys/kernel/modprobe
    ip link add link d0 name never type ipvlan || echo gone`;
    const { code, stdout, stderr } = await lab(inLab("sh", "-c", script));
    assertEquals(code, 0, stderr);
    const [lo, ...rest] = stdout.trimEnd().split("\n");
    assertMatch(lo!, /^lo +UNKNOWN .*UP/);
    assertEquals(rest, ["2", "gone"]);
  });

  test(`${engine} ends with the command, even if the command left processes running`, async () => {
    const script = "sleep 1000 & (setsid yes >&2 &); echo done";
    const { code, stdout } = await lab(inLab("sh", "-c", script));
    assertEquals({ code, stdout }, { code: 0, stdout: "done\n" });
  });

  test(`${engine} reports that its kernel died`, async () => {
    await using trace = await Traced.start();
    const script = "echo c > /proc/sysrq-trigger; sleep 1000";
    const { code, stderr } = await lab(inLab("sh", "-c", script), { env: trace.env });
    assertEquals(code, 125);
    assertStringIncludes(stderr, "Kernel panic - not syncing: sysrq triggered crash");
    assertEquals(trace.left(), { processes: [], files: [] });
  });

  for (const [signal, status] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]] as const) {
    test(`${engine} leaves nothing behind on ${signal}`, async () => {
      await using trace = await Traced.start();
      const child = labCommand(inLab("sh", "-c", "echo up; exec sleep 1000"), trace).spawn();
      const reader = child.stdout.getReader();
      await reader.read();
      assert(trace.left().processes.length > 1 && trace.left().files.length === 1);
      child.kill(signal);
      await reader.cancel();
      await child.stderr.cancel();
      assertEquals((await child.status).code, status);
      assertEquals(trace.left(), { processes: [], files: [] });
    });
  }

  test(`${engine} leaves nothing behind when the lab is killed`, async () => {
    await killAndFindNothing(inLab("sh", "-c", "echo up; exec sleep 1000"));
  });

  test(`${engine} ends when the reader of its output closes it`, async () => {
    await using trace = await Traced.start();
    const child = labCommand(inLab("yes"), trace).spawn();
    const reader = child.stdout.getReader();
    await reader.read();
    await reader.cancel();
    await child.stderr.cancel();
    assertEquals((await child.status).code, 141);
    assertEquals(trace.left(), { processes: [], files: [] });
  });

  test(`a shell in ${engine} has a terminal: its size, line editing, Ctrl-C`, async () => {
    await using trace = await Traced.start();
    const line = `stty rows 33 cols 101; exec "$DENO" run -A "$LAB" --engine ${engine} --shell`;
    await using child = new Deno.Command("script", {
      args: ["-qec", line, "/dev/null"],
      env: { ...trace.env, TERM: "dumb", DENO: Deno.execPath(), LAB: `${PROJECT}lab/main.ts` },
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const keyboard = child.stdin.getWriter();
    const type = (keys: string) => keyboard.write(new TextEncoder().encode(keys));
    const screen = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    let shown = "";
    // If the shell hangs, end the test.
    const timer = setTimeout(() => child.kill("SIGKILL"), 60_000);
    using _timer = { [Symbol.dispose]: () => clearTimeout(timer) };
    const waitFor = async (text: string) => {
      while (!shown.includes(text)) {
        const { value, done } = await screen.read();
        if (done) throw new Error(`The shell ended, and showed ${JSON.stringify(shown)}`);
        shown += value;
      }
      shown = shown.slice(shown.indexOf(text) + text.length);
    };
    await waitFor("# ");
    await type("stty size; echo =$((40 + 2))=\r");
    await waitFor("33 101");
    await waitFor("=42=");
    // The word is typed in two parts, because the shell echoes it. One process prints it and sleeps:
    // between two commands of a list the shell owns the terminal, and Ctrl-C may miss the second.
    await type("sh -c 'echo ma\"\"rk; exec sleep 1000'\r");
    await waitFor("mark\r");
    await type("\x03");
    await waitFor("# ");
    await type("exit 1\x7f9\r");
    while (!(await screen.read()).done);
    assertEquals((await child.status).code, 9);
    assertEquals(trace.left(), { processes: [], files: [] });
  });

  test(`${engine} runs as an ordinary user, from a checkout in /tmp, with another cache`, {
    // Only root can become another user. An ordinary user has already run all tests above.
    ignore: Deno.uid() !== 0,
  }, async () => {
    await using folder = await temporaryFolder();
    const { path } = folder;
    const caches = Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME")}/.cache`;
    const script = `set -e
    mkdir "$1/clone" "$1/clone/lib" "$1/home" "$1/home/.cache" "$1/tmp"
    cd "$2"; cp -r lab offline deno.json deno.lock "$1/clone"; cp -r lib/base "$1/clone/lib"
    # Of Deno's cache, only the packages: the rest changes while other tests run.
    cp "$3" "$1/deno"; mkdir "$1/home/.cache/deno"
    cp -r "\${DENO_DIR:-$4/deno}/npm" "$1/home/.cache/deno/npm"
    mkdir -p "$1/home/.cache/ipvlan-kit/lab"
    cd "\${IPVLAN_LAB_CACHE:-$4/ipvlan-kit}/lab"
    for kept in *; do
      case $kept in
        bullseye | bookworm | trixie | qemu) [ "$5" = qemu ] || continue ;;
        # Another lab is fetching.
        fetch-*) continue ;;
      esac
      cp -r "$kept" "$1/home/.cache/ipvlan-kit/lab"
    done
    chmod 755 "$1"; chown -R 65534:65534 "$1/home" "$1/tmp"`;
    const made = await new Deno.Command("sh", {
      args: ["-ec", script, "sh", path, PROJECT, Deno.execPath(), caches, engine],
    }).output();
    assertEquals(read(made).stderr, "");
    const { code, stdout, stderr } = read(
      await new Deno.Command("setpriv", {
        args: [
          ...["--reuid", "65534", "--regid", "65534", "--clear-groups"],
          ...[`${path}/deno`, "run", "-A", "lab/main.ts", "--engine", engine, "--", "sh", "-c"],
          "pwd; id -u; ls deno.json; ip link add d0 type dummy && ip link add link d0 type ipvlan",
        ],
        cwd: `${path}/clone`,
        clearEnv: true,
        env: { PATH: Deno.env.get("PATH")!, HOME: `${path}/home`, TMPDIR: `${path}/tmp` },
      }).output(),
    );
    assertEquals({ code, stdout }, { code: 0, stdout: `${path}/clone\n0\ndeno.json\n` }, stderr);
    assertEquals([...list(`${path}/home`), ...list(`${path}/tmp`)], [".cache"]);
  });
}
