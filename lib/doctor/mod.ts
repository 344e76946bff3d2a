/**
 * Finds out why ipvlan does not work on a machine, and how to repair it.
 *
 * @example The same as `ipvlan doctor`
 * ```ts
 * import { examine, toText } from "@ipvlan/kit/doctor";
 *
 * console.log(toText(await examine(), Deno.stdout.isTerminal()));
 * ```
 *
 * @module
 */
export { examine } from "./diagnose.ts";
export { type Diagnosis, type Level, toText } from "./diagnosis.ts";
export type { DoctorOptions } from "./gather.ts";
