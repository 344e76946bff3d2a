import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { Ip } from "../../lib/iproute2/ip.ts";
import { kernelFacts } from "../../lib/iproute2/kernel.ts";
import { hangingProgram } from "../kit/hanging_program.ts";
import { inEnv, run, unloadModule } from "../kit/processes.ts";
import { assertError } from "../kit/errors.ts";

const NONE = { ipvlan: undefined, vlan: undefined, dummy: undefined };

/** The names of all namespaces. */
async function names(): Promise<string[]> {
  await using host = await Ip.open();
  return await host.netns.list();
}

Deno.test("a kernel with all modules has no problem, and nothing is left of the trial", async () => {
  const before = await names();
  const facts = await kernelFacts();
  assertEquals(facts.problems, NONE);
  assertEquals(facts.release, (await run("uname", "-r")).stdout.trim());
  assertEquals(await names(), before);
});

Deno.test("a signal ends the trial of the kernel, and nothing is left of it", async () => {
  const before = await names();
  await using hanging = await hangingProgram("ip", '*"-n probe-"*');
  using _path = inEnv("PATH", hanging.path);
  const abort = new AbortController();
  const facts = kernelFacts({ signal: abort.signal });
  await hanging.hangs();
  const reason = new Error("Enough");
  abort.abort(reason);
  assertStrictEquals(await assertRejects(() => facts), reason);
  assertEquals(await names(), before);
});

Deno.test("a kernel without a module names it, and the others still work", async () => {
  const modprobe = await Deno.readTextFile("/proc/sys/kernel/modprobe");
  // The kernel would load the module by itself.
  await Deno.writeTextFile("/proc/sys/kernel/modprobe", "\n");
  try {
    await unloadModule("ipvlan");
    const { problems } = await kernelFacts();
    assertError(problems.ipvlan, "missing-module");
    assertEquals(problems.ipvlan.module, "ipvlan");
    assertEquals({ ...problems, ipvlan: undefined }, NONE);
  } finally {
    await Deno.writeTextFile("/proc/sys/kernel/modprobe", modprobe);
  }
  assertEquals((await kernelFacts()).problems, NONE, "it is loaded again when it is needed");
});

Deno.test("a caller without rights gets an error that says so, and nothing is left", async () => {
  const facts = "import { kernelFacts } from './lib/iproute2/kernel.ts';" +
    "const { problems } = await kernelFacts();" +
    "console.log(Object.values(problems).map((p) => `${p?.code}: ${p?.message}`).join('\\n'));";
  const before = await names();
  // Root without a single capability, as another user may not be allowed to run this very program.
  const { stdout, stderr } = await run(
    ...["setpriv", "--bounding-set=-all", "--inh-caps=-all"] as const,
    ...[Deno.execPath(), "eval", "--no-check", facts],
  );
  const lines = stdout.trim().split("\n");
  assertEquals(lines.length, 3, stderr);
  for (const line of lines) {
    assert(line.startsWith("missing-rights"), line);
    assert(line.includes("not permitted"), line);
  }
  assertEquals(await names(), before);
});
