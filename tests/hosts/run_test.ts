// A short form of `deno task test:hosts`.
import { assertEquals } from "@std/assert";
import { rows, run } from "./run.ts";

Deno.test("five hosts with faults: never two holders of an address, and nothing is lost", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const seed = Number(Deno.env.get("SEED") ?? 1);
    const result = await run({ folder, seed, seconds: 15, say: () => {} });
    console.log(rows(result).join("\n"));
    assertEquals(result.defects, []);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
