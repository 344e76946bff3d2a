/**
 * Runs the lab in tests, and finds leftovers of a run.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import { QemuEngine } from "../../lab/qemu/engine.ts";
import { UmlEngine } from "../../lab/uml/engine.ts";
import { FIRST_LINES } from "../../scenarios/kit/playground.ts";
import { Terminal } from "./terminal.ts";
import { decode, type Ran, run } from "./processes.ts";

/** The folder of this checkout, with a slash at its end. */
export const PROJECT: string = fileURLToPath(new URL("../../", import.meta.url));

/** The result of a run of the lab. */
export interface RunResult extends Ran {
  /** The bytes of standard output. */
  bytes: Uint8Array;
}

/** The options of a run of the lab. */
export interface LabOptions {
  /** The folder to run it in. */
  cwd?: string;
  /** Variables to add to its environment. */
  env?: Record<string, string>;
}

/** The command that runs the lab. */
export function labCommand(args: string[], { cwd, env }: LabOptions = {}): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", `${PROJECT}lab/main.ts`, ...args],
    cwd,
    env,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
}

/** Runs the lab, and waits until it ends. */
export async function lab(args: string[], options?: LabOptions): Promise<RunResult> {
  return read(await labCommand(args, options).output());
}

/** Decodes the output of a run. */
export function read(output: Deno.CommandOutput): RunResult {
  return { ...decode(output), bytes: output.stdout };
}

/** The names of the files in a folder, sorted; none if it does not exist. */
export function list(folder: string): string[] {
  try {
    return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
  } catch {
    return [];
  }
}

/** The ids of the processes that have an environment variable with this value. */
function processesWith(name: string, value: string): number[] {
  return list("/proc").filter((id) => /^\d+$/.test(id)).filter((id) => {
    try {
      return Deno.readTextFileSync(`/proc/${id}/environ`).split("\0").includes(`${name}=${value}`);
    } catch {
      return false;
    }
  }).map(Number);
}

/**
 * A run of the lab whose files and processes we can find: it has its own folder for temporary files,
 * its own home, and an environment variable that marks all its processes.
 */
export class Traced implements AsyncDisposable {
  /** The environment to run the lab with. */
  readonly env: Record<string, string>;
  readonly #folder: string;
  readonly #mark = crypto.randomUUID();
  readonly #machine: unknown;

  private constructor(folder: string, machine: unknown) {
    this.#folder = folder;
    this.#machine = machine;
    const { HOME = "", DENO_DIR, XDG_CACHE_HOME, IPVLAN_LAB_CACHE } = Deno.env.toObject();
    const caches = XDG_CACHE_HOME ?? `${HOME}/.cache`;
    this.env = {
      TMPDIR: `${folder}/tmp`,
      HOME: `${folder}/home`,
      DENO_DIR: DENO_DIR ?? `${caches}/deno`,
      IPVLAN_LAB_CACHE: IPVLAN_LAB_CACHE ?? `${caches}/ipvlan-kit`,
      LAB_TEST_MARK: this.#mark,
    };
  }

  /** Makes the folders, and reads the state of the machine before the run. */
  static async start(): Promise<Traced> {
    const folder = await Deno.makeTempDir();
    await Deno.mkdir(`${folder}/tmp`);
    await Deno.mkdir(`${folder}/home`);
    return new Traced(folder, await readState());
  }

  /** The processes and files of the run that exist now. */
  left(): { processes: number[]; files: string[] } {
    return {
      processes: processesWith("LAB_TEST_MARK", this.#mark),
      files: [...list(`${this.#folder}/tmp`), ...list(`${this.#folder}/home`)],
    };
  }

  /** The state of the machine before the run and now. */
  async machine(): Promise<{ before: unknown; now: unknown }> {
    return { before: this.#machine, now: await readState() };
  }

  /** Removes the folder, and kills the processes that a failed test has left. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const id of this.left().processes) Deno.kill(id, "SIGKILL");
    await Deno.remove(this.#folder, { recursive: true });
  }
}

/** Reads the machine's links, namespaces and mounts. */
async function readState(): Promise<unknown> {
  const { stdout } = await run("ip", "-json", "link");
  const links = JSON.parse(stdout) as { ifname: string }[];
  return {
    links: links.map(({ ifname }) => ifname),
    netns: list("/run/netns"),
    etc: list("/etc/netns"),
    mounts: Deno.readTextFileSync("/proc/self/mounts"),
  };
}

/** Fetches the files of an engine, so that later runs print nothing about that. Boots nothing. */
export async function warmUp(name: "uml" | "qemu"): Promise<void> {
  const said: string[] = [];
  const say = (line: string) => void said.push(line);
  const engine = name === "uml" ? new UmlEngine(say) : new QemuEngine(say);
  const { signal } = new AbortController();
  const probe = await engine.probe({ modules: [], signal });
  if (!probe.ok) throw new Error([...said, JSON.stringify(probe.attempts)].join("\n"));
}

/** Kills a lab as soon as its command has printed something, and asserts that the run leaves nothing. */
export async function killAndFindNothing(words: string[]): Promise<void> {
  await using trace = await Traced.start();
  const child = labCommand(words, trace).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  child.kill("SIGKILL");
  await reader.cancel();
  await child.stderr.cancel();
  await child.status;
  // The killed lab cannot wait for its processes to end.
  await until(() => trace.left().processes.length === 0);
  assertEquals(trace.left(), { processes: [], files: [] });
}

/**
 * Types the lines that the playground suggests, all at once, and asserts that they work and that
 * leaving it leaves nothing.
 */
export async function tryPlayground(...options: string[]): Promise<void> {
  await using trace = await Traced.start();
  const words = ["run", "-A", "--quiet", `${PROJECT}lab/main.ts`, ...options, "--playground"];
  await using shell = new Terminal(["exec", Deno.execPath(), ...words].join(" "), trace.env);
  await shell.shows(/in the end:\s[^]*[#>$] $/);
  const shown = shell.text.replaceAll("\r", "");
  assertEquals(shown.includes(`\n\n${FIRST_LINES.join("\n")}\n\n`), true, shown);
  await shell.type([...FIRST_LINES, "echo left-$((40 + 2))", "exit 9", ""].join("\r"));
  await shell.shows(/left-(42)/);
  const answers = shell.text.match(/64 bytes from \S+(?=:)|Destination|100% packet loss/g);
  assertEquals(answers, ["64 bytes from 192.168.20.1", "64 bytes from 192.168.1.50"], shell.text);
  assertEquals(await shell.ended, 9);
  assertEquals(trace.left(), { processes: [], files: [] });
  const { before, now } = await trace.machine();
  assertEquals(now, before);
}

/** How long to poll a condition, in milliseconds: many times what it usually takes. */
const DEADLINE = 60_000;

/** Polls a condition until it holds or the deadline passes. The caller checks it again. */
export async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + DEADLINE;
  while (!condition() && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
