/**
 * Finds out why ipvlan does not work on a machine, and how to repair it.
 *
 * @example The same as `ipvlan doctor`
 * ```ts
 * import { diagnose, gatherFacts, toText } from "@ipvlan/kit/doctor";
 *
 * console.log(toText(diagnose(await gatherFacts()), Deno.stdout.isTerminal()));
 * ```
 *
 * @module
 */
export type { HeldAddress } from "../driver/addresses/held_addresses.ts";
export type { EndpointRecord } from "../driver/store/records.ts";
export { diagnose } from "./diagnose.ts";
export { type Diagnosis, type Level, toText } from "./diagnosis.ts";
export type * from "./facts.ts";
export { type DoctorOptions, gatherFacts } from "./gather.ts";
