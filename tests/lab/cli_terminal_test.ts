import { assertEquals } from "@std/assert";
import { Job, runJob, succeeds } from "../kit/command.ts";
import { commandHost } from "../kit/worlds.ts";

/** A host with a network `n` and a sandbox `c`. */
async function hostWithSandbox(): Promise<AsyncDisposable> {
  await using undo = new AsyncDisposableStack();
  undo.use(await commandHost());
  await succeeds("network", "create", "--subnet", "10.9.0.0/24", "n");
  await succeeds("run", "-d", "--net", "n", "--name", "c");
  return undo.move();
}

Deno.test("SIGUSR1 opens no debugger, and programs in a sandbox have the signal as it was", async () => {
  await using _host = await hostWithSandbox();
  // A socket that listens at 127.0.0.1:9229 (proc(5)).
  const isOpen = async () =>
    / 0100007F:240D 00000000:0000 0A /.test(await Deno.readTextFile("/proc/net/tcp"));
  const hasSignal = (status: string, what: string) =>
    (BigInt(`0x${new RegExp(`^${what}:\\s*(\\S+)`, "m").exec(status)![1]}`) >> 9n & 1n) === 1n;
  // Deno by itself opens one, as soon as it listens for the signal.
  {
    await using plain = new Job([], {
      under: [Deno.execPath(), "eval", "setInterval(Date, 1e6)", "--"],
    });
    while (!hasSignal(await Deno.readTextFile(`/proc/${plain.pid}/status`), "SigCgt"));
    plain.kill("SIGUSR1");
    while (!await isOpen());
  }
  await using job = new Job(["exec", "c", "sh", "-c", "echo begun >&2; sleep 2; exit 7"]);
  await job.line(/begun/);
  let hasEnded = false;
  job.ended.then(() => hasEnded = true);
  while (!hasEnded) {
    assertEquals(await isOpen(), false);
    try {
      job.kill("SIGUSR1");
    } catch {
      // It has ended.
    }
  }
  assertEquals((await job.ended).status, 7);
  await succeeds("run", "-d", "--net", "n", "--name", "d", "cat", "/proc/self/status");
  const { out } = await runJob(["exec", "c", "cat", "/proc/self/status"]);
  await succeeds("wait", "d");
  for (const status of [out, await succeeds("logs", "d")]) {
    for (const what of ["SigBlk", "SigIgn", "SigCgt"]) {
      assertEquals([what, hasSignal(status, what)], [what, false]);
    }
  }
});
