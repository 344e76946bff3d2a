/**
 * `deno task test:kernels`: runs the scenarios and the driver's tests on every kernel that Debian
 * ships, in QEMU, and all tests of the engine `qemu`. On one of these kernels it also runs scenarios of
 * Docker, containerd and Podman. The last line is the count: `N passed, N failed`.
 *
 * @module
 */
import { DEBIAN_KERNELS } from "../lab/kernels.ts";
import { files, runStages, scenarios, testFiles } from "./stages.ts";

// Without this variable, `qemu_test.ts` runs only a few of the engine's tests.
Deno.env.set("LAB_CONTRACT", "all");

const driverTests = async () =>
  (await testFiles("tests/lab")).filter(({ path }) => path.includes("/driver_"));
const qemuTests = async () =>
  (await testFiles("tests/lab_engine")).filter(({ path }) => path.includes("/qemu_"));

/** The kernel for the scenarios of engines: that of Debian's stable release. */
const ENGINES_KERNEL = "6.12";

/** The scenarios of engines that do not take hours without KVM. */
const ENGINES = ["docker-guide@docker26", "netavark"];

await runStages([
  files("tests of the engine qemu", qemuTests),
  ...DEBIAN_KERNELS.flatMap(({ version }) => {
    const words = ["--engine", "qemu", "--kernel", version];
    return [
      scenarios(`scenarios on Linux ${version}`, words),
      files(`tests of the driver on Linux ${version}`, driverTests, words),
    ];
  }),
  scenarios(
    `scenarios of engines on Linux ${ENGINES_KERNEL}`,
    ["engines", ...ENGINES, "--engine", "qemu", "--kernel", ENGINES_KERNEL],
    false,
  ),
]);
