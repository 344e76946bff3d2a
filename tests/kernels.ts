/**
 * `deno task test:kernels`: what has to hold on every kernel that Debian ships, in QEMU: the
 * scenarios and the tests of the driver; and the whole contract of engines for `qemu`. The last line
 * counts it: `N passed, N failed`.
 *
 * @module
 */
import { DEBIAN_KERNELS } from "../lab/kernels.ts";
import { files, runStages, scenarios, testFiles } from "./stages.ts";

// Without it, `qemu_test.ts` is held to what an engine is held to that is not the first choice.
Deno.env.set("LAB_CONTRACT", "all");

const driverTests = async () =>
  (await testFiles("tests/lab")).filter(({ path }) => path.includes("/driver_"));
const qemuTests = async () =>
  (await testFiles("tests/lab_engine")).filter(({ path }) => path.includes("/qemu_"));

await runStages([
  files("the contract of engines, in QEMU", qemuTests),
  ...DEBIAN_KERNELS.flatMap(({ version }) => {
    const words = ["--engine", "qemu", "--kernel", version];
    return [
      scenarios(`the scenarios, on Linux ${version}`, words),
      files(`the driver, on Linux ${version}`, driverTests, words),
    ];
  }),
]);
