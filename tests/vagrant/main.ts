/**
 * `deno task test:vagrant`: the Vagrant lab, truly brought up. As root on Debian, in software
 * emulation, without a network but for packages: builds a box, brings machines up with libvirt, runs
 * every scenario in one and the examples of two hosts in two, destroys them, and sees that nothing
 * is left. The last line counts it: `N passed, N failed`.
 *
 * Everything but the building of the box happens in namespaces of its own, in which the folders of
 * libvirt and of Vagrant are private ones: no other machine of the user's is seen or touched.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import { LabError } from "../../lab/errors.ts";
import { Interrupt } from "../../lib/signals.ts";
import { box } from "./box.ts";
import { Checks, PROJECT, sh } from "./checks.ts";
import { install } from "./packages.ts";
import { snapshot } from "./snapshot.ts";

const INSIDE = fileURLToPath(new URL("inside.ts", import.meta.url));
const SANDBOX = fileURLToPath(new URL("sandbox.sh", import.meta.url));

/** Runs all of it. Resolves to whether everything held. */
async function main(): Promise<boolean> {
  if (Deno.build.os !== "linux" || Deno.uid() !== 0) {
    throw new LabError("This test is for root on Debian: it installs packages, and mounts folders");
  }
  const started = Date.now();
  const checks = new Checks(started);
  await install(checks.say);
  const file = await box(checks.say);
  // There is no network inside: what the scenarios and the test import has to be there before.
  await sh(`"$1" cache --quiet scenarios/main.ts cli.ts "$2"`, Deno.execPath(), INSIDE);

  const before = await snapshot();
  const state = await Deno.makeTempDir({ prefix: "ipvlan-vagrant-" });
  try {
    const { code } = await runInside(state, file, `${started}`);
    await checks.add(state);
    await checks.that("the part inside came to its end", () => {
      if (code !== 0) throw new Error(`It ended with status ${code}`);
    });
  } finally {
    await Deno.remove(state, { recursive: true });
  }
  await checks.that("nothing is left outside, and nothing there has changed", async () => {
    assertEquals(await snapshot(), before);
  });
  return checks.end();
}

/** Runs `inside.ts` in new namespaces; it dies with them, and they with us. */
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
