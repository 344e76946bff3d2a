import { assertEquals } from "@std/assert";
import { run } from "./netns.ts";

/**
 * Unloads a kernel module as soon as nothing holds it: a link that was deleted, and what has loaded
 * the module, hold it for a moment longer.
 */
export async function unloadModule(name: string): Promise<void> {
  while ((await Deno.readTextFile(`/sys/module/${name}/refcnt`)).trim() !== "0");
  const { code, stderr } = await run("rmmod", name);
  assertEquals(code, 0, stderr);
}
