/**
 * Site files describe desired networks and sandboxes in YAML. This module compares them with the
 * current state, and applies them.
 *
 * @example Applying a file
 * ```ts
 * import { Driver } from "@ipvlan/kit";
 * import { apply, readSite } from "@ipvlan/kit/site";
 *
 * await using driver = await Driver.open();
 * const site = await readSite("web.yaml");
 * const { changes } = await apply(driver, site, { yes: true });
 * ```
 *
 * @module
 */
export { apply, destroy, diff } from "./apply.ts";
export type { Records } from "./current.ts";
export { parseSite, readSite } from "./desired.ts";
export { type Exported, exportSite } from "./export.ts";
export { SITE_LABEL } from "./labels.ts";
export type {
  ApplyOptions,
  ApplyReport,
  Attachment,
  Change,
  Check,
  Desired,
  DesiredSandbox,
  Plan,
  SiteSource,
} from "./types.ts";
export type { Labelling } from "../driver/model/types.ts";
export { planLines } from "./describe.ts";
