/**
 * `deno task test:package`: makes the packages twice, and tries them in the lab: in roots of Debian 11,
 * 12 and 13, and over the first version. It tries arm64's in QEMU, and the oldest Deno. The last line
 * is the count: `N passed, N failed`.
 *
 * @module
 */
import { copyCheckout, files, runStages, type Stage, testFiles, tests } from "../stages.ts";
import { withRunFolder } from "../../lab/run_folder.ts";
import { run, succeed } from "../kit/processes.ts";
import { arm64, packagePath, prepare } from "./prepare.ts";

/** Whether a copy of the checkout, elsewhere, makes the same packages, byte for byte. */
const twice: Stage = {
  name: "the packages made twice",
  run: (stage) =>
    withRunFolder(async (copy) => {
      await copyCheckout(copy);
      const epoch = await succeed("git", "log", "-1", "--format=%ct");
      const script = 'export SOURCE_DATE_EPOCH="$1" && exec "$2" task --cwd "$3" package';
      await succeed("sh", "-c", script, "sh", epoch, Deno.execPath(), copy);
      const count = { passed: 0, failed: 0 };
      for (const end of ["amd64.deb", "arm64.deb", "amd64.tar.gz", "arm64.tar.gz"]) {
        const path = packagePath(end);
        const { code, stdout } = await run("cmp", path, path.replace(/.*(?=\/dist\/)/, copy));
        if (code !== 0) stage.line(stdout);
        count[code === 0 ? "passed" : "failed"]++;
      }
      return count;
    }),
};

/** The rooms whose tests start no program, which QEMU would not translate. */
const PURE = ["driver/model", "graph", "netlink"]
  .map((room) => `tests/unit/${room}`);

/** Whether a program of arm64 starts, and prints what it would do. */
function starts(command: readonly string[]): Stage {
  return {
    name: "the program on arm64",
    run: async () => {
      const version = await succeed(...command as [string], "--version");
      const create = ["network", "create", "--dry-run", "--internal", "--subnet=10.9.0.0/24", "n"];
      const lines = await succeed(...command as [string], ...create);
      const passed = [/^ipvlan \d/.test(version), /^ip link add /m.test(lines)].filter((ok) => ok);
      return { passed: passed.length, failed: 2 - passed.length };
    },
  };
}

/** The oldest Deno that `cli.ts` accepts: `2, 9, 5`. */
const oldest = /OLDEST = \[(.*?)\]/.exec(await Deno.readTextFile("cli.ts"))![1]!;

await prepare();
await withRunFolder(async (folder) => {
  await succeed("dpkg", "-x", packagePath("arm64.deb"), folder);
  const program = `${folder}/usr/lib/ipvlan-kit`;
  const deno = [...await arm64(), `${program}/deno`];
  await runStages([
    twice,
    starts([...deno, "run", "-A", "--no-config", `${program}/cli.js`]),
    tests("unit tests on arm64", PURE, deno),
    tests("unit tests with the oldest Deno", ["tests/unit"], [
      "npx",
      "-y",
      `deno@${oldest.replaceAll(", ", ".")}`,
    ]),
    files("the packages in the lab", () => testFiles("tests/package")),
  ]);
});
