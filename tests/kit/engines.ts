/**
 * Real engines in a guest of the lab, as the scenarios have them.
 *
 * @module
 */
export * from "../../scenarios/kit/engines.ts";
export { succeed } from "../../scenarios/kit/program.ts";
