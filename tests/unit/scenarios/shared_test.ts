import { assertEquals } from "@std/assert";
import { Printer } from "../../../scenarios/kit/report/printer.ts";
import { scenario } from "../../../scenarios/kit/scenario.ts";
import { printShared, runShared } from "../../../scenarios/kit/shared.ts";

/** A scenario that waits for a promise. */
function waiting(name: string, other: Promise<unknown>) {
  return scenario(name, `Waits, as ${name}`, async (tour) => {
    await other;
    tour.note(`${name} has run`);
  });
}

async function withFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("scenarios run once each, side by side, and are printed in their order", () =>
  withFolder(async (folder) => {
    const second = Promise.withResolvers<void>();
    const third = Promise.withResolvers<void>();
    const scenarios = [
      // The first one can end only if another one runs at the same time.
      waiting("one", third.promise),
      scenario("two", "Fails", () => {
        second.resolve();
        return Promise.reject(new Error("of its own"));
      }),
      waiting("three", second.promise),
    ];
    const lines: string[] = [];
    const progress: string[] = [];
    const report = printShared(folder, scenarios, {
      printer: new Printer((line) => lines.push(line), false),
      colours: false,
      progress: (line) => progress.push(line),
    });
    const run = () => runShared(folder, scenarios);
    await Promise.all([run(), run().then(() => third.resolve()), report]);
    const { scenarios: results } = await report;
    assertEquals(results.map(({ name, error }) => [name, error?.split("\n")[0]]), [
      ["one", undefined],
      ["two", "Error: of its own"],
      ["three", undefined],
    ]);
    // Leave out the stack of the error.
    const first = lines.map((line) => line.split("\n")[0]!);
    assertEquals(first.filter((line) => /^\w|^ {2}\w/.test(line)), [
      "one  Waits, as one",
      "  Note: one has run",
      "two  Fails",
      "  FAILED  Error: of its own",
      "three  Waits, as three",
      "  Note: three has run",
    ]);
    assertEquals(progress.at(-1), "");
    assertEquals(progress.some((line) => /^\d of 3 have ended; running: one/.test(line)), true);
  }));

Deno.test("if no process has run a scenario, the report says so", () =>
  withFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/ended`, "");
    const report = await printShared(folder, [waiting("one", Promise.resolve())], {
      printer: new Printer(() => {}, false),
      colours: false,
      progress: () => {},
    });
    assertEquals(report.scenarios, [
      { name: "one", seconds: 0, verdicts: [], error: "It was not run" },
    ]);
  }));
