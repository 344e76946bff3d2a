/** A process, as `/proc` shows it. */
export interface Process {
  /** Its process id. */
  pid: number;
  /** The process that started it, or that it was left to. */
  parent: number;
  /** Its program. */
  name: string;
}

/** The processes that run now, without those that have ended and wait to be collected. */
export function processes(): Process[] {
  return [...Deno.readDirSync("/proc")].filter(({ name }) => /^\d+$/.test(name)).flatMap(
    ({ name: pid }) => {
      try {
        const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
        const [, name = "", state, parent] = /\((.*)\) (\S) (\d+)/s.exec(stat) ?? [];
        return state === "Z" ? [] : [{ pid: Number(pid), parent: Number(parent), name }];
      } catch {
        return []; // It has ended meanwhile.
      }
    },
  );
}

/** The processes that this one has started and that still run. */
export function children(): Process[] {
  return processes().filter(({ parent }) => parent === Deno.pid);
}

/** Waits until a process that is not a child of this one has ended: nothing tells, so it looks. */
export async function ended(pid: number): Promise<void> {
  while (processes().some((process) => process.pid === pid)) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
