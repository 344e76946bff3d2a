/**
 * Runs the scenarios on every kernel, one after another.
 *
 * @module
 */
import { LabError } from "./errors.ts";
import { DEBIAN_KERNELS, type DebianKernel } from "./kernels.ts";
import { withRunFolder } from "./run_folder.ts";
import { copyReport, scenariosProgram } from "./scenarios.ts";

/**
 * Runs the scenarios on each kernel, and prints one table. Resolves to the exit status: 0 if
 * everything held everywhere.
 *
 * @param run Runs the scenarios on one kernel and writes their report to a file. Resolves to the exit
 * status.
 * @param json The file for the table.
 * @throws {LabError} if one of the kernels could not run.
 */
export async function runOnAllKernels(
  run: (kernel: DebianKernel, report: string) => Promise<number>,
  say: (line: string) => void,
  json: string | undefined,
): Promise<number> {
  return await withRunFolder(async (folder) => {
    const reports: string[] = [];
    const failed: string[] = [];
    for (const kernel of DEBIAN_KERNELS) {
      const report = `${folder}/${kernel.version}.json`;
      try {
        const status = await run(kernel, report);
        const endedBySignal = status > 128;
        if (endedBySignal) return status;
        reports.push(report);
      } catch (error) {
        if (!(error instanceof LabError)) throw error;
        say(`Linux ${kernel.version}: ${error.message}`);
        failed.push(kernel.version);
      }
    }
    const table = `${folder}/table.json`;
    const { code } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", scenariosProgram(), "--compare", "--json", table, ...reports],
      stdin: "null",
    }).spawn().status;
    if (json !== undefined) await copyReport(table, json);
    if (failed.length > 0) {
      throw new LabError(`Could not run Linux ${failed.join(", ")}; see above`);
    }
    return code;
  });
}
