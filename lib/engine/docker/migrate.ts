// Moves a network of Docker's own driver `ipvlan` to this plugin, or puts everything back.
import { dirname } from "node:path";
import type { EngineDriver } from "../../driver/mod.ts";
import { failureOf, IpvlanError, throwProblems } from "../../base/errors.ts";
import { statOf } from "../../base/files.ts";
import { atOnce } from "../../base/waiting.ts";
import { readMessage } from "../json.ts";
import { change, DOCKER_SOCKET, get, readNetworks } from "./api.ts";
import {
  decideMigration,
  DOCKERS,
  type Migration,
  notMigrated,
  readContainer,
  readMigration,
  type Step,
  stepsTo,
} from "./migration.ts";
import { SOCKET } from "./handlers.ts";
import { PLUGIN_NAME } from "../plugins.ts";
import { readContainerIds } from "./users.ts";

/** How long Docker may take to show something, in milliseconds: it shows no container in its start. */
const PATIENCE = 60_000;

const AT_ONCE = 8;

interface MigrateOptions {
  /** Checks the network that the plugin is to have. */
  driver: Pick<EngineDriver, "listNetworks" | "problemsOf">;
  /** The file that keeps what was before, from the first change to the last. */
  path: string;
  /** Gets the lines of Docker's command, instead of running them. */
  dryRun?: (line: string) => void;
  signal: AbortSignal;
}

/** Migrates a network, or puts all back after a kill. An error says what is not as before. */
export async function migrate(
  asked: string,
  { driver, path, dryRun, signal }: MigrateOptions,
): Promise<void> {
  using file = dryRun ? undefined : lock(asked, path);
  const killed = readKilled(asked, path);
  const { migration, steps, failure: reason } = killed
    ? await recover(asked, killed)
    : await decide(asked, driver);
  if (!file) return steps.forEach(({ line }) => dryRun?.(line));
  if (!killed) keep(file, path, migration);
  const failure = killed ? reason : await runAll(steps, signal);
  const end = failure && await putBack(migration, failure, killed !== undefined);
  file.truncateSync();
  if (end) throw notMigrated(migration.network.Name, end);
}

interface Decision {
  migration: Migration;
  steps: Step[];
  /** Why everything is put back. */
  failure?: string;
}

/** Decides what to do after a migration that was killed: nothing if it was complete. */
async function recover(asked: string, killed: Migration): Promise<Decision> {
  const { Name, Id } = killed.network;
  if (Name !== asked && !Id.startsWith(asked)) {
    throw notMigrated(asked, `that of ${Name} was killed: run ipvlan docker migrate ${Name} first`);
  }
  const rest = await stepsFrom(killed, PLUGIN_NAME);
  if (rest.length === 0) return { migration: killed, steps: rest };
  const steps = await stepsFrom(killed, DOCKERS, true);
  return { migration: killed, steps, failure: "the last attempt was killed" };
}

/** Puts everything back. Resolves to the failure and to what has become of it. */
async function putBack(migration: Migration, failure: string, wasKilled: boolean): Promise<string> {
  const { Name } = migration.network;
  let steps: Step[] = [];
  const obstacle = await failureOf(async () => {
    steps = await stepsFrom(migration, DOCKERS, wasKilled);
  }) ?? await runAll(steps.filter(({ isStart }) => !isStart));
  if (obstacle) {
    const advice = `run ipvlan docker migrate ${Name} to put the rest back`;
    throw notMigrated(Name, `${failure}; not everything is as before (${obstacle}): ${advice}`);
  }
  const ends = [`${failure}; everything is as before`];
  // One that does not start should keep no other from it.
  for (const step of steps.filter(({ isStart }) => isStart)) ends.push(await runAll([step]) ?? "");
  return ends.filter((each) => each !== "").join(", but ");
}

/** Runs steps up to the first that Docker refuses. Resolves to that step and the reason. */
async function runAll(steps: readonly Step[], signal?: AbortSignal): Promise<string | undefined> {
  for (const { line, calls } of steps) {
    if (signal?.aborted) return "it was interrupted";
    const failures = await Promise.all(
      calls.map(({ path, ...request }) => change(DOCKER_SOCKET, path, request)),
    );
    const failure = failures.find((each) => each !== undefined);
    if (failure !== undefined) return `${line}: ${failure}`;
  }
}

async function decide(asked: string, driver: MigrateOptions["driver"]): Promise<Decision> {
  const networks = await listNetworks();
  const ids = readContainerIds(await ask("/containers/json?all=true"));
  const containers = await inspect(ids);
  const ours = driver.listNetworks();
  const { migration, spec, problems } = decideMigration(asked, networks, containers, ours);
  try {
    (await Deno.connect({ transport: "unix", path: SOCKET })).close();
  } catch {
    const reason = `the plugin is not at ${SOCKET}: run ipvlan docker install first`;
    problems.unshift(notMigrated(migration.network.Name, reason));
  }
  throwProblems([...problems, ...await driver.problemsOf([spec])]);
  return { migration, steps: stepsTo(PLUGIN_NAME, migration, networks, containers) };
}

async function stepsFrom(migration: Migration, driver: string, wasKilled = false) {
  const containers = await inspect(migration.containers.map(({ Id }) => Id));
  return stepsTo(driver, migration, await listNetworks(), containers, wasKilled);
}

const listNetworks = async () => readMessage(readNetworks, await ask("/networks"));

/** Asks for containers. Those that do not exist are left out. */
async function inspect(ids: readonly string[]) {
  const bodies = await atOnce(AT_ONCE, ids, (id) => ask(`/containers/${id}/json`));
  return bodies.flatMap((body) => body === undefined ? [] : [readMessage(readContainer, body)]);
}

const ask = (path: string) => get(DOCKER_SOCKET, path, AbortSignal.timeout(PATIENCE));

function lock(asked: string, path: string): Deno.FsFile {
  const file = writing(path, () => Deno.openSync(path, { write: true, create: true, mode: 0o600 }));
  if (file.tryLockSync(true)) return file;
  file.close();
  throw notMigrated(asked, "another migration is running: wait until it has ended");
}

/** Keeps a migration on the disk. The last line break shows that it was written whole. */
function keep(file: Deno.FsFile, path: string, migration: Migration): void {
  writing(path, () => {
    file.truncateSync();
    const bytes = new TextEncoder().encode(`${JSON.stringify(migration)}\n`);
    for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
    file.syncSync();
    using folder = Deno.openSync(dirname(path));
    folder.syncSync();
  });
}

function writing<T>(path: string, run: () => T): T {
  try {
    return run();
  } catch (cause) {
    const { message: reason } = cause as Error;
    throw new IpvlanError("unwritable-file", { path, reason }, { cause });
  }
}

function readKilled(asked: string, path: string): Migration | undefined {
  const text = statOf(path) ? Deno.readTextFileSync(path) : "";
  // One that was not written whole has changed nothing.
  if (!text.endsWith("\n")) return undefined;
  try {
    return readMessage(readMigration, JSON.parse(text));
  } catch (error) {
    const reason = `the file ${path} of the last attempt is damaged: ${(error as Error).message}`;
    throw notMigrated(asked, reason);
  }
}
