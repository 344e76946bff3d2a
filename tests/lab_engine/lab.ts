import { assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";

/** This checkout. */
export const PROJECT: string = fileURLToPath(new URL("../../", import.meta.url));

/** What a run of the lab left. */
export interface Ran {
  /** The exit status. */
  code: number;
  /** The bytes of standard output. */
  bytes: Uint8Array;
  /** Standard output as text. */
  stdout: string;
  /** Standard error as text. */
  stderr: string;
}

/** How to run the lab, where it differs from running it here as it is. */
export interface LabOptions {
  /** The folder to run it in. */
  cwd?: string;
  /** Variables of its environment. */
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

/** Runs the lab to its end. */
export async function lab(args: string[], options?: LabOptions): Promise<Ran> {
  return read(await labCommand(args, options).output());
}

/** Makes the result of a run readable. */
export function read({ code, stdout, stderr }: Deno.CommandOutput): Ran {
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, bytes: stdout, stdout: text(stdout), stderr: text(stderr) };
}

/** A folder that is removed when it goes out of scope. */
export async function temporaryFolder(): Promise<AsyncDisposable & { path: string }> {
  const path = await Deno.makeTempDir();
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

/** The names of what is in a folder. */
export function list(folder: string): string[] {
  try {
    return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
  } catch {
    return [];
  }
}

/** The ids of the processes of this machine that have a variable of that value. */
export function processesWith(name: string, value: string): number[] {
  return list("/proc").filter((id) => /^\d+$/.test(id)).filter((id) => {
    try {
      return Deno.readTextFileSync(`/proc/${id}/environ`).split("\0").includes(`${name}=${value}`);
    } catch {
      return false;
    }
  }).map(Number);
}

/**
 * A run of the lab whose every trace can be told from those of others: its folder for temporary
 * files, its home, and a mark that all its processes carry.
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

  /** Looks at the machine as it is before the run. */
  static async start(): Promise<Traced> {
    const folder = await Deno.makeTempDir();
    await Deno.mkdir(`${folder}/tmp`);
    await Deno.mkdir(`${folder}/home`);
    return new Traced(folder, await machine());
  }

  /** What the run has left so far. */
  left(): { processes: number[]; files: string[] } {
    return {
      processes: processesWith("LAB_TEST_MARK", this.#mark),
      files: [...list(`${this.#folder}/tmp`), ...list(`${this.#folder}/home`)],
    };
  }

  /** The machine's links, namespaces and mounts, before and now. */
  async machine(): Promise<{ before: unknown; now: unknown }> {
    return { before: this.#machine, now: await machine() };
  }

  /** Removes the folder, and ends what a failed test has left running. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const id of this.left().processes) Deno.kill(id, "SIGKILL");
    await Deno.remove(this.#folder, { recursive: true });
  }
}

async function machine(): Promise<unknown> {
  const { stdout } = await new Deno.Command("ip", { args: ["-json", "link"] }).output();
  const links = JSON.parse(new TextDecoder().decode(stdout)) as { ifname: string }[];
  return {
    links: links.map(({ ifname }) => ifname),
    netns: list("/run/netns"),
    etc: list("/etc/netns"),
    mounts: Deno.readTextFileSync("/proc/self/mounts"),
  };
}

/** Has an engine fetch what it needs, so that no run after that says so. */
export async function warmUp(engine: "uml" | "qemu"): Promise<void> {
  const { code, stderr } = await lab(["--engine", engine, "--", "true"]);
  if (code !== 0) throw new Error(stderr);
}

/** Kills a lab as soon as its command has printed something, and asserts that nothing of it stays. */
export async function killAndFindNothing(words: string[]): Promise<void> {
  await using trace = await Traced.start();
  const child = labCommand(words, trace).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  child.kill("SIGKILL");
  await reader.cancel();
  await child.stderr.cancel();
  await child.status;
  // Nobody is left to wait for the end of these.
  await until(() => trace.left().processes.length === 0);
  assertEquals(trace.left(), { processes: [], files: [] });
}

/** Waits for something that tells nobody when it happens; if it does not, the test fails below. */
export async function until(happened: () => boolean): Promise<void> {
  for (let tries = 0; tries < 1000 && !happened(); tries++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
