/**
 * `deno task test`: all checks and tests that must pass before a change is merged, from the format to
 * the scenarios on a real ipvlan kernel. The last line is the count: `N passed, N failed`.
 *
 * @module
 */
import config from "../deno.json" with { type: "json" };
import { check, files, published, runStages, scenarios, testFiles, tests } from "./stages.ts";

/**
 * The tests and scenarios of engines that fit into ten minutes, with all other tests, on two CPUs.
 * `deno task test:engines` runs all of them.
 */
const ENGINES = {
  tests: /\/(containerd|dnsmasq(\+etcd)?|etcd|frr|podman4)\w*_test\.ts$/,
  scenarios: ["docker-two-hosts@docker26", "cni@containerd21"],
};

/** The public modules. They are checked together, as one may export a type of another. */
const DOCUMENTED = Object.values(config.exports);

await runStages([
  check("format", ["fmt", "--check"]),
  check("lint", ["lint"]),
  check("types, also of the examples", ["check", "--doc", ".", "docs/module.md"]),
  check("documentation", ["doc", "--lint", ...DOCUMENTED]),
  check("documentation of the driver by itself", ["doc", "--lint", config.exports["."]]),
  published(),
  tests("unit tests", ["tests/unit"]),
  files("pools that hosts share, in a real etcd", () => testFiles("tests/hosts")),
  files(
    "tests of the lab, tests in the lab, and real engines in it",
    async () => [
      // Those of other programs are in `deno task test:engines`.
      ...(await testFiles("tests/lab_engine")).filter(({ path }) => !/\/programs_/.test(path)),
      ...await testFiles("tests/lab"),
      ...(await testFiles("tests/engines")).filter(({ path }) => ENGINES.tests.test(path)),
    ],
  ),
  scenarios("scenarios in the lab"),
  scenarios("scenarios beyond the guide in the lab", ["beyond"]),
  scenarios("scenarios of engines in the lab", ["engines", ...ENGINES.scenarios], false),
]);
