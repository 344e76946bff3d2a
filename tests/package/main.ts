/**
 * `deno task test:package`: makes the packages twice, and tries them in the lab: in roots of Debian 11,
 * 12 and 13, and over the first version. The last line is the count: `N passed, N failed`.
 *
 * @module
 */
import { copyCheckout, files, runStages, type Stage, testFiles } from "../stages.ts";
import { withRunFolder } from "../../lab/run_folder.ts";
import { run, succeed } from "../kit/processes.ts";
import { packagePath, prepare } from "./prepare.ts";

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

await prepare();
await runStages([twice, files("the packages in the lab", () => testFiles("tests/package"))]);
