/**
 * What `deno task lab --kernels` prints: which kernels the lab can run, and whether they start here.
 *
 * @module
 */
import type { Engine, Wish } from "./engine.ts";
import { attemptLine, LabError } from "./errors.ts";
import { DEBIAN_KERNELS, type DebianKernel } from "./kernels.ts";
import { QemuEngine } from "./qemu.ts";
import { hasDebianKernel } from "./qemu_files.ts";
import { UmlEngine } from "./uml.ts";
import { findKernels } from "./uml_files.ts";

const COLUMNS = [8, 8, 14, 6] as const;

/** Prints the list, a line as soon as it is known. Kernels that are not fetched are not started. */
export async function listKernels(say: (line: string) => void, signal: AbortSignal): Promise<void> {
  console.log(row(["KERNEL", "ENGINE", "FROM", "MB"], "STARTS HERE"));
  for (const kernel of DEBIAN_KERNELS) {
    for (const engine of ["uml", "qemu"] as const) {
      const cells = [kernel.version, engine, kernel.label, `${kernel.megabytes[engine] ?? "-"}`];
      console.log(row(cells, await startOf(engine, kernel, say, signal)));
    }
  }
}

function row(cells: string[], last: string): string {
  return [...cells.map((cell, index) => cell.padEnd(COLUMNS[index]!)), last].join("");
}

/** How a kernel starts here, in words. */
async function startOf(
  name: "uml" | "qemu",
  kernel: DebianKernel,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<string> {
  const wish: Wish = { modules: [], kernel: { kind: "debian", kernel }, signal };
  const isHere = name === "qemu"
    ? hasDebianKernel(kernel.release)
    : kernel.megabytes.uml === undefined || findKernels(wish.kernel).some(({ fetched }) => fetched);
  if (!isHere) return `not fetched yet: --engine ${name} --kernel ${kernel.version} does it`;
  const engine: Engine = name === "uml" ? new UmlEngine(say) : new QemuEngine(say);
  const probe = await engine.probe(wish);
  if (!probe.ok) return `no: ${probe.attempts.map(attemptLine).join("; ")}`;
  const started = performance.now();
  try {
    await engine.run({ ...wish, command: ["true"], cwd: "/" });
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    return `no: ${error.message}`;
  }
  return `${((performance.now() - started) / 1000).toFixed(1)} s, ${probe.what}`;
}
