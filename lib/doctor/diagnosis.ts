/** The severity of a diagnosis: `broken` means that ipvlan does not work. */
export type Level = "ok" | "warning" | "broken";

/** The result of one check. */
export interface Diagnosis {
  /** The severity. */
  level: Level;
  /** The subject: `kernel`, `module ipvlan`, `parent eth0`, … */
  subject: string;
  /** The finding. */
  what: string;
  /** The remedy: a command, if there is one. */
  fix?: string;
}

/** Makes the functions that make diagnoses of one subject. */
export function about(subject: string): Record<Level, (what: string, fix?: string) => Diagnosis> {
  const make = (level: Level) => (what: string, fix?: string): Diagnosis => ({
    ...{ level, subject, what },
    ...(fix !== undefined && { fix }),
  });
  return { ok: make("ok"), warning: make("warning"), broken: make("broken") };
}
