/**
 * The scenarios on every kernel, one after another.
 *
 * @module
 */
import { LabError } from "./errors.ts";
import { DEBIAN_KERNELS, type DebianKernel } from "./kernels.ts";
import { withShare } from "./run_folder.ts";
import { copyReport, scenarios } from "./scenarios.ts";

/**
 * Runs the scenarios on each kernel, and prints one table. Resolves to the exit status: 0 if
 * everything held everywhere.
 *
 * @param run Runs them on one, with a file for the report. Resolves to the exit status.
 * @param json The file for the table.
 * @throws {LabError} if one of the kernels could not run.
 */
export async function runOnAllKernels(
  run: (kernel: DebianKernel, report: string) => Promise<number>,
  say: (line: string) => void,
  json: string | undefined,
): Promise<number> {
  return await withShare(async (folder) => {
    const reports: string[] = [];
    const failed: string[] = [];
    for (const kernel of DEBIAN_KERNELS) {
      const report = `${folder}/${kernel.version}.json`;
      try {
        const status = await run(kernel, report);
        // A signal has ended it.
        if (status > 128) return status;
        reports.push(report);
      } catch (error) {
        if (!(error instanceof LabError)) throw error;
        say(`Linux ${kernel.version}: ${error.message}`);
        failed.push(kernel.version);
      }
    }
    const table = `${folder}/table.json`;
    const { code } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", scenarios(), "--compare", "--json", table, ...reports],
      stdin: "null",
    }).spawn().status;
    if (json !== undefined) await copyReport(table, json);
    if (failed.length > 0) throw new LabError(`Not run: Linux ${failed.join(", ")}; see above`);
    return code;
  });
}
