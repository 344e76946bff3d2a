import { assertEquals, assertRejects } from "@std/assert";
import { errorLines, forEachName, LAB_HINT, UsageError } from "../../../lib/cli/errors.ts";
import type { Context } from "../../../lib/cli/command.ts";
import { NetworkNotFoundError } from "../../../lib/driver/model/errors.ts";
import { InterruptedError, ProblemsError } from "../../../lib/base/errors.ts";
import {
  KernelTooOldError,
  MissingModuleError,
  MissingRightsError,
} from "../../../lib/iproute2/kernel.ts";

Deno.test("an error that the machine is at fault for points to the lab, any other does not", async () => {
  const other = new NetworkNotFoundError("web", []);
  assertEquals(await errorLines(other), [other.message]);
  assertEquals(await errorLines(new ProblemsError([other, other])), [other.message, other.message]);
  for (
    const error of [
      new KernelTooOldError("4.1.52"),
      new MissingModuleError("ipvlan"),
      new MissingRightsError("Operation not permitted"),
    ]
  ) {
    assertEquals(error.message.includes("lab"), false);
    assertEquals(await errorLines(error), [error.message, LAB_HINT]);
    assertEquals(await errorLines(new ProblemsError([other, error, error])), [
      other.message,
      error.message,
      error.message,
      LAB_HINT,
    ]);
  }
});

Deno.test("forEachName() goes on after an error, not after a signal", async () => {
  const interrupt = new AbortController();
  const lines: string[] = [];
  const context = {
    warn: (line: string) => lines.push(line),
    interrupted: interrupt.signal,
  } as unknown as Context;
  const done: string[] = [];
  const interruption = new InterruptedError();
  const run = (name: string) => {
    if (name === "b") throw new UsageError("ipvlan x", ["It is wrong"]);
    if (name === "c") interrupt.abort(interruption);
    done.push(name);
  };
  assertEquals(await forEachName(["a", "b"], context, run), 1);
  assertEquals(lines.splice(0), ["It is wrong", 'See "ipvlan x --help"']);
  await assertRejects(() => forEachName(["c", "d"], context, run), InterruptedError);
  assertEquals([done, lines], [["a", "c"], []]);
  // The driver fails with the reason, too. That is said once, and not for each name.
  const fail = () => Promise.reject(interruption);
  await assertRejects(() => forEachName(["a"], { ...context }, fail), InterruptedError);
  assertEquals(lines, []);
});
