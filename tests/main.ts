/**
 * `deno task test`: everything that has to hold before a change lands, from the format to the
 * scenarios on a real ipvlan kernel. The last line counts it: `N passed, N failed`.
 *
 * @module
 */
import { check, files, published, runStages, scenarios, testFiles, tests } from "./stages.ts";

/** What others import: together, as a type of one may be exported by another. */
const DOCUMENTED = [
  "mod.ts",
  ...["check", "site", "doctor", "graph"].map((name) => `lib/${name}/mod.ts`),
];

await runStages([
  check("format", ["fmt", "--check"]),
  check("lint", ["lint"]),
  check("types, also of the examples", ["check", "--doc", ".", "README.md"]),
  check("documentation", ["doc", "--lint", ...DOCUMENTED]),
  published(),
  tests("unit tests", ["tests/unit"]),
  files(
    "the tests of the lab, and those that need ipvlan",
    async () => [...await testFiles("tests/lab_engine"), ...await testFiles("tests/lab")],
  ),
  scenarios("the scenarios, in the lab"),
]);
