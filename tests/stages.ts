/**
 * The stages of `deno task test` and `deno task test:kernels`. Each stage counts its tests.
 *
 * @module
 */
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { exists } from "../lab/machine.ts";
import { withRunFolder } from "../lab/run_folder.ts";
import { type EndingSignal, exitStatusOf, onSignals } from "../lib/base/signals.ts";
import { showProgress } from "../scenarios/kit/report/progress.ts";

/** How many tests of a stage passed and failed. */
export interface Count {
  passed: number;
  failed: number;
}

/** A stage: its name, and the function that runs it. */
export interface Stage {
  name: string;
  run: () => Promise<Count>;
}

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const ONE_PASSED: Count = { passed: 1, failed: 0 };
const ONE_FAILED: Count = { passed: 0, failed: 1 };

/** The processes that run, each the first of a process group of its own. */
const children = new Set<Deno.ChildProcess>();

/** Ends what runs, labs included, and then this process. */
async function endAll(signal: EndingSignal): Promise<never> {
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
 * @param live Whether to print the output, too, as it comes.
 * @param cwd The folder to run it in; the checkout by default.
 */
async function deno(
  args: string[],
  live: boolean,
  cwd = ROOT,
): Promise<{ ok: boolean; output: string }> {
  const child = new Deno.Command(Deno.execPath(), {
    args,
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
      if (live) await to.write(chunk);
    }
  };
  await Promise.all([collect(child.stdout, Deno.stdout), collect(child.stderr, Deno.stderr)]);
  const { success } = await child.status;
  children.delete(child);
  return { ok: success, output: await new Blob(output as Uint8Array<ArrayBuffer>[]).text() };
}

/** A stage that runs one Deno command. Its output is printed only if it fails. */
export function check(name: string, args: string[]): Stage {
  return { name, run: async () => toCount(await deno(args, false)) };
}

/** Counts a command as one test. Prints its output if it failed. */
function toCount({ ok, output }: { ok: boolean; output: string }): Count {
  if (!ok) console.log(output.trimEnd());
  return ok ? ONE_PASSED : ONE_FAILED;
}

/**
 * A stage that checks the package to publish. `deno publish` refuses links into `offline/`, because
 * this folder is not published. So it runs in a copy of the checkout whose links lead back here.
 */
export function published(): Stage {
  const run = () =>
    withRunFolder(async (copy) => {
      await copyCheckout(copy);
      const config = JSON.parse(await Deno.readTextFile(`${copy}/deno.json`));
      const links = config.links.map((link: string) => `${ROOT}/${link}`);
      await Deno.writeTextFile(`${copy}/deno.json`, JSON.stringify({ ...config, links }));
      return toCount(await deno(["publish", "--dry-run", "--allow-dirty"], false, copy));
    });
  return { name: "the package to publish", run };
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

/** A stage that runs tests in one process, on this machine's kernel. */
export function tests(name: string, args: string[]): Stage {
  return { name, run: async () => countTests(await deno(["test", "-A", ...args], true)) };
}

/** How many test files run at once. A test waits half of the time. */
const FILES_AT_ONCE = 2 * navigator.hardwareConcurrency;
/** MiB of free memory that each is given room for. */
const FILE_MEMORY = 1024;

/** The file that takes longest: it makes every line of the driver fail, one after another. */
const SLOWEST = "tests/lab/driver_failure_test.ts";

/**
 * The kernel modules that a file of tests needs, beside those that the lab always looks for. The
 * lab takes a kernel that has them, or fails and says which one is missing.
 */
const NEEDED_MODULES: Readonly<Record<string, readonly string[]>> = {
  "tests/lab/driver_refusal_test.ts": ["bonding", "macvlan", "sit", "vrf"],
  "tests/lab/iproute2_link_test.ts": ["bonding", "ipvtap", "macvlan", "macvtap", "vrf", "vxlan"],
};

/**
 * Matches a file of tests of a real engine. Its name begins with the programs that the lab brings along:
 * `docker26+systemd`.
 */
const ENGINE_FILE = /^tests\/engines\/([a-z]+\d*(?:\+[a-z]+\d*)*)(?:_\w+)?_test\.ts$/;

/** The arguments of the lab that a file of tests needs; `undefined` if it does not run in the lab. */
function labWords(path: string): string[] | undefined {
  const programs = ENGINE_FILE.exec(path)?.[1];
  if (programs !== undefined) return ["--with", programs.replaceAll("+", ",")];
  if (!path.startsWith("tests/lab/")) return undefined;
  return (NEEDED_MODULES[path] ?? []).flatMap((module) => ["--needs", module]);
}

/** What the tests of a file came to, and what they printed. */
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
async function runFile(path: string, words: string[]): Promise<FileResult> {
  const start = performance.now();
  const test = ["test", "-A", "--no-check", "--cached-only", path];
  const needs = labWords(path);
  const result = await deno(
    needs ? ["run", "-A", "lab/main.ts", ...words, ...needs, "--", "deno", ...test] : test,
    false,
  );
  const text = `${result.output.trimEnd()}\n(${path}: ${secondsSince(start)} s)\n`;
  return { count: countTests(result), text };
}

/** A test file, and its size in bytes. */
export interface TestFile {
  path: string;
  size: number;
}

/**
 * A stage that runs test files, several at once. It prints the output of a file when the file and
 * all files before it have finished.
 *
 * @param words The arguments of the lab for the files of `tests/lab`, before `--`.
 */
export function files(name: string, find: () => Promise<TestFile[]>, words: string[] = []): Stage {
  const run = async () => {
    const files = await find();
    // The lab has no network, so cache the imports of the files first.
    const { ok, output } = await deno(
      ["cache", "--quiet", ...files.map(({ path }) => path)],
      false,
    );
    if (!ok) console.log(output);
    const results = new Map(files.map(({ path }) => [path, Promise.withResolvers<FileResult>()]));
    // Start slow files first, so that none of them runs alone at the end. Large files are usually
    // slow, but every test of the lab's engines boots a kernel, and Docker needs a slow kernel.
    const priority = ({ path }: TestFile) =>
      path === SLOWEST || /^tests\/(lab_engine\/|engines\/docker)/.test(path) ? 1 : 0;
    const queue = files.toSorted((a, b) => priority(b) - priority(a) || b.size - a.size);
    const running = new Set<string>();
    const runQueue = async () => {
      for (let file = queue.shift(); file; file = queue.shift()) {
        running.add(file.path);
        showProgress(`${queue.length} files to go; running: ${[...running].join(", ")}`);
        results.get(file.path)!.resolve(await runFile(file.path, words));
        running.delete(file.path);
      }
    };
    const { available } = Deno.systemMemoryInfo();
    const atOnce = Math.min(FILES_AT_ONCE, Math.floor(available / 2 ** 20 / FILE_MEMORY));
    const all = Promise.all(Array.from({ length: Math.max(1, atOnce) }, runQueue));
    const total: Count = { passed: 0, failed: 0 };
    for (const { promise } of results.values()) {
      const { count, text } = await promise;
      showProgress("");
      console.log(text);
      total.passed += count.passed;
      total.failed += count.failed;
    }
    await all;
    return total;
  };
  return { name, run };
}

function secondsSince(start: number): string {
  return ((performance.now() - start) / 1000).toFixed(1);
}

/**
 * A stage that runs scenarios and counts their statements. A statement that did not hold has failed,
 * and if all scenarios run, so has one that none of them covered.
 *
 * @param words The arguments of the lab.
 * @param areAll Whether all scenarios run.
 */
export function scenarios(name: string, words: string[] = [], areAll = true): Stage {
  const run = async () => {
    const report = await Deno.makeTempFile({ suffix: ".json" });
    try {
      const { ok } = await deno(["run", "-A", "lab/main.ts", ...words, "--json", report], true);
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

/** Runs stages one after another, and ends this process. */
export async function runStages(stages: readonly Stage[]): Promise<never> {
  using _signals = onSignals(["SIGINT", "SIGTERM", "SIGHUP"], endAll);
  const total: Count = { passed: 0, failed: 0 };
  const failedStages: string[] = [];
  for (const { name, run } of stages) {
    console.log(`== ${name}`);
    const start = performance.now();
    const { passed, failed } = await run();
    console.log(`== ${name}: ${failed === 0 ? "passed" : "FAILED"} in ${secondsSince(start)} s\n`);
    total.passed += passed;
    total.failed += failed;
    if (failed > 0) failedStages.push(name);
  }
  for (const error of errors) console.log(`${error}\n`);
  if (failedStages.length > 0) console.log(`Failed: ${failedStages.join(", ")}`);
  console.log(`${total.passed} passed, ${total.failed} failed`);
  Deno.exit(total.failed === 0 ? 0 : 1);
}
