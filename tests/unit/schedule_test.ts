import { assertEquals } from "@std/assert";
import { Slots, StageRun } from "../schedule.ts";

Deno.test("only so many things run at once, and what has the most weight is next", async () => {
  const slots = new Slots(2);
  const started: string[] = [];
  let running = 0;
  let most = 0;
  const weights = { a: 1, b: 2, c: 1, d: Infinity, e: 3, f: Infinity };
  await Promise.all(
    Object.entries(weights).map(async ([name, weight]) => {
      using _slot = await slots.take(name, weight);
      started.push(name);
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve));
      running--;
    }),
  );
  assertEquals(started, ["a", "b", "d", "f", "e", "c"]);
  assertEquals(most, 2);
  // All slots were given back.
  using _one = await slots.take("g", 0);
  using _two = await slots.take("h", 0);
});

Deno.test("a slot is given on by what fails, too", async () => {
  const slots = new Slots(1);
  const fails = async () => {
    using _slot = await slots.take("fails", 0);
    throw new Error("no");
  };
  const [failed, other] = await Promise.allSettled([fails(), slots.take("other", 0)]);
  assertEquals([failed.status, other.status], ["rejected", "fulfilled"]);
});

Deno.test("the output of a stage is kept until it is opened, and printed at once from then on", async () => {
  const printed: string[] = [];
  const streamOf = (name: string) => ({
    writeSync: (bytes: Uint8Array) => {
      // As a pipe may do, it takes one byte at a time.
      printed.push(name + new TextDecoder().decode(bytes.subarray(0, 1)));
      return 1;
    },
  });
  const [out, err] = [streamOf("out "), streamOf("err ")];
  const bytes = (text: string) => new TextEncoder().encode(text);
  const stage = new StageRun(new Slots(1));
  stage.write(bytes("ab"), out);
  stage.write(bytes("c"), err);
  assertEquals([printed, stage.seconds], [[], 0]);
  stage.open();
  assertEquals(printed, ["out a", "out b", "err c"]);
  using _slot = await stage.slot("one", 0);
  stage.write(bytes("d"), err);
  assertEquals(printed.at(-1), "err d");
});
