/**
 * `deno task mutate`: breaks the code of a room at one place at a time, and looks whether the room's
 * unit tests notice.
 *
 * @module
 */
import { readCommandLine } from "../../lib/base/command_line.ts";
import { exitStatusOf, onSignals } from "../../lib/base/signals.ts";
import { showProgress } from "../../scenarios/kit/report/progress.ts";
import { exists } from "../../lab/machine.ts";
import { Random } from "../attack/random.ts";
import { copyCheckout } from "../stages.ts";

const HELP = `Break code at one place at a time, and see whether the unit tests notice.

Usage:
  deno task mutate [--count N] [--seed N] PATH...

PATH is a folder or a file of lib/: "ipam", "driver/network", "driver/calls.ts". Its tests are those in the
folder of tests/unit/ with the same name, or else the one above it, and all that import one of its files.
What they did not notice is printed, and the last line has the counts.

Only code that decides is broken. Left out are the async functions of rooms that use the kernel: they do
what other functions decide, and tests/lab/ tests them. In base, claims, ipam and template, which know no
kernel, all code counts. Texts are not broken.

Options:
  --count N   places to draw for each path; all if there are fewer; default: 100
  --seed N    the seed of the draw; default: 1
  -h, --help  print this
`;

const OPTIONS = [
  { name: "count", value: "N" },
  { name: "seed", value: "N" },
  { name: "help", short: "h" },
] as const;

/** Copies of the checkout in which places are broken at once. */
const COPIES = navigator.hardwareConcurrency;
/** Tests that take so many times as long as those of whole code hang: they have noticed. */
const HANGING = 5;

/** A place of a file, and what breaks it. */
interface Place {
  /** Its path in the checkout. */
  path: string;
  line: number;
  start: number;
  end: number;
  text: string;
}

/** Runs Deno in a copy of the checkout, at most for a while, in milliseconds. */
async function deno(
  folder: string,
  args: string[],
  patience?: number,
): Promise<{ ok: boolean; output: string }> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd: folder,
    env: { NO_COLOR: "1" },
    stdin: "null",
    ...(patience !== undefined && { signal: AbortSignal.timeout(patience) }),
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { ok: success, output: args[0] === "lint" ? text(stdout) : text(stdout) + text(stderr) };
}

/** Finds the places of a path of `lib/` where it decides, and counts the others. */
async function findPlaces(
  folder: string,
  path: string,
): Promise<{ places: Place[]; others: number }> {
  const lint = ["lint", "--json", "--config", "tests/mutate/lint.json", `lib/${path}`];
  const { output } = await deno(folder, lint);
  const { diagnostics } = JSON.parse(output) as {
    diagnostics: { filename: string; range: { start: { line: number } }; message: string }[];
  };
  const places = diagnostics.flatMap(({ filename, range, message }) => {
    const [start, end, text, decides] = JSON.parse(message) as [number, number, string, boolean];
    const path = filename.slice(filename.indexOf("/lib/") + 1);
    return decides ? [{ path, line: range.start.line, start, end, text }] : [];
  });
  return { places, others: diagnostics.length - places.length };
}

/** The tests of a path. */
interface Tests {
  /** Those in the nearest folder with its name. */
  own: readonly string[];
  /** The others that import a file of it. */
  others: readonly string[];
}

/** Finds the tests of a path. */
function testsOf(path: string, checkout = "."): Tests {
  const files: string[] = [];
  const find = (folder: string) => {
    for (const { name, isDirectory } of Deno.readDirSync(`${checkout}/${folder}`)) {
      if (isDirectory) find(`${folder}/${name}`);
      else if (name.endsWith("_test.ts")) files.push(`${folder}/${name}`);
    }
  };
  find("tests/unit");
  const words = path.replace(/\.ts$/, "").split("/");
  let own: string[] = [];
  for (; own.length === 0 && words.length > 0; words.pop()) {
    const name = `tests/unit/${words.join("/")}`;
    own = files.filter((file) => file === `${name}_test.ts` || file.startsWith(`${name}/`));
  }
  const others = files.filter((file) => {
    const text = Deno.readTextFileSync(`${checkout}/${file}`);
    return !own.includes(file) &&
      text.includes(`/lib/${path}${path.endsWith(".ts") ? '"' : "/"}`);
  });
  return { own, others };
}

/** Runs tests in a copy of the checkout until one fails. */
function test(folder: string, files: readonly string[], patience?: number) {
  return deno(
    folder,
    ["test", "-A", "--no-check", "--cached-only", "--fail-fast", ...files],
    patience,
  );
}

/** Breaks a place, and returns the text that was there if the tests did not notice. */
async function breakOne(
  folder: string,
  place: Place,
  { own, others }: Tests,
  patience: number,
): Promise<string | undefined> {
  const file = `${folder}/${place.path}`;
  const whole = Deno.readTextFileSync(file);
  Deno.writeTextFileSync(file, whole.slice(0, place.start) + place.text + whole.slice(place.end));
  try {
    // Those that import the file notice most.
    const name = place.path.slice(place.path.lastIndexOf("/"));
    const isNear = (test: string) =>
      Deno.readTextFileSync(`${folder}/${test}`).includes(`${name}"`);
    const near = own.filter(isNear);
    const far = [...own.filter((test) => !near.includes(test)), ...others];
    for (const files of [near, far]) {
      if (files.length > 0 && !(await test(folder, files, patience)).ok) return undefined;
    }
    return whole.slice(place.start, place.end);
  } finally {
    Deno.writeTextFileSync(file, whole);
  }
}

/** Breaks some places of a path, and prints what was not noticed. Resolves to the counts. */
async function breakSome(
  folders: readonly string[],
  path: string,
  { count, random }: { count: number; random: Random },
): Promise<{ noticed: number; tried: number }> {
  const tests = testsOf(path, folders[0]);
  const start = performance.now();
  const { ok, output } = await test(folders[0]!, [...tests.own, ...tests.others]);
  const patience = HANGING * (performance.now() - start);
  if (!ok) throw new Error(`The tests fail before anything is broken:\n${output}`);
  const { places: all, others } = await findPlaces(folders[0]!, path);
  const drawn: Place[] = [];
  while (drawn.length < count && all.length > 0) {
    drawn.push(...all.splice(random.below(all.length), 1));
  }
  let noticed = 0;
  const queue = [...drawn];
  await Promise.all(folders.map(async (folder) => {
    for (let place = queue.shift(); place; place = queue.shift()) {
      showProgress(`${path}: ${queue.length} places to go`);
      const text = await breakOne(folder, place, tests, patience);
      if (text === undefined) noticed++;
      else {
        const line = `  ${place.path}:${place.line}: ${text}  →  ${place.text}`;
        showProgress("");
        console.log(line.replaceAll(/\s*\n\s*/g, " "));
      }
    }
  }));
  showProgress("");
  const [found, left] = [drawn.length + all.length, others > 0 ? `; ${others} others do` : ""];
  console.log(
    `${path}: ${noticed} of ${drawn.length} noticed (${found} places decide${left})`,
  );
  return { noticed, tried: drawn.length };
}

const line = readCommandLine(OPTIONS, Deno.args);
const count = Number(line.value("count") ?? 100);
const seed = Number(line.value("seed") ?? 1);
const problems = [...line.problems];
if (!(Number.isInteger(count) && count > 0)) {
  problems.push("The option --count takes a whole number above 0");
}
if (!Number.isInteger(seed)) problems.push("The option --seed takes a whole number");
for (const path of line.words) {
  if (!exists(`lib/${path}`)) problems.push(`lib/${path} does not exist`);
  else if (testsOf(path).own.length === 0) problems.push(`lib/${path} has no unit tests`);
}
if (line.words.length === 0) problems.push("A path of lib/ is expected");
if (line.on("help")) {
  console.log(HELP.trimEnd());
  Deno.exit(0);
}
if (problems.length > 0) {
  for (const problem of problems) console.error(`mutate: ${problem}`);
  Deno.exit(2);
}

const whole = Deno.makeTempDirSync({ prefix: "ipvlan-mutate-" });
const removeAll = () => Deno.removeSync(whole, { recursive: true });
using _signals = onSignals(["SIGINT", "SIGTERM", "SIGHUP"], (signal) => {
  removeAll();
  Deno.exit(exitStatusOf(signal));
});
try {
  const folders = Array.from({ length: COPIES }, (_, index) => `${whole}/${index}`);
  for (const folder of folders) await copyCheckout(folder);
  const total = { noticed: 0, tried: 0 };
  for (const path of line.words) {
    const { noticed, tried } = await breakSome(folders, path, { count, random: new Random(seed) });
    total.noticed += noticed;
    total.tried += tried;
  }
  console.log(`${total.noticed} of ${total.tried} noticed (seed ${seed})`);
} finally {
  removeAll();
}
