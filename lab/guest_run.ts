/**
 * One run of a guest: writes what it reads, boots it, passes the streams on, and returns what the
 * command returned.
 *
 * @module
 */
import { basename, dirname } from "node:path";
import { stripVTControlCharacters } from "node:util";
import type { Job } from "./engine.ts";
import { LabError, StartError } from "./errors.ts";
import { type Devices, SUPERVISOR } from "./guest_boot.ts";
import { jobEnvironment, jobScript, keptFolders, neededFolders } from "./job.ts";
import { exists, which } from "./machine.ts";
import { linkTools, readScript } from "./run_folder.ts";
import { assignments } from "./shell.ts";
import { terminalSize, useTerminal } from "./terminal.ts";

/** What every scenario needs; the kernel loads any other module when it is asked for its kind. */
const MODULES: readonly string[] = ["dummy", "8021q", "ipvlan", "veth", "bridge"];
/** Where a guest has the programs that the lab brings; `native` in a guest hides /run and /tmp. */
const PROGRAMS = "/usr/lib/ipvlan-lab";
/** Exit status when nobody reads the output any more: 128 + SIGPIPE. */
const BROKEN_PIPE = 141;

/** How long a guest may take to start, in milliseconds: ten times what an emulated one takes. */
const PATIENCE = 120_000;

/** A kernel that is ready to boot into `init.sh`; all paths are absolute. */
export interface Guest {
  /** The engine's name, which becomes `IPVLAN_LAB`. */
  engine: string;
  /** The kernel in words: `Linux 6.1.176, User-Mode Linux`. */
  name: string;
  /** The folder of its modules, with `modules.dep`. */
  modules: string;
  /** The files of the modules that `init.sh` loads before it can make an overlay. */
  overlayModules: string[];
  /** busybox with all the applets that the guest and a command want. */
  busybox: string;
  /** radvd. */
  radvd: string;
  /** The devices of the streams. */
  devices: Devices;
  /** What the user can do when it does not boot. */
  advice: string;
  /** The words that boot it. */
  command(start: Start): string[];
}

/** One start of a guest. */
export interface Start {
  /** The folder of this run. */
  run: string;
  /** The folders of the machine that the guest can write to, in the order of its mounts. */
  shares: string[];
  /** Whether a person types on the first terminal. */
  shell: boolean;
  /** Whether standard output, and standard error, are a terminal inside. */
  terminals: { out: boolean; err: boolean };
}

/**
 * Runs a job in a guest of its own.
 *
 * @param run An empty folder for this run.
 * @param env Variables for what boots it.
 * @throws {StartError} if the guest died before the job began.
 * @throws {LabError} if it died before the job ended, with the end of its log.
 */
export async function runGuest(
  job: Job,
  guest: Guest,
  run: string,
  env: Record<string, string> = {},
): Promise<number> {
  const shell = job.command.length === 0;
  const start: Start = {
    run,
    shares: [run, ...job.share === undefined ? [] : [job.share]],
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
  const end = () => child.kill("SIGTERM");
  job.signal.addEventListener("abort", end);
  // Seen with KVM on virtual machines: a guest stands still at its first instructions.
  let stands = false;
  const patience = setTimeout(() => {
    stands = !exists(`${run}/up`);
    if (stands) end();
  }, PATIENCE);
  using _patience = { [Symbol.dispose]: () => clearTimeout(patience) };
  using _terminal = shell ? useTerminal(child.stdin, `${run}/size`) : undefined;
  let brokenPipe = false;
  try {
    await Promise.all([
      passOn(child.stdout, Deno.stdout),
      passOn(child.stderr, Deno.stderr),
    ]);
  } catch {
    brokenPipe = true;
    end();
  }
  await child.status;
  job.signal.removeEventListener("abort", end);
  job.signal.throwIfAborted();
  if (stands) {
    const why = `the guest had not started after ${PATIENCE / 1000} s`;
    throw new StartError([{ name: guest.name, why, advice: guest.advice }]);
  }
  if (brokenPipe) return BROKEN_PIPE;
  return await exitStatus(guest, run);
}

/** Writes all that comes. Several guests may do so at once, which `Deno.stdout.writable` refuses. */
async function passOn(from: ReadableStream<Uint8Array>, to: typeof Deno.stdout): Promise<void> {
  for await (let bytes of from) {
    while (bytes.length > 0) bytes = bytes.subarray(await to.write(bytes));
  }
}

async function prepare(job: Job, guest: Guest, start: Start): Promise<void> {
  const { engine, modules, busybox, radvd, devices } = guest;
  const { run, shares, shell, terminals } = start;
  const needed = [...neededFolders(job), modules, ...[busybox, radvd].map((path) => dirname(path))];
  const { rows, columns } = terminalSize();
  await linkTools(run, { busybox: `${PROGRAMS}/${basename(busybox)}`, radvd });
  const env = jobEnvironment(Deno.env.toObject(), engine, PROGRAMS);

  const write = (name: string, text: string) => Deno.writeTextFile(`${run}/${name}`, text);
  await write("init.sh", await readScript("init.sh"));
  await write("command.sh", jobScript(job, env, which("bash") ?? "sh"));
  await write(
    "init.conf",
    assignments({
      BUSYBOX: busybox,
      PROGRAMS,
      MODULES: modules,
      OVERLAY_MODULES: guest.overlayModules,
      LOAD: [...MODULES, ...job.modules],
      KEEP: keptFolders(needed, ["/tmp", "/run"]),
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

async function exitStatus({ name, advice }: Guest, run: string): Promise<number> {
  const status = await Deno.readTextFile(`${run}/status`).catch(() => "");
  if (/^\d+\n$/.test(status)) return Number(status);
  // What it printed itself, and where it has one, its console.
  const texts = ["log", "console"].map((name) => `${run}/${name}`).filter(exists)
    .map((path) => Deno.readTextFileSync(path));
  const log = stripVTControlCharacters(texts.join("\n"))
    .split(/[\r\n]+/).filter((line) => line.trim() !== "");
  const panic = log.find((line) => line.includes("Kernel panic"))?.replace(
    /^.*Kernel panic/,
    "Kernel panic",
  );
  if (!exists(`${run}/up`)) {
    const said = panic ?? log.at(-1) ?? "it said nothing";
    throw new StartError([{ name, why: `the guest died at its start (${said})`, advice }]);
  }
  const tail = log.slice(-10).join("\n");
  throw new LabError(
    `The guest ended before the command did${panic ? ` (${panic})` : `; its log ends:\n${tail}`}`,
  );
}
