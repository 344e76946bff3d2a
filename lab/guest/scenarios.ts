/**
 * Runs the scenarios that need programs such as Docker and etcd: one guest for each set of programs,
 * as many guests at once as there are CPUs.
 *
 * @module
 */
import type { BundleName } from "../fetch/bundles.ts";
import { LabError } from "../errors.ts";
import { withRunFolder } from "../run_folder.ts";
import {
  assertScenarios,
  cacheScenarios,
  type GuestSuite,
  type ReportFiles,
  Reports,
  scenariosProgram,
  startPrinter,
} from "../scenarios.ts";

/** A guest with programs, and the command to run in it. */
export interface GuestJob {
  /** Its name: `podman5`. */
  name: string;
  /** The programs. */
  bundles: readonly BundleName[];
  /** The command. */
  command: string[];
  /**
   * The command that runs at the same time in a second guest, connected by wires.
   *
   * @default {undefined} There is no second guest.
   */
  second?: string[];
  /** A folder that the command can write to. */
  share: string;
  /** The number of guests that run at once. */
  jobsAtOnce: number;
}

/** The functions of the lab that {@linkcode runGuestScenarios} needs. */
export interface GuestLab {
  /** Fetches programs, unless they are there. */
  fetchFor(bundles: readonly BundleName[]): Promise<unknown>;
  /** Runs a command in a guest. Resolves to its exit status. */
  runGuest(job: GuestJob): Promise<number>;
  /** The number of guests that fit into memory: the wanted number, or fewer. */
  maxGuests(wanted: number): Promise<number>;
  /** Prints a line about the progress. */
  say(line: string): void;
  /** Aborts the run. */
  signal: AbortSignal;
}

/**
 * Runs scenarios of a suite, and prints their results and the table of their statements. If a guest
 * cannot run, the others do.
 *
 * @param names The names of the scenarios; an empty list means all.
 * @param files The files for the report.
 * @returns The exit status: 0 if everything held.
 */
export async function runGuestScenarios(
  suite: GuestSuite,
  names: readonly string[],
  files: ReportFiles,
  lab: GuestLab,
): Promise<number> {
  const { signal } = lab;
  const program = scenariosProgram(suite);
  await assertScenarios(names, suite);
  await cacheScenarios(program);
  const guests = await listGuests(program, names);
  for (const { second } of guests) if (second !== undefined) await cacheScenarios(second);
  // One after another: each announces its download, and two apt-get cannot run at once.
  for (const { bundles } of guests) await lab.fetchFor(bundles);
  return await withRunFolder(async (share) => {
    const reports = new Reports(share, files);
    const silence = new AbortController();
    const words = ["--tell", share, ...reports.options(), ...names];
    const printer = startPrinter(program, words, { quiet: false, signal: silence.signal });
    const runQueue = async (queue: NeededGuest[], jobsAtOnce: number) => {
      for (let guest = queue.shift(); guest && !signal.aborted; guest = queue.shift()) {
        const { name, bundles, second } = guest;
        try {
          const status = await lab.runGuest({
            name,
            bundles,
            command: denoCommand(
              program,
              ...["--share", share, "--guest", name, ...reports.guestOptions, ...names],
            ),
            second: second === undefined ? undefined : denoCommand(second),
            share,
            jobsAtOnce,
          });
          if (status !== 0) {
            lab.say(`${name}: the scenarios ended with status ${status}; see above`);
          }
        } catch (error) {
          if (!(error instanceof LabError)) throw error;
          lab.say(`${name}: ${error.message}`);
        }
      }
    };
    const single = guests.filter(({ second }) => second === undefined);
    const jobsAtOnce = await lab.maxGuests(Math.min(single.length, navigator.hardwareConcurrency));
    const queues = await Promise.allSettled(
      Array.from({ length: jobsAtOnce }, () => runQueue(single, jobsAtOnce)),
    );
    // One pair after another: it already is two guests at once.
    const pairs = guests.filter(({ second }) => second !== undefined);
    queues.push(...await Promise.allSettled([runQueue(pairs, 2)]));
    if (signal.aborted) silence.abort();
    await Deno.writeTextFile(`${share}/ended`, "");
    const { code } = await printer.status;
    signal.throwIfAborted();
    for (const each of queues) if (each.status === "rejected") throw each.reason;
    await reports.copy();
    return code;
  });
}

/** A guest that scenarios need. */
interface NeededGuest extends Pick<GuestJob, "name" | "bundles"> {
  /** The program of the second guest. */
  second?: string;
}

/** The command line that runs a program in a guest, which has no network. */
function denoCommand(program: string, ...words: string[]): string[] {
  return ["deno", "run", "-A", "--cached-only", program, ...words];
}

/** Asks the scenarios which guests they need. */
async function listGuests(program: string, names: readonly string[]): Promise<NeededGuest[]> {
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", program, "--guests", ...names],
    stdin: "null",
    stderr: "inherit",
  }).output();
  if (code !== 0) throw new LabError(`The scenarios ended with status ${code}; see above`);
  return JSON.parse(new TextDecoder().decode(stdout));
}
