import { assertEquals } from "@std/assert";
import type { Diagnosis } from "../../../lib/doctor/mod.ts";
import { toText } from "../../../lib/doctor/diagnosis.ts";

const DIAGNOSES: Diagnosis[] = [
  { level: "ok", subject: "kernel", what: "6.1.0" },
  { level: "warning", subject: "cloud", what: "A cloud", fix: "leave it" },
  { level: "broken", subject: "module ipvlan", what: "None", fix: "modprobe ipvlan" },
];

Deno.test("the columns are aligned, and what to do is below what was found", () => {
  assertEquals(
    toText(DIAGNOSES, false),
    `\
ok       kernel         6.1.0
warning  cloud          A cloud
                        → leave it
broken   module ipvlan  None
                        → modprobe ipvlan

1 broken, 1 warning`,
  );
  assertEquals(
    toText(DIAGNOSES.slice(0, 1), false),
    "ok       kernel  6.1.0\n\nipvlan works here",
  );
});

Deno.test("colours are only where they were asked for", () => {
  assertEquals(
    toText(DIAGNOSES.slice(2), true),
    `\
\x1b[31mbroken \x1b[0m  module ipvlan  None
                        → modprobe ipvlan

\x1b[31m1 broken, 0 warnings\x1b[0m`,
  );
  const last = (...diagnoses: Diagnosis[]) => toText(diagnoses, true).split("\n").at(-1);
  assertEquals(last(DIAGNOSES[1]!), "\x1b[33m0 broken, 1 warning\x1b[0m");
  assertEquals(last(DIAGNOSES[0]!), "\x1b[32mipvlan works here\x1b[0m");
});

Deno.test("text from outside is escaped and stays on its line", () => {
  const forged = "eth0\n\x1b[32mok\x1b[0m       parent eth0  All is well";
  const shown = toText([{ level: "broken", subject: "parent", what: forged, fix: forged }], true);
  assertEquals(shown.split("\n").length, 4);
  const plain = shown.replaceAll("\x1b[31m", "").replaceAll("\x1b[0m", "");
  assertEquals(plain.includes("\x1b"), false);
});
