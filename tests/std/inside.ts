/**
 * The tests of `deno task test:std`, in a checkout that has the real `@std` packages.
 *
 * @module
 */
import type { StageRun } from "../schedule.ts";
import { check, type Count, files, published, runStages, testFiles, tests } from "../stages.ts";
import { outcomes } from "./outcomes.ts";

/** Compares what the packages do here with what the stand-ins did, as a file has it. */
async function compareWith(file: string, stage: StageRun): Promise<Count> {
  const standIns: string[] = JSON.parse(await Deno.readTextFile(file));
  const real = outcomes();
  stage.line(`${real.length} outcomes`);
  const different = real.flatMap((each, index) => each === standIns[index] ? [] : [index]);
  for (const index of different.slice(0, 10)) {
    stage.line(`real:     ${real[index]}\nstand-in: ${standIns[index]}`);
  }
  return { passed: real.length === standIns.length ? 1 : 0, failed: different.length };
}

const [file = ""] = Deno.args;
for (const name of ["assert", "cli", "yaml"]) {
  const { version } = JSON.parse(await Deno.readTextFile(`offline/${name}/deno.json`));
  console.log(`@std/${name} ${version}`);
}
const ours = ["mod.ts", "cli.ts", "lab", "lib", "scenarios", "tests", "docs"];
await runStages([
  check("types, also of the examples", ["check", "--doc", ...ours]),
  published(),
  { name: "the stand-ins do the same", run: (stage) => compareWith(file, stage) },
  tests("unit tests", ["tests/unit"]),
  files("the tests of the command, in the lab", async () => {
    const all = await testFiles("tests/lab");
    return all.filter(({ path }) => path.endsWith("/cli_test.ts"));
  }),
  check("a scenario, in the lab", ["run", "-A", "lab/main.ts", "l2"]),
]);
