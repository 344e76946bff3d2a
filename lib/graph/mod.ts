/**
 * The host's ipvlan world as it stands in the kernel, and pictures of it.
 *
 * @module
 */
export { toMermaid } from "./mermaid.ts";
export { toSvg } from "./svg.ts";
export { toText } from "./text.ts";
export {
  buildWorld,
  type GraphView,
  WANTED,
  type World,
  type WorldEndpoint,
  type WorldLink,
  type WorldNetwork,
} from "./world.ts";
