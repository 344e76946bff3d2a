/**
 * One run of User-Mode Linux: writes what the guest reads, boots, passes the streams on, and
 * returns what the command returned.
 *
 * @module
 */
import { dirname } from "node:path";
import { stripVTControlCharacters } from "node:util";
import type { Job } from "./engine.ts";
import { LabError, StartError } from "./errors.ts";
import { cacheFolder } from "./fetch.ts";
import { jobEnvironment, jobScript, keptFolders, neededFolders } from "./job.ts";
import {
  allowedCpus,
  availableMemory,
  claimCpu,
  divideMemory,
  exists,
  guestsThatFit,
  memoryPlaces,
  type Place,
  which,
} from "./machine.ts";
import { linkTools, readScript } from "./run_folder.ts";
import { assignments } from "./shell.ts";
import { terminalSize, useTerminal } from "./terminal.ts";
import { kernelCommandLine, moduleFiles, SUPERVISOR } from "./uml_boot.ts";
import type { Guest } from "./uml_files.ts";

/** What every scenario needs; the kernel loads any other module when it is asked for its kind. */
const MODULES: readonly string[] = ["dummy", "8021q", "ipvlan", "veth", "bridge"];
/** Exit status when nobody reads the output any more: 128 + SIGPIPE. */
const BROKEN_PIPE = 141;

/** The folders that can hold the memory of guests, and MiB of memory that are free. */
async function freeMemory(): Promise<{ places: Place[]; available: number }> {
  const places = await memoryPlaces(cacheFolder(Deno.env.toObject()));
  return { places, available: await availableMemory() };
}

/**
 * Chooses where the memory of a guest lies, and how much it is, in MiB.
 *
 * @param guests How many guests run at once.
 * @throws {MissingError} if there is no room for it.
 */
export async function chooseGuestMemory(guests = 1): Promise<{ path: string; size: number }> {
  const { places, available } = await freeMemory();
  return divideMemory(places, available, guests);
}

/** How many guests can run at once: as many as wanted, or fewer. */
export async function countGuests(wanted: number): Promise<number> {
  const { places, available } = await freeMemory();
  return guestsThatFit(wanted, places, available);
}

/**
 * Runs a job in a guest of its own.
 *
 * @param run An empty folder for this run.
 * @throws {StartError} if the guest died before the job began.
 * @throws {LabError} if it died before the job ended, with the end of its log.
 */
export async function runUml(job: Job, guest: Guest, run: string): Promise<number> {
  await prepare(job, guest, run);
  const shell = job.command.length === 0;
  const memory = await chooseGuestMemory(job.beside);
  // A guest process is a process of the machine that the kernel steers with ptrace(2): on one CPU
  // the two take turns in microseconds, on two CPUs each turn waits for the other to wake up.
  using claim = await claimCpu(cacheFolder(Deno.env.toObject()), await allowedCpus());
  if (shell) await new Deno.Command("mkfifo", { args: [`${run}/size`] }).output();
  job.signal.throwIfAborted();

  const child = new Deno.Command("setpriv", {
    args: [
      ...["--pdeathsig", "TERM", "setsid", "sh", "-c", SUPERVISOR, "sh", run],
      ...["taskset", "-c", `${claim.cpu}`, ...preload(guest), guest.kernel],
      ...kernelCommandLine({ memory: memory.size, run, shell, ...guest }),
    ],
    env: { TMPDIR: memory.path },
    stdin: shell ? "piped" : "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const end = () => child.kill("SIGTERM");
  job.signal.addEventListener("abort", end);
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
  if (brokenPipe) return BROKEN_PIPE;
  return await exitStatus(guest, run);
}

/** Writes all that comes. Several guests may do so at once, which `Deno.stdout.writable` refuses. */
async function passOn(from: ReadableStream<Uint8Array>, to: typeof Deno.stdout): Promise<void> {
  for await (let bytes of from) {
    while (bytes.length > 0) bytes = bytes.subarray(await to.write(bytes));
  }
}

/** The words before the kernel that have a library preloaded into it, and into nothing else. */
function preload({ preload }: Guest): string[] {
  if (preload === undefined) return [];
  const libraries = [preload, Deno.env.get("LD_PRELOAD") ?? ""].filter((path) => path !== "");
  return ["env", `LD_PRELOAD=${libraries.join(":")}`];
}

async function prepare(job: Job, guest: Guest, run: string): Promise<void> {
  const { modules, busybox, radvd } = guest;
  const needed = [...neededFolders(job), modules, ...[busybox, radvd].map((path) => dirname(path))];
  const { rows, columns } = terminalSize();
  const dep = await Deno.readTextFile(`${modules}/modules.dep`);
  await linkTools(run, { busybox, radvd });
  const env = jobEnvironment(Deno.env.toObject(), "uml", run);

  const write = (name: string, text: string) => Deno.writeTextFile(`${run}/${name}`, text);
  await write("init.sh", await readScript("init.sh"));
  await write("command.sh", jobScript(job, env, which("bash") ?? "sh"));
  await write(
    "init.conf",
    assignments({
      BUSYBOX: busybox,
      MODULES: modules,
      OVERLAY_MODULES: moduleFiles(dep, "overlay").map((path) => `${modules}/${path}`),
      LOAD: [...MODULES, ...job.modules],
      KEEP: keptFolders(needed, ["/tmp", "/run"]),
      SHARE: [run, ...job.share === undefined ? [] : [job.share]],
      MODE: job.command.length > 0 ? "command" : "shell",
      OUT: Deno.stdout.isTerminal() ? "tty" : "pipe",
      ERR: Deno.stderr.isTerminal() ? "tty" : "pipe",
      ROWS: `${rows}`,
      COLUMNS: `${columns}`,
    }),
  );
}

async function exitStatus({ name, advice }: Guest, run: string): Promise<number> {
  const status = await Deno.readTextFile(`${run}/status`).catch(() => "");
  if (/^\d+\n$/.test(status)) return Number(status);
  const log = stripVTControlCharacters(await Deno.readTextFile(`${run}/log`))
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
