/**
 * `deno task test:browser [REPORT.html [FOLDER]]`: opens a page of `deno task lab --report` in headless
 * Chromium, by default one that is made up, and checks roles, contrasts, keys and clicks. It writes
 * pictures of it into the folder, if one is named. The last line is the count: `N passed, N failed`.
 *
 * @module
 */
import { runStages, tests } from "../stages.ts";

const [report, folder] = Deno.args;
if (report !== undefined) Deno.env.set("IPVLAN_REPORT", await Deno.realPath(report));
if (folder !== undefined) Deno.env.set("IPVLAN_PICTURES", folder);

await runStages([tests("a report in a browser", ["tests/browser"])]);
