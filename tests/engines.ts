/**
 * `deno task test:engines`: all tests and scenarios of the real engines, each in a guest of the lab with
 * its programs. The first run fetches them, about 250 MB. The last line is the count: `N passed, N
 * failed`.
 *
 * @module
 */
import { files, runStages, scenarios, testFiles } from "./stages.ts";

await runStages([
  files("real engines in the lab", async () => [
    ...await testFiles("tests/engines"),
    { path: "tests/lab_engine/programs_test.ts", size: 0 },
  ]),
  scenarios("scenarios of engines in the lab", ["engines"]),
]);
