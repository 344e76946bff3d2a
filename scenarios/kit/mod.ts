/**
 * The kit of the scenarios: the machines around them, the tour that prints and checks, the report.
 *
 * @module
 */
export type { Host } from "./host.ts";
export type { Links } from "./machine.ts";
export { main } from "./main.ts";
export { engineScenario, type Guest, type Scenario, scenario } from "./scenario.ts";
export { type StatementId, STATEMENTS, type Suite, SUITES } from "./statements.ts";
export type { Tour } from "./tour.ts";
export type { Verdict } from "./verdict.ts";
export type { LanSpec, World, WorldSpec } from "./world.ts";
