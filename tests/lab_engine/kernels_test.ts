// Tests which User-Mode Linux kernels start, on this machine and on imitated machines.
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { dirname } from "node:path";
import { cacheFolder, writeFileList } from "../../lab/fetch/cache.ts";
import { fetchPackages } from "../../lab/fetch/fetch.ts";
import { debianUml, isOlder, type UmlKernel } from "../../lab/uml/kernels.ts";
import { DEBIAN_KERNELS } from "../../lab/kernels.ts";
import { PROJECT, read, type RunResult, Traced } from "../kit/lab.ts";
import { temporaryFolder } from "../kit/worlds.ts";

const FORKY = debianUml(DEBIAN_KERNELS.at(-1)!);

/** The facts of an imitated machine, where they differ from this one's. */
interface OtherMachine {
  flags?: string[];
  libc?: string;
  kernels?: UmlKernel[];
}

/** Runs a command in the engine uml, as if on another machine. */
async function runElsewhere(
  machine: OtherMachine,
  command: string[],
  env: Record<string, string> = {},
): Promise<RunResult> {
  const program = `${PROJECT}tests/lab_engine/elsewhere.ts`;
  return read(
    await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", program, JSON.stringify(machine), "--engine", "uml", "--", ...command],
      env,
      stdin: "null",
    }).output(),
  );
}

/** Compiles the library that makes this machine behave as one with AMX. Returns its path. */
async function compileAmxHost(folder: string): Promise<string> {
  const { tcc } = await fetchPackages(["tcc"], { say: () => {} });
  const { success, stderr } = await new Deno.Command(tcc, {
    args: [
      ...[`-B${dirname(tcc)}/../lib/x86_64-linux-gnu/tcc`, "-nostdlib", "-shared"],
      ...["-o", `${folder}/amx_host.so`, `${PROJECT}tests/lab_engine/amx_host.c`],
    ],
  }).output();
  assertEquals([success, new TextDecoder().decode(stderr)], [true, ""]);
  return `${folder}/amx_host.so`;
}

/** The kernel of this machine's own release. */
const OWN: UmlKernel = { origin: "own" };
const UNAME = [
  "sh",
  "-c",
  "uname -r; ip link add d0 type dummy && ip link add link d0 type ipvlan",
];

Deno.test("a kernel that passes a fixed number of bytes dies on AMX, and the lab reports it", async () => {
  await using folder = await temporaryFolder();
  await using trace = await Traced.start();
  const env = { ...trace.env, LD_PRELOAD: await compileAmxHost(folder.path) };
  const { code, stdout, stderr } = await runElsewhere({ flags: [], kernels: [OWN] }, UNAME, env);
  assertEquals(trace.left(), { processes: [], files: [] });
  if (code === 0) return assert(!isOlder(stdout, "7.2"), `${stdout} asks for the size`);
  assertEquals([code, stdout], [125, ""]);
  assertMatch(
    stderr.trimEnd().split("\n").at(-1)!,
    /^lab: The engine uml .*: the guest died at its start \(Kernel panic - .*0x0000000b\); remove /,
  );
});

Deno.test("with ptrace adapted to AMX, that kernel runs", async () => {
  await using folder = await temporaryFolder();
  const machine = { flags: ["amx_tile"], kernels: [OWN] };
  const env = { LD_PRELOAD: await compileAmxHost(folder.path) };
  const { code, stdout, stderr } = await runElsewhere(machine, UNAME, env);
  assertEquals(code, 0, stderr);
  assertMatch(
    stderr,
    /^lab: uml \(.*, ptrace adapted to AMX\): asked for$/m,
  );
  assertMatch(stdout, /^\d+\.\d+\S*\n$/);
});

Deno.test("a kernel of Debian forky runs here with its own C library, also on AMX", async () => {
  await using folder = await temporaryFolder();
  const machine = { flags: ["amx_tile"], libc: "2.28", kernels: [FORKY] };
  const env = { LD_PRELOAD: await compileAmxHost(folder.path) };
  const { code, stdout, stderr } = await runElsewhere(machine, UNAME, env);
  assertEquals(code, 0, stderr);
  assertStringIncludes(stderr, "User-Mode Linux of Debian forky, its own C library): asked for\n");
  assertMatch(stdout, /^\d+\.\d+\S*\n$/);
});

/** Makes a cache with the packages of this machine's cache, and with a script as forky's kernel. */
async function makeCacheWithScript(folder: string, script: string): Promise<string> {
  const own = await fetchPackages(["user-mode-linux", "busybox-static", "radvd"], {
    say: () => {},
  });
  await Deno.mkdir(`${folder}/lab`);
  for (const name of Object.keys(own)) {
    await Deno.symlink(`${cacheFolder(Deno.env.toObject())}/${name}`, `${folder}/lab/${name}`);
  }
  const kernel = `${folder}/lab/forky/user-mode-linux/usr`;
  await Deno.mkdir(`${kernel}/lib/uml/modules/9.9`, { recursive: true });
  await Deno.mkdir(`${kernel}/bin`);
  await Deno.writeTextFile(`${kernel}/bin/linux.uml`, script, { mode: 0o755 });
  const dep = "kernel/fs/overlayfs/overlay.ko:\n";
  await Deno.writeTextFile(`${kernel}/lib/uml/modules/9.9/modules.dep`, dep);
  await writeFileList(`${folder}/lab/forky/user-mode-linux`);
  return folder;
}

/** The script as a kernel. It needs no other C library. */
const BROKEN: UmlKernel = { origin: "forky" };

Deno.test("if a kernel dies at once, the lab tries the next one and prints one line", async () => {
  await using folder = await temporaryFolder();
  await using trace = await Traced.start();
  const script = "#!/bin/sh\nprintf 'Kernel panic\\033[2J - of its own\\n'; exit 1\n";
  const IPVLAN_LAB_CACHE = await makeCacheWithScript(folder.path, script);
  const machine = { kernels: [BROKEN, OWN] };
  const { code, stdout, stderr } = await runElsewhere(machine, UNAME, {
    ...trace.env,
    IPVLAN_LAB_CACHE,
  });
  assertEquals(code, 0, stderr);
  assertMatch(stdout, /^\d+\.\d+\S*\n$/);
  const lines = stderr.trimEnd().split("\n");
  const failures = lines.filter((line) => line.includes("died at its start"));
  assertEquals(failures.length, 1, stderr);
  assertMatch(
    failures[0]!,
    /^lab: Linux 9\.9, .*: the guest died at its start \(Kernel panic - of its own\); trying User-Mode Linux of /,
  );
  assertEquals(trace.left(), { processes: [], files: [] });
});

Deno.test("a shell gets the keys, also after the first kernel died", async () => {
  await using folder = await temporaryFolder();
  await using trace = await Traced.start();
  const IPVLAN_LAB_CACHE = await makeCacheWithScript(folder.path, "#!/bin/sh\nexit 1\n");
  const line = `exec "$DENO" run -A "$PROGRAM" "$MACHINE" --engine uml --shell`;
  await using child = new Deno.Command("script", {
    args: ["-qec", line, "/dev/null"],
    env: {
      ...trace.env,
      IPVLAN_LAB_CACHE,
      TERM: "dumb",
      DENO: Deno.execPath(),
      PROGRAM: `${PROJECT}tests/lab_engine/elsewhere.ts`,
      MACHINE: JSON.stringify({ kernels: [BROKEN, OWN] }),
    },
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  // If the shell hangs, end the test.
  const timer = setTimeout(() => child.kill("SIGKILL"), 60_000);
  using _timer = { [Symbol.dispose]: () => clearTimeout(timer) };
  const keyboard = child.stdin.getWriter();
  let shown = "";
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    const before = shown;
    shown += text;
    if (shown.includes("# ") && !before.includes("# ")) {
      await keyboard.write(new TextEncoder().encode("exit 9\r"));
    }
  }
  assertStringIncludes(shown, "died at its start");
  assertEquals((await child.status).code, 9, shown);
  assertEquals(trace.left(), { processes: [], files: [] });
});

Deno.test("if no kernel starts, the lab lists each with reason and advice", async () => {
  await using folder = await temporaryFolder();
  const IPVLAN_LAB_CACHE = await makeCacheWithScript(folder.path, "#!/bin/sh\nexit 1\n");
  await Deno.remove(`${folder.path}/lab/user-mode-linux`);
  await Deno.mkdir(`${folder.path}/bin`);
  const apt = "#!/bin/sh\necho 'E: No network' >&2\nexit 100\n";
  await Deno.writeTextFile(`${folder.path}/bin/apt-get`, apt, { mode: 0o755 });
  const PATH = `${folder.path}/bin:${Deno.env.get("PATH")}`;
  const machine = { flags: [], kernels: [BROKEN, OWN] };
  const { code, stdout, stderr } = await runElsewhere(machine, ["true"], {
    PATH,
    IPVLAN_LAB_CACHE,
  });
  assertEquals([code, stdout], [125, ""]);
  const list = stderr.slice(stderr.indexOf("lab: The engine uml cannot run"));
  assertEquals(
    list.replaceAll(folder.path, "FOLDER"),
    "lab: The engine uml cannot run\n" +
      "  Linux 9.9, User-Mode Linux of Debian forky: the guest died at its start (its log is empty); " +
      "remove FOLDER/lab/forky/user-mode-linux: the lab then fetches it again\n" +
      "  User-Mode Linux of this machine's release: Cannot fetch user-mode-linux (No network); " +
      "connect to the network, or install them yourself (apt-get install user-mode-linux)\n",
  );
});
