/**
 * Claims addresses in an address pool, releases every second one and claims as many again. Then it
 * prints those that it has as JSON: `claims_child.ts STATE_DIR POOL COUNT`.
 *
 * @module
 */
import { EngineDriver } from "../../lib/driver/mod.ts";

const [stateDir, pool, count] = Deno.args;
await using driver = await EngineDriver.open({ stateDir });
const claim = async () => (await driver.claimAddress(pool!, {})).address;
const claimed = await Promise.all(Array.from({ length: Number(count) }, claim));
const released = claimed.filter((_, i) => i % 2 === 0);
for (const address of released) await driver.releaseAddress(pool!, address.split("/")[0]!);
const kept = claimed.filter((_, i) => i % 2 === 1);
console.log(JSON.stringify([...kept, ...await Promise.all(released.map(claim))]));
