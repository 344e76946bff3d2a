/**
 * `deno task test:engines`: the real engines, each in a guest of the lab with its programs. The first
 * run fetches them, about 250 MB. The last line is the count: `N passed, N failed`.
 *
 * @module
 */
import { files, runStages, testFiles } from "./stages.ts";

await runStages([files("real engines in the lab", () => testFiles("tests/engines"))]);
