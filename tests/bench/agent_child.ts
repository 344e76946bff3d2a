/**
 * An agent whose work is measured, in a mount namespace of its own: it writes to /etc/netns.
 * Its arguments: the state folder, and the hosts file.
 *
 * @module
 */
import { EngineDriver } from "../../lib/driver/mod.ts";

/** How often it looks whether its turn has come late, in milliseconds. */
const STEP = 5;

const [stateDir = "", hostsFile = ""] = Deno.args;
const ended = new AbortController();
let last = performance.now();
let longest = 0;
const timer = setInterval(() => {
  const now = performance.now();
  longest = Math.max(longest, now - last - STEP);
  last = now;
}, STEP);
// What was longest so far is printed, and it begins anew.
Deno.addSignalListener("SIGUSR2", () => {
  console.log(longest.toFixed(0));
  longest = 0;
});
Deno.addSignalListener("SIGTERM", () => ended.abort());
await using driver = await EngineDriver.open({ stateDir });
await driver.withSignal(ended.signal).runAgent({ hostsFile, notify: console.error });
clearInterval(timer);
