/**
 * What `deno task test` and `deno task test:kernels` are made of: stages that are counted.
 *
 * @module
 */
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { exists } from "../lab/machine.ts";
import { withShare } from "../lab/run_folder.ts";
import { showProgress } from "../scenarios/kit/progress.ts";

/** What one stage counted. */
export interface Count {
  passed: number;
  failed: number;
}

/** One stage: a name, and what runs it. */
export interface Stage {
  name: string;
  run: () => Promise<Count>;
}

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const ONE_PASSED: Count = { passed: 1, failed: 0 };
const ONE_FAILED: Count = { passed: 0, failed: 1 };

/** Runs Deno, in the checkout by default; its output is passed on as it comes where `live`, and kept. */
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
  }).spawn();
  const output: Uint8Array[] = [];
  const collect = async (stream: ReadableStream<Uint8Array>, to: typeof Deno.stdout) => {
    for await (const chunk of stream) {
      output.push(chunk);
      if (live) await to.write(chunk);
    }
  };
  await Promise.all([collect(child.stdout, Deno.stdout), collect(child.stderr, Deno.stderr)]);
  const { success } = await child.status;
  return { ok: success, output: await new Blob(output as Uint8Array<ArrayBuffer>[]).text() };
}

/** A check that holds or does not; what it printed is shown when it does not. */
export function check(name: string, args: string[]): Stage {
  return { name, run: async () => checked(await deno(args, false)) };
}

function checked({ ok, output }: { ok: boolean; output: string }): Count {
  if (!ok) console.log(output.trimEnd());
  return ok ? ONE_PASSED : ONE_FAILED;
}

/**
 * What would be published. `deno publish` refuses a link into a folder that it leaves out, as
 * `offline/` is, so it runs in a copy of the checkout whose links lead back here.
 */
export function published(): Stage {
  const run = () =>
    withShare(async (copy) => {
      await copyCheckout(copy);
      const config = JSON.parse(await Deno.readTextFile(`${copy}/deno.json`));
      const links = config.links.map((link: string) => `${ROOT}/${link}`);
      await Deno.writeTextFile(`${copy}/deno.json`, JSON.stringify({ ...config, links }));
      return checked(await deno(["publish", "--dry-run", "--allow-dirty"], false, copy));
    });
  return { name: "what would be published", run };
}

/** Copies the files of the checkout, those that git has and those that it would take. */
export async function copyCheckout(folder: string): Promise<void> {
  const { success, stdout } = await new Deno.Command("git", {
    args: ["ls-files", "-z", "--cached", "--others", "--exclude-standard"],
    cwd: ROOT,
    stderr: "inherit",
  }).output();
  if (!success) throw new Error("Cannot copy the checkout: git does not list its files");
  const paths = new TextDecoder().decode(stdout).split("\0");
  // Git lists also what was removed since.
  for (const path of paths.filter((path) => path !== "" && exists(`${ROOT}/${path}`))) {
    await Deno.mkdir(dirname(`${folder}/${path}`), { recursive: true });
    await Deno.copyFile(`${ROOT}/${path}`, `${folder}/${path}`);
  }
}

/** Tests, counted by the runner's own closing line. A run without one has failed as a whole. */
function countOf({ ok, output }: { ok: boolean; output: string }): Count {
  const [, passed, failed] = /^(?:ok|FAILED) \| (\d+) passed.* \| (\d+) failed/m.exec(output) ?? [];
  if (passed === undefined) return ONE_FAILED;
  const count = { passed: Number(passed), failed: Number(failed) };
  const error = /^ ERRORS ?$[^]*(?=^ FAILURES ?$)/m.exec(output)?.[0].slice(" ERRORS ".length);
  if (error !== undefined) errors.push(error.trim());
  // A leak or an error outside any test fails the run without failing a test.
  return ok || count.failed > 0 ? count : { ...count, failed: 1 };
}

/** Tests that run here. */
export function tests(name: string, args: string[]): Stage {
  return { name, run: async () => countOf(await deno(["test", "-A", ...args], true)) };
}

/** How many files of tests run at once: a test waits half of the time. */
const FILES_AT_ONCE = 2 * navigator.hardwareConcurrency;
/** MiB of free memory that each is given room for. */
const FILE_MEMORY = 1024;

/**
 * The kernel modules that a file of tests needs, beside those that the lab always looks for. The
 * lab takes a kernel that has them, or fails and says which one is missing.
 */
const NEEDED_MODULES: Readonly<Record<string, readonly string[]>> = {
  "tests/lab/iproute2_link_test.ts": ["bonding", "ipvtap", "macvlan", "macvtap", "vrf", "vxlan"],
};

/** What the tests of a file came to, and what they printed. */
interface FileResult {
  count: Count;
  text: string;
}

/** The files of tests in a folder of the checkout, with their sizes in bytes. */
export async function testFiles(folder: string): Promise<TestFile[]> {
  const files = [];
  for await (const { name } of Deno.readDir(`${ROOT}/${folder}`)) {
    if (!name.endsWith("_test.ts")) continue;
    const path = `${folder}/${name}`;
    files.push({ path, size: (await Deno.stat(`${ROOT}/${path}`)).size });
  }
  return files.sort((a, b) => a.path < b.path ? -1 : 1);
}

/** Runs the tests of a file: those in `tests/lab` in a lab of their own, started with these words. */
async function runFile(path: string, words: string[]): Promise<FileResult> {
  const start = performance.now();
  const test = ["test", "-A", "--no-check", "--cached-only", path];
  const needs = (NEEDED_MODULES[path] ?? []).flatMap((module) => ["--needs", module]);
  const result = await deno(
    path.startsWith("tests/lab/")
      ? ["run", "-A", "lab/main.ts", ...words, ...needs, "--", "deno", ...test]
      : test,
    false,
  );
  const text = `${result.output.trimEnd()}\n(${path}: ${secondsSince(start)} s)\n`;
  return { count: countOf(result), text };
}

/** A file of tests, and its size in bytes. */
export interface TestFile {
  path: string;
  size: number;
}

/**
 * Files of tests, several at once. They are shown in their order, each as soon as it is through and
 * those before it have been shown.
 *
 * @param words What the lab is started with for those in `tests/lab`.
 */
export function files(name: string, find: () => Promise<TestFile[]>, words: string[] = []): Stage {
  const run = async () => {
    const files = await find();
    // There is no network inside: what they import has to be there before.
    const { ok, output } = await deno(
      ["cache", "--quiet", ...files.map(({ path }) => path)],
      false,
    );
    if (!ok) console.log(output);
    const results = new Map(files.map(({ path }) => [path, Promise.withResolvers<FileResult>()]));
    // Large files take long as a rule, and one that begins last is waited for. Those of the lab
    // itself boot a kernel in every test.
    const isFirst = ({ path }: TestFile) => path.startsWith("tests/lab_engine/") ? 1 : 0;
    const waiting = files.toSorted((a, b) => isFirst(b) - isFirst(a) || b.size - a.size);
    const running = new Set<string>();
    const next = async () => {
      for (let file = waiting.shift(); file; file = waiting.shift()) {
        running.add(file.path);
        showProgress(`${waiting.length} files wait; running: ${[...running].join(", ")}`);
        results.get(file.path)!.resolve(await runFile(file.path, words));
        running.delete(file.path);
      }
    };
    const { available } = Deno.systemMemoryInfo();
    const atOnce = Math.min(FILES_AT_ONCE, Math.floor(available / 2 ** 20 / FILE_MEMORY));
    const all = Promise.all(Array.from({ length: Math.max(1, atOnce) }, next));
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
 * The scenarios, counted by statement: one that did not hold or was not covered has failed.
 *
 * @param words What the lab is started with.
 */
export function scenarios(name: string, words: string[] = []): Stage {
  const run = async () => {
    const report = await Deno.makeTempFile({ suffix: ".json" });
    try {
      const { ok } = await deno(["run", "-A", "lab/main.ts", ...words, "--json", report], true);
      const text = await Deno.readTextFile(report);
      if (text === "") return ONE_FAILED;
      const { held, failed, uncovered } = JSON.parse(text).statements;
      const count = { passed: held, failed: failed + uncovered };
      return ok || count.failed > 0 ? count : { ...count, failed: 1 };
    } finally {
      await Deno.remove(report);
    }
  };
  return { name, run };
}

/** What the stages that failed said of it: said again at the end, where it is looked for. */
const errors: string[] = [];

/** Runs stages one after another, and ends this process. */
export async function runStages(stages: readonly Stage[]): Promise<never> {
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
