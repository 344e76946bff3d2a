/**
 * The driver of a simulated host, whose methods the scenario calls. It runs in the host's namespaces.
 *
 * @module
 */
import { Driver } from "../../../lib/driver/mod.ts";
import { answerCalls } from "../machines/calls.ts";

if (import.meta.main) {
  await using driver = await Driver.open();
  await answerCalls(driver, Deno.stdin.readable, Deno.stdout.writable);
}
