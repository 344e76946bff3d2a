import { assertEquals } from "@std/assert";
import { errorLines, forEachName, LAB_HINT, usageError } from "../../../lib/cli/errors.ts";
import type { Context } from "../../../lib/cli/command.ts";
import { errorOf, IpvlanError } from "../../../lib/base/errors.ts";
import { assertRejectsError } from "../../kit/errors.ts";

Deno.test("an error that the machine is at fault for points to the lab, any other does not", async () => {
  const other = new IpvlanError("network-not-found", { network: "web", known: [] });
  assertEquals(await errorLines(other), [other.message]);
  assertEquals(await errorLines(errorOf([other, other])), [other.message, other.message]);
  for (
    const error of [
      new IpvlanError("kernel-too-old", { release: "4.1.52" }),
      new IpvlanError("missing-module", { module: "ipvlan" }),
      new IpvlanError("missing-rights", { reason: "Operation not permitted" }),
    ]
  ) {
    assertEquals(error.message.includes("lab"), false);
    assertEquals(await errorLines(error), [error.message, LAB_HINT]);
    assertEquals(await errorLines(errorOf([other, error, error])), [
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
  const interruption = new IpvlanError("interrupted");
  const run = (name: string) => {
    if (name === "b") throw usageError("ipvlan x", ["It is wrong"]);
    if (name === "c") interrupt.abort(interruption);
    done.push(name);
  };
  assertEquals(await forEachName(["a", "b"], context, run), 1);
  assertEquals(lines.splice(0), ["It is wrong", 'See "ipvlan x --help"']);
  await assertRejectsError(() => forEachName(["c", "d"], context, run), "interrupted");
  assertEquals([done, lines], [["a", "c"], []]);
  // The driver fails with the reason, too. That is said once, and not for each name.
  const fail = () => Promise.reject(interruption);
  await assertRejectsError(() => forEachName(["a"], { ...context }, fail), "interrupted");
  assertEquals(lines, []);
});
