/**
 * Prints the list of `deno task lab --kernels`: the kernels of the lab, and whether they start here.
 *
 * @module
 */
import type { Engine, Requirements } from "./engine.ts";
import { formatAttempt, LabError } from "./errors.ts";
import { DEBIAN_KERNELS, type DebianKernel } from "./kernels.ts";
import { QemuEngine } from "./qemu/engine.ts";
import { hasDebianKernel } from "./qemu/files.ts";
import { UmlEngine } from "./uml/engine.ts";
import { findKernels } from "./uml/files.ts";

const COLUMNS = [8, 8, 14, 6] as const;

/** Prints the list, each line as soon as it is known. Starts only kernels that are in the cache. */
export async function listKernels(say: (line: string) => void, signal: AbortSignal): Promise<void> {
  console.log(formatRow(["KERNEL", "ENGINE", "FROM", "MB"], "STARTS HERE"));
  for (const kernel of DEBIAN_KERNELS) {
    for (const engine of ["uml", "qemu"] as const) {
      const cells = [kernel.version, engine, kernel.label, `${kernel.megabytes[engine] ?? "-"}`];
      console.log(formatRow(cells, await tryToStart(engine, kernel, say, signal)));
    }
  }
}

function formatRow(cells: string[], last: string): string {
  return [...cells.map((cell, index) => cell.padEnd(COLUMNS[index]!)), last].join("");
}

/** Starts a kernel. Resolves to the time that took, or the reason why it failed. */
async function tryToStart(
  name: "uml" | "qemu",
  kernel: DebianKernel,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<string> {
  const requirements: Requirements = { modules: [], kernel: { kind: "debian", kernel }, signal };
  const isHere = name === "qemu"
    ? hasDebianKernel(kernel.release)
    : kernel.megabytes.uml === undefined ||
      findKernels(requirements.kernel).some(({ fetched }) => fetched);
  if (!isHere) return `not fetched yet: --engine ${name} --kernel ${kernel.version} fetches it`;
  const engine: Engine = name === "uml" ? new UmlEngine(say) : new QemuEngine(say);
  const probe = await engine.probe(requirements);
  if (!probe.ok) return `no: ${probe.attempts.map(formatAttempt).join("; ")}`;
  const started = performance.now();
  try {
    await engine.run({ ...requirements, command: ["true"], cwd: "/" });
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    return `no: ${error.message}`;
  }
  return `${((performance.now() - started) / 1000).toFixed(1)} s, ${probe.what}`;
}
