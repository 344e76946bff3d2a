/**
 * Runs a job in a guest: writes the guest's files, boots it, passes its streams on, and returns the
 * exit status of the command.
 *
 * @module
 */
import { basename, dirname } from "node:path";
import { stripVTControlCharacters } from "node:util";
import type { Job } from "../engine.ts";
import { LabError, StartError } from "../errors.ts";
import { describePanic, type Devices, SUPERVISOR } from "./boot.ts";
import { jobEnvironment, jobScript, keptPaths, namedInTmp, neededFolders } from "../job.ts";
import { exists, which } from "../machine.ts";
import { programVariables } from "../fetch/packages.ts";
import { linkTools, readScript } from "../run_folder.ts";
import { assignments } from "../shell.ts";
import { terminalSize, useTerminal } from "../terminal.ts";
import type { WireEnd } from "./wire.ts";

/** The modules that every scenario needs. The kernel loads others on demand, by kind of link. */
const MODULES: readonly string[] = ["dummy", "8021q", "ipvlan", "veth", "bridge"];
/** The folder of the lab's programs in a guest. Not in /run or /tmp, which `native` in a guest hides. */
const PROGRAMS = "/usr/lib/ipvlan-lab";
/** Exit status when the reader of the output has closed the pipe: 128 + SIGPIPE. */
const BROKEN_PIPE = 141;

/** How long a guest may take to start, in milliseconds: ten times what an emulated one needs. */
const START_TIMEOUT = 120_000;

/** A kernel that is ready to boot and run `init.sh`; all paths are absolute. */
export interface Guest {
  /** The engine's name, which becomes `IPVLAN_LAB`. */
  engine: string;
  /** The kernel in words: `Linux 6.1.176, User-Mode Linux`. */
  name: string;
  /** The folder of its modules, with `modules.dep`. */
  modules: string;
  /** The files of the modules that `init.sh` loads before it can make an overlay. */
  overlayModules: string[];
  /** The path of a busybox with all applets that the guest and a command need. */
  busybox: string;
  /** The path of radvd. */
  radvd: string;
  /** The modules of wires. */
  wireModules: readonly string[];
  /** The devices of the streams. */
  devices: Devices;
  /** Advice for when it does not boot. */
  advice: string;
  /** The command line that boots it. */
  command(start: Start): string[];
}

/** The parameters of a guest's start. */
export interface Start {
  /** The folder of this run. */
  run: string;
  /** The folders of the machine that the guest can write to, in the order of its mounts. */
  shares: string[];
  /** Whether the command has the first terminal with its keyboard, as a shell does. */
  shell: boolean;
  /** The wires to other guests. */
  wires: readonly WireEnd[];
  /** Whether standard output and standard error are terminals, each. */
  terminals: { out: boolean; err: boolean };
}

/**
 * Runs a job in a fresh guest. Resolves to the exit status.
 *
 * @param run An empty folder for this run.
 * @param env Environment variables for the command line that boots the guest.
 * @throws {StartError} if the guest died before the job began.
 * @throws {LabError} if the guest died before the job ended, with the end of its log.
 */
export async function runGuest(
  job: Job,
  guest: Guest,
  run: string,
  env: Record<string, string> = {},
): Promise<number> {
  const shell = job.interactive ?? false;
  const start: Start = {
    run,
    shares: [run, ...job.share === undefined ? [] : [job.share]],
    wires: job.wires ?? [],
    shell,
    terminals: { out: Deno.stdout.isTerminal(), err: Deno.stderr.isTerminal() },
  };
  await prepare(job, guest, start);
  if (shell) await new Deno.Command("mkfifo", { args: [`${run}/size`] }).output();
  job.signal.throwIfAborted();

  const child = new Deno.Command("setpriv", {
    args: [
      ...["--pdeathsig", "TERM", "setsid", "sh", "-c", SUPERVISOR, "sh", run],
      ...guest.command(start),
    ],
    env,
    stdin: shell ? "piped" : "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const terminate = () => child.kill("SIGTERM");
  job.signal.addEventListener("abort", terminate);
  // Seen with KVM on virtual machines: a guest hangs at its first instructions.
  let hangs = false;
  const timer = setTimeout(() => {
    hangs = !exists(`${run}/up`);
    if (hangs) terminate();
  }, START_TIMEOUT);
  using _timer = { [Symbol.dispose]: () => clearTimeout(timer) };
  using _terminal = shell ? useTerminal(child.stdin, `${run}/size`) : undefined;
  let brokenPipe = false;
  try {
    await Promise.all([
      passOn(child.stdout, Deno.stdout),
      passOn(child.stderr, Deno.stderr),
    ]);
  } catch {
    brokenPipe = true;
    terminate();
  }
  await child.status;
  job.signal.removeEventListener("abort", terminate);
  job.signal.throwIfAborted();
  if (hangs) {
    const why = `the guest did not start within ${START_TIMEOUT / 1000} s`;
    throw new StartError([{ name: guest.name, why, advice: guest.advice }]);
  }
  if (brokenPipe) return BROKEN_PIPE;
  return await exitStatus(guest, run);
}

/**
 * Copies a stream to one of ours. `Deno.stdout.writable` allows only one writer, but several guests
 * write at once.
 */
async function passOn(from: ReadableStream<Uint8Array>, to: typeof Deno.stdout): Promise<void> {
  for await (let bytes of from) {
    while (bytes.length > 0) bytes = bytes.subarray(await to.write(bytes));
  }
}

/** Writes the files of a run: the tools, `init.sh`, `init.conf` and `command.sh`. */
async function prepare(job: Job, guest: Guest, start: Start): Promise<void> {
  const { engine, modules, busybox, radvd, devices } = guest;
  const { run, shares, wires, shell, terminals } = start;
  const { replace = [], add = [], libc = [] } = job.programs ?? {};
  const files = [busybox, radvd, ...replace, ...add].concat(libc);
  const needed = [...neededFolders(job), modules, ...files.map((path) => dirname(path))];
  const { rows, columns } = terminalSize();
  await linkTools(run, { busybox: `${PROGRAMS}/${basename(busybox)}`, radvd });
  const env = jobEnvironment(Deno.env.toObject(), engine, PROGRAMS);

  const write = (name: string, text: string) => Deno.writeTextFile(`${run}/${name}`, text);
  await write("init.sh", await readScript("init.sh"));
  if (job.programs) {
    await write("packages.sh", await readScript("packages.sh"));
    await write("packages.conf", assignments(programVariables(job.programs, env.HOME ?? "/root")));
  }
  await write("command.sh", jobScript(job, env, which("bash") ?? "sh"));
  await write(
    "init.conf",
    assignments({
      BUSYBOX: busybox,
      PROGRAMS,
      MODULES: modules,
      OVERLAY_MODULES: guest.overlayModules,
      LOAD: [...MODULES, ...wires.length > 0 ? guest.wireModules : [], ...job.modules],
      WIRES: wires.flatMap(({ name, mac }) => [name, mac]),
      KEEP: keptPaths([...needed, ...namedInTmp(job)], ["/tmp", "/run"]),
      SHARE: shares,
      SHARE_TYPE: devices.share,
      MODE: shell ? "shell" : "command",
      OUT: terminals.out ? "tty" : "pipe",
      ERR: terminals.err ? "tty" : "pipe",
      OUT_TTY: devices.outTty,
      ERR_TTY: devices.errTty,
      OUT_PIPE: devices.outPipe,
      ERR_PIPE: devices.errPipe,
      SIZE: devices.size,
      ROWS: `${rows}`,
      COLUMNS: `${columns}`,
    }),
  );
}

/** Reads the exit status that `init.sh` wrote. Throws if there is none. */
async function exitStatus({ name, advice }: Guest, run: string): Promise<number> {
  const status = await Deno.readTextFile(`${run}/status`).catch(() => "");
  if (/^\d+\n$/.test(status)) return Number(status);
  // The output of the program that boots the guest, and the console's file if it has one.
  const texts = ["log", "console"].map((name) => `${run}/${name}`).filter(exists)
    .map((path) => Deno.readTextFileSync(path));
  const log = stripVTControlCharacters(texts.join("\n"))
    .split(/[\r\n]+/).filter((line) => line.trim() !== "");
  const panic = describePanic(log);
  if (!exists(`${run}/up`)) {
    const reason = panic ?? log.at(-1) ?? "its log is empty";
    throw new StartError([{ name, why: `the guest died at its start (${reason})`, advice }]);
  }
  const tail = log.slice(-10).join("\n");
  throw new LabError(
    `The guest ended before the command did${panic ? ` (${panic})` : `; its log ends:\n${tail}`}`,
  );
}
