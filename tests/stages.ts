/**
 * The stages of `deno task test` and `deno task test:kernels`. Each stage counts its tests.
 *
 * @module
 */
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { BUNDLE_NAMES } from "../lab/fetch/bundles.ts";
import { exists } from "../lab/machine.ts";
import { withRunFolder } from "../lab/run_folder.ts";
import { type EndingSignal, exitStatusOf, onSignals } from "../lib/base/signals.ts";
import { Slots, StageRun } from "./schedule.ts";

/** How many tests of a stage passed and failed. */
export interface Count {
  passed: number;
  failed: number;
}

/** A stage: its name, and the function that runs it. It prints through the {@linkcode StageRun}. */
export interface Stage {
  name: string;
  run: (stage: StageRun) => Promise<Count>;
}

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const ONE_PASSED: Count = { passed: 1, failed: 0 };
const ONE_FAILED: Count = { passed: 0, failed: 1 };

/** The running processes, each the leader of its own process group. */
const children = new Set<Deno.ChildProcess>();
/** Whether a signal is ending the run, so that nothing else starts. */
let isEnding = false;

/** Ends all running processes, labs included, and then this one. */
async function endAll(signal: EndingSignal): Promise<never> {
  isEnding = true;
  const ends = [...children].map((child) => {
    try {
      Deno.kill(-child.pid, "SIGTERM");
    } catch {
      // The whole group has already ended.
    }
    return child.status;
  });
  await Promise.all(ends);
  Deno.exit(exitStatusOf(signal));
}

/**
 * Runs Deno, and returns its output.
 *
 * @param options.live The stage that prints the output, too, as it comes.
 * @param options.cwd The folder to run it in; the checkout by default.
 * @param options.by The command that is Deno; by default, the one that runs this.
 */
async function deno(
  args: string[],
  { live, cwd = ROOT, by = [Deno.execPath()] }: {
    live?: StageRun;
    cwd?: string;
    by?: readonly string[];
  } = {},
): Promise<{ ok: boolean; output: string }> {
  if (isEnding) return await new Promise(() => {});
  const [program = "", ...words] = by;
  const child = new Deno.Command(program, {
    args: [...words, ...args],
    cwd,
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    detached: true,
  }).spawn();
  children.add(child);
  const output: Uint8Array[] = [];
  const collect = async (stream: ReadableStream<Uint8Array>, to: typeof Deno.stdout) => {
    for await (const chunk of stream) {
      output.push(chunk);
      live?.write(chunk, to);
    }
  };
  await Promise.all([collect(child.stdout, Deno.stdout), collect(child.stderr, Deno.stderr)]);
  const { success } = await child.status;
  children.delete(child);
  return { ok: success, output: await new Blob(output as Uint8Array<ArrayBuffer>[]).text() };
}

/** A stage that runs one Deno command. Its output is printed only if it fails. */
export function check(name: string, args: string[]): Stage {
  const run = async (stage: StageRun) => {
    using _slot = await stage.slot(name, FIRST);
    return toCount(await deno(args), stage);
  };
  return { name, run };
}

/** Counts a command as one test. Prints its output if it failed. */
function toCount({ ok, output }: { ok: boolean; output: string }, stage: StageRun): Count {
  if (!ok) stage.line(output.trimEnd());
  return ok ? ONE_PASSED : ONE_FAILED;
}

/**
 * A stage that checks the package to publish. `deno publish` refuses links into `offline/`, because
 * this folder is not published. So it runs in a copy of the checkout whose links lead back here.
 */
export function published(): Stage {
  const name = "the package to publish";
  const run = async (stage: StageRun) => {
    using _slot = await stage.slot(name, FIRST);
    return await withRunFolder(async (copy) => {
      await copyCheckout(copy);
      const config = JSON.parse(await Deno.readTextFile(`${copy}/deno.json`));
      const links = config.links.map((link: string) => `${ROOT}/${link}`);
      await Deno.writeTextFile(`${copy}/deno.json`, JSON.stringify({ ...config, links }));
      const publish = ["publish", "--dry-run", "--allow-dirty"];
      return toCount(await deno(publish, { cwd: copy }), stage);
    });
  };
  return { name, run };
}

/** Copies the files of the checkout that git tracks, and new ones that it does not ignore. */
export async function copyCheckout(folder: string): Promise<void> {
  const { success, stdout } = await new Deno.Command("git", {
    args: ["ls-files", "-z", "--cached", "--others", "--exclude-standard"],
    cwd: ROOT,
    stderr: "inherit",
  }).output();
  if (!success) throw new Error("Cannot copy the checkout: git failed to list its files");
  const paths = new TextDecoder().decode(stdout).split("\0");
  // git also lists tracked files that do not exist any more.
  for (const path of paths.filter((path) => path !== "" && exists(`${ROOT}/${path}`))) {
    await Deno.mkdir(dirname(`${folder}/${path}`), { recursive: true });
    await Deno.copyFile(`${ROOT}/${path}`, `${folder}/${path}`);
  }
}

/** Counts tests by the last line of `deno test`. Without that line, the whole run has failed. */
function countTests({ ok, output }: { ok: boolean; output: string }): Count {
  const [, passed, failed] = /^(?:ok|FAILED) \| (\d+) passed.* \| (\d+) failed/m.exec(output) ?? [];
  if (passed === undefined) return ONE_FAILED;
  const count = { passed: Number(passed), failed: Number(failed) };
  const error = /^ ERRORS ?$[^]*(?=^ FAILURES ?$)/m.exec(output)?.[0].slice(" ERRORS ".length);
  if (error !== undefined) errors.push(error.trim());
  // A leak, or an error outside of all tests, fails the run without failing a test.
  return ok || count.failed > 0 ? count : { ...count, failed: 1 };
}

/**
 * A stage that runs tests in one process, on this machine's kernel. Their types are not checked: a
 * stage of its own checks all.
 *
 * @param by The command that is Deno; by default, the one that runs this.
 */
export function tests(name: string, args: string[], by?: readonly string[]): Stage {
  const run = async (stage: StageRun) => {
    using _slot = await stage.slot(name, FIRST);
    return countTests(await deno(["test", "-A", "--no-check", ...args], { live: stage, by }));
  };
  return { name, run };
}

/** How many commands and test files run at once. A test waits half the time. */
const AT_ONCE = 2 * navigator.hardwareConcurrency;
/** MiB of free memory for each of them. */
const ROOM = 1024;

/** The weight of checks, which run first, in their order: a person waits for them. */
const FIRST = Infinity;
/** The weight of slow files, so that none runs alone at the end. Sizes of files are smaller. */
const LONG = 2 ** 30;

/** Files that are slow for their size, for example because they start many processes. */
const SLOW_FILES =
  /^tests\/lab\/(attack|bad_times|cni|driver_(advertise|failure|heal)|site_guide)\w*_test/;

/**
 * The kernel modules that a file of tests needs, beside those that the lab always looks for. The
 * lab takes a kernel that has them, or fails and says which one is missing.
 */
const NEEDED_MODULES: Readonly<Record<string, readonly string[]>> = {
  "tests/lab/driver_refusal_test.ts": ["bonding", "macvlan", "sit", "vrf"],
  "tests/lab/iproute2_link_test.ts": ["ipvtap", "macvlan", "macvtap", "vrf"],
};

/**
 * Matches a file of tests with the programs that the lab brings along, which its name begins with:
 * `docker26+systemd`.
 */
const ENGINE_FILE = new RegExp(
  `^tests/(?:engines|package)/((?:\\+?(?:${BUNDLE_NAMES.join("|")}))+)(?:_\\w+)?_test\\.ts$`,
);

/** The arguments of the lab that a file of tests needs; `undefined` if it does not run in the lab. */
function labWords(path: string): string[] | undefined {
  const programs = ENGINE_FILE.exec(path)?.[1];
  if (programs !== undefined) return ["--with", programs.replaceAll("+", ",")];
  if (!/^tests\/(engines|lab|package)\//.test(path)) return undefined;
  return (NEEDED_MODULES[path] ?? []).flatMap((module) => ["--needs", module]);
}

/** The result of a test file, and its output. */
interface FileResult {
  count: Count;
  text: string;
}

/** Finds the test files in a folder of the checkout. */
export async function testFiles(folder: string): Promise<TestFile[]> {
  const files = [];
  for await (const { name } of Deno.readDir(`${ROOT}/${folder}`)) {
    if (!name.endsWith("_test.ts")) continue;
    const path = `${folder}/${name}`;
    files.push({ path, size: (await Deno.stat(`${ROOT}/${path}`)).size });
  }
  return files.sort((a, b) => a.path < b.path ? -1 : 1);
}

/**
 * Runs a test file; a file of `tests/lab` or `tests/engines` runs in the lab.
 *
 * @param words The arguments of the lab, before `--`.
 */
async function runFile(
  { path, size }: TestFile,
  words: string[],
  stage: StageRun,
): Promise<FileResult> {
  using _slot = await stage.slot(path, isSlow(path) ? LONG + size : size);
  const start = performance.now();
  const test = ["test", "-A", "--no-check", "--cached-only", path];
  const needs = labWords(path);
  const result = await deno(
    needs ? ["run", "-A", "lab/main.ts", ...words, ...needs, "--", "deno", ...test] : test,
  );
  const seconds = (performance.now() - start) / 1000;
  durations.push({ path, seconds });
  const text = `${result.output.trimEnd()}\n(${path}: ${seconds.toFixed(1)} s)\n`;
  return { count: countTests(result), text };
}

/**
 * Whether a file takes long for its size: every test of the lab's engines boots a kernel, and Docker
 * needs a slow kernel.
 */
function isSlow(path: string): boolean {
  return SLOW_FILES.test(path) || /^tests\/(lab_engine\/|engines\/docker)/.test(path);
}

/** A test file, and its size in bytes. */
export interface TestFile {
  path: string;
  size: number;
}

/**
 * A stage that runs test files side by side. It prints the output of a file when the file and all
 * files before it have finished.
 *
 * @param words The arguments of the lab for the files of `tests/lab`, before `--`.
 */
export function files(name: string, find: () => Promise<TestFile[]>, words: string[] = []): Stage {
  const run = async (stage: StageRun) => {
    const files = await find();
    // The lab has no network, so cache the imports of the files first.
    const { ok, output } = await deno(["cache", "--quiet", ...files.map(({ path }) => path)]);
    if (!ok) stage.line(output);
    const results = files.map((file) =>
      // If a file cannot be started, only that file fails.
      runFile(file, words, stage).catch((error): FileResult => ({
        count: ONE_FAILED,
        text: `${file.path}: ${error}`,
      }))
    );
    const total: Count = { passed: 0, failed: 0 };
    for (const result of results) {
      const { count, text } = await result;
      stage.line(text);
      total.passed += count.passed;
      total.failed += count.failed;
    }
    return total;
  };
  return { name, run };
}

/**
 * A stage that runs scenarios and counts their statements. A false statement counts as failed, and
 * if all scenarios run, also one that none of them covered.
 *
 * @param words The arguments of the lab.
 * @param areAll Whether all scenarios run.
 */
export function scenarios(name: string, words: string[] = [], areAll = true): Stage {
  const run = async (stage: StageRun) => {
    using _slot = await stage.slot(name, LONG);
    const report = await Deno.makeTempFile({ suffix: ".json" });
    try {
      const command = ["run", "-A", "lab/main.ts", ...words, "--json", report];
      const { ok } = await deno(command, { live: stage });
      const text = await Deno.readTextFile(report);
      if (text === "") return ONE_FAILED;
      const { held, failed, uncovered } = JSON.parse(text).statements;
      const count = { passed: held, failed: failed + (areAll ? uncovered : 0) };
      return ok || count.failed > 0 ? count : { ...count, failed: 1 };
    } finally {
      await Deno.remove(report);
    }
  };
  return { name, run };
}

/** The errors of failed stages. They are printed again at the end, where a reader looks first. */
const errors: string[] = [];

/** The duration of each test file. */
const durations: { path: string; seconds: number }[] = [];

/** The number of slowest files to list. */
const LISTED = 10;

/**
 * Runs stages side by side, prints their output one after another, and ends this process. The last
 * lines name the files that took longest, and count all tests.
 */
export async function runStages(stages: readonly Stage[]): Promise<never> {
  using _signals = onSignals(["SIGINT", "SIGTERM", "SIGHUP"], endAll);
  const { available } = Deno.systemMemoryInfo();
  const slots = new Slots(Math.max(1, Math.min(AT_ONCE, Math.floor(available / 2 ** 20 / ROOM))));
  const runs = stages.map(({ name, run }) => {
    const stage = new StageRun(slots);
    return { name, stage, ended: runStage(run, stage) };
  });
  const total: Count = { passed: 0, failed: 0 };
  const failedStages: string[] = [];
  for (const { name, stage, ended } of runs) {
    console.log(`== ${name}`);
    stage.open();
    const { passed, failed, seconds } = await ended;
    stage.line(`== ${name}: ${failed === 0 ? "passed" : "FAILED"} in ${seconds.toFixed(1)} s\n`);
    total.passed += passed;
    total.failed += failed;
    if (failed > 0) failedStages.push(name);
  }
  const slowest = durations.sort((a, b) => b.seconds - a.seconds).slice(0, LISTED);
  if (slowest.length > 0) console.log("The slowest files:");
  for (const { path, seconds } of slowest) {
    console.log(`${seconds.toFixed(1).padStart(7)} s  ${path}`);
  }
  for (const error of errors) console.log(`${error}\n`);
  if (failedStages.length > 0) console.log(`Failed: ${failedStages.join(", ")}`);
  console.log(`${total.passed} passed, ${total.failed} failed`);
  Deno.exit(total.failed === 0 ? 0 : 1);
}

/** Runs a stage. If it throws, it has failed, and its error is printed. */
async function runStage(
  run: Stage["run"],
  stage: StageRun,
): Promise<Count & { seconds: number }> {
  try {
    return { ...await run(stage), seconds: stage.seconds };
  } catch (error) {
    stage.line(error instanceof Error ? error.stack ?? error.message : String(error));
    return { ...ONE_FAILED, seconds: stage.seconds };
  }
}
