/**
 * The kit of the scenarios: the machines around them, the tour that prints and checks, the report.
 *
 * @module
 */
export type { Host } from "./machines/host.ts";
export type { Links } from "./machines/machine.ts";
export { main } from "./main.ts";
export { beyondScenario, engineScenario, type Guest, type Scenario, scenario } from "./scenario.ts";
export { type StatementId, STATEMENTS, type Suite, SUITES } from "./report/statements.ts";
export type { Tour } from "./report/tour.ts";
export type { Verdict } from "./report/verdict.ts";
export type { LanSpec, World, WorldSpec } from "./machines/world.ts";
