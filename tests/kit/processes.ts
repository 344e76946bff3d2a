/**
 * Runs programs in tests, finds processes, and sets their environment.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { decode, type Ran, run } from "../../scenarios/kit/program.ts";

export { decode, type Ran, run, succeed } from "../../scenarios/kit/program.ts";

/** Runs a program with an input, which it need not read, and waits until it ends. */
export async function runWith(
  input: string,
  program: string,
  options: Pick<Deno.CommandOptions, "args" | "clearEnv" | "cwd" | "env" | "uid">,
): Promise<Ran> {
  const streams = { stdin: "piped", stdout: "piped", stderr: "piped" } as const;
  const child = new Deno.Command(program, { ...options, ...streams }).spawn();
  const output = child.output();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input)).catch(() => {});
  await writer.close().catch(() => {});
  return decode(await output);
}

/** A process, as `/proc` shows it. */
export interface Process {
  /** Its process id. */
  pid: number;
  /** Its parent. */
  parent: number;
  /** Its program. */
  name: string;
}

/** Lists the processes that run now, without zombies. */
export function processes(): Process[] {
  return [...Deno.readDirSync("/proc")].filter(({ name }) => /^\d+$/.test(name)).flatMap(
    ({ name: pid }) => {
      try {
        const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
        const [, name = "", state, parent] = /\((.*)\) (\S) (\d+)/s.exec(stat) ?? [];
        return state === "Z" ? [] : [{ pid: Number(pid), parent: Number(parent), name }];
      } catch {
        return []; // It has ended since the folder was read.
      }
    },
  );
}

/** Lists the children of this process that still run. */
export function children(): Process[] {
  return processes().filter(({ parent }) => parent === Deno.pid);
}

/** Waits until a process has ended. It polls, because only the parent gets a notice. */
export async function ended(pid: number): Promise<void> {
  while (processes().some((process) => process.pid === pid)) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/**
 * Waits until no process has a text in its command line. A killed process keeps it for a moment.
 */
export async function allEnded(text: string): Promise<void> {
  const isThere = async (pid: number) =>
    (await Deno.readTextFile(`/proc/${pid}/cmdline`).catch(() => "")).includes(text);
  while ((await Promise.all(processes().map(({ pid }) => isThere(pid)))).includes(true)) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Lists the files below a folder that this process has open, in the order of their names. */
export function openFiles(folder: string): string[] {
  const paths = [...Deno.readDirSync("/proc/self/fd")].flatMap(({ name }) => {
    try {
      const path = Deno.readLinkSync(`/proc/self/fd/${name}`);
      return path.startsWith(`${folder}/`) ? [path] : [];
    } catch {
      return []; // The descriptor of /proc/self/fd is closed by now.
    }
  });
  // Test files that run beside this one take descriptors, too, so their numbers say nothing.
  return paths.sort();
}

/** Sets a variable of the environment until the end of the scope. */
export function inEnv(name: string, value: string): Disposable {
  const before = Deno.env.get(name);
  Deno.env.set(name, value);
  return {
    [Symbol.dispose]: () =>
      before === undefined ? Deno.env.delete(name) : Deno.env.set(name, before),
  };
}

/**
 * Unloads a kernel module as soon as nothing uses it. A deleted link, and the process that loaded the
 * module, use it for a moment longer.
 */
export async function unloadModule(name: string): Promise<void> {
  while ((await Deno.readTextFile(`/sys/module/${name}/refcnt`)).trim() !== "0");
  const { code, stderr } = await run("rmmod", name);
  assertEquals(code, 0, stderr);
}
