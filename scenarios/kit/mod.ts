/**
 * What the scenarios share: the machines, the tour that is told, and the report.
 *
 * @module
 */
export type { Host } from "./host.ts";
export type { Links } from "./machine.ts";
export { main } from "./main.ts";
export { type Scenario, scenario } from "./scenario.ts";
export { type StatementId, STATEMENTS } from "./statements.ts";
export type { Tour } from "./tour.ts";
export type { Verdict } from "./verdict.ts";
export type { LanSpec, World, WorldSpec } from "./world.ts";
