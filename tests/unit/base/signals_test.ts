import { assertEquals } from "@std/assert";
import { exitStatusOf } from "../../../lib/base/signals.ts";

const MODULE = new URL("../../../lib/base/signals.ts", import.meta.url).href;

/**
 * Runs a script with `Interrupt` and `send`, which sends the script itself a signal and waits until
 * it was heard. A process of its own, as SIGINT ends a run of tests.
 */
async function script(text: string): Promise<{ signal: Deno.Signal | null; out: string }> {
  const whole = `import { Interrupt, onSignals } from ${JSON.stringify(MODULE)};
    const send = async (signal) => {
      const heard = Promise.withResolvers();
      // Listeners are called in the order in which they were added, so this one is called last.
      using _listener = onSignals([signal], () => heard.resolve());
      Deno.kill(Deno.pid, signal);
      await heard.promise;
    };
    ${text}`;
  const args = ["eval", "--no-check", "--cached-only", whole];
  const { signal, stdout } = await new Deno.Command(Deno.execPath(), { args }).output();
  return { signal, out: new TextDecoder().decode(stdout).trim() };
}

Deno.test("exitStatusOf() is 128 and the signal's number", () => {
  assertEquals((["SIGHUP", "SIGINT", "SIGTERM"] as const).map(exitStatusOf), [129, 130, 143]);
});

for (const [signal, status] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]] as const) {
  Deno.test(`${signal} aborts an interrupt, whose exit status is the first signal's`, async () => {
    const { out } = await script(`using interrupt = new Interrupt({ reason: "told to end" });
      console.log(interrupt.signal.aborted, interrupt.status);
      await send("${signal}");
      await send("${signal === "SIGINT" ? "SIGTERM" : "SIGINT"}");
      console.log(interrupt.signal.reason, interrupt.status);`);
    assertEquals(out, `false undefined\ntold to end ${status}`);
  });
}

Deno.test("an interrupt leaves out the signal that is for another program", async () => {
  const { out } = await script(`using interrupt = new Interrupt({ except: "SIGINT" });
    await send("SIGINT");
    console.log(interrupt.status);
    await send("SIGTERM");
    console.log(interrupt.status);`);
  assertEquals(out, "undefined\n143");
});

Deno.test("an interrupt tells of a later signal, and not of one that comes at once", async () => {
  const { out } = await script(`let now = 0;
    performance.now = () => now;
    using interrupt = new Interrupt({ again: (status) => console.log("again", status) });
    await send("SIGINT");
    now = 999;
    await send("SIGINT");
    console.log("a second later");
    now = 1000;
    await send("SIGTERM");`);
  assertEquals(out, "a second later\nagain 130");
});

Deno.test("after an interrupt is disposed of, a signal ends the program again", async () => {
  const { signal } = await script(`{ using _interrupt = new Interrupt(); }
    Deno.kill(Deno.pid, "SIGTERM");
    await new Promise((resolve) => setTimeout(resolve, 60_000));`);
  assertEquals(signal, "SIGTERM");
});
