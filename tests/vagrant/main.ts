/**
 * `deno task test:vagrant`: tests the Vagrant lab with real virtual machines. It runs as root on
 * Debian, in software emulation, and needs a network only for packages. It builds a box, starts
 * machines with libvirt, runs every scenario in one machine and the examples of two hosts in two,
 * destroys the machines, and checks that nothing is left. The last line is the count:
 * `N passed, N failed`.
 *
 * Except for building the box, everything runs in fresh namespaces with private folders of libvirt
 * and Vagrant. It neither sees nor changes other machines of the user.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import { LabError } from "../../lab/errors.ts";
import { Interrupt } from "../../lib/base/signals.ts";
import { findOrBuildBox } from "./box.ts";
import { Checks, PROJECT, sh } from "./checks.ts";
import { install } from "./packages.ts";
import { snapshot } from "./snapshot.ts";

const INSIDE = fileURLToPath(new URL("inside.ts", import.meta.url));
const SANDBOX = fileURLToPath(new URL("sandbox.sh", import.meta.url));

/** Runs the whole test. Resolves to whether all checks passed. */
async function main(): Promise<boolean> {
  if (Deno.build.os !== "linux" || Deno.uid() !== 0) {
    throw new LabError("Run this test as root on Debian: it installs packages and mounts folders");
  }
  const started = Date.now();
  const checks = new Checks(started);
  await install(checks.say);
  const file = await findOrBuildBox(checks.say);
  // The namespaces have no network, so cache the imports of the scenarios and the test first.
  await sh(`"$1" cache --quiet scenarios/main.ts cli.ts "$2"`, Deno.execPath(), INSIDE);

  const before = await snapshot();
  const state = await Deno.makeTempDir({ prefix: "ipvlan-vagrant-" });
  try {
    const { code } = await runInside(state, file, `${started}`);
    await checks.add(state);
    await checks.that("the part in namespaces succeeded", () => {
      if (code !== 0) throw new Error(`It ended with status ${code}`);
    });
  } finally {
    await Deno.remove(state, { recursive: true });
  }
  await checks.that("outside, nothing is left and nothing has changed", async () => {
    assertEquals(await snapshot(), before);
  });
  return checks.end();
}

/** Runs `inside.ts` in new namespaces. If this process dies, everything in them dies, too. */
async function runInside(...args: string[]): Promise<Deno.CommandStatus> {
  using interrupt = new Interrupt();
  const { DENO_DIR, XDG_CACHE_HOME, HOME } = Deno.env.toObject();
  const child = new Deno.Command("setpriv", {
    args: [
      ...["--pdeathsig", "KILL", "unshare", "--net", "--mount", "--pid", "--fork"],
      ...["--kill-child", "--mount-proc", "sh", SANDBOX, args[0]!, PROJECT],
      ...[Deno.execPath(), "run", "-A", "--cached-only", INSIDE, ...args],
    ],
    env: {
      NO_COLOR: "1",
      DENO_NO_UPDATE_CHECK: "1",
      DENO_DIR: DENO_DIR ?? `${XDG_CACHE_HOME ?? `${HOME}/.cache`}/deno`,
    },
    stdin: "null",
  }).spawn();
  interrupt.signal.addEventListener("abort", () => child.kill("SIGKILL"));
  const status = await child.status;
  if (interrupt.signal.aborted) throw new LabError("The test was interrupted");
  return status;
}

try {
  Deno.exit(await main() ? 0 : 1);
} catch (error) {
  if (!(error instanceof LabError)) throw error;
  console.error(error.message);
  console.log("0 passed, 1 failed");
  Deno.exit(1);
}
