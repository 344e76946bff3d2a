/**
 * Whether one namespace reaches another, and why not: a model of what the kernels in a view do with a
 * packet, with the rule of each step. `deno task test:why` compares it with the kernel.
 *
 * @module
 */
export { explain, findFix, nodeOf } from "./fix.ts";
export { differs, type Matrix, matrixOf, type Member, type Pair, pingPairs } from "./matrix.ts";
export { addressOf } from "./route.ts";
export { readFirewall } from "./ruleset.ts";
export { FORMATS } from "./table.ts";
export { stepText, toText } from "./text.ts";
export type { Step, Verdict } from "./walk.ts";
export { without } from "./without.ts";
export { type Answer, why } from "./why.ts";
export { type Node, WANTED, type WhyView, World } from "./world.ts";
