/**
 * Site files describe desired networks and sandboxes in YAML. This module compares them with the
 * current state, and applies them.
 *
 * @example Applying a file, and one that is in no file
 * ```ts
 * import { Driver } from "@ipvlan/kit";
 * import { apply, destroy, diff, exportSite, parseSite, planLines, readSite } from "@ipvlan/kit/site";
 *
 * await using driver = await Driver.open();
 * const site = await readSite("web.yaml");
 * for (const line of planLines(await diff(driver, site))) console.log(line);
 * const { changes } = await apply(driver, site, { signal: AbortSignal.timeout(60_000) });
 * await apply(driver, parseSite("db.yaml", "networks: { db: { parent: eth0.20 } }"));
 * const records = { networks: driver.listNetworks(), sandboxes: driver.listSandboxes() };
 * console.log(changes, exportSite(records).value);
 * await destroy(driver, "db");
 * ```
 *
 * @module
 */
export { apply, destroy, diff } from "./apply.ts";
export { parseSite, readSite } from "./desired.ts";
export { type Exported, exportSite, type Records } from "./records.ts";
export { SITE_LABEL } from "./labels.ts";
export type {
  ApplyOptions,
  ApplyReport,
  Change,
  Check,
  Desired,
  DesiredSandbox,
  SiteSource,
} from "./types.ts";
export { planLines } from "./describe.ts";
