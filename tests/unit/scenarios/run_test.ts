import { assertMatch } from "@std/assert";
import { Printer } from "../../../scenarios/kit/report/printer.ts";
import { runOne } from "../../../scenarios/kit/run.ts";
import type { Scenario } from "../../../scenarios/kit/scenario.ts";

Deno.test("a scenario that fails, and whose end fails too, says both", async () => {
  const scenario: Scenario = {
    name: "x",
    title: "X",
    async run() {
      await using _world = {
        [Symbol.asyncDispose]: () => Promise.reject(new Error("the end")),
      };
      await Promise.reject(new Error("the cause"));
    },
  };
  const printer = new Printer(() => {}, false);
  const { error = "" } = await runOne(scenario, printer, new AbortController().signal);
  assertMatch(error, /^Error: the cause\n[^]*; then its cleanup failed: Error: the end\n/);
});
