/**
 * The host's ipvlan world as it stands in the kernel, and pictures of it.
 *
 * @module
 */
export { gatherViews, type SeenLink, type View, type Views } from "./gather.ts";
export { toMermaid } from "./mermaid.ts";
export { toSvg } from "./svg.ts";
export { toText } from "./text.ts";
export {
  buildWorld,
  type World,
  type WorldEndpoint,
  type WorldLink,
  type WorldNetwork,
} from "./world.ts";
