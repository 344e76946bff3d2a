import { assertEquals, assertMatch } from "@std/assert";
import type { Diagnosis } from "../../lib/doctor/mod.ts";
import { ipvlan } from "./command.ts";

/** What `doctor` says, besides that something is well. */
export async function doctor(...words: string[]): Promise<string[]> {
  const { status, out, err } = await ipvlan("doctor", "--json", ...words);
  assertEquals(err, "");
  return said(status, out);
}

/** What a run of `doctor --json` said, besides that something is well; its exit status has to fit. */
export function said(status: number, out: string): string[] {
  const diagnoses: Diagnosis[] = JSON.parse(out);
  assertEquals(status, diagnoses.some(({ level }) => level === "broken") ? 1 : 0);
  return diagnoses.filter(({ level }) => level !== "ok").map(({ level, subject, what, fix }) =>
    `${level} ${subject}: ${what}${fix === undefined ? "" : ` → ${fix}`}`
  );
}

/** Runs `ipvlan`, and sees that it went well. */
export async function done(...words: string[]): Promise<void> {
  const { status, err } = await ipvlan(...words);
  assertEquals([status, err], [0, ""]);
}

/** Sees that one thing alone is said, and that it is this. */
export function assertOnly(said: readonly string[], pattern: RegExp): void {
  assertEquals(said.length, 1, said.join("\n"));
  assertMatch(said[0]!, pattern);
}
