// Where `deno task mutate` breaks code.
import { assertEquals } from "@std/assert";
import places from "../mutate/places.ts";

Deno.test("code is broken at operators, tests, numbers, truths and calls, and not in types or texts", () => {
  const code = `
    type One = 1;
    export function f(list: number[], name?: string): string {
      if (list.length > 2 && !ready()) list.push(3);
      log(true ? "a" + name : name ?? "b");
      return "x" + list[0]! * 1_000;
    }`;
  const broken = Deno.lint.runPlugin(places, "x.ts", code).map(({ message }) => {
    const [start, end, text] = JSON.parse(message);
    return `${code.slice(start, end)} → ${text}`;
  });
  assertEquals(
    broken.sort(),
    [
      "!ready() → ready()",
      "0 → 1",
      "1_000 → 1001",
      "2 → 3",
      "3 → 4",
      "list.length > 2 && !ready() → list.length > 2 || !ready()",
      "list.length > 2 → list.length >= 2",
      "list.push(3); → ;",
      "list[0]! * 1_000 → list[0]! + 1_000",
      'log(true ? "a" + name : name ?? "b"); → ;',
      'name ?? "b" → name',
      "true → !(true)",
      "true → false",
    ].sort(),
  );
});

Deno.test("an async function decides only in a room that knows no kernel", () => {
  const code = "const a = 1; async function f() { await g(() => 2); } const h = () => { f(); };";
  const deciding = (file: string) =>
    Deno.lint.runPlugin(places, file, code).map(({ message }) => JSON.parse(message))
      .filter(([, , , decides]) => decides).map(([start, end]) => code.slice(start, end));
  assertEquals(deciding("/x/lib/driver/network/x.ts"), ["1", "f();"]);
  assertEquals(deciding("/x/lib/claims/x.ts"), ["1", "await g(() => 2);", "2", "f();"]);
});
