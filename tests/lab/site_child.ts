/**
 * Applies a site file, and kills itself as it is about to run a line: `site_child.ts FILE LINE`.
 *
 * @module
 */
import { Driver } from "../../lib/driver/mod.ts";
import { apply, readSite } from "../../lib/site/mod.ts";

const [file = "", last] = Deno.args;
let lines = 0;
await using driver = await Driver.open({
  verbose: () => {
    if (++lines === Number(last)) Deno.kill(Deno.pid, "SIGKILL");
  },
});
await apply(driver, await readSite(file), { yes: true });
