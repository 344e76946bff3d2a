/**
 * `deno task lab`: runs any command in a kernel that has ipvlan, whatever the machine.
 *
 * @module
 */
import { Interrupt } from "../lib/base/signals.ts";
import { runOnAllKernels } from "./all_kernels.ts";
import { HELP, parseRequest, type Request } from "./args.ts";
import { bundleModules, type BundleName } from "./fetch/bundles.ts";
import { runInFirst } from "./choose.ts";
import type { Engine, Requirements } from "./engine.ts";
import { LabError, UsageError } from "./errors.ts";
import { type GuestJob, runGuestScenarios } from "./guest/scenarios.ts";
import { projectFile } from "./job.ts";
import { listKernels } from "./kernel_list.ts";
import type { DebianKernel, KernelChoice } from "./kernels.ts";
import { exists } from "./machine.ts";
import { NativeEngine } from "./native/engine.ts";
import { findPrograms } from "./fetch/packages.ts";
import { runPair } from "./guest/pair.ts";
import { QemuEngine } from "./qemu/engine.ts";
import { assertScenarios, listScenarios, runPlayground, runScenarios } from "./scenarios.ts";
import { UmlEngine, type UmlFacts } from "./uml/engine.ts";
import { VagrantEngine } from "./vagrant/engine.ts";

/** Exit status for a wrong command line. */
const USAGE = 2;
/** Exit status when the lab itself fails, like that of timeout(1) and env(1). */
const FAILED = 125;

const say = (line: string): void => console.error(`lab: ${line}`);

/**
 * Runs the command line of `deno task lab`. Resolves to the exit status.
 *
 * @param words The words after `deno task lab`.
 * @param facts Facts that replace this machine's own, for tests.
 */
export async function main(words: string[], facts?: UmlFacts): Promise<number> {
  try {
    const request = parseRequest(words);
    switch (request.kind) {
      case "help":
        console.log(HELP.trimEnd());
        return 0;
      case "list":
        return await listScenarios();
      case "kernels":
        return await listAllKernels();
      case "guest scenarios":
        return await runInGuests(request, facts);
      default:
        return await run(request, facts);
    }
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    say(error.message);
    return error instanceof UsageError ? USAGE : FAILED;
  }
}

/** A request that an engine runs. */
type RunRequest = Exclude<Request, { kind: "help" | "list" | "kernels" | "guest scenarios" }>;

async function listAllKernels(): Promise<number> {
  using interrupt = new Interrupt();
  try {
    await listKernels(say, interrupt.signal);
    return 0;
  } catch (error) {
    if (interrupt.status === undefined) throw error;
    return interrupt.status;
  }
}

async function run(request: RunRequest, facts?: UmlFacts): Promise<number> {
  const { kernel, ...rest } = request;
  if (rest.kind === "scenarios") await assertScenarios(rest.names);
  if (kernel !== "all") return await runInLab({ ...rest, kernel }, facts);
  if (rest.kind !== "scenarios") throw new TypeError("Only scenarios run on all kernels");
  const runOn = (kernel: DebianKernel, json: string) =>
    runInLab({ ...rest, kernel: { kind: "debian", kernel }, json, quiet: true }, facts);
  return await runOnAllKernels(runOn, say, rest.json);
}

async function runInLab(
  request: RunRequest & { kernel?: KernelChoice; quiet?: boolean },
  facts?: UmlFacts,
): Promise<number> {
  const engines = [
    new NativeEngine(say),
    new UmlEngine(say, facts),
    new QemuEngine(say),
    new VagrantEngine(say, request.afterwards),
  ];
  // In a shell, Ctrl-C is for the program that runs there.
  const isShell = request.kind === "shell" || request.kind === "playground";
  using interrupt = new Interrupt({ except: isShell ? "SIGINT" : undefined });
  const { signal } = interrupt;
  const { bundles, kernel } = request;
  const modules = [...new Set([...request.modules, ...bundleModules(bundles)])];
  try {
    const programs = await findPrograms(bundles, { say, signal });
    const requirements: Requirements = { modules, kernel, programs, signal };
    const run = (engine: Engine) => runRequest(engine, request, requirements);
    return await runInFirst(engines, { wanted: request.engine, run, say, requirements });
  } catch (error) {
    if (interrupt.status === undefined) throw error;
    return interrupt.status;
  }
}

/** Runs the scenarios of a suite, each in a guest with the programs that it needs. */
async function runInGuests(
  request: Extract<Request, { kind: "guest scenarios" }>,
  facts?: UmlFacts,
): Promise<number> {
  const { suite, kernel, engine: wanted, names } = request;
  if (kernel === "all") throw new TypeError("Only the guide's scenarios run on all kernels");
  using interrupt = new Interrupt();
  const { signal } = interrupt;
  const fetchFor = (bundles: readonly BundleName[]) => findPrograms(bundles, { say, signal });
  const runGuest = async ({ name, bundles, second, ...rest }: GuestJob) => {
    const sayFor = (line: string) => say(`${name}${second ? ", in two guests" : ""}: ${line}`);
    const modules = [...new Set([...request.modules, ...bundleModules(bundles)])];
    const programs = await fetchFor(bundles);
    const requirements: Requirements = { modules, kernel, programs, signal };
    const job = { ...rest, ...requirements, cwd: Deno.cwd() };
    return await runInFirst([new UmlEngine(sayFor, facts), new QemuEngine(sayFor)], {
      wanted,
      run: (engine) =>
        second
          ? runPair(engine, job, { ...job, command: second, share: undefined })
          : engine.run(job),
      say: sayFor,
      requirements,
    });
  };
  try {
    const maxGuests = (wanted: number) => new UmlEngine(say).maxJobs(wanted);
    await cacheProject();
    const lab = { fetchFor, runGuest, maxGuests, say, signal };
    return await runGuestScenarios(suite, names, request, lab);
  } catch (error) {
    if (interrupt.status === undefined) throw error;
    return interrupt.status;
  }
}

async function runRequest(
  engine: Engine,
  request: RunRequest & { quiet?: boolean },
  requirements: Requirements,
): Promise<number> {
  if (request.kind === "scenarios") return await runScenarios(engine, request, requirements);
  await cacheProject();
  if (request.kind === "playground") return await runPlayground(engine, requirements);
  const [command, interactive] = request.kind === "command" ? [request.command, false] : [[], true];
  return await engine.run({ command, interactive, cwd: Deno.cwd(), ...requirements });
}

/**
 * Caches the imports of `ipvlan` and the module. Deno would otherwise ask the network for a package
 * that it has not seen yet, and the lab has no network.
 */
async function cacheProject(): Promise<void> {
  const files = ["cli.ts", "mod.ts"].map(projectFile).filter(exists);
  if (files.length === 0) return;
  // We ignore errors: if the project's files are wrong, the command reports it.
  const args = ["cache", "--quiet", "--no-check", ...files];
  await new Deno.Command(Deno.execPath(), { args, stdout: "null", stderr: "null" }).output();
}

if (import.meta.main) Deno.exit(await main(Deno.args));
