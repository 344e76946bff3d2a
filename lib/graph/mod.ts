/**
 * The host's ipvlan world as it stands in the kernel, and pictures of it.
 *
 * @example What `ipvlan graph` does
 * ```ts
 * import { Driver } from "@ipvlan/kit";
 * import { lookAround } from "@ipvlan/kit/ip";
 * import { buildWorld, toSvg, toText, WANTED } from "@ipvlan/kit/graph";
 *
 * await using driver = await Driver.open();
 * const world = buildWorld(await lookAround(WANTED), driver.listNetworks());
 * console.log(toText(world, 100));
 * await Deno.writeTextFile("world.svg", toSvg(world));
 * ```
 *
 * @module
 */
export { toSvg } from "./svg.ts";
export { toText } from "./text.ts";
export { buildWorld, WANTED } from "./world.ts";
export type {
  GraphView,
  World,
  WorldEndpoint,
  WorldLink,
  WorldMachine,
  WorldNetwork,
  WorldPath,
} from "./world.ts";
