/** How bad something is: `broken` means that ipvlan would not work with it. */
export type Level = "ok" | "warning" | "broken";

/** One thing that was looked at. */
export interface Diagnosis {
  /** How bad it is. */
  level: Level;
  /** What was looked at: `kernel`, `module ipvlan`, `parent eth0`, … */
  subject: string;
  /** What was found. */
  what: string;
  /** What to do about it: a command, where there is one. */
  fix?: string;
}

/** What makes diagnoses of one subject. */
export function about(subject: string): Record<Level, (what: string, fix?: string) => Diagnosis> {
  const make = (level: Level) => (what: string, fix?: string): Diagnosis => ({
    ...{ level, subject, what },
    ...(fix !== undefined && { fix }),
  });
  return { ok: make("ok"), warning: make("warning"), broken: make("broken") };
}
